"""The few calls to ZooKeeper that the store makes, over kazoo: the only module of the store that knows that library.

Each call is answered within a few seconds, or is a ZooKeeperError; it may have reached ZooKeeper nevertheless.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_digest_acl

CALL_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 5.0
POLL_S = 0.02
# Nodes that are asked for at a time: ZooKeeper keeps each answer in memory until it is sent.
PAGE_NODES = 100


class ZooKeeperError(Exception):
    """ZooKeeper did not do what was asked; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class ZooKeeperAddress:
    """Where ZooKeeper is, and who we are to it.

    Attributes:
        hosts: "host:port", comma-separated.
        user: of the digest scheme, empty for nobody; what we create is then readable by this user alone.
    """

    hosts: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Seal:
    """The node that tells who may write: its text is the writer's, its version counts the writes of all of them."""

    text: str
    version: int


class Outcome(Enum):
    """What became of a conditional write that was answered."""

    DONE = auto()
    SEAL_DIFFERS = auto()
    LOCK_IS_GONE = auto()
    NODES_DIFFER = auto()


class ZooKeeperClient:
    """A session, begun with the first call, and begun anew by kazoo when it expires. For one thread.

    Args:
        session_s: how long ZooKeeper keeps a session of which it hears nothing, within the bounds that it sets itself.
        call_timeout_s: how long a call may take.
    """

    def __init__(self, *, address: ZooKeeperAddress, session_s: float, call_timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._address = address
        self._session_s = session_s
        self._call_timeout_s = call_timeout_s
        self._client: Any = None

    def ensure_path(self, path: str) -> None:
        """Create a node with its parents where they are missing."""
        self._call(lambda client: client.ensure_path_async(path))

    def read_seal(self, path: str) -> Seal:
        """Read the seal."""
        text, stat = self._call(lambda client: client.get_async(path))
        return Seal(text.decode(), stat.version)

    def break_seal(self, path: str, text: str) -> Seal:
        """Put our seal over whatever is there."""
        stat = self._call(lambda client: client.set_async(path, text.encode()))
        return Seal(text, stat.version)

    def create_lock(self, path: str, holder: str) -> str | None:
        """Create the lock, which ZooKeeper removes with our session.

        Returns:
            Who holds it, None if we do.
        """
        try:
            self._call(
                lambda client: client.create_async(path, holder.encode(), ephemeral=True), tolerated=NodeExistsError
            )
        except NodeExistsError:
            return self._read_other_holder(path)
        return None

    def _read_other_holder(self, path: str) -> str | None:
        try:
            text, stat = self._call(lambda client: client.get_async(path), tolerated=NoNodeError)
        except NoNodeError:
            return "another scheduler that has just gone"
        # Ours: the answer to an earlier call was lost.
        return None if stat.ephemeralOwner == self._client.client_id[0] else str(text.decode())

    def delete(self, path: str) -> None:
        """Remove a node if it is there."""
        with suppress(NoNodeError):
            self._call(lambda client: client.delete_async(path), tolerated=NoNodeError)

    def list_children(self, path: str) -> frozenset[str]:
        """Name the nodes below a node."""
        return frozenset(self._call(lambda client: client.get_children_async(path)))

    def read_children(self, path: str) -> dict[str, bytes]:
        """Read the nodes below a node, in pages; one that is removed meanwhile is left out. Each has its time."""
        client = self._connect()
        names = sorted(self.list_children(path))
        found = {}
        for start in range(0, len(names), PAGE_NODES):
            page = names[start : start + PAGE_NODES]
            asked = {name: client.get_async(f"{path}/{name}") for name in page}
            for name, answer in asked.items():
                with suppress(NoNodeError):
                    found[name] = bytes(self._wait(answer, tolerated=NoNodeError)[0])
        return found

    def write(
        self,
        *,
        lock: str,
        seal_path: str,
        seal: Seal,
        path: str,
        changes: Mapping[str, bytes | None],
        known: frozenset[str],
    ) -> Outcome:
        """Put and remove nodes below a path in one transaction: if the lock is there, and the seal as it is known.

        Args:
            lock: the node that has to exist.
            seal_path: the node that has to be as it is known, and whose version is counted up.
            seal: as it is known.
            path: below which the nodes are.
            changes: new content by name, None for a node to be removed.
            known: names of the nodes that exist.
        """

        def commit(client: Any) -> Any:
            transaction = client.transaction()
            transaction.set_data(seal_path, seal.text.encode(), version=seal.version)
            transaction.check(lock, version=0)
            for name, content in changes.items():
                if content is not None and name in known:
                    transaction.set_data(f"{path}/{name}", content)
                elif content is not None:
                    transaction.create(f"{path}/{name}", content)
                elif name in known:
                    transaction.delete(f"{path}/{name}")
            return transaction.commit_async()

        results = self._call(commit)
        if isinstance(results[0], BadVersionError | NoNodeError):
            return Outcome.SEAL_DIFFERS
        if isinstance(results[1], NoNodeError):
            return Outcome.LOCK_IS_GONE
        failures = [result for result in results if isinstance(result, Exception)]
        if any(isinstance(failure, NoNodeError | NodeExistsError) for failure in failures):
            return Outcome.NODES_DIFFER
        if failures:
            raise ZooKeeperError(describe_failure(failures[-1]))
        return Outcome.DONE

    def close(self) -> None:
        """End the session, and with it the lock."""
        client, self._client = self._client, None
        if client is not None:
            # If ZooKeeper does not answer, the session ends by itself.
            with suppress(KazooException, KazooTimeoutError, OSError):
                client.stop()
            with suppress(KazooException, OSError):
                client.close()

    def _call(self, ask: Any, tolerated: type[KazooException] | tuple[()] = ()) -> Any:
        """Ask, and wait for the answer; kazoo's errors but the tolerated one become ours."""
        client = self._connect()
        try:
            return self._wait(ask(client), tolerated)
        except (KazooTimeoutError, OSError) as error:
            raise ZooKeeperError(describe_failure(error)) from error

    def _wait(self, answer: Any, tolerated: type[KazooException] | tuple[()] = ()) -> Any:
        try:
            return answer.get(timeout=self._call_timeout_s)
        except tolerated:
            raise
        except KazooTimeoutError as error:
            raise ZooKeeperError(f"no answer from {self._address.hosts} in {self._call_timeout_s:g} s") from error
        except KazooException as error:
            raise ZooKeeperError(describe_failure(error)) from error

    def _connect(self) -> Any:
        """Give the client when it is connected: what is asked meanwhile would only wait in a queue."""
        if self._client is None:
            client = build_client(self._address, self._session_s)
            try:
                client.start(timeout=CONNECT_TIMEOUT_S)
            except (KazooTimeoutError, KazooException, OSError) as error:
                raise ZooKeeperError(f"nothing answers at {self._address.hosts}") from error
            self._client = client
        deadline = time.monotonic() + self._call_timeout_s
        while not self._client.connected:
            if time.monotonic() >= deadline:
                raise ZooKeeperError(f"no connection to {self._address.hosts}")
            time.sleep(POLL_S)
        return self._client


def build_client(address: ZooKeeperAddress, session_s: float) -> Any:
    """Build kazoo's client for one of several servers."""
    logger = logging.getLogger(f"{__name__}.kazoo")
    # kazoo's DEBUG lines hold whole requests: the password and what is stored.
    logger.setLevel(logging.WARNING)
    login = f"{address.user}:{address.password}"
    return KazooClient(
        hosts=address.hosts,
        timeout=session_s,
        auth_data=[("digest", login)] if address.user else None,
        default_acl=[make_digest_acl(address.user, address.password, all=True)] if address.user else None,
        logger=logger,
        connection_retry={"max_tries": -1, "delay": 0.1, "max_delay": 2.0},
    )


def describe_failure(error: Exception) -> str:
    """Say in one line what went wrong: kazoo's errors are named well, and often say nothing."""
    kind = type(error).__name__.removesuffix("Error").removesuffix("Exception")
    text = str(error).strip().replace("\n", " ")
    return f"{kind}: {text}" if text else kind
