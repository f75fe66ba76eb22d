"""How a simulated master becomes the leading one: by a numbered node in ZooKeeper, as a real one does."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

from kazoo.client import KazooClient
from kazoo.protocol.states import KazooState

SESSION_S = 4.0
CONNECT_TIMEOUT_S = 60.0
POLL_S = 0.1
PREFIX = "json.info_"


class Candidate:
    """One master among those that may lead; the oldest does.

    Args:
        url: zk://host:port,host:port/path.
        info: the master as it introduces itself.
    """

    def __init__(self, url: str, info: dict[str, Any]) -> None:
        hosts, _, path = url.removeprefix("zk://").partition("/")
        self._path = f"/{path}"
        self._info = info
        logger = logging.getLogger(__name__)
        self._zookeeper = KazooClient(hosts=hosts, timeout=SESSION_S, logger=logger)
        self._lost = threading.Event()

    def lead(self) -> None:
        """Stand for election, and return when this master leads."""
        self._zookeeper.add_listener(self._watch_session)
        self._zookeeper.start(timeout=CONNECT_TIMEOUT_S)
        self._zookeeper.ensure_path(self._path)
        node = self._zookeeper.create(
            f"{self._path}/{PREFIX}", json.dumps(self._info).encode(), ephemeral=True, sequence=True
        )
        name = node.rpartition("/")[2]
        while min(self._list_candidates()) != name:
            self._lost.wait(POLL_S)

    def wait_until_deposed(self) -> None:
        """Return when the session ended: a real master then ends itself, since another one leads."""
        self._lost.wait()

    def resign(self) -> None:
        """Leave; the next candidate leads at once."""
        self._zookeeper.stop()
        self._zookeeper.close()

    def _list_candidates(self) -> list[str]:
        return [name for name in self._zookeeper.get_children(self._path) if name.startswith(PREFIX)]

    def _watch_session(self, state: str) -> None:
        if state == KazooState.LOST:
            self._lost.set()
