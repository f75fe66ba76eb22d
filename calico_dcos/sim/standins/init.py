"""The first process of a simulated host: boots its units, reaps, serves systemctl and systemd-run, and ends it all.

It is the reaper of every process of the host, whatever its session, so that nothing outlives the host. Its standard
input is the power line: when that closes, for whatever reason, the host is off.
"""

import ctypes
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import uuid
from dataclasses import asdict
from pathlib import Path

from calico_dcos.sim.standins.commands import Answer, Commands, Request, parse_request
from calico_dcos.sim.standins.deeds import record_deed
from calico_dcos.sim.standins.options import read_options
from calico_dcos.sim.standins.process_tree import list_descendants, send_signal
from calico_dcos.sim.standins.systemctl import SOCKET
from calico_dcos.sim.standins.systemd_run import BUS_SOCKET
from calico_dcos.sim.standins.transient import RunRequest, Transients, parse_run_request
from calico_dcos.sim.standins.unit import RUN_DIRECTORY, Unit
from calico_dcos.sim.standins.unit_file import UNIT_DIRECTORY, parse_unit_file

BOOT_ID = "run/boot_id"

_MESSAGE_BYTES = 1 << 16
_FDS_MAX = 3
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}


class Host:
    """The units of a host, under one lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.Condition(threading.RLock())
        self._is_hybrid = read_options(root).is_hybrid
        self.transients = Transients(root, self.lock)
        self._units: dict[str, Unit] = {}
        for path in sorted((root / UNIT_DIRECTORY).glob("*.service")):
            self.find(path.name)

    def find(self, name: str) -> Unit | None:
        """Find a unit by its full name, or load it; None if it has no file."""
        if name not in self._units:
            path = self.root / UNIT_DIRECTORY / name
            if not path.exists():
                return None
            file = parse_unit_file(name, path.read_text(encoding="utf-8"))
            unit = Unit(file, root=self.root, lock=self.lock, is_hybrid=self._is_hybrid)
            if file.waits_for_ready:
                threading.Thread(target=self._listen_for_ready, args=(unit,), daemon=True).start()
            self._units[name] = unit
        return self._units[name]

    def reload_files(self) -> None:
        """Read the unit files again; what runs goes on."""
        for name, unit in self._units.items():
            unit.file = parse_unit_file(name, (self.root / UNIT_DIRECTORY / name).read_text(encoding="utf-8"))

    def boot(self) -> None:
        """Start the enabled units, all at once."""
        for unit in self._units.values():
            if unit.file.is_enabled:
                threading.Thread(target=self._boot_unit, args=(unit,), daemon=True).start()

    def reap(self) -> None:
        """Bury the dead, and tell the units whose main process was among them."""
        with self.lock:
            while (ended := _wait_for_any()) and ended[0]:
                pid, status = ended
                self.transients.on_exit(pid, status)
                for unit in self._units.values():
                    if unit.state.main_pid == pid:
                        unit.on_exit(status)

    def _boot_unit(self, unit: Unit) -> None:
        with self.lock:
            record_deed(self.root, tool="systemd", argv=(), effect=f"booted {unit.file.name}")
            unit.start()

    def _listen_for_ready(self, unit: Unit) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            unit.notify_path.unlink(missing_ok=True)
            notifications.bind(str(unit.notify_path))
            while True:
                if b"READY=1" in notifications.recv(4096).split(b"\n"):
                    with self.lock:
                        unit.on_ready()


class _Server(socketserver.ThreadingUnixStreamServer):
    """Serves systemctl or systemd-run, at its socket."""

    daemon_threads = True

    def __init__(self, host: Host, path: str, handler: type[socketserver.BaseRequestHandler]) -> None:
        self.host = host
        (host.root / path).unlink(missing_ok=True)
        super().__init__(str(host.root / path), handler)


class _Call(socketserver.StreamRequestHandler):
    """One call of systemctl."""

    server: _Server

    def handle(self) -> None:
        line = self.rfile.readline()
        if not line:  # somebody looked who is here
            return
        request = parse_request(line)
        if request.waits:
            _answer(self.request, self._run(request))
        else:
            _answer(self.request, Answer())
            self._run(request)

    def _run(self, request: Request) -> Answer:
        with self.server.host.lock:
            return Commands(self.server.host).run(request)


class _RunCall(socketserver.BaseRequestHandler):
    """One call of systemd-run, with the caller's input and outputs."""

    server: _Server

    def handle(self) -> None:
        line, descriptors = b"", []
        while not line.endswith(b"\n"):
            part, received, _, _ = socket.recv_fds(self.request, _MESSAGE_BYTES, _FDS_MAX, socket.MSG_CMSG_CLOEXEC)
            if not part:
                return
            line += part
            descriptors += received
        _answer(self.request, self._run(parse_run_request(json.loads(line)), descriptors))

    def _run(self, request: RunRequest, descriptors: list[int]) -> Answer:
        transients = self.server.host.transients
        with self.server.host.lock:
            try:
                pid = transients.start(request, descriptors)
            except OSError as error:
                return Answer(err=f"Failed to find executable {request.argv[0]}: {error.strerror}\n", status=1)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            return Answer(status=transients.wait(pid) if request.waits else 0)


def _answer(connection: socket.socket, answer: Answer) -> None:
    try:
        connection.sendall(json.dumps(asdict(answer)).encode() + b"\n")
    except BrokenPipeError:  # the caller was killed, for instance by the restart that it asked for
        return


def main(root_path: str) -> int:
    """Run the host with this root until its power line is cut."""
    root = Path(root_path)
    _clear_run_directory(root)
    (root / BOOT_ID).write_text(f"{uuid.uuid4()}\n", encoding="utf-8")
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # inherited by all threads; the main one waits for them
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    host = Host(root)
    for server in (_Server(host, SOCKET, _Call), _Server(host, BUS_SOCKET, _RunCall)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=_watch_power_line, daemon=True).start()
    host.boot()
    print("booted", flush=True)
    while signal.sigwait(_SIGNALS) == signal.SIGCHLD:
        host.reap()
    host.lock.acquire()  # nothing starts any more
    _end_all_processes()
    return 0


def _clear_run_directory(root: Path) -> None:
    """Remove what an earlier boot left: on a real host it is in memory."""
    for path in (root / RUN_DIRECTORY).iterdir():
        path.unlink()


def _watch_power_line() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _end_all_processes() -> None:
    """Kill and bury until no child is left; as the reaper of all, this process is then the last of its host."""
    while (ended := _wait_for_any()) is not None:
        if ended[0]:
            continue
        for pid in list_descendants(os.getpid()):
            send_signal(pid, signal.SIGKILL)
        time.sleep(0.005)


def _wait_for_any() -> tuple[int, int] | None:
    """Bury one of the dead: its id and status, or (0, 0) if all children live; None if there are no children."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
