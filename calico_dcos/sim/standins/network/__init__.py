"""The network between the workloads of simulated hosts: the CNI plugins, and wires in the place of veths and routes.

A workload has an address of its own on the loopback, 127.N.H.W (cluster N, host H, workload W), at which its wire takes
connections; the wire is a process that the plugin starts at ADD and ends at DEL. It knows its peer by the source
address, and passes on what the network would, to a second address at which the workload really listens (W + 128). What
it lets pass follows from the policies in etcd, and from the faults that a test has written (`faults`).

The stand-ins of `ping` and `ip` tell what a workload, or the host, sees of all this.
"""
