"""HTTP with a timeout, to an address or to a unix socket; no proxies, no redirects."""

import http.client
import os
import socket
from typing import Dict, NamedTuple, Optional, Tuple

UNIX_PATH_MAX = 107
OK, CREATED, NOT_FOUND, PRECONDITION_FAILED = 200, 201, 404, 412

Answer = NamedTuple("Answer", [("status", int), ("body", bytes)])


class UnreachableError(Exception):
    """Nothing answered in time, or not in HTTP."""


class NotHttpError(UnreachableError):
    """Something answered, and it does not speak HTTP."""


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a unix socket."""

    def __init__(self, socket_path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._socket_path = socket_path

    def connect(self) -> None:
        """Connect; a path too long for the kernel is reached through its directory's descriptor."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        if len(os.fsencode(self._socket_path)) <= UNIX_PATH_MAX:
            self.sock.connect(self._socket_path)
            return
        directory, name = os.path.split(self._socket_path)
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            self.sock.connect("/proc/self/fd/{}/{}".format(descriptor, name))
        finally:
            os.close(descriptor)


def call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Optional[bytes] = None,
    headers: Optional[Dict[str, str]] = None,
) -> Answer:
    """Send one request and read the whole answer.

    Raises:
        UnreachableError: nothing answered in time, or not in HTTP.
    """
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except socket.timeout:
        raise UnreachableError("no answer within {:g} s".format(connection.timeout or 0)) from None
    except OSError as error:
        raise UnreachableError(error.strerror or str(error) or type(error).__name__) from error
    except http.client.HTTPException as error:
        raise NotHttpError("what answers is not HTTP: {!r}".format(error)) from error
    finally:
        connection.close()


def fetch(address: str, path: str, timeout_s: float) -> Answer:
    """GET a path from ``host:port``.

    Raises:
        UnreachableError: nothing answered in time, or not in HTTP.
    """
    return call(open_connection(address, timeout_s), "GET", path)


def open_connection(address: str, timeout_s: float) -> http.client.HTTPConnection:
    """Build a connection to ``host:port``; it connects with its first request."""
    hostname, port = split_address(address)
    return http.client.HTTPConnection(hostname, port, timeout=timeout_s)


def fetch_over_tls(address: str, path: str, timeout_s: float) -> Answer:
    """GET a path over TLS from a program of this very host: whom its certificate names does not matter.

    Raises:
        UnreachableError: as above, or this Python has no TLS.
    """
    try:
        import ssl  # noqa: PLC0415  (a Python that was built without it does everything else)
    except ImportError as error:
        raise UnreachableError("this Python has no TLS") from error
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    hostname, port = split_address(address)
    return call(http.client.HTTPSConnection(hostname, port, timeout=timeout_s, context=context), "GET", path)


def split_address(address: str) -> Tuple[str, int]:
    """Split ``host:port`` or ``[host]:port``.

    Raises:
        UnreachableError: it is no such address.
    """
    hostname, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise UnreachableError("{!r} is no address of the form host:port".format(address))
    return hostname.strip("[]"), int(port)
