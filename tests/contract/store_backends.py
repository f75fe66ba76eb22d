"""The backends that the store's contract is tested on.

Run as a program with a URL and the size of a batch, it writes numbered batches until it is killed.
"""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from calico_dcos.core.memory import Batch
from calico_dcos.core.model import Agent
from calico_dcos.scheduler import Store, StoreError, StoreHeldError
from calico_dcos.store.etcd import EtcdRecords
from calico_dcos.store.etcd_client import EtcdAddress, EtcdClient
from calico_dcos.store.records import RecordStore
from calico_dcos.store.urls import open_store
from calico_dcos.store.zookeeper import ZooKeeperRecords
from calico_dcos.store.zookeeper_client import ZooKeeperAddress, ZooKeeperClient

if TYPE_CHECKING:
    from tests.contract.real_etcd import RealEtcd
    from tests.contract.real_zookeeper import RealZooKeeper

LEASE_S = 5
"""Longer than a store may be away in a test, and than a busy machine lets a process wait."""


class Backend(Protocol):
    """What the tests do to a store from outside."""

    url: str

    def open(self) -> Store:
        """Build a store, as another process would."""

    def break_lock(self) -> None:
        """Take the lock away from its holder, behind its back."""

    def suspend(self) -> None:
        """Make writing impossible, for a time shorter than a lease."""

    def resume(self) -> None:
        """Make writing possible again."""


class SqliteBackend:
    """A file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "state.db"
        self.url = f"sqlite://{self._path}"
        self._intruder: sqlite3.Connection | None = None

    def open(self) -> Store:
        return open_short_lease(self.url)

    def break_lock(self) -> None:
        Path(f"{self._path}.lock").unlink()

    def suspend(self) -> None:
        self._intruder = sqlite3.connect(self._path, isolation_level=None)
        self._intruder.execute("BEGIN IMMEDIATE")

    def resume(self) -> None:
        assert self._intruder is not None
        self._intruder.close()


class EtcdBackend:
    """A path in a real etcd."""

    def __init__(self, etcd: RealEtcd, path: str) -> None:
        self._etcd = etcd
        self._path = path
        self.url = f"etcd://{etcd.endpoint}{path}"

    def open(self) -> Store:
        return open_short_lease(self.url)

    def break_lock(self) -> None:
        client = EtcdClient(address=EtcdAddress(find_endpoints=lambda: [self._etcd.endpoint]))
        found = client.create_lock(f"{self._path}/lock", "nobody", 0)
        client.revoke_lease(found.lease)
        client.close()

    def suspend(self) -> None:
        self._etcd.suspend()

    def resume(self) -> None:
        self._etcd.resume()


class ZooKeeperBackend:
    """A path in a real ZooKeeper."""

    def __init__(self, zookeeper: RealZooKeeper, path: str) -> None:
        self._zookeeper = zookeeper
        self._path = path
        self.url = f"zk://{zookeeper.endpoint}{path}"

    def open(self) -> Store:
        return open_short_lease(self.url)

    def break_lock(self) -> None:
        client = ZooKeeperClient(address=ZooKeeperAddress(self._zookeeper.endpoint), session_s=LEASE_S)
        client.delete(f"{self._path}/lock")
        client.close()

    def suspend(self) -> None:
        self._zookeeper.suspend()

    def resume(self) -> None:
        self._zookeeper.resume()


def open_short_lease(url: str) -> Store:
    """Open a store as the program does, only with a lease that tests have the patience for."""
    parts = urlsplit(url)
    if parts.scheme == "zk":
        return RecordStore(label=url, records=build_zookeeper_records(parts.netloc, parts.path, label=url))
    if parts.scheme != "etcd":
        return open_store(url)
    address = EtcdAddress(find_endpoints=lambda: [parts.netloc])
    records = EtcdRecords(address=address, prefix=parts.path, label=url, lease_s=LEASE_S)
    return RecordStore(label=url, records=records)


def build_zookeeper_records(hosts: str, path: str, *, label: str = "x") -> ZooKeeperRecords:
    return ZooKeeperRecords(address=ZooKeeperAddress(hosts), prefix=path, label=label, session_s=LEASE_S)


def build_agents(count: int, number: int) -> tuple[Agent, ...]:
    """Agents that all bear the same number."""
    return tuple(Agent(key=f"h{i}", agent_id="S", hostname=f"h{i}", first_seen_at=float(number)) for i in range(count))


def start_writer(url: str, batch_size: int) -> subprocess.Popen[str]:
    """Start a process that writes numbered batches, and prints each number when it is saved."""
    command = [sys.executable, __file__, url, str(batch_size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def write_for_ever(url: str, batch_size: int) -> None:
    store = open_short_lease(url)
    store.acquire("the writer", 0)
    for number in itertools.count(1):
        store.save(Batch(agents=build_agents(batch_size, number)))
        print(number, flush=True)


if __name__ == "__main__":
    write_for_ever(sys.argv[1], int(sys.argv[2]))


def save_until_answered(store: Store, batch: Batch) -> None:
    """Save as the scheduler does: again as long as the store is away.

    Raises:
        StoreHeldError: the lock was lost, which no second try mends.
    """
    deadline = time.monotonic() + 60.0
    while True:
        try:
            return store.save(batch)
        except StoreHeldError:
            raise
        except StoreError:
            assert time.monotonic() < deadline, "the store never answered"
            time.sleep(0.1)
