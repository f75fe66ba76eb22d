"""A Mesos master that does what a test tells it to: an HTTP server that speaks RecordIO."""

from __future__ import annotations

import itertools
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Answer:
    """An answer to one request, in place of the usual one.

    Attributes:
        hang_s: how long to say nothing first.
    """

    status: int = 202
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_s: float = 0.0


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    at: float


class Stream:
    """The stream of one subscription."""

    def __init__(self, stream_id: str) -> None:
        self.id = stream_id
        self.packets: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def send(self, event: Mapping[str, Any]) -> None:
        self.send_record(json.dumps(event).encode())

    def send_record(self, record: bytes) -> None:
        self.send_bytes(b"%d\n%s" % (len(record), record))

    def send_bytes(self, data: bytes) -> None:
        """Send one chunk of any content."""
        self.packets.put(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        self.packets.put(None)


class ScriptedMaster:
    """Answers subscriptions and calls: first with what it was told, then as a real one does.

    Attributes:
        version: None to answer 404 to who asks.
        subscription_answers: for the next SUBSCRIBE calls; when there are none left, a stream follows.
        call_answers: for the next other calls.
        version_answers: for the next questions after the version.
        heartbeat_s: the interval that it announces; it sends a heartbeat only when told to.
        greets: whether a stream begins with SUBSCRIBED.
    """

    def __init__(self, port: int = 0) -> None:
        self.version: str | None = "1.9.0"
        self.subscription_answers: list[Answer] = []
        self.call_answers: list[Answer] = []
        self.version_answers: list[Answer] = []
        self.heartbeat_s = 15.0
        self.greets = True
        self.requests: list[Request] = []
        self.streams: list[Stream] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.master = self
        self.address = f"127.0.0.1:{self._server.server_port}"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """All calls but SUBSCRIBE."""
        return [request.body for request in self.requests if request.body and request.body.get("type") != "SUBSCRIBE"]

    @property
    def subscriptions(self) -> list[Request]:
        """All SUBSCRIBE calls."""
        return [request for request in self.requests if request.body.get("type") == "SUBSCRIBE"]

    @property
    def stream(self) -> Stream:
        """The newest stream."""
        return self.streams[-1]

    def wait_for(self, claim: Callable[[], object]) -> None:
        """Wait until something holds that changes with a request."""
        with self._changed:
            assert self._changed.wait_for(claim, PATIENCE_S), "the master waited in vain"

    def wait_for_streams(self, count: int) -> Stream:
        self.wait_for(lambda: len(self.streams) >= count)
        return self.streams[count - 1]

    def wait_for_call(self, kind: str) -> dict[str, Any]:
        self.wait_for(lambda: any(call["type"] == kind for call in self.calls))
        return next(call for call in self.calls if call["type"] == kind)

    def record(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def open_stream(self) -> Stream:
        stream = Stream(f"stream-{next(self._numbers)}")
        if self.greets:
            subscribed = {"framework_id": {"value": "f-1"}, "heartbeat_interval_seconds": self.heartbeat_s}
            stream.send({"type": "SUBSCRIBED", "subscribed": subscribed})
        with self._changed:
            self.streams.append(stream)
            self._changed.notify_all()
        return stream

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        for stream in self.streams:
            stream.end()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    master: ScriptedMaster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        master = self.server.master
        master.record(Request(self.path, {}, dict(self.headers), time.monotonic()))
        usual = Answer(200, json.dumps({"version": master.version})) if master.version else Answer(404)
        self._answer(master.version_answers.pop(0) if master.version_answers else usual)

    def do_POST(self) -> None:
        master = self.server.master
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = master.subscription_answers if body["type"] == "SUBSCRIBE" else master.call_answers
        answer = answers.pop(0) if answers else None
        master.record(Request(self.path, body, dict(self.headers), time.monotonic()))
        if answer is not None:
            self._answer(answer)
        elif body["type"] == "SUBSCRIBE":
            self._serve_stream(master.open_stream())
        else:
            self._answer(Answer())

    def _answer(self, answer: Answer) -> None:
        time.sleep(answer.hang_s)
        with suppress(OSError):
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body.encode())

    def _serve_stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Mesos-Stream-Id", stream.id)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(OSError):
            while (packet := stream.packets.get()) is not None:
                self.wfile.write(packet)
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def serve_dripping(head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") -> Iterator[str]:
    """Answer whoever connects a byte at a time, without end; gives "host:port"."""
    is_over = threading.Event()

    def drip(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.recv(65536)
            sock.sendall(head)
            while not is_over.wait(0.02):
                sock.sendall(b"x")

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def serve_master(port: int = 0) -> Iterator[ScriptedMaster]:
    """Run a scripted master."""
    master = ScriptedMaster(port)
    master.start()
    yield master
    master.stop()
