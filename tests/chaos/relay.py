"""A relay in front of a server, whose connections can be cut, or stay open while nothing comes through any more."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

POLL_S = 0.2
CHUNK = 65_536


class Relay:
    """Passes on what comes for a server, until it is cut or frozen."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(POLL_S)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._is_closed = False
        self._is_flowing = threading.Event()
        self._is_flowing.set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End all connections, and let none come up."""
        self._is_cut = True
        self._end_all()

    def freeze(self) -> None:
        """Leave all connections open, and pass nothing on: neither side can tell."""
        self._is_flowing.clear()

    def mend(self) -> None:
        """Pass on again, what was held back first."""
        self._is_cut = False
        self._is_flowing.set()

    def close(self) -> None:
        self._is_closed = True
        self._is_flowing.set()
        self._thread.join()
        self._listener.close()
        self._end_all()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.setblocking(True)  # noqa: FBT003 - the standard library's signature
            if self._is_cut:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target, timeout=5.0)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                self._is_flowing.wait()
                sink.sendall(chunk)
        for one in (source, sink):
            self._end(one)

    def _end_all(self) -> None:
        with self._lock:
            sockets = tuple(self._open)
        for one in sockets:
            self._end(one)

    def _end(self, one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            is_first = one in self._open
            self._open.discard(one)
        if is_first:
            one.close()
