"""HTTP/1.1 on asyncio, as little of it as the simulated master and agents need: a server and message channels.

A handler answers a request with a `Response`; with a `Stream`, which goes on until one side ends it; or with an
`Upgrade`, which turns the connection into a `Channel` of JSON messages, one per line, both ways.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

Message = dict[str, Any]
_LONGEST_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class Request:
    """A request; the names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that is complete."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class Stream:
    """An answer in chunks that lasts until it is closed here, or the other side goes (then `on_gone` is called)."""

    def __init__(self, *, headers: dict[str, str], on_gone: Callable[[], None]) -> None:
        self.headers = headers
        self._on_gone = on_gone
        self._unsent: list[bytes] = []
        self._writer: asyncio.StreamWriter | None = None
        self._is_closed = asyncio.Event()

    def send(self, data: bytes) -> None:
        """Send a chunk; it is queued as long as the other side does not read."""
        chunk = f"{len(data):x}\r\n".encode() + data + b"\r\n"
        if self._writer is None:
            self._unsent.append(chunk)
        elif not self._is_closed.is_set():
            self._writer.write(chunk)

    def close(self) -> None:
        """End the answer; `on_gone` is not called any more."""
        self._is_closed.set()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry the stream over a connection until it ends."""
        self._writer = writer
        writer.write(_head(200, {"Transfer-Encoding": "chunked", **self.headers}) + b"".join(self._unsent))
        gone = asyncio.ensure_future(_read_until_end(reader))
        closed = asyncio.ensure_future(self._is_closed.wait())
        try:
            await asyncio.wait({gone, closed}, return_when=asyncio.FIRST_COMPLETED)
            if self._is_closed.is_set():
                writer.write(b"0\r\n\r\n")
                await writer.drain()
            else:
                self._is_closed.set()
                self._on_gone()
        finally:
            gone.cancel()
            closed.cancel()


class Channel:
    """JSON messages, one per line, both ways over one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: Message) -> None:
        """Send a message; lost if the other side is gone, which `receive` will tell."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self) -> Message | None:
        """The next message, or None when the other side is gone."""
        try:
            line = await self._reader.readline()
        except OSError:
            return None
        if not line.endswith(b"\n"):
            return None
        message: Message = json.loads(line)
        return message

    def close(self) -> None:
        """Close the connection; the other side receives None."""
        self._writer.close()


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Answers a request by opening a channel; the connection ends when `serve` returns."""

    serve: Callable[[Channel], Awaitable[None]]


Answer = Response | Stream | Upgrade
Handler = Callable[[Request], Answer]


def json_response(value: Any, status: int = 200) -> Response:
    """A complete answer with a JSON body."""
    return Response(status, json.dumps(value).encode(), "application/json")


async def serve(handler: Handler, ip: str, port: int) -> asyncio.Server:
    """Serve HTTP on an address."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _serve_connection(handler, reader, writer)
        writer.close()

    return await asyncio.start_server(connected, ip, port, limit=_LONGEST_LINE)


async def open_channel(ip: str, port: int, path: str) -> Channel:
    """Open a channel to a server of this kind; raises OSError if it does not answer."""
    reader, writer = await asyncio.open_connection(ip, port, limit=_LONGEST_LINE)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: {ip}:{port}\r\nContent-Length: 0\r\n\r\n".encode())
    status_line = await reader.readline()
    while (await reader.readline()).strip():
        pass
    if b" 101 " not in status_line:
        writer.close()
        msg = f"{ip}:{port}{path} answered {status_line.decode(errors='replace').strip()!r}"
        raise ConnectionError(msg)
    return Channel(reader, writer)


async def _serve_connection(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (request := await _read_request(reader)) is not None:
        answer = handler(request)
        if isinstance(answer, Stream):
            return await answer.run(reader, writer)
        if isinstance(answer, Upgrade):
            writer.write(_head(101, {"Connection": "Upgrade", "Upgrade": "json-lines"}))
            return await answer.serve(Channel(reader, writer))
        writer.write(_encode(answer))
        await writer.drain()
        if request.headers.get("connection", "").lower() == "close":
            return None
    return None


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection, or None when there is none."""
    request_line = (await reader.readline()).decode("latin-1").split()
    if len(request_line) != 3:  # noqa: PLR2004 - method, target, version
        return None
    headers = {}
    while line := (await reader.readline()).decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    target = urllib.parse.urlsplit(request_line[1])
    return Request(request_line[0], target.path, dict(urllib.parse.parse_qsl(target.query)), headers, body)


async def _read_until_end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass


def _encode(answer: Response) -> bytes:
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), **answer.headers}
    return _head(answer.status, headers) + answer.body


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
