"""The connectivity test on a host: what serves, what probes, and what is left of both swept away.

A workload on the CNI network cannot reach the scheduler, so it only serves: its peer over TCP, and over a unix socket,
which works across network namespaces, the probe on its own host, for which it sends packets.
"""
