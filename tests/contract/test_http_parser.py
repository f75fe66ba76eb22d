"""Our http-parser does for pymesos what pymesos expects of the original."""

from __future__ import annotations

import inspect

import pymesos.process
import pytest
from http_parser.http import HttpParser

STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMesos-Stream-Id: abc\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n6\r\n3\n{a}1\r\n3\r\n\n{}\r\n0\r\n\r\n"
)
REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: //10.0.0.2:5050/api/v1/scheduler\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1, 3))
def test_a_response_split_into_packets_of_any_size_is_read_whole(size: int) -> None:
    parser = HttpParser()
    body = b""

    for start in range(0, len(STREAM), size):
        packet = STREAM[start : start + size]
        assert parser.execute(packet, len(packet)) == len(packet)
        if parser.is_partial_body():
            body += parser.recv_body()

    assert parser.is_headers_complete()
    assert parser.get_status_code() == 200
    assert parser.get_headers()["Mesos-Stream-Id"] == "abc"
    assert parser.is_chunked()
    assert body == b"3\n{a}1\n{}"
    assert parser.is_message_complete()
    assert parser.get_errno() == 0


def test_body_is_handed_out_once() -> None:
    parser = HttpParser()
    parser.execute(STREAM, len(STREAM))

    assert parser.recv_body() == b"3\n{a}1\n{}"
    assert not parser.is_partial_body()
    assert parser.recv_body() == b""


def test_nothing_is_complete_before_it_is_there() -> None:
    parser = HttpParser()
    parser.execute(STREAM, 20)

    assert not parser.is_headers_complete()
    assert not parser.is_message_complete()
    assert not parser.is_partial_body()


def test_a_redirect_is_complete_and_not_chunked() -> None:
    parser = HttpParser()
    parser.execute(REDIRECT, len(REDIRECT))

    assert parser.get_status_code() == 307
    assert parser.get_headers()["Location"] == "//10.0.0.2:5050/api/v1/scheduler"
    assert not parser.is_chunked()
    assert parser.is_message_complete()


def test_garbage_is_an_error_that_stays() -> None:
    parser = HttpParser()
    garbage = b"SSH-2.0-OpenSSH_9.2\r\n"

    assert parser.execute(garbage, len(garbage)) < len(garbage)
    assert parser.get_errno() != 0
    assert parser.execute(STREAM, len(STREAM)) < len(STREAM)


def test_pymesos_calls_no_method_that_is_missing() -> None:
    source = inspect.getsource(pymesos.process.Connection)
    called = {word.split("(")[0] for word in source.split("_parser.")[1:]}

    missing = {name for name in called if name.isidentifier() and not hasattr(HttpParser, name)}

    assert missing <= {"errno"}, "errno belongs to a pure Python implementation that pymesos looks for"
