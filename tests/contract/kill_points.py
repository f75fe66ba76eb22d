"""Runs the installer many times, each run killed before its n-th call that changes the host; a program of its own.

It reads orders from its standard input, one JSON object in a line, and answers each with how the run ended and how many
such calls there were. Each run is a fork of this process, which has everything imported: a run takes milliseconds.

What changes the host is seen by an audit hook of the interpreter, and by what is asked of ``os.fsync`` and of the
host's tools. The installer knows nothing of it. A kill is ``_exit``: no ``finally``, no buffer is written.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
from pathlib import Path
from types import CodeType
from typing import Any

from calico_dcos.installer import host as host_module
from calico_dcos.installer.command_line import run
from calico_dcos.installer.facts import read_facts
from calico_dcos.installer.host import Completed, Host, run_program
from calico_dcos.installer.removal import remove
from calico_dcos.installer.steps import apply_step

# Imported here, so that no run has to: an import writes byte code.
IMPORTED = (read_facts, remove, apply_step)
KILLED = 77
TOOL_TIMEOUT_S = 60
CHANGING_EVENTS = frozenset(
    f"os.{name}"
    for name in ("rename", "remove", "rmdir", "mkdir", "chmod", "chown", "utime", "symlink", "link", "truncate")
)
CHANGING_VERBS = frozenset({"kill", "restart", "reset-failed", "start", "rm", "run", "pull", "stop"})
WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Counter:
    """Counts changing calls, and ends this process before the n-th; 0: never."""

    def __init__(self, kill_at: int, root: str, told: int) -> None:
        self.count = 0
        self._kill_at = kill_at
        self._root = root
        self._told = told
        self._lock = threading.Lock()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGING_EVENTS or (event == "open" and self._is_writing(arguments)):
            self._tick_for(arguments[0])
        elif event == "http.client.send" and bytes(arguments[1]).startswith(b"PUT "):
            self.tick()

    def tick(self) -> None:
        with self._lock:
            self.count += 1
            if self.count == self._kill_at:
                self.tell(KILLED)

    def tell(self, status: int) -> None:
        os.write(self._told, json.dumps({"status": status, "calls": self.count}).encode())
        os._exit(status)

    def _is_writing(self, arguments: tuple[Any, ...]) -> bool:
        return isinstance(arguments[0], str) and bool((arguments[2] or 0) & WRITING_FLAGS)

    def _tick_for(self, path: Any) -> None:
        """Count what is done to the host; names relative to an open directory and descriptors are always its."""
        is_named = isinstance(path, str) and path.startswith("/")
        if not is_named or (path.startswith(self._root) and not path.startswith(self._root + "/fake")):
            self.tick()


class Tools:
    """Runs a host's stand-in tools in this process: the scripts are the same, and a start of Python is saved."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._lock = threading.Lock()

    def run(self, host: Host, argv: list[str], timeout_s: float) -> Completed:
        del timeout_s
        path = host.find_tool(argv[0])
        if argv[1] in CHANGING_VERBS:
            self._counter.tick()
        text = Path(path).read_text()
        if "python" not in text.partition("\n")[0]:
            return run_program([path, *argv[1:]], host.build_tool_environment(), TOOL_TIMEOUT_S)
        with self._lock:
            return run_script(path, compile(text, path, "exec"), argv[1:])


def run_script(path: str, code: CodeType, arguments: list[str]) -> Completed:
    output, status = io.StringIO(), 0
    sys.argv = [path, *arguments]
    with contextlib.redirect_stdout(output):
        try:
            exec(code, {"__file__": path, "__name__": "__main__"})  # noqa: S102  (a script of the tests' own)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Completed(status, output.getvalue())


def run_once(order: dict[str, Any], told: int) -> None:
    """Run the installer in this process, which ends with it."""
    counter = Counter(order["kill_at"], order["root"], told)
    tools = Tools(counter)
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        counter.tick()
        real_fsync(descriptor)

    def run_tool(host: Host, argv: list[str], timeout_s: float) -> Completed:
        return tools.run(host, argv, timeout_s)

    host_module.Host.run = run_tool  # type: ignore[assignment]
    os.fsync = fsync  # type: ignore[assignment]
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.addaudithook(counter.hook)
    with Path(order["log"]).open("a") as log:
        status = run(order["arguments"], log, log)
        log.flush()
        counter.tell(status)


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                run_once(json.loads(line), writing)
            finally:
                os._exit(70)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        sys.stdout.write((answer or "{}") + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
