"""Which processes stem from which: what control groups tell a real host."""

import os
import signal
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")


def list_descendants(ancestor: int) -> list[int]:
    """Read the ids of all processes below a process, whatever their session; the dead but unreaped are left out."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (parent := _read_living_parent(entry)):
            children[parent].append(int(entry.name))
    found: list[int] = []
    unvisited = [ancestor]
    while unvisited:
        below = children[unvisited.pop()]
        found += below
        unvisited += below
    return found


def has_in_environment(pid: int, entry: str) -> bool:
    """Tell whether a process was started with this `NAME=value`; its descendants inherit it, as they do a cgroup."""
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:  # it ended meanwhile
        return False
    return entry.encode() in environment.split(b"\0")


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal a process; one that has ended needs none."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _read_living_parent(entry: Path) -> int | None:
    try:
        stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended meanwhile
        return None
    state, parent = stat.rpartition(")")[2].split()[:2]  # the name before may hold spaces and brackets
    return None if state in "ZX" else int(parent)
