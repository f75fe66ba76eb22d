"""Real hosts on one machine: systemd, Docker and etcd behind DNS SRV, in namespaces of their own.

The contract of this package: what it starts ends with the process that started it, even if that is killed; what it
writes lies below one directory of the cache, but for cgroups, which go with the site that made them; of the machine's
network, mounts and name service it changes nothing.

    needs     what the machine must offer
    command   one command run to its end
    image     the root file system that hosts share
    site      the namespaces in which servers and hosts live
    host      one booted host
    servers   DNS with SRV records, etcd, files over HTTP
    stand_ins what cannot be had here: the CNI plugins, DC/OS' files
    calico_image the image calico/node, of parts of the hosts' root and the program that stands in
    by_hand   the installer run on a host without a scheduler
    cluster   a simulated Mesos master, agents as units of hosts, the scheduler's process
    sight     what tests read off a host
"""
