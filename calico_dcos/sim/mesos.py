"""A simulated master and agents as processes that a test or a demo starts, stops, kills and starts again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from calico_dcos.sim.agent.checkpoint import Checkpoint
from calico_dcos.sim.agent.processes import kill_session

START_TIMEOUT_S = 60.0
CLAIM_PORT = 5049  # nothing of Mesos or DC/OS uses it


class LoopbackClaim:
    """A loopback address for one cluster, which so has the usual ports; held by a socket until released."""

    def __init__(self, prefix: str = "127.10.77") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for number in range(2, 255):
            try:
                self._socket.bind((f"{prefix}.{number}", CLAIM_PORT))
            except OSError:
                continue
            self.ip = f"{prefix}.{number}"
            return
        self._socket.close()
        msg = f"all addresses of {prefix} are claimed"
        raise OSError(msg)

    def release(self) -> None:
        """Let others have the address."""
        self._socket.close()


class MesosProcess:
    """A process of the simulation with an address of its own; what it prints goes to a file."""

    def __init__(self, module: str, arguments: Sequence[str], *, ip: str, port: int, log: Path) -> None:
        self._command = [sys.executable, "-m", module, "--ip", ip, "--port", str(port), *arguments]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.address = (ip, port)

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError when it was not started."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    def start(self) -> None:
        """Start the process; it may not listen yet."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait_until_listening(self) -> None:
        """Wait until the address can be connected to; raises TimeoutError."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(self.address, timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        msg = f"{self._command} does not listen: {self._log.read_text()}"
        raise TimeoutError(msg)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process with a signal, if it runs, and wait for its end."""
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, number)
            self._process.wait()
            self._process = None

    def wait(self, timeout_s: float) -> int:
        """Wait until the process ends by itself; return its exit status."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.wait(timeout_s)


def kill_tasks(work_dir: Path) -> None:
    """Kill the tasks that an agent which is stopped has left, as far as it wrote them down."""
    for task in Checkpoint(work_dir).load_tasks():
        if task.executor is not None:
            kill_session(task.executor)


def build_master(work_dir: Path, *options: str, ip: str = "127.0.0.1", port: int = 5050) -> MesosProcess:
    """A master that is not started yet; options as on its command line."""
    work_dir.mkdir(parents=True, exist_ok=True)
    return MesosProcess(
        "calico_dcos.sim.master",
        ["--work-dir", str(work_dir), *options],
        ip=ip,
        port=port,
        log=work_dir.with_suffix(".log"),
    )


def build_agent(
    work_dir: Path,
    master: MesosProcess,
    *options: str,
    ip: str = "127.0.0.1",
    port: int = 5051,
) -> MesosProcess:
    """An agent that is not started yet; options as on its command line, --hostname and --resources among them."""
    work_dir.mkdir(parents=True, exist_ok=True)
    master_address = f"{master.address[0]}:{master.address[1]}"
    return MesosProcess(
        "calico_dcos.sim.agent",
        ["--work-dir", str(work_dir), "--master", master_address, *options],
        ip=ip,
        port=port,
        log=work_dir.with_suffix(".log"),
    )
