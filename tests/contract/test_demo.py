"""The demo as a person runs it, and what the scheduler keeps to when it is killed in the middle of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

LAST_LINE = re.compile(r"2 of 2 agents complete in \d+\.\d s; restarts: Docker 0, Mesos agent 1")
TIMEOUT_S = 300.0


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def open_demo(*arguments: str, port: int, before: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run a demo of two agents; the second has an old Mesos, which needs its agent restarted.

    `before` is what it is run under.
    """
    command = [*before, sys.executable, "-m", "calico_dcos", "demo", "--agents", "2", "--port", str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        try:
            yield demo
        finally:
            if demo.poll() is None:
                demo.terminate()
                demo.wait(30)


def read_rest(demo: subprocess.Popen[str]) -> list[str]:
    output, _ = demo.communicate(timeout=TIMEOUT_S)
    return output.splitlines()


def read_listing(port: int) -> Any:
    try:
        return requests.get(f"http://127.0.0.1:{port}/v1/agents", timeout=10).json()
    except requests.RequestException:
        return {"agents": [], "summary": {"complete": 0}}


def count_done_steps(port: int) -> int:
    return sum(step["status"] == "COMPLETE" for row in read_listing(port)["agents"] for step in row["steps"])


def find_scheduler(demo: subprocess.Popen[str]) -> int | None:
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text(encoding="utf-8").split()
    for pid in children:
        try:
            if b"\0scheduler\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        except OSError:
            continue
    return None


def test_demo_ends_with_one_line_that_sums_up() -> None:
    with open_demo("--once", port=0) as demo:
        lines = read_rest(demo)

    assert demo.returncode == 0, lines
    assert LAST_LINE.fullmatch(lines[-1])


# Whoever runs in it has the user namespace, and may make no PID namespace below it.
WITHOUT_PID_NAMESPACES = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-euc"),
    'echo 0 > /proc/sys/user/max_pid_namespaces; exec "$@"',
    "sh",
)


def test_where_the_kernel_forbids_pid_namespaces_the_demo_says_so_in_one_line_and_goes_on() -> None:
    with open_demo("--once", port=0, before=WITHOUT_PID_NAMESPACES) as demo:
        lines = read_rest(demo)

    assert demo.returncode == 0, lines
    told = [line for line in lines if "no PID namespaces" in line]
    assert told == ["tasks have no PID namespaces of their own here: unshare: unshare failed: No space left on device"]
    assert LAST_LINE.fullmatch(lines[-1])


def test_scheduler_killed_in_the_middle_of_the_walk_goes_on_and_restarts_nothing_twice(tmp_path: Path) -> None:
    port = find_free_port()
    kills = 0
    with open_demo("--once", "--state", f"sqlite://{tmp_path}/state.db", port=port) as demo:
        deadline = time.monotonic() + TIMEOUT_S
        # Both hosts have 6 steps; the restart of the agent is among the last of them.
        for threshold in (2, 4, 6, 8, 9, 10):
            while count_done_steps(port) < threshold and demo.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            scheduler = find_scheduler(demo) if demo.poll() is None else None
            if scheduler is not None:
                os.kill(scheduler, signal.SIGKILL)
                kills += 1
        lines = read_rest(demo)

    assert demo.returncode == 0, lines
    assert kills >= 3
    assert LAST_LINE.fullmatch(lines[-1]), lines[-1]
    assert (tmp_path / "state.db").exists()


def test_demo_that_is_kept_shows_its_page_until_it_is_told_to_end() -> None:
    port = find_free_port()
    with open_demo("--keep", port=port) as demo:
        assert demo.stdout is not None
        line = next(line for line in demo.stdout if LAST_LINE.fullmatch(line.strip()))
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=30)
        demo.send_signal(signal.SIGTERM)
        demo.wait(30)

    assert line
    assert "text/html" in page.headers["Content-Type"]
    assert demo.returncode == 0


def test_demo_names_the_option_when_its_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with open_demo("--once", port=taken.getsockname()[1]) as demo:
            lines = read_rest(demo)

    assert demo.returncode != 0
    assert len(lines) == 1
    assert "--port" in lines[0]


@pytest.mark.parametrize("arguments", [("--once", "--keep")])
def test_demo_refuses_options_that_exclude_each_other(arguments: tuple[str, ...]) -> None:
    with open_demo(*arguments, port=0) as demo:
        lines = read_rest(demo)

    assert demo.returncode == 2
    assert "exclude each other" in lines[-1]
