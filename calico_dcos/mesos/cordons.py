"""Deactivates agents around their restart, and activates them again, through the master's operator API (Mesos 1.9).

An agent that is deactivated is offered to nobody, and its tasks go on. Calls are made one after another in a thread of
their own: a master that is slow must not hold the scheduler up. A call that fails is logged; the scheduler asks again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from queue import Full, Queue

from calico_dcos.core.actions import Deactivate, Reactivate
from calico_dcos.core.events import Reactivated
from calico_dcos.outbound import JOIN_S, Caller, CallError

from .master import Login

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
MAX_WAITING = 100
MAX_ANSWER_BYTES = 64 * 1024
# The master says so of an agent that it does not know, or that is active already: there is nothing left to take back.
_POINTLESS = frozenset({400, 404, 409})


class Cordons:
    """Performs calls of the operator API.

    Args:
        find_master: "host:port" of the leading master, None while there is none.
        post: takes the events; called from a thread of ours.
        login: for a Mesos that authenticates.
    """

    def __init__(
        self,
        *,
        find_master: Callable[[], str | None],
        post: Callable[[Reactivated], None],
        login: Login | None,
    ) -> None:
        self._find_master = find_master
        self._post = post
        self._login = login
        self._caller = Caller()
        self._stopping = threading.Event()
        self._calls: Queue[Deactivate | Reactivate | None] = Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._perform_for_ever, name="cordons", daemon=True)

    def start(self) -> None:
        """Make calls until stopped."""
        self._thread.start()

    def put(self, call: Deactivate | Reactivate) -> None:
        """Have a call made once those before it were; at once. One too many is dropped: it is asked for again."""
        try:
            self._calls.put_nowait(call)
        except Full:
            log.warning("drops a call about %s: %d wait already", call.agent_key, MAX_WAITING)

    def stop(self) -> None:
        """End the thread after the calls that wait, or without them if the master is slow: they are asked for again."""
        self._stopping.set()
        with suppress(Full):
            self._calls.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(JOIN_S)
        self._caller.stop()

    def _perform_for_ever(self) -> None:
        while (call := self._calls.get()) is not None:
            status = self._perform(call)
            is_done = status is not None and (status < HTTPStatus.MULTIPLE_CHOICES or status in _POINTLESS)
            if isinstance(call, Reactivate) and is_done:
                self._post(Reactivated(call.agent_key))

    def _perform(self, call: Deactivate | Reactivate) -> int | None:
        kind = "DEACTIVATE_AGENT" if isinstance(call, Deactivate) else "REACTIVATE_AGENT"
        body = {"type": kind, kind.lower(): {"agent_id": {"value": call.agent_id}}}
        master = self._find_master()
        if master is None:
            log.info("drops %s of %s: no master leads", kind, call.agent_key)
            return None
        headers = {"Content-Type": "application/json"}
        if self._login is not None:
            headers["Authorization"] = self._login.header
        try:
            answer = self._caller.call(
                "POST",
                f"http://{master}/api/v1",
                deadline_s=TIMEOUT_S,
                body=json.dumps(body).encode(),
                headers=headers,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except CallError as error:
            log.warning("%s of %s failed: %s", kind, call.agent_key, error)
            return None
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            told = answer.body[:200].decode(errors="replace")
            log.warning("%s of %s: the master answers %d %r", kind, call.agent_key, answer.status, told)
        return answer.status
