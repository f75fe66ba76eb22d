"""The loop in which the master's events are read, in the place of pymesos' own.

pymesos' loop interrupts the main thread when it ends, which ends the process; it looks its connection up in its module,
where only a patch would put a better one; and it knows no file above 1,023. The driver around it is pymesos'.
"""

from __future__ import annotations

import logging
import os
import select
from typing import Any

from kazoo.client import KazooClient
from kazoo.recipe.watchers import ChildrenWatch

from .connection import Connection
from .quiet import MasterDetector, pymesos

log = logging.getLogger(__name__)

# How often silence is noticed.
TURN_MS = 2000


class Loop(pymesos.MesosSchedulerDriver):  # type: ignore[misc]  # pymesos has no types
    """A driver whose loop survives its bugs, and ends nothing but itself."""

    _master: str | None
    _new_master: str | None
    _wakeup_fds: Any

    def _run(self) -> None:
        """Turn until stopped; a bug costs the connection, and the next one follows after a pause."""
        connection: Connection | None = None
        while self._started:
            try:
                connection = self._turn(connection)
            except Exception:
                log.exception("A bug ended the connection to the master: makes another")
                connection = self._end(connection)
        self._end(connection)
        with self._lock:
            for end in self._wakeup_fds:
                os.close(end)
            self._wakeup_fds = None

    def _turn(self, connection: Connection | None) -> Connection | None:
        """Wait for something to happen, and take it; gives the connection that there is then."""
        if connection is None and self._master:
            connection = Connection(self._master, self)
        ready = self._wait(connection)
        if self._wakeup_fds[0] in ready:
            os.read(self._wakeup_fds[0], select.PIPE_BUF)
            if self._started and self._new_master != self._master:
                connection = self._end(connection)
                self._master = self._new_master
        happened = 0 if connection is None else ready.get(connection.fileno(), 0)
        if connection is None or not happened:
            return connection
        if not connection.connected:
            failure = connection.handle_connect_event()
            if failure:
                log.warning("Cannot connect to master %s: %s", self._master, failure)
                self.tell_away(failure)
                return self._end(connection)
        if happened & select.POLLOUT and not connection.write():
            return self._end(connection)
        if happened & ~select.POLLOUT and not connection.read():
            return self._end(connection)
        return connection

    def _wait(self, connection: Connection | None) -> dict[int, int]:
        poll = select.poll()
        poll.register(self._wakeup_fds[0], select.POLLIN)
        if connection is not None:
            poll.register(connection.fileno(), select.POLLIN | (select.POLLOUT if connection.want_write() else 0))
        return dict(poll.poll(TURN_MS))

    def _end(self, connection: Connection | None) -> Connection | None:
        """End a connection; gives the one that there is then, which is none."""
        self.stream_id = None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                log.exception("A bug while a connection ended")
        return None

    def tell_away(self, reason: str) -> None:
        """Hear that no connection comes about."""


class Detector(MasterDetector):  # type: ignore[misc]  # pymesos has no types
    """pymesos' way to the leading master in ZooKeeper, which leaves the logs of others alone."""

    zk: Any

    def __init__(self, uri: str, agent: Any) -> None:
        super().__init__(uri, agent)
        self.zk.close()
        logger = logging.getLogger(f"{__name__}.kazoo")
        logger.setLevel(logging.WARNING)
        self.zk = KazooClient(uri, 10, logger=logger)

    def start(self) -> None:
        """Connect, and follow the leader."""
        self.zk.start()
        ChildrenWatch(self.zk, "", self.choose)
