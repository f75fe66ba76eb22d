"""The processes of a container as `ps` lists them: what `docker top` shows."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.docker.calls import ApiError
from calico_dcos.sim.standins.docker.containers import Container
from calico_dcos.sim.standins.docker.programs import find_processes

_FULL = "user,pid,ppid,c,stime,tty,time,args"  # what `ps -ef` shows
_TITLES = {
    "user": "UID",
    "uid": "UID",
    "pid": "PID",
    "ppid": "PPID",
    "c": "C",
    "stime": "STIME",
    "tty": "TTY",
    "time": "TIME",
    "etime": "ELAPSED",
    "etimes": "ELAPSED",
    "args": "COMMAND",
    "cmd": "CMD",
    "comm": "COMMAND",
    "command": "COMMAND",
}
_FIXED = {"user": "root", "uid": "0", "c": "0", "stime": "00:00", "tty": "?", "time": "00:00:00"}

Row = tuple[int, int, float, str]
"""Process, parent, when it started (seconds of the monotonic clock), command line."""


def build_top(container: Container, root: Path, ps_args: str) -> dict[str, Any]:
    """Build /containers/<name>/top.

    Raises:
        ApiError: the container does not run, or ps does not understand.
    """
    if container.status == "restarting":
        message = f"Container {container.id} is restarting, wait until the container is running"
        raise ApiError(409, message)
    if container.status != "running":
        raise ApiError(409, f"Container {container.id} is not running")
    columns = _parse_columns(ps_args.split() or ["-ef"])
    if unknown := [column for column in columns if column not in _TITLES]:
        raise ApiError(500, f'ps: error: unknown user-defined format specifier "{unknown[0]}"')
    if "pid" not in columns:
        raise ApiError(500, "Couldn't find PID field in ps output")
    now_s = time.monotonic()
    rows = [[_format(column, row, now_s) for column in columns] for row in sorted(_read_rows(container, root))]
    return {"Titles": [_TITLES[column] for column in columns], "Processes": rows}


def _parse_columns(words: Sequence[str]) -> list[str]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("-") and word.endswith("o"):
            return following.split(",")
    return _FULL.split(",")


def _read_rows(container: Container, root: Path) -> list[Row]:
    try:
        text = find_processes(root, container.id).read_text(encoding="utf-8")
    except FileNotFoundError:
        started_s = time.monotonic() - max(0.0, time.time() - container.started_s)
        return [(container.pid, 1, started_s, " ".join(container.config.get("Cmd") or ["/start"]))]
    return [(pid, parent, started, command) for pid, parent, started, command in json.loads(text)]


def _format(column: str, row: Row, now_s: float) -> str:
    pid, parent, started_s, command = row
    seconds = int(now_s - started_s)
    match column:
        case "pid":
            return str(pid)
        case "ppid":
            return str(parent)
        case "etime":
            return _format_elapsed(seconds)
        case "etimes":
            return str(seconds)
        case "comm":
            return command.split()[0].rpartition("/")[2]
        case _:
            return _FIXED.get(column, command)


def _format_elapsed(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days}-" if days else "") + (f"{hour:02}:" if hours else "") + f"{minute:02}:{second:02}"
