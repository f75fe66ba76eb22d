"""Notices for people who do not look at the page: the walk starts, an agent fails, the walk stops, all is complete.

They are posted to a webhook by a thread of their own. One that is not taken is tried again, and then dropped: nothing
of the walk ever waits for it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from queue import Empty, Full, Queue

from calico_dcos.core.standing import find_failure
from calico_dcos.core.state import State
from calico_dcos.outbound import JOIN_S, Caller, CallError
from calico_dcos.scheduler import Turn
from calico_dcos.troubles import Source, Troubles

log = logging.getLogger(__name__)

ATTEMPTS = 6
BACKOFF_S = 1.0
TIMEOUT_S = 10.0
# More than that many undelivered notices say nothing that the newest do not.
MAX_WAITING = 100
MAX_ANSWER_BYTES = 64 * 1024
_REMEDY = "see webhook-url; it is to answer 200 to 299"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message.

    Attributes:
        event: walk-started, agent-failed, walk-stopped or walk-complete.
        text: one line for people; chat services show this.
        agent: its key, where it is about one.
    """

    at: float
    event: str
    text: str
    agent: str = ""


def find_notices(before: State, state: State, at: float) -> Iterator[Notice]:
    """Find what a change of the state has to tell.

    It follows from what is stored alone: a scheduler that starts in the middle of a walk tells nothing that was told.

    Args:
        before: the state before.
        state: the state now.
        at: when it changed.
    """
    was_walking, is_walking = (one.controls.walking_since is not None for one in (before, state))
    if is_walking and not was_walking:
        yield Notice(at, "walk-started", f"the walk starts: {len(state.unsettled)} agents are not complete")
    for key in state.failed:
        if key not in before.failed:
            failure = find_failure(state.agents[key], state.policy)
            reason = "" if failure is None else f": {failure.step.value}: {failure.reason}"
            yield Notice(at, "agent-failed", f"{key} failed{reason}", key)
    if state.is_stopped and not before.is_stopped:
        yield Notice(at, "walk-stopped", f"the walk is stopped: {len(state.halting)} agents failed")
    if was_walking and not is_walking:
        yield Notice(at, "walk-complete", f"the walk is complete: {len(state.agents)} agents")


class Notifier:
    """Posts notices to a webhook."""

    def __init__(
        self, *, url: str, service: str, backoff_s: float = BACKOFF_S, troubles: Troubles | None = None
    ) -> None:
        self._url = url
        self._service = service
        self._backoff_s = backoff_s
        self._queue: Queue[Notice] = Queue(MAX_WAITING)
        self._troubles = troubles or Troubles()
        self._caller = Caller(uses_proxy=True)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def stop(self) -> None:
        """Post no more; what waits is dropped."""
        self._stopping.set()
        self._caller.stop()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def observe(self, turn: Turn) -> None:
        """Tell what one turn of the scheduler has to tell; never blocks."""
        for notice in find_notices(turn.before, turn.state, turn.at):
            try:
                self._queue.put_nowait(notice)
            except Full:
                log.warning("the webhook takes nothing: drops the notice that %s", notice.text)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                notice = self._queue.get(timeout=0.5)
            except Empty:
                continue
            self._deliver(notice)

    def _deliver(self, notice: Notice) -> None:
        for attempt in range(ATTEMPTS):
            trouble = self._post(notice)
            if trouble is None:
                self._troubles.end(Source.WEBHOOK)
                return
            self._troubles.tell(Source.WEBHOOK, f"the webhook takes no notice: {trouble}", _REMEDY)
            if self._stopping.wait(self._backoff_s * 2.0**attempt):
                return
        log.warning("the webhook does not take the notice that %s: %s", notice.text, trouble)

    def _post(self, notice: Notice) -> str | None:
        body = {
            "event": notice.event,
            "text": f"{self._service}: {notice.text}",
            "service": self._service,
            "agent": notice.agent or None,
            "at": notice.at,
        }
        headers = {"Content-Type": "application/json"}
        try:
            answer = self._caller.call(
                "POST",
                self._url,
                deadline_s=TIMEOUT_S,
                body=json.dumps(body).encode(),
                headers=headers,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except CallError as error:
            return str(error)
        return None if answer.status < HTTPStatus.MULTIPLE_CHOICES else f"status {answer.status}"
