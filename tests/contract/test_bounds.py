"""Everything from outside is bounded: connections, reports, readers of events, open files."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from calico_dcos.core.events import BlockerAnswered, Event, Inspected, Progressed, RosterRead
from calico_dcos.core.model import Inspection, Status
from calico_dcos.mailbox import Mailbox
from calico_dcos.web.inbox import BUSY_RETRY_S, MAX_REPORT_BYTES, RATE_RETRY_S
from tests.contract.web_scene import TASK, TIMEOUT_S, Scene, Site, build_server

TOKEN = {"Authorization": f"Bearer token-of-{TASK}"}
PROGRESS = {"kind": "progress", "message": "fetches"}
SERVE = """
import resource, sys, time
soft, hard, most = map(int, sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from calico_dcos.web.connections import raise_open_files
from tests.contract.web_scene import Scene, build_server
print(raise_open_files())
server = build_server(Scene(), **({"max_connections": most} if most else {}))
server.start()
print(server.port, flush=True)
time.sleep(600)
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def serve(stack: ExitStack, scene: Scene, **options: Any) -> Site:
    server = build_server(scene, **options)
    server.start()
    stack.callback(server.stop)
    return Site(scene, server)


def serve_apart(stack: ExitStack, *, soft: int, hard: int, most: int = 0) -> tuple[subprocess.Popen[str], int, int]:
    """Serve in a process with a limit on open files: the process, its limit at last, its port."""
    command = [sys.executable, "-c", SERVE, str(soft), str(hard), str(most)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    stack.callback(process.wait)
    stack.callback(process.kill)
    assert process.stdout is not None
    stack.callback(process.stdout.close)
    return process, int(process.stdout.readline()), int(process.stdout.readline())


def connect(stack: ExitStack, port: int, count: int) -> list[socket.socket]:
    return [stack.enter_context(socket.create_connection(("127.0.0.1", port), TIMEOUT_S)) for _ in range(count)]


def list_sources(port: int) -> list[str]:
    troubles = requests.get(f"http://127.0.0.1:{port}/health", timeout=TIMEOUT_S).json()["troubles"]
    return [trouble["source"] for trouble in troubles]


# Connections


def test_more_idle_connections_than_files_may_be_open_end_nothing_and_keep_nobody_out(stack: ExitStack) -> None:
    process, limit, port = serve_apart(stack, soft=1024, hard=1024)
    assert limit == 1024

    connect(stack, port, 1100)

    assert list_sources(port) == ["connections"]
    assert process.poll() is None


def test_the_soft_limit_on_open_files_is_raised_to_the_hard_one(stack: ExitStack) -> None:
    assert serve_apart(stack, soft=128, hard=512)[1] == 512


def test_the_end_of_open_files_is_told_and_survived(stack: ExitStack) -> None:
    process, _, port = serve_apart(stack, soft=64, hard=64, most=1000)
    with ExitStack() as many:
        connect(many, port, 100)
        time.sleep(0.5)

    assert list_sources(port) == ["connections"]
    assert process.poll() is None


def test_the_connection_that_is_idle_the_longest_gives_way_and_those_at_work_do_not(stack: ExitStack) -> None:
    site = serve(stack, Scene(), max_connections=4)
    follower = requests.get(site.url("/v1/events"), stream=True, timeout=TIMEOUT_S)
    stack.callback(follower.close)
    first, *_ = connect(stack, site.server.port, 8)

    assert first.recv(1) == b"", "the first is still there"
    assert next(follower.iter_content(1)), "one at work was closed"
    assert site.get("/health").status_code == 200


def test_a_connection_is_refused_where_all_are_at_work(stack: ExitStack) -> None:
    site = serve(stack, Scene(), max_connections=2)
    for _ in range(2):
        follower = requests.get(site.url("/v1/events"), stream=True, timeout=TIMEOUT_S)
        stack.callback(follower.close)

    with pytest.raises(requests.ConnectionError):
        site.get("/health")


def test_a_reader_of_events_who_does_not_read_is_dropped(stack: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene = Scene()
    scene.statuses = {f"{'a' * 20_000}{number}": Status.PENDING for number in range(200)}
    site = serve(stack, scene, slow_s=0.2)
    (client,) = connect(stack, site.server.port, 1)
    client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")

    deadline = time.monotonic() + TIMEOUT_S
    while "drops a reader of the events" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while client.recv(1_000_000):
        pass


# Reports


def test_a_report_that_finds_no_room_is_503_and_told_when_to_come_back(stack: ExitStack) -> None:
    scene = Scene(mailbox=Mailbox(max_bytes=100))
    site = serve(stack, scene)
    codes = [site.post(f"/v1/reports/{TASK}", PROGRESS, TOKEN) for _ in range(4)]

    assert [code.status_code for code in codes] == [204, 204, 503, 503]
    assert codes[2].headers["Retry-After"] == str(BUSY_RETRY_S)
    assert len(scene.posted) == 2
    scene.mailbox.take(0, 1)  # those before are done with
    assert site.post(f"/v1/reports/{TASK}", PROGRESS, TOKEN).status_code == 204


def test_what_is_no_report_leaves_its_room_to_others(stack: ExitStack) -> None:
    scene = Scene(mailbox=Mailbox(max_bytes=100))
    site = serve(stack, scene)
    for _ in range(4):
        assert site.post(f"/v1/reports/{TASK}", {"kind": "unheard of"}, TOKEN).status_code == 400
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", site.server.port)) as client:
            head = f"POST /v1/reports/{TASK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-{TASK}\r\n"
            client.sendall(f"{head}Content-Length: 90\r\n\r\nhalf".encode())

    deadline = time.monotonic() + TIMEOUT_S
    while site.post(f"/v1/reports/{TASK}", PROGRESS, TOKEN).status_code != 204:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_task_sends_so_many_reports_at_once_and_no_more(stack: ExitStack) -> None:
    scene = Scene()
    site = serve(stack, scene)
    answers = []
    with requests.Session() as session:
        for _ in range(150):
            url = site.url(f"/v1/reports/{TASK}")
            answers.append(session.post(url, json=PROGRESS, headers=TOKEN, timeout=TIMEOUT_S))
            assert len(scene.posted) <= 1

    assert answers[0].status_code == 204
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == str(RATE_RETRY_S)


def test_one_task_does_not_fill_the_queue_for_others() -> None:
    mailbox = Mailbox()
    taken = [mailbox.reserve("greedy", 10) for _ in range(100)]

    assert not all(taken)
    assert mailbox.reserve("modest", 10)


def test_reports_that_wait_are_bounded_in_bytes_however_long_the_store_is_away() -> None:
    mailbox = Mailbox()
    waiting = sum(mailbox.reserve(f"task-{number}", MAX_REPORT_BYTES) for number in range(1000))
    assert waiting * MAX_REPORT_BYTES <= 8 * 1024 * 1024


def test_room_is_kept_until_the_turn_that_took_the_report_is_over() -> None:
    mailbox = Mailbox(max_bytes=10)
    assert mailbox.reserve("t", 10)
    mailbox.put_report(Progressed("t", "x"), 10)

    assert mailbox.take(0, 10) == [Progressed("t", "x")]
    assert not mailbox.reserve("t", 10), "it is being folded"
    assert mailbox.take(0, 10) == []
    assert mailbox.reserve("t", 10)


def test_of_what_makes_older_ones_worthless_only_the_newest_waits() -> None:
    mailbox = Mailbox()
    for number in range(100):
        mailbox.put_newest(RosterRead(()))
        mailbox.put_newest(BlockerAnswered(str(number)))

    assert [_name(event) for event in mailbox.take(0, 100)] == ["a roster", "99"]
    mailbox.put_newest(BlockerAnswered("100"))
    assert [_name(event) for event in mailbox.take(0, 100)] == ["100"]


def _name(event: Event) -> str:
    return event.reason if isinstance(event, BlockerAnswered) else "a roster"


@pytest.mark.parametrize(
    "event",
    [BlockerAnswered(took_s=5.0), RosterRead((), took_s=5.0), Inspected("t", Inspection(0.0, ""), took_s=5.0)],
)
def test_what_waits_gets_older(event: BlockerAnswered | RosterRead | Inspected) -> None:
    moments = iter([100.0, 160.0])
    mailbox = Mailbox(read_clock=lambda: next(moments))
    mailbox.put(event)

    (taken,) = mailbox.take(0, 100)

    assert isinstance(taken, type(event))
    assert taken.took_s == 65.0
