"""Talks to Mesos: dictionaries of its v1 API become our values here, and travel no further.

- translate, tasks, calls: pure; what Mesos says to values, values to what Mesos is told
- subscription: pymesos, hardened
- driver: the Driver that the scheduler uses, over a subscription
- master: where the master is, and whether it is there
- roster: who exists, asked of the master
"""
