"""systemd's units: what ``systemctl show`` tells, and the few things done to them."""

import os
import re
import time
from collections import defaultdict
from typing import List, NamedTuple, Optional, Union

from .host import Completed, Host, ToolError
from .unit_words import split_words
from .unknown import Unknown

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "MainPID",
    "ExecMainStartTimestamp",
    "ExecMainStartTimestampMonotonic",
    "ExecStart",
    "Environment",
    "EnvironmentFiles",
    "NeedDaemonReload",
    "Triggers",
)
QUERY_TIMEOUT_S = 10

JournalMark = NamedTuple("JournalMark", [("cursor", Optional[str]), ("since_epoch_s", float)])
Unit = NamedTuple(
    "Unit",
    [
        ("name", str),
        ("load_state", str),
        ("active_state", str),
        ("sub_state", str),
        ("main_pid", int),
        ("started", str),
        ("argv", List[str]),
        ("environment", Union[List[str], Unknown]),
        ("environment_files", List[str]),
        ("needs_daemon_reload", bool),
        ("triggers", List[str]),
    ],
)


def runs(host: Host) -> bool:
    """Whether systemd runs this host."""
    return os.path.isdir(host.path("/run/systemd/system"))


def parse_show(name: str, text: str) -> Unit:
    """Read the ``Property=value`` lines of ``systemctl show``; some properties come several times."""
    values = defaultdict(list)
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values[key].append(value)

    def last(key: str) -> str:
        return values[key][-1] if values[key] else ""

    return Unit(
        name=name,
        load_state=last("LoadState"),
        active_state=last("ActiveState"),
        sub_state=last("SubState"),
        main_pid=int(last("MainPID")) if last("MainPID").isdigit() else 0,
        started=last("ExecMainStartTimestampMonotonic") or last("ExecMainStartTimestamp"),
        argv=[word for value in values["ExecStart"] for word in parse_exec_argv(value)],
        environment=_parse_environment(last("Environment")),
        environment_files=[path for value in values["EnvironmentFiles"] for path in _parse_files(value)],
        needs_daemon_reload=last("NeedDaemonReload") == "yes",
        triggers=last("Triggers").split(),
    )


def parse_exec_argv(value: str) -> List[str]:
    """Read the words of ``{ path=... ; argv[]=... ; ignore_errors=... }``; the program comes first, by its path.

    Old versions of systemd quote none of them: there a value with a blank comes apart.
    """
    words = []  # type: List[str]
    for path, argv in re.findall(r"path=(.*?) ; argv\[\]=(.*?) ; ignore_errors=", value):
        try:
            found = split_words(argv)
        except ValueError:
            found = argv.split()
        # A unit may have its program called by another name (``ExecStart=@``).
        words.extend([path, *found[1:]] if path.startswith("/") else found)
    return words


def _parse_environment(value: str) -> Union[List[str], Unknown]:
    try:
        return split_words(value)
    except ValueError as error:
        return Unknown("Environment of the unit is not understood: {}".format(error))


def _parse_files(value: str) -> List[str]:
    return re.findall(r"(/\S+)(?: \(ignore_errors=\w+\))?", value)


def read_unit(host: Host, name: str) -> Unit:
    """Ask systemd for a unit; one that does not exist has load_state ``not-found``.

    Raises:
        ToolError: systemd does not answer.
    """
    done = host.run(["systemctl", "show", "-p", ",".join(PROPERTIES), name], QUERY_TIMEOUT_S)
    if done.status != 0:
        raise ToolError("systemctl show {}: {}".format(name, done.output.strip()))
    return parse_show(name, done.output)


def reload_unit(host: Host, name: str) -> None:
    """Send one SIGHUP to the main process, through systemd: this program may live in a PID namespace of its own.

    Raises:
        ToolError: systemd did not send it.
    """
    _act(host, ["systemctl", "kill", "-s", "HUP", "--kill-who=main", name], QUERY_TIMEOUT_S)


def restart_unit(host: Host, name: str, timeout_s: float) -> None:
    """Restart a unit; its start limit is cleared before, or a third restart within a minute is refused.

    Raises:
        ToolError: the restart failed, or did not end within timeout_s.
    """
    host.run(["systemctl", "reset-failed", name], QUERY_TIMEOUT_S)
    _act(host, ["systemctl", "restart", name], timeout_s)


def start_unit(host: Host, name: str, timeout_s: float) -> None:
    """Start a unit that is down; one that runs, or is being started, is left alone.

    Raises:
        ToolError: the start failed, or did not end within timeout_s.
    """
    host.run(["systemctl", "reset-failed", name], QUERY_TIMEOUT_S)
    _act(host, ["systemctl", "start", name], timeout_s)


def read_manager_environment(host: Host) -> List[str]:
    """Ask systemd for the assignments that it gives to all units.

    Raises:
        ToolError: systemd does not tell.
    """
    done = host.run(["systemctl", "show-environment"], QUERY_TIMEOUT_S)
    if done.status != 0:
        raise ToolError("systemctl show-environment: {}".format(done.output.strip()))
    return done.output.splitlines()


def mark_journal(host: Host, name: str) -> JournalMark:
    """Mark the end of the unit's journal, so that later only what follows is read.

    By the journal's own cursor: by time, a clock that is set back would hide everything, and an earlier failure within
    the same second would be shown. Where there is no cursor, time has to do.
    """
    since_epoch_s = time.time()
    try:
        argv = ["journalctl", "--no-pager", "-u", name, "-n", "1", "--show-cursor"]
        cursors = re.findall(r"^-- cursor: (\S+)$", host.run(argv, QUERY_TIMEOUT_S).output, re.MULTILINE)
    except ToolError:
        cursors = []
    return JournalMark(cursors[-1] if cursors else None, since_epoch_s)


def read_journal(host: Host, name: str, mark: JournalMark, lines: int = 20) -> str:
    """Read the unit's last lines in the journal since a mark; a journal that cannot be read is told in its place."""
    if mark.cursor is not None:
        since = ["--after-cursor", mark.cursor]
    else:
        since = ["--since", "@{:d}".format(int(mark.since_epoch_s))]
    argv = ["journalctl", "--no-pager", "-o", "short-iso", "-u", name, *since, "-n", str(lines)]
    try:
        return host.run(argv, QUERY_TIMEOUT_S).output.strip()
    except ToolError as error:
        return "(no journal: {})".format(error)


def _act(host: Host, argv: List[str], timeout_s: float) -> Completed:
    done = host.run(argv, timeout_s)
    if done.status != 0:
        raise ToolError("{}: status {}: {}".format(" ".join(argv), done.status, done.output.strip()))
    return done
