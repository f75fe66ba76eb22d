"""Records in etcd, by its v3 API.

The only writer holds the key <path>/lock, bound to a lease that a thread keeps alive; when its process dies, etcd
removes the key after the lease's time. Each write is one transaction on the condition that the key is the one that we
created, and in the version that we know; it also counts that version up. So neither a second scheduler nor a write of
our own that was given up for lost and arrives late can undo a newer one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from calico_dcos.scheduler import StoreError, StoreHeldError, StoreRefusedError

from .etcd_client import CALL_TIMEOUT_S, EtcdAddress, EtcdClient, EtcdError, LockKey, TooLargeError
from .parts import Limit

log = logging.getLogger(__name__)

LEASE_S = 10
POLL_S = 0.2
MAX_WRITE_TRIES = 3


class EtcdRecords:
    """Records below one path.

    Args:
        prefix: the path, with a leading and without a trailing slash.
        label: the store's URL without secrets, for messages.
        lease_s: how long the lock outlives its holder.
        call_timeout_s: how long one endpoint may take to answer.
    """

    limit = Limit(records=100, bytes=1_000_000)  # etcd takes 128 changes and 1.5 MiB; the lock and the frame count too

    def __init__(
        self,
        *,
        address: EtcdAddress,
        prefix: str,
        label: str,
        lease_s: int = LEASE_S,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._connect = partial(EtcdClient, address=address, timeout_s=call_timeout_s)
        self._client = self._connect()
        self._lock_name = f"{prefix}/lock"
        self._records_prefix = f"{prefix}/records/"
        self._label = label
        self._lease_s = lease_s
        self._lease: KeptLease | None = None
        self._lock: LockKey | None = None

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Create the lock, waiting for another one to disappear."""
        deadline = time.monotonic() + timeout_s
        with self._telling_errors():
            self._drop_lease()
            self._lease = KeptLease(client=self._connect(), lease_s=self._lease_s, label=self._label)
            while True:
                lock = self._client.create_lock(self._lock_name, holder, self._lease.id)
                if lock.lease == self._lease.id:
                    self._lock = lock
                    return
                if time.monotonic() >= deadline:
                    self._drop_lease()
                    raise StoreHeldError(f"store {self._label} is held by {lock.holder}")
                time.sleep(POLL_S)

    def read(self) -> Mapping[str, bytes]:
        """Read all records."""
        with self._telling_errors():
            return self._client.read_prefix(self._records_prefix)

    def write(self, changes: Mapping[str, bytes | None]) -> None:
        """Write in one transaction; again if an earlier one of ours turns out to have arrived after all."""
        keys = {self._records_prefix + key: value for key, value in changes.items()}
        for _ in range(MAX_WRITE_TRIES):
            if self._lock is None:
                break
            with self._telling_errors():
                was_done, found = self._client.write(lock=self._lock_name, expected=self._lock, changes=keys)
            if found is None or found.lease != self._lock.lease:
                self._lock = None
                break
            self._lock = found
            if was_done:
                return
        raise StoreHeldError(f"store {self._label}: the lock was lost; nothing was written")

    def close(self) -> None:
        """Give up lock and connection."""
        self._drop_lease()
        self._client.close()

    def _drop_lease(self) -> None:
        self._lock = None
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    @contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except TooLargeError as error:
            remedy = "see etcd's --max-request-bytes"
            raise StoreRefusedError(f"store {self._label} does not take it: {error}; {remedy}") from error
        except EtcdError as error:
            remedy = "see that etcd runs there, or set another store URL"
            if "database space exceeded" in str(error):
                remedy = "etcd keeps history: compact, defragment, then disarm its NOSPACE alarm"
            raise StoreError(f"store {self._label} cannot be reached: {error}; {remedy}") from error


class KeptLease:
    """A lease that a thread keeps alive until it is closed.

    Args:
        client: a connection of its own.
        lease_s: how long the lease lives if it is not kept alive.
        label: the store's URL without secrets, for messages.

    Raises:
        EtcdError: etcd grants none.
    """

    def __init__(self, *, client: EtcdClient, lease_s: int, label: str) -> None:
        self._client = client
        self._lease_s = lease_s
        self._label = label
        self._closing = threading.Event()
        self.id = self._client.grant_lease(lease_s)
        self._thread = threading.Thread(target=self._keep_alive, name="etcd lease", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the lease back, and with it the lock; if etcd does not answer, it ends by itself."""
        self._closing.set()
        self._thread.join()
        try:
            self._client.revoke_lease(self.id)
        except EtcdError as error:
            log.info("Left the lock of store %s to run out in %d s: %s", self._label, self._lease_s, error)
        self._client.close()

    def _keep_alive(self) -> None:
        """Prolong the lease three times in its life; that it is lost shows when the next batch is refused."""
        while not self._closing.wait(self._lease_s / 3):
            try:
                if not self._client.keep_lease_alive(self.id):
                    log.error("Lost the lock of store %s: its lease ran out", self._label)
                    return
            except EtcdError as error:
                log.warning("Cannot prolong the lock of store %s: %s", self._label, error)
