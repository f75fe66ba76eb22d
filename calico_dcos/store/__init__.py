"""Remembers what must outlive the process; the URL decides where.

A backend knows nothing of agents, the codec nothing of backends:

- urls: what a store URL says, and opening the store that it names
- records: records by key, from and to Memory and Batch; the one class that is a Store to the scheduler
- fitting: records cut down to what a backend takes
- parts: batches larger than what a backend writes at once
- codec: values from and to JSON, pure
- upgrades: what the release before stored
- sqlite, etcd, zookeeper: the backends, which keep the records and the lock
- etcd_client, zookeeper_client: how their servers are spoken to
- srv: how etcd is found by DNS
"""
