"""Processes of this machine: when one started, when one ends, and how all of a session are ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from calico_dcos.sim.agent.task import ProcessId

_PROC = Path("/proc")
_STATE, _SESSION, _STARTED = 0, 3, 19  # fields of /proc/PID/stat, counted after the name of the command


def identify(pid: int) -> ProcessId | None:
    """The process that has this number now, or None if there is none."""
    fields = _stat(pid)
    return None if fields is None else ProcessId(pid, int(fields[_STARTED]))


def is_alive(process: ProcessId) -> bool:
    """Whether it is still there, and no zombie."""
    fields = _stat(process.pid)
    return fields is not None and int(fields[_STARTED]) == process.started and fields[_STATE] != "Z"


def kill_session(leader: ProcessId) -> None:
    """Kill all processes of a session, its leader too; none if another process has the leader's number by now."""
    if identify(leader.pid) not in (None, leader):
        return
    for pid in list(_members(leader.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def watch_end(process: ProcessId, ended: Callable[[], None]) -> None:
    """Have a function called when a process ends, whether it is a child of ours or not."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        asyncio.get_running_loop().call_soon(ended)
        return

    def readable() -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        ended()

    asyncio.get_running_loop().add_reader(descriptor, readable)


def _members(session: int) -> Iterator[int]:
    for path in _PROC.iterdir():
        if path.name.isdigit():
            fields = _stat(int(path.name))
            if fields is not None and int(fields[_SESSION]) == session:
                yield int(path.name)


def _stat(pid: int) -> list[str] | None:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
