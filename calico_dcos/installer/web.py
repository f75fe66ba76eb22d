"""HTTP with a timeout for the whole call, to an address or to a unix socket; no proxies, no redirects."""

import http.client
import io
import os
import socket
import threading
import time
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, TypeVar  # noqa: F401  (List: in a type comment)

UNIX_PATH_MAX = 107
# As JSON it takes several times the room, and the smallest task has 64 MB.
BODY_MAX_BYTES = 8 << 20
CHUNK_BYTES = 1 << 16
OK, CREATED, NOT_FOUND, PRECONDITION_FAILED = 200, 201, 404, 412

# headers: as they came; names in lower case.
Answer = NamedTuple("Answer", [("status", int), ("body", bytes), ("headers", Dict[str, str])])
Result = TypeVar("Result")
# How much of a body is read, and in what form it is kept.
ReadBody = Callable[[http.client.HTTPResponse], bytes]


class UnreachableError(Exception):
    """Nothing answered in time, in HTTP, and at a bearable length."""


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


class _TimedReader(io.RawIOBase):
    """Reads from a socket until a deadline, however slowly it comes."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(find_left_s(self._deadline))
        return self._sock.recv_into(buffer)


class _TimedSocket:
    """What an HTTP connection needs of a socket, each wait bounded by one deadline.

    The connection closes its socket once it has the head of an answer; whoever opened it closes it at the end.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, content: bytes) -> None:
        self._sock.settimeout(find_left_s(self._deadline))
        self._sock.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        pass


def find_left_s(deadline: float) -> float:
    """Find how long may still be waited; socket.timeout when no longer."""
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise socket.timeout("timed out")
    return left_s


def within(timeout_s: float, ask: Callable[[], Result]) -> Result:
    """Ask in a thread, and wait for it only so long; socket.timeout where that does not do, else what ask raises.

    For what waits by itself, each time anew: name servers, and the head of an answer that trickles.
    """
    answers = []  # type: List[Callable[[], Result]]

    def fail(error: Exception) -> Result:
        raise error

    def answer() -> None:
        try:
            result = ask()
            answers.append(lambda: result)
        except Exception as error:  # noqa: BLE001  (it is raised where it is waited for)
            answers.append(partial(fail, error))

    asking = threading.Thread(target=answer, daemon=True)
    asking.start()
    asking.join(timeout_s)
    if not answers:
        raise socket.timeout("no answer within {:g} s".format(timeout_s))
    return answers[0]()


def read_whole(response: http.client.HTTPResponse) -> bytes:
    """Read a body to its end.

    Raises:
        UnreachableError: it is too long.
    """
    chunks, length = [], 0  # type: List[bytes], int
    for chunk in iter(lambda: response.read(CHUNK_BYTES), b""):
        chunks.append(chunk)
        length += len(chunk)
        if length > BODY_MAX_BYTES:
            raise UnreachableError("the answer is longer than {} MB".format(BODY_MAX_BYTES >> 20))
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(chunks)


def call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Optional[bytes] = None,
    headers: Optional[Dict[str, str]] = None,
    read_body: ReadBody = read_whole,
) -> Answer:
    """Send one request and read the answer; the connection's timeout is that of the whole call.

    Raises:
        UnreachableError: it was not answered in full in time, not in HTTP, or at too great a length.
    """
    timeout_s = float(connection.timeout or 0)
    deadline = time.monotonic() + timeout_s
    opened = None  # type: Any
    try:
        connection.connect()
        opened = connection.sock
        timed = _TimedSocket(opened, deadline)  # type: Any
        connection.sock = timed
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, read_body(response), told)
    except socket.timeout:
        raise UnreachableError("no answer within {:g} s".format(timeout_s)) from None
    except OSError as error:
        raise UnreachableError(error.strerror or str(error) or type(error).__name__) from error
    except http.client.HTTPException as error:
        raise NotHttpError("what answers is not HTTP: {!r}".format(error)) from error
    finally:
        connection.close()
        if opened is not None:
            opened.close()


def fetch(
    address: str,
    path: str,
    timeout_s: float,
    read_body: ReadBody = read_whole,
    headers: Optional[Dict[str, str]] = None,
) -> Answer:
    """GET a path from ``host:port``; raises as call does."""
    return call(open_connection(address, timeout_s), "GET", path, headers=headers, read_body=read_body)


def open_connection(address: str, timeout_s: float) -> http.client.HTTPConnection:
    """Build a connection to ``host:port``; it connects with its first request."""
    hostname, port = split_address(address)
    return http.client.HTTPConnection(hostname, port, timeout=timeout_s)


def open_tls_connection(address: str, timeout_s: float) -> http.client.HTTPConnection:
    """Build a connection over TLS to a program of this very host: whom its certificate names does not matter.

    Raises:
        UnreachableError: this Python has no TLS.
    """
    try:
        import ssl  # noqa: PLC0415  (a Python that was built without it does everything else)
    except ImportError as error:
        raise UnreachableError("this Python has no TLS") from error
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    hostname, port = split_address(address)
    return http.client.HTTPSConnection(hostname, port, timeout=timeout_s, context=context)


def split_address(address: str) -> Tuple[str, int]:
    """Split ``host:port`` or ``[host]:port``.

    Raises:
        UnreachableError: it is no such address.
    """
    hostname, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise UnreachableError("{!r} is no address of the form host:port".format(address))
    return hostname.strip("[]"), int(port)
