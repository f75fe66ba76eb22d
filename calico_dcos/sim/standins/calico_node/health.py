"""Felix's health endpoint, as from calico/node 2.4 on: alive and ready as long as it answers."""

import contextlib
import socket
import threading
from collections.abc import Iterator

_ANSWERS = {b"/readiness": b"200 OK", b"/liveness": b"200 OK"}
_TIMEOUT_S = 2
_MAX_REQUEST_BYTES = 4096


@contextlib.contextmanager
def serve_health(address: tuple[str, int]) -> Iterator[None]:
    """Serve until the context is left; if the port is taken there is no endpoint, as with the real one."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            yield
            return
        listener.listen()
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread up, which closing alone does not


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_TIMEOUT_S)
            words = connection.recv(_MAX_REQUEST_BYTES).split()
            path = words[1] if len(words) > 1 else b""
            status = _ANSWERS.get(path, b"404 Not Found")
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
