"""The thread that serves an application, and the bounds of what it takes from a client."""

from __future__ import annotations

import asyncio
import socket
import threading

from tornado.web import Application

from calico_dcos.troubles import Troubles

from .connections import BoundedServer, accept_for_ever, count_connections

# Bodies of requests, but for reports, which have their own bound; nothing else has a body at all.
MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
# How long a client may take to send a request, or leave a connection unused.
BODY_TIMEOUT_S = 30.0
IDLE_TIMEOUT_S = 75.0
# Connections that wait to be accepted.
BACKLOG = 128
STOP_TIMEOUT_S = 10.0


class WebServer:
    """Serves an application from a thread of its own.

    Args:
        address: to listen on; empty for all IPv4 addresses of this machine.
        port: 0 for any that is free.
        max_connections: how many at a time; as many as this process may have files open for if not given.
        troubles: where it is told that there are too many.
    """

    def __init__(
        self,
        *,
        application: Application,
        address: str = "",
        port: int = 0,
        max_connections: int | None = None,
        troubles: Troubles | None = None,
    ) -> None:
        self.port = port
        self._max_connections = count_connections() if max_connections is None else max_connections
        self._troubles = troubles or Troubles()
        self._application = application
        self._address = address
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve; from then on `port` is the real one.

        Raises:
            OSError: the address cannot be listened on, for instance because the port is taken.
        """
        listener = _listen(self._address, self.port)
        self.port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop, listener), name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close all connections, and wait until the thread is gone; without effect if it does not run."""
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        server = BoundedServer(
            self._application,
            max_connections=self._max_connections,
            troubles=self._troubles,
            max_body_size=MAX_BODY_BYTES,
            max_header_size=MAX_HEADER_BYTES,
            body_timeout=BODY_TIMEOUT_S,
            idle_connection_timeout=IDLE_TIMEOUT_S,
        )
        accepting = asyncio.create_task(accept_for_ever(listener, server))
        stopping = asyncio.create_task(self._stopping.wait())
        # A bug in accepting is to end the process, not to leave it without a page.
        await asyncio.wait({accepting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        listener.close()
        await server.close_all_connections()
        if not self._stopping.is_set():
            await accepting


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Tornado's own bind_sockets leaves its socket open when the port is taken.
    listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener
