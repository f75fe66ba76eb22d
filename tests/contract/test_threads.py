"""A bug in a thread of ours ends the scheduler; one of a library does not."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import calico_dcos
from calico_dcos.threads import OURS, watch_threads

SOURCES = Path(calico_dcos.__file__).parent


@pytest.fixture
def reasons() -> Iterator[list[str]]:
    """The reasons for which the scheduler was to stop."""
    before = threading.excepthook
    stopped: list[str] = []
    watch_threads(stopped.append)
    yield stopped
    threading.excepthook = before


def run_bug(name: str) -> None:
    thread = threading.Thread(target=lambda: 1 // 0, name=name)
    thread.start()
    thread.join()


def test_a_bug_in_a_thread_of_ours_ends_the_scheduler_with_the_reason(reasons: list[str]) -> None:
    run_bug("roster")

    (reason,) = reasons
    assert reason.startswith("a bug ended the thread roster: ZeroDivisionError(")


def test_a_bug_in_a_thread_of_a_library_is_logged(reasons: list[str], caplog: pytest.LogCaptureFixture) -> None:
    run_bug("somebody else's")

    assert reasons == []
    assert "a bug ended the thread somebody else's" in caplog.text


def test_every_thread_of_the_scheduler_is_watched() -> None:
    parts = [
        *SOURCES.glob("*.py"),
        *(path for name in ("mesos", "store", "web") for path in (SOURCES / name).rglob("*.py")),
    ]
    started = [name for path in parts for name in re.findall(r'Thread\(.*name="([^"]+)"', path.read_text())]

    assert len(started) >= 6
    assert set(started) <= OURS
