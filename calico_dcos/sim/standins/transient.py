"""Commands that the init of a simulated host runs as units of their own, for systemd-run."""

import os
import signal
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.deeds import record_deed
from calico_dcos.sim.standins.journal import Journal
from calico_dcos.sim.standins.process_tree import has_in_environment, list_descendants, send_signal
from calico_dcos.sim.standins.unit import SIGNALS_AT_START, UNIT_PATH, UNIT_VARIABLE
from calico_dcos.sim.standins.unit_file import parse_seconds

EXIT_FAILURE = 1


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A call of systemd-run."""

    argv: tuple[str, ...]
    waits: bool
    unit: str
    description: str
    limit_s: float | None
    environment: Mapping[str, str]
    tool_argv: tuple[str, ...]


def parse_run_request(fields: dict[str, Any]) -> RunRequest:
    """Read a request as the systemd-run stand-in sends it."""
    properties = dict(entry.partition("=")[::2] for entry in fields["properties"])
    limit = properties.get("RuntimeMaxSec")
    return RunRequest(
        argv=tuple(fields["argv"]),
        waits=fields["waits"],
        unit=fields["unit"],
        description=fields["description"],
        limit_s=None if limit is None else parse_seconds(limit),
        environment=dict(entry.partition("=")[::2] for entry in fields["environment"]),
        tool_argv=tuple(fields["tool_argv"]),
    )


class Transients:
    """The commands that run. Every method is called with the host's lock held, and lets go of it only to wait."""

    def __init__(self, root: Path, lock: threading.Condition) -> None:
        self._root = root
        self._lock = lock
        self._journal = Journal(root)
        self._count = 0
        self._running: dict[int, str] = {}
        self._ended: dict[int, int] = {}

    def start(self, request: RunRequest, descriptors: Sequence[int]) -> int:
        """Start a command, its input and outputs those descriptors or none; return its process.

        Raises:
            OSError: it cannot be executed.
        """
        self._count += 1
        name = request.unit or f"run-u{self._count}.service"
        pid = self._spawn(request, name, descriptors)
        self._running[pid] = name
        record_deed(self._root, tool="systemd-run", argv=request.tool_argv, effect=f"ran {request.description or name}")
        if request.limit_s is not None:
            timer = threading.Timer(request.limit_s, self._end, (pid,))
            timer.daemon = True
            timer.start()
        return pid

    def wait(self, pid: int) -> int:
        """Wait for the end of a command, and return the status that systemd-run exits with."""
        self._lock.wait_for(lambda: pid in self._ended)
        status = self._ended.pop(pid)
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else EXIT_FAILURE

    def on_exit(self, pid: int, status: int) -> None:
        """A process ended; whatever else is left of its unit is ended, too."""
        name = self._running.pop(pid, None)
        if name is None:
            return
        for member in list_descendants(os.getpid()):
            if has_in_environment(member, f"{UNIT_VARIABLE}={name}"):
                send_signal(member, signal.SIGKILL)
        self._ended[pid] = status
        self._lock.notify_all()

    def _end(self, pid: int) -> None:
        with self._lock:
            if pid in self._running:
                send_signal(pid, signal.SIGTERM)

    def _spawn(self, request: RunRequest, name: str, descriptors: Sequence[int]) -> int:
        output, its_end = os.pipe()
        threading.Thread(target=self._journal.copy, args=(name, request.argv[0], output), daemon=True).start()
        nothing = os.open(os.devnull, os.O_RDONLY)
        standard = tuple(descriptors) or (nothing, its_end, its_end)
        environment = {
            "PATH": UNIT_PATH,
            "LANG": "C.UTF-8",
            "INVOCATION_ID": uuid.uuid4().hex,
            **request.environment,
            UNIT_VARIABLE: name,
        }
        try:
            return os.posix_spawn(
                request.argv[0],
                request.argv,
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(standard)],
                setsid=True,
                setsigmask=[],
                setsigdef=SIGNALS_AT_START,
            )
        finally:
            os.close(its_end)
            os.close(nothing)
