"""HTTP with a timeout, to an address or to a unix socket; no proxies, no redirects."""

import http.client
import os
import socket
from typing import Dict, NamedTuple, Optional, Tuple

UNIX_PATH_MAX = 107
# No answer that is asked for here is longer; one that is comes from something else, or would not fit into memory.
BODY_MAX_BYTES = 32 << 20
OK, CREATED, NOT_FOUND, PRECONDITION_FAILED = 200, 201, 404, 412

# headers: as they came; names in lower case.
Answer = NamedTuple("Answer", [("status", int), ("body", bytes), ("headers", Dict[str, str])])


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
        """Connect to the socket."""
        self.sock = connect_unix(self._socket_path, self.timeout)


def connect_unix(path: str, timeout_s: Optional[float]) -> socket.socket:
    """Connect to a unix socket; a path too long for the kernel is reached through its directory's descriptor.

    Raises:
        OSError: there is none, nobody listens, or not in time.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.settimeout(timeout_s)
        if len(os.fsencode(path)) <= UNIX_PATH_MAX:
            channel.connect(path)
            return channel
        directory, name = os.path.split(path)
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            channel.connect("/proc/self/fd/{}/{}".format(descriptor, name))
        finally:
            os.close(descriptor)
    except OSError:
        channel.close()
        raise
    return channel


def call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Optional[bytes] = None,
    headers: Optional[Dict[str, str]] = None,
) -> Answer:
    """Send one request and read the whole answer.

    Raises:
        UnreachableError: nothing answered in time, not in HTTP, or without end.
    """
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        body = response.read(BODY_MAX_BYTES + 1)
        if len(body) > BODY_MAX_BYTES:
            raise UnreachableError("the answer is longer than {} MB".format(BODY_MAX_BYTES >> 20))
        return Answer(response.status, body, {name.lower(): value for name, value in response.getheaders()})
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
