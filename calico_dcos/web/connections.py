"""How many connections the server has at a time, and which of them gives way to a new one.

The one that has been idle the longest is closed when another comes, so that nobody who only connects keeps others out.
Only where all of them are at work is the new one refused.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import time
from typing import Any, cast

from tornado import httputil
from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from calico_dcos.troubles import Source, Troubles

MAX_CONNECTIONS = 2000
# Files that everything else may have open: the store, the master, downloads by Python, libraries.
OTHER_FILES = 128
ACCEPT_RETRY_S = 1.0
CALM_S = 60.0

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_REMEDY = "see who connects; raise the limit on open files (nofile) of the scheduler's container"


def raise_open_files() -> int:
    """Let this process have as many files open as it may.

    Returns:
        How many that are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft


def count_connections() -> int:
    """How many connections fit under the limit on open files: one that downloads has a file open beside its own."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(16, min(MAX_CONNECTIONS, (soft - OTHER_FILES) // 2))


class BoundedServer(HTTPServer):
    """Tornado's server with a bound on its connections."""

    def initialize(self, *args: Any, max_connections: int, troubles: Troubles, **options: Any) -> None:  # type: ignore[override]
        """Take what Tornado's takes, and the bound."""
        super().initialize(*args, **options)
        self._max = max_connections
        self._troubles = troubles
        self._full_at = 0.0
        # In the order in which they became idle.
        self._idle: dict[HTTP1ServerConnection, None] = {}

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve a new connection, in the place of one that is idle if there are as many as there may be."""
        if len(self._connections) >= self._max:
            self.tell_full(f"{self._max} connections are open, which is all there may be: idle ones are closed")
            if not self._close_idle():
                stream.close()
                return
        elif time.monotonic() - self._full_at > CALM_S:
            self._troubles.end(Source.CONNECTIONS)
        super().handle_stream(stream, address)

    def tell_full(self, words: str) -> None:
        """Tell that a connection was refused or closed for lack of room; over once that was so for a while no more."""
        self._full_at = time.monotonic()
        self._troubles.tell(Source.CONNECTIONS, words, _REMEDY)

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """Wait for a request: Tornado calls this before a connection's first request, and after each."""
        connection = cast("HTTP1ServerConnection", server_conn)
        self._idle.pop(connection, None)
        self._idle[connection] = None
        return _Watched(super().start_request(server_conn, request_conn), self._idle, connection)

    def on_close(self, server_conn: object) -> None:
        """Forget a connection."""
        self._idle.pop(cast("HTTP1ServerConnection", server_conn), None)
        super().on_close(server_conn)

    def _close_idle(self) -> bool:
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        del self._idle[oldest]
        oldest.stream.close()
        return True


class _Watched(httputil.HTTPMessageDelegate):
    """Passes a request on, and notices that it has begun."""

    def __init__(
        self,
        inner: httputil.HTTPMessageDelegate,
        idle: dict[HTTP1ServerConnection, None],
        connection: HTTP1ServerConnection,
    ) -> None:
        self._inner = inner
        self._idle = idle
        self._connection = connection

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Any:
        """Notice the request."""
        self._idle.pop(self._connection, None)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        """Pass a part of its body on."""
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        """Pass its end on."""
        self._inner.finish()

    def on_connection_close(self) -> None:
        """Pass on that the client went away."""
        self._inner.on_connection_close()


async def accept_for_ever(listener: socket.socket, server: BoundedServer) -> None:
    """Accept connections; where no more files may be opened, that is told, and tried again after a while."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, address = await loop.sock_accept(listener)
        except OSError as error:
            if error.errno in _NO_ROOM:
                server.tell_full(f"no connection can be accepted: {error.strerror}")
                await asyncio.sleep(ACCEPT_RETRY_S)
            # Others mean that this one client went away.
            continue
        server.handle_stream(IOStream(connection), address)
        # Lets those that were closed go, before the next one comes.
        await asyncio.sleep(0)
