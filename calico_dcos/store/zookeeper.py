"""Records in ZooKeeper: one node each, below <path>/records.

The only writer holds the node <path>/lock, which ZooKeeper removes when its session expires. Beside it, <path>/seal
bears the writer's mark, and its version counts writes. Each write is one transaction on the condition that the lock is
there and the seal is in the version that we know; it also counts that version up. A new writer puts a mark of its own
on the seal. So neither a scheduler that was asleep nor a write that was given up for lost and arrives late can undo a
newer one; and a scheduler whose session expired writes nothing any more, even if nobody took its place.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from urllib.parse import quote, unquote

from calico_dcos.scheduler import StoreError, StoreHeldError, StoreRefusedError

from .parts import Limit
from .zookeeper_client import CALL_TIMEOUT_S, Outcome, Seal, ZooKeeperAddress, ZooKeeperClient, ZooKeeperError

SESSION_S = 10.0
POLL_S = 0.2
MAX_TRIES = 5
MAX_RECORD_BYTES = 1_000_000
"""ZooKeeper ends the connection on which more than 1 MiB comes, and that looks like a failure of the network."""


class ZooKeeperRecords:
    """Records below one path.

    Args:
        prefix: the path, with a leading and without a trailing slash.
        label: the store's URL without secrets, for messages.
        session_s: how long the lock outlives its holder.
        call_timeout_s: how long ZooKeeper may take to answer.
    """

    # ZooKeeper keeps its last 500 writes in memory, whatever their size: with 700 kB each, one of 512 MB died.
    limit = Limit(records=500, bytes=200_000)

    def __init__(
        self,
        *,
        address: ZooKeeperAddress,
        prefix: str,
        label: str,
        session_s: float = SESSION_S,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._connect = partial(ZooKeeperClient, address=address, session_s=session_s, call_timeout_s=call_timeout_s)
        self._client = self._connect()
        self._lock_path = f"{prefix}/lock"
        self._seal_path = f"{prefix}/seal"
        self._records_path = f"{prefix}/records"
        self._label = label
        self._seal: Seal | None = None
        self._names: frozenset[str] | None = None

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Create the lock, waiting for another one to disappear, and put our mark on the seal."""
        deadline = time.monotonic() + timeout_s
        with self._telling_errors():
            self._give_lock_back()
            for path in (self._records_path, self._seal_path):
                self._client.ensure_path(path)
            while (other := self._client.create_lock(self._lock_path, holder)) is not None:
                if time.monotonic() >= deadline:
                    raise StoreHeldError(f"store {self._label} is held by {other}")
                time.sleep(POLL_S)
            seal = self._client.break_seal(self._seal_path, str(uuid.uuid4()))
            # The session may have expired in between, and another scheduler have come.
            if self._client.create_lock(self._lock_path, holder) is not None:
                raise StoreHeldError(f"store {self._label}: the lock was lost at once; start again")
            self._seal = seal

    def read(self) -> Mapping[str, bytes]:
        """Read all records; again if somebody wrote meanwhile."""
        with self._telling_errors():
            self._client.ensure_path(self._records_path)
            self._client.ensure_path(self._seal_path)
            for _ in range(MAX_TRIES):
                before = self._client.read_seal(self._seal_path)
                found = self._client.read_children(self._records_path)
                if self._client.read_seal(self._seal_path) == before:
                    return {unquote(name): content for name, content in found.items()}
        raise StoreError(f"store {self._label}: another scheduler writes to it all the time; stop it first")

    def write(self, changes: Mapping[str, bytes | None]) -> None:
        """Write in one transaction; again if an earlier one of ours turns out to have arrived after all."""
        nodes = {quote(key, safe=""): content for key, content in changes.items()}
        self._require_size(nodes)
        for _ in range(MAX_TRIES):
            if self._seal is None:
                break
            with self._telling_errors():
                if self._try_to_write(nodes):
                    return
        self._seal = None
        raise StoreHeldError(f"store {self._label}: the lock was lost; nothing was written")

    def close(self) -> None:
        """Give up lock and session."""
        with suppress(ZooKeeperError):
            self._give_lock_back()
        self._client.close()

    def _try_to_write(self, nodes: Mapping[str, bytes | None]) -> bool:
        """Write once; what stood in the way is looked at, so that the next try knows better."""
        known, seal = self._names, self._seal
        if seal is None:
            return False
        # If the answer gets lost, it is not known what is there.
        self._names = None
        if known is None:
            known = self._client.list_children(self._records_path)
        outcome = self._client.write(
            lock=self._lock_path,
            seal_path=self._seal_path,
            seal=seal,
            path=self._records_path,
            changes=nodes,
            known=known,
        )
        match outcome:
            case Outcome.DONE:
                self._seal = Seal(seal.text, seal.version + 1)
                removed = {name for name, content in nodes.items() if content is None}
                self._names = (known | nodes.keys()) - removed
            case Outcome.SEAL_DIFFERS:
                found = self._client.read_seal(self._seal_path)
                self._seal = found if found.text == seal.text else None
            case Outcome.LOCK_IS_GONE:
                self._seal = None
            case Outcome.NODES_DIFFER:
                pass
        return outcome is Outcome.DONE

    def _give_lock_back(self) -> None:
        if self._seal is not None:
            self._seal = None
            self._client.close()
            self._client = self._connect()

    def _require_size(self, nodes: Mapping[str, bytes | None]) -> None:
        for name, content in nodes.items():
            if content is not None and len(content) > MAX_RECORD_BYTES:
                raise StoreRefusedError(
                    f"store {self._label}: record {unquote(name)} has {len(content)} bytes, ZooKeeper takes 1 MiB"
                )

    @contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except ZooKeeperError as error:
            raise StoreError(
                f"store {self._label} cannot be reached: {error}; "
                "see that ZooKeeper runs there, or set another store URL"
            ) from error
