"""Those who may object to a restart: asked over real connections, and taken for a no whenever they do not answer."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from calico_dcos.blockers import Asker, Objectors, ask, read_prometheus
from calico_dcos.core.events import BlockerAnswered
from calico_dcos.outbound import CallError
from calico_dcos.troubles import Source, Troubles
from tests.contract.scripted_master import serve_dripping

ALERT = {"metric": {"alertname": "DiskFull", "instance": "m1:9100"}, "value": [1.0, "1"]}


class Objector(ThreadingHTTPServer):
    """A server that answers what a test wants, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = 200
        self.body = b""
        self.location = ""
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    """One answer."""

    server: Objector

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def objector() -> Iterator[Objector]:
    server = Objector()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"", ""),
        (204, b"", ""),
        (503, b"change freeze until Monday\nask ops", "change freeze until Monday"),
        (404, b"", "it answers 404"),
        (500, b"\xff\x00\x1b[31m", "\ufffd  [31m"),
        (409, b"x" * 3_000_000, "x" * 200),
    ],
)
def test_address_allows_restarts_by_its_status(objector: Objector, status: int, body: bytes, reason: str) -> None:
    objector.status, objector.body = status, body
    assert ask(Objectors(url=objector.url)) == reason


def test_prometheus_is_asked_for_its_query(objector: Objector) -> None:
    objector.body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [ALERT]}}).encode()
    query = "ALERTS{alertstate='firing'}"

    assert ask(Objectors(prometheus=f"{objector.url}/", query=query)) == "Prometheus: DiskFull (m1:9100)"

    parts = urlsplit(objector.asked[0])
    assert (parts.path, parse_qs(parts.query)) == ("/api/v1/query", {"query": [query]})


def test_both_have_to_allow_it(objector: Objector) -> None:
    assert "makes no sense" in ask(Objectors(url=objector.url, prometheus=objector.url, query="up"))


def test_nobody_to_reach_is_a_no() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(CallError, match=r"^127\.0\.0\.1:\d+: nothing answers: "):
            ask(Objectors(url=f"{url}/path?token=s3cr3t"))


def test_a_redirect_is_a_no_whatever_it_leads_to(objector: Objector) -> None:
    objector.status, objector.location = 302, "http://[nonsense"
    assert ask(Objectors(url=objector.url)) == "it answers 302, and no redirect is followed: set its own URL"


def test_an_asker_outlives_redirects_secrets_stay_out_of_its_words_and_the_trouble_is_told(
    objector: Objector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    objector.status, objector.location = 302, "http://[nonsense"
    answers: SimpleQueue[BlockerAnswered] = SimpleQueue()
    troubles = Troubles()
    url = f"{objector.url.replace('//', '//me:pa55@')}/p4th?token=t0ken"
    asker = Asker(
        objectors=Objectors(url=url), is_wanted=lambda: True, post=answers.put, interval_s=0.01, troubles=troubles
    )
    asker.start()
    try:
        told = [answers.get(timeout=60).reason, answers.get(timeout=60).reason]
        objector.shutdown()
        objector.server_close()
        while not (reason := answers.get(timeout=60).reason).startswith("it cannot be asked"):
            pass
        words = [*told, reason, *(trouble.line for trouble in troubles.list_all()), caplog.text]
    finally:
        asker.stop()
    assert [trouble.source for trouble in troubles.list_all()] == [Source.BLOCKER]
    assert not [secret for secret in ("pa55", "p4th", "t0ken") if any(secret in word for word in words)]


def test_who_drips_bytes_neither_holds_up_the_end_nor_answers_for_ever() -> None:
    with serve_dripping() as address:
        asker = Asker(objectors=Objectors(url=f"http://{address}"), is_wanted=lambda: True, post=lambda _: None)
        asker.start()
        time.sleep(0.2)
        asker.stop()
        assert not [thread for thread in threading.enumerate() if thread.name == "blockers" and thread.is_alive()]
        with pytest.raises(CallError, match="no whole answer within"):
            ask(Objectors(url=f"http://{address}"), timeout_s=0.3)


def vector(*results: dict[str, Any], kind: str = "vector") -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": list(results)}}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (vector(), ""),
        (vector(ALERT), "Prometheus: DiskFull (m1:9100)"),
        (vector(*[{"metric": {"__name__": "up"}}] * 5), "Prometheus: up, up, up and 2 more"),
        (vector({"metric": {}}), "Prometheus: a result"),
        (vector(kind="scalar"), "Prometheus: the query gives a scalar"),
        (b'{"status": "error", "error": "parse error"}', "Prometheus: parse error"),
        (b"<html>", "Prometheus: the answer (status 200) makes no sense"),
        (b"[]", "Prometheus: the answer (status 200) makes no sense"),
        (b'{"status": "success"}', "Prometheus: the answer (status 200) makes no sense"),
        (vector({"metric": None}), "Prometheus: the answer (status 200) makes no sense"),
    ],
)
def test_anything_that_the_query_returns_is_a_no(body: bytes, reason: str) -> None:
    told = read_prometheus(200, body)
    assert told.startswith(reason)
    assert bool(told) == bool(reason)


def test_asker_asks_only_while_an_answer_may_be_needed(objector: Objector) -> None:
    answers: SimpleQueue[BlockerAnswered] = SimpleQueue()
    wanted = threading.Event()
    asker = Asker(objectors=Objectors(url=objector.url), is_wanted=wanted.is_set, post=answers.put, interval_s=0.01)
    asker.start()
    try:
        assert objector.asked == []
        wanted.set()
        first, second = answers.get(timeout=60), answers.get(timeout=60)
        assert (first.reason, second.reason) == ("", "")
        assert first.took_s >= 0.0
        objector.status = 503
        while answers.get(timeout=60).reason != "it answers 503":
            pass
    finally:
        asker.stop()
