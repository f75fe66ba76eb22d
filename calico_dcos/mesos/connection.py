"""One connection to the master: pymesos' own, but for what would end the thread that it runs in."""

from __future__ import annotations

import logging
import select
import socket
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException
from typing import Protocol

from .quiet import pymesos

log = logging.getLogger(__name__)

LATE_S = 0.5
MALFORMED = (KeyError, TypeError, ValueError, AttributeError)
"""What reading a dictionary that is not as it should be can raise."""


class Owner(Protocol):
    """Who the connection is made for, besides what pymesos asks of him."""

    def take_connection(self, connection: Connection, address: str) -> None:
        """Hear of a connection that was made."""

    def is_master_silent(self) -> bool:
        """Whether the master has been silent for too long."""

    def take_refusal(self, status: int, words: str) -> None:
        """Hear that the master does not take the subscription."""


class Connection(pymesos.process.Connection):  # type: ignore[misc]  # pymesos has no types
    """A connection that fails by saying so: no exception of it reaches pymesos' loop, which would end."""

    def __init__(self, addr: str, callback: Owner) -> None:
        self._failure = ""
        self._is_given_up = False
        self._sock: socket.socket | None = None
        try:
            super().__init__(addr, callback)
        except (OSError, HTTPException, *MALFORMED) as error:
            self._fail(callback, str(error))
        # Grows in place: with the bytes of the base class, each packet copies all that came before.
        self._response = bytearray()
        callback.take_connection(self, addr)

    def handle_connect_event(self) -> str:
        """Tell why there is no connection, empty if there is one."""
        return self._failure or str(super().handle_connect_event())

    def want_write(self) -> bool:
        """Whether there is more to send; asked every two seconds or oftener, so silence is noticed here, too."""
        if self._is_given_up or self._callback.is_master_silent():
            self.end()
        return bool(super().want_write())

    def read(self) -> bool:
        """Take what came; False if that ends the connection."""
        parser, said = self._parser, self._peek()
        try:
            return bool(super().read())
        except (RuntimeError, *MALFORMED) as error:
            if parser.is_headers_complete() and parser.get_status_code() >= HTTPStatus.BAD_REQUEST:
                words = said.rpartition(b"\r\n\r\n")[2] or self._read_late()
                self._callback.take_refusal(parser.get_status_code(), words.decode(errors="replace"))
            log.warning("Gives up the connection to master %s:%s: %s", *self.addr, error)
            return False

    def _peek(self) -> bytes:
        """What came, before the stream has begun: pymesos takes an answer that is none, and does not say its words."""
        if self._stream_id is not None or self._sock is None:
            return b""
        with suppress(OSError):
            return self._sock.recv(select.PIPE_BUF, socket.MSG_PEEK)
        return b""

    def _read_late(self) -> bytes:
        """Words of a refusal that come after its head; nothing else waits for this connection."""
        if self._sock is None:
            return b""
        with suppress(OSError):
            self._sock.settimeout(LATE_S)
            return self._sock.recv(select.PIPE_BUF)
        return b""

    def end(self) -> None:
        """Make the connection look ended to the loop that reads it; from any thread."""
        self._is_given_up = True
        sock = self._sock
        if sock is not None:
            with suppress(OSError):  # it may not be connected yet: the loop's next turn comes back to it
                sock.shutdown(socket.SHUT_RDWR)

    def _fail(self, callback: Owner, failure: str) -> None:
        """Set what the base class had no time to set; the loop then asks why, and closes."""
        self._failure = failure
        self._callback = callback
        if self._sock is not None:
            self._sock.close()
        # Never connected, and so at once ready to be read, by which the loop gets to ask.
        self._sock = socket.socket()
        self._request = b""
        self.connected = False
