"""Asks those who may object to a restart: an HTTP address, a Prometheus query, or both. No answer is a no."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from calico_dcos.core.events import BlockerAnswered
from calico_dcos.outbound import Caller, CallError, Poller
from calico_dcos.troubles import Source, Troubles

log = logging.getLogger(__name__)

INTERVAL_S = 5.0
TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
MAX_REASON_LENGTH = 200
SHOWN_RESULTS = 3
_REMEDY = "nothing is restarted meanwhile; see restart-blocker-url and restart-blocker-prometheus"


@dataclass(frozen=True, slots=True)
class Objectors:
    """Whom to ask; an empty URL is nobody.

    Attributes:
        url: answers 200 to 299 if restarts are allowed.
        prometheus: base URL of a Prometheus.
        query: PromQL that returns something while restarts are not allowed.
    """

    url: str = ""
    prometheus: str = ""
    query: str = ""


def ask(objectors: Objectors, timeout_s: float = TIMEOUT_S, caller: Caller | None = None) -> str:
    """Ask everybody, each within timeout_s.

    Returns:
        Why nothing may be restarted, in one line; empty if it may.

    Raises:
        CallError: somebody could not be asked, which is a no as well.
    """
    # A proxy of the environment is for downloads, not for what stands beside us.
    caller = caller or Caller()
    reason = _ask_url(caller, objectors.url, timeout_s) if objectors.url else ""
    if reason or not objectors.prometheus:
        return reason
    return _ask_prometheus(caller, objectors, timeout_s)


def _ask_url(caller: Caller, url: str, timeout_s: float) -> str:
    answer = caller.call("GET", url, deadline_s=timeout_s, max_bytes=MAX_ANSWER_BYTES)
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return ""
    if answer.status < HTTPStatus.BAD_REQUEST:
        return f"it answers {answer.status}, and no redirect is followed: set its own URL"
    line = answer.body.decode("utf-8", "replace").strip().partition("\n")[0]
    return _cut(line) or f"it answers {answer.status}"


def _ask_prometheus(caller: Caller, objectors: Objectors, timeout_s: float) -> str:
    address = f"{objectors.prometheus.rstrip('/')}/api/v1/query?{urlencode({'query': objectors.query})}"
    answer = caller.call("GET", address, deadline_s=timeout_s, max_bytes=MAX_ANSWER_BYTES)
    return read_prometheus(answer.status, answer.body)


def read_prometheus(status: int, body: bytes) -> str:
    """Read the answer to a query: anything that it returns is a reason against restarts."""
    try:
        document: Any = json.loads(body)
        if document["status"] != "success":
            return f"Prometheus: {_cut(str(document.get('error', 'the query failed')))}"
        kind, results = document["data"]["resultType"], document["data"]["result"]
        if kind not in {"vector", "matrix"}:
            return f"Prometheus: the query gives a {kind}, not a vector; let it return nothing where all is well"
        if not results:
            return ""
        names = [_name_result(result["metric"]) for result in results[:SHOWN_RESULTS]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"Prometheus: the answer (status {status}) makes no sense"
    more = f" and {len(results) - SHOWN_RESULTS} more" if len(results) > SHOWN_RESULTS else ""
    return _cut(f"Prometheus: {', '.join(names)}{more}")


def _name_result(metric: dict[str, str]) -> str:
    name = metric.get("alertname") or metric.get("__name__") or "a result"
    return f"{name} ({metric['instance']})" if "instance" in metric else name


def _cut(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)[:MAX_REASON_LENGTH]


class Asker:
    """Asks again and again while somebody may want to restart something, in a thread of its own.

    Args:
        objectors: whom to ask.
        is_wanted: whether an answer may be needed soon.
        post: takes each answer.
        interval_s: between two questions.
        troubles: where it is told that they cannot be asked.
    """

    def __init__(
        self,
        *,
        objectors: Objectors,
        is_wanted: Callable[[], bool],
        post: Callable[[BlockerAnswered], None],
        interval_s: float = INTERVAL_S,
        troubles: Troubles | None = None,
    ) -> None:
        self._objectors = objectors
        self._is_wanted = is_wanted
        self._post = post
        self._interval_s = interval_s
        self._troubles = troubles or Troubles()
        self._caller = Caller()
        self._told: str | None = None
        poller = Poller(name="blockers", poll=self._poll, caller=self._caller)
        self.start, self.stop = poller.start, poller.stop

    def _poll(self) -> float:
        if self._is_wanted():
            asked_at = time.monotonic()
            reason = self._ask()
            self._tell(reason)
            self._post(BlockerAnswered(reason, time.monotonic() - asked_at))
        return self._interval_s

    def _ask(self) -> str:
        try:
            reason = ask(self._objectors, caller=self._caller)
        except CallError as error:
            self._troubles.tell(Source.BLOCKER, f"who may object to restarts cannot be asked: {error}", _REMEDY)
            return f"it cannot be asked: {error}"
        self._troubles.end(Source.BLOCKER)
        return reason

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            log.info("restarts are %s", f"blocked: {reason}" if reason else "not blocked")
        self._told = reason
