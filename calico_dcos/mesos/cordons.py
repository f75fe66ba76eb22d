"""Deactivates agents around their restart, and activates them again, through the master's operator API (Mesos 1.9).

An agent that is deactivated is offered to nobody, and its tasks go on. Calls are made one after another in a thread of
their own: a master that is slow must not hold the scheduler up. A call that fails is logged; the scheduler asks again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

import requests

from calico_dcos.core.actions import Deactivate, Reactivate
from calico_dcos.core.events import Reactivated

from .master import Login, open_session

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
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
        self._calls: SimpleQueue[Deactivate | Reactivate | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._perform_for_ever, name="cordons", daemon=True)

    def start(self) -> None:
        """Make calls until stopped."""
        self._thread.start()

    def put(self, call: Deactivate | Reactivate) -> None:
        """Have a call made once those before it were; at once."""
        self._calls.put(call)

    def stop(self) -> None:
        """End the thread after the calls that wait, or without them if the master is slow: they are asked for again."""
        self._calls.put(None)
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_S)

    def _perform_for_ever(self) -> None:
        while (call := self._calls.get()) is not None:
            status = self._perform(call)
            is_done = status is not None and (status < requests.codes.bad or status in _POINTLESS)
            if isinstance(call, Reactivate) and is_done:
                self._post(Reactivated(call.agent_key))

    def _perform(self, call: Deactivate | Reactivate) -> int | None:
        kind = "DEACTIVATE_AGENT" if isinstance(call, Deactivate) else "REACTIVATE_AGENT"
        body = {"type": kind, kind.lower(): {"agent_id": {"value": call.agent_id}}}
        master = self._find_master()
        if master is None:
            log.info("drops %s of %s: no master leads", kind, call.agent_key)
            return None
        try:
            with open_session(self._login) as session:
                url = f"http://{master}/api/v1"
                answer = session.post(url, json=body, timeout=TIMEOUT_S)
        except (requests.RequestException, ValueError) as error:  # ValueError: it sends us on to what is no address
            log.warning("%s of %s failed: %s", kind, call.agent_key, error)
            return None
        if answer.status_code >= requests.codes.bad:
            log.warning("%s of %s: the master answers %d %.200r", kind, call.agent_key, answer.status_code, answer.text)
        return answer.status_code
