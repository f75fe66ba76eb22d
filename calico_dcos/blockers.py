"""Asks those who may object to a restart: an HTTP address, a Prometheus query, or both. No answer is a no."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from calico_dcos.core.events import BlockerAnswered

log = logging.getLogger(__name__)

INTERVAL_S = 5.0
TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
MAX_REASON_LENGTH = 200
SHOWN_RESULTS = 3


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


def ask(objectors: Objectors, timeout_s: float = TIMEOUT_S) -> str:
    """Ask everybody.

    Returns:
        Why nothing may be restarted, in one line; empty if it may.
    """
    try:
        with requests.Session() as session:
            # A proxy of the environment is for downloads, not for what stands beside us.
            session.trust_env = False
            reason = _ask_url(session, objectors.url, timeout_s) if objectors.url else ""
            if reason or not objectors.prometheus:
                return reason
            return _ask_prometheus(session, objectors, timeout_s)
    except requests.RequestException as error:
        return f"it cannot be asked: {_cut(str(error))}"


def _ask_url(session: requests.Session, url: str, timeout_s: float) -> str:
    status, body = _get(session, url, {}, timeout_s)
    if requests.codes.ok <= status < requests.codes.multiple_choices:
        return ""
    line = body.decode("utf-8", "replace").strip().partition("\n")[0]
    return _cut(line) or f"it answers {status}"


def _ask_prometheus(session: requests.Session, objectors: Objectors, timeout_s: float) -> str:
    address = f"{objectors.prometheus.rstrip('/')}/api/v1/query"
    status, body = _get(session, address, {"query": objectors.query}, timeout_s)
    return read_prometheus(status, body)


def _get(session: requests.Session, url: str, query: dict[str, str], timeout_s: float) -> tuple[int, bytes]:
    with session.get(url, params=query, timeout=timeout_s, stream=True) as answer:
        body = bytearray()
        for chunk in answer.iter_content(64 * 1024):
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                break
        return answer.status_code, bytes(body)


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
    """

    def __init__(
        self,
        *,
        objectors: Objectors,
        is_wanted: Callable[[], bool],
        post: Callable[[BlockerAnswered], None],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._objectors = objectors
        self._is_wanted = is_wanted
        self._post = post
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask_for_ever, name="blockers", daemon=True)
        self._told: str | None = None

    def start(self) -> None:
        """Go on asking until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a question under way is waited for."""
        self._stopping.set()
        self._thread.join()

    def _ask_for_ever(self) -> None:
        while not self._stopping.is_set():
            if self._is_wanted():
                asked_at = time.monotonic()
                reason = ask(self._objectors)
                self._tell(reason)
                self._post(BlockerAnswered(reason, time.monotonic() - asked_at))
            self._stopping.wait(self._interval_s)

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            log.info("restarts are %s", f"blocked: {reason}" if reason else "not blocked")
        self._told = reason
