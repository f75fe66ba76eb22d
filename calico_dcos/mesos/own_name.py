"""The name that Mesos-DNS gives to the scheduler: agents whose HTTP proxy makes exceptions make them for names alone.

A name is used once it was seen to lead here: Mesos-DNS tells of a task some time after it began, and many clusters have
none.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

log = logging.getLogger(__name__)

INTERVAL_S = 10.0
INTERVAL_MAX_S = 600.0


def derive_name(app_id: str) -> str:
    """Derive the name of a Marathon app, the innermost part first; empty without an app: ``/group/app``."""
    parts = [part for part in app_id.split("/") if part]
    return "-".join(reversed(parts)) + ".marathon.mesos" if parts else ""


def put_host(url: str, host: str) -> str:
    """Put another host into a URL; its port stays."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit(parts._replace(netloc=f"{host}{port}"))


def resolve(name: str) -> set[str]:
    """Resolve a name to all its addresses; none where it has none, or nobody answers."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


class OwnName:
    """Looks whether a name leads to an address, more and more seldom, until it does."""

    def __init__(self, *, name: str, address: str, resolve: Callable[[str], set[str]] = resolve) -> None:
        self._name = name
        self._address = address
        self._resolve = resolve
        self._is_known = False
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="own name", daemon=True)

    def start(self) -> None:
        """Begin to look; never, where there is no name."""
        if self._name:
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_stopped.set()

    def look(self) -> bool:
        """Look once, and return whether the name leads here."""
        if not self._is_known and self._address in self._resolve(self._name):
            log.info("agents fetch the installer from %s, which leads to %s", self._name, self._address)
            self._is_known = True
        return self._is_known

    def rename(self, url: str) -> str:
        """Return the URL by which agents fetch what is at this one."""
        return put_host(url, self._name) if self._is_known else url

    def _run(self) -> None:
        wait_s = INTERVAL_S
        while not self.look() and not self._is_stopped.wait(wait_s):
            wait_s = min(2 * wait_s, INTERVAL_MAX_S)
