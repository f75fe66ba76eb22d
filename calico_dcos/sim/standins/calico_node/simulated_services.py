"""The services of a container on a simulated host: threads, which its table of processes shows as runit's."""

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_RESTART_S = 1.0  # as runsv waits


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its name, the command line that it shows, that of its logger, and what it does, given its pid."""

    name: str
    command: str
    logger: str
    run: Callable[[int], None]


class ProcessTable:
    """What `ps` shows of the container, in a file that the Docker stand-in reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._rows: dict[int, tuple[int, float, str]] = {}

    def add(self, pid: int, parent: int, command: str) -> None:
        """Add a process that starts now."""
        with self._lock:
            self._rows[pid] = (parent, time.monotonic(), command)
            self._save()

    def remove(self, pid: int) -> None:
        """Remove one that has ended."""
        with self._lock:
            self._rows.pop(pid, None)
            self._save()

    def _save(self) -> None:
        rows = [(pid, parent, started, command) for pid, (parent, started, command) in self._rows.items()]
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(rows), encoding="utf-8")
        temporary.replace(self._path)


def run_services(services: Sequence[Service], table: ProcessTable) -> None:
    """Start them; each that ends is started again after a second."""
    table.add(os.getpid(), os.getppid(), "/sbin/runsvdir -P /etc/service/enabled")
    for service in services:
        threading.Thread(target=_supervise, args=(service, table), daemon=True).start()


def _supervise(service: Service, table: ProcessTable) -> None:
    # A thread has an id that no process has at the same time.
    own = threading.get_native_id()
    table.add(own, os.getpid(), f"runsv {service.name}")
    if service.logger:
        threading.Thread(target=_log, args=(service, table, own), daemon=True).start()
    while True:
        run = threading.Thread(target=_run, args=(service, table, own), daemon=True)
        run.start()
        run.join()
        time.sleep(_RESTART_S)


def _log(service: Service, table: ProcessTable, parent: int) -> None:
    table.add(threading.get_native_id(), parent, service.logger)
    threading.Event().wait()


def _run(service: Service, table: ProcessTable, parent: int) -> None:
    own = threading.get_native_id()
    table.add(own, parent, service.command)
    try:
        service.run(own)
    finally:
        table.remove(own)
