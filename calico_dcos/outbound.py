"""HTTP calls to what stands beside the scheduler, each within a deadline, and threads that make them again and again.

A call is over when its deadline is, whatever comes meanwhile: byte by byte, without end, or nothing. It follows no
redirect, and its errors hold neither path nor query, which may be secrets. A thread ends when it is told to, with the
call under way.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from requests.utils import DEFAULT_CA_BUNDLE_PATH

MAX_ANSWER_BYTES = 64 * 1024 * 1024
JOIN_S = 3.0
# How often it is looked whether something is needed before its time.
URGENT_S = 1.0


class CallError(Exception):
    """There is no answer; the text says why in one line, without anything of the URL but host and port."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Caller:
    """Makes calls, one at a time.

    Args:
        uses_proxy: whether the proxy of the environment is used: for what may be outside of the cluster.
    """

    def __init__(self, *, uses_proxy: bool = False) -> None:
        self._uses_proxy = uses_proxy
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._sock: socket.socket | None = None
        self._is_over = False
        self._is_stopped = False

    def call(
        self,
        method: str,
        url: str,
        *,
        deadline_s: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Make a call; no redirect is followed.

        Args:
            method: of HTTP.
            url: http or https; a login in it is shown to who is called.
            deadline_s: for all of it, from the first question for the address to the last byte.
            body: what is sent.
            headers: of the request.
            max_bytes: of the answer; what is longer is cut off.

        Raises:
            CallError: there is no answer in time, or the URL is none.
        """
        connection, target, shown = self._prepare(url, deadline_s)
        with self._lock:
            if self._is_stopped:
                raise CallError(f"{shown}: it was not asked: the scheduler ends")
            self._connection, self._is_over = connection, False
        timer = threading.Timer(deadline_s, self._cut)
        timer.daemon = True
        timer.start()
        try:
            connection.connect()
            # The connection lets go of its socket before the answer is read, if there is to be no other request.
            self._sock = connection.sock
            if self._is_over:
                raise TimeoutError
            connection.request(method, target, body=body, headers={**_build_login(url), **(headers or {})})
            answer = connection.getresponse()
            content = answer.read(max_bytes)
            if self._is_over:
                raise TimeoutError
            return Answer(answer.status, content, {name.lower(): value for name, value in answer.getheaders()})
        except (OSError, http.client.HTTPException, ValueError) as error:
            told = f"no whole answer within {deadline_s:g} s" if self._is_over else _describe(error)
            raise CallError(f"{shown}: {told}") from error
        finally:
            timer.cancel()
            with self._lock:
                self._connection = self._sock = None
            connection.close()

    def stop(self) -> None:
        """End the call under way, and make no other; from any thread."""
        with self._lock:
            self._is_stopped = True
        self._cut()

    def _cut(self) -> None:
        with self._lock:
            connection, self._is_over = self._connection, True
            sock = self._sock or (None if connection is None else connection.sock)
            if sock is not None:
                with suppress(OSError):
                    # Not through TLS, which would wait for the other side.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _prepare(self, url: str, deadline_s: float) -> tuple[http.client.HTTPConnection, str, str]:
        """Choose the connection, what to ask there, and how to call it in an error."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise CallError("this is no URL") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise CallError("this is no URL with http or https")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        shown = f"{host}:{port or (443 if parts.scheme == 'https' else 80)}"
        proxy = self._find_proxy(parts, host)
        if proxy is not None:
            return _connect_by_proxy(parts, proxy, deadline_s), _name_for_proxy(parts, target), shown
        if parts.scheme == "https":
            context = _trust()
            return http.client.HTTPSConnection(host, port, timeout=deadline_s, context=context), target, shown
        return http.client.HTTPConnection(host, port, timeout=deadline_s), target, shown

    def _find_proxy(self, parts: SplitResult, host: str) -> SplitResult | None:
        if not self._uses_proxy or proxy_bypass(host):
            return None
        proxies = getproxies()
        found = proxies.get(parts.scheme) or proxies.get("all")
        return urlsplit(found if "://" in found else f"http://{found}") if found else None


def _connect_by_proxy(parts: SplitResult, proxy: SplitResult, deadline_s: float) -> http.client.HTTPConnection:
    if parts.scheme == "http":
        return http.client.HTTPConnection(proxy.hostname or "", proxy.port or 80, timeout=deadline_s)
    login = _build_login(proxy.geturl(), "Proxy-Authorization")
    tunnel = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=deadline_s, context=_trust())
    tunnel.set_tunnel(parts.hostname or "", parts.port or 443, headers=login)
    return tunnel


def _name_for_proxy(parts: SplitResult, target: str) -> str:
    """Say what is asked of a proxy: behind a tunnel, what is asked of the server itself."""
    return target if parts.scheme == "https" else f"http://{parts.netloc.rpartition('@')[2]}{target}"


def _trust() -> ssl.SSLContext:
    """Whom to trust: what requests trusts, for the rest of the scheduler asks through that."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return ssl.create_default_context(cafile=named or DEFAULT_CA_BUNDLE_PATH)


def _build_login(url: str, name: str = "Authorization") -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {name: f"Basic {b64encode(login.encode()).decode()}"}


def _describe(error: Exception) -> str:
    """Say in one line what went wrong, in words that hold nothing of the URL."""
    if isinstance(error, TimeoutError):
        return "nothing answers in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"its name is not known: {error.strerror}"
    if isinstance(error, OSError):
        return f"nothing answers: {error.strerror or type(error).__name__}"
    return f"what answers is no HTTP ({type(error).__name__})"


class Poller:
    """Does something again and again in a thread of its own, so that no poll waits for another.

    Args:
        name: of the thread.
        poll: does it, with calls through `caller`; gives the seconds until the next time.
        caller: makes the calls, and is stopped with the thread.
        is_urgent: whether to do it before its time, a second after the last time or as long as that took.
    """

    def __init__(
        self, *, name: str, poll: Callable[[], float], caller: Caller, is_urgent: Callable[[], bool] = lambda: False
    ) -> None:
        self._poll = poll
        self._caller = caller
        self._is_urgent = is_urgent
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll_for_ever, name=name, daemon=True)

    def start(self) -> None:
        """Poll for the first time, and go on until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its call; one that hangs in a question for an address is left to end by itself."""
        self._stopping.set()
        self._caller.stop()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _poll_for_ever(self) -> None:
        while not self._stopping.is_set():
            began_at = time.monotonic()
            pause_s = self._poll()
            ended_at = time.monotonic()
            rested_s = 0.0
            while not is_due(rested_s, pause_s, ended_at - began_at, is_urgent=self._is_urgent()):
                if self._stopping.wait(min(URGENT_S, pause_s - rested_s)):
                    return
                rested_s = time.monotonic() - ended_at


def is_due(rested_s: float, pause_s: float, took_s: float, *, is_urgent: bool) -> bool:
    """Whether it is time for the next poll; whoever takes long to answer is not asked again at once, however urgent."""
    return rested_s >= pause_s or (is_urgent and rested_s >= max(URGENT_S, took_s))
