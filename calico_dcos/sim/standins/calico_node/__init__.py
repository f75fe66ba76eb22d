"""A stand-in for the image calico/node that tells the truth: it says, writes and refuses what the real one was seen to.

One program for two worlds. On a simulated host it is a process of the Docker stand-in (`simulated`), whose services are
threads; in a container of a real Docker (`real`) its services are processes below runit, and BIRD and iptables are the
real ones. What differs between the two is behind `ground`; all else is shared. The recordings that it was written after
are in tests/contract/recordings/calico. But for what is `simulated`, it imports the standard library and itself alone:
the image holds no more.
"""
