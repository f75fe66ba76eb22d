"""Debian's ZooKeeper on loopback, as a plain Java program with its data in a directory of the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.contract.real_etcd import find_free_port

JARS = Path("/usr/share/java/zookeeper.jar")
START_TIMEOUT_S = 60.0
TICK_MS = 500  # sessions last from two to twenty ticks
CONFIG = """\
tickTime={tick}
maxSessionTimeout=60000
dataDir={directory}/data
clientPort={port}
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
"""


class RealZooKeeper:
    """One ZooKeeper server, that can be suspended, killed and started again on the same data.

    Args:
        heap: how much memory Java gives it, in Java's words.
    """

    def __init__(self, *, program: str, directory: Path, heap: str) -> None:
        self._program = program
        self._heap = heap
        self._directory = directory
        self.port = find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self.start_unattended()
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.ask("ruok") != "imok":
            assert time.monotonic() < deadline, (self._directory / "zookeeper.log").read_text()
            time.sleep(0.05)

    def start_unattended(self) -> None:
        config = self._directory / "zoo.cfg"
        config.write_text(CONFIG.format(tick=TICK_MS, directory=self._directory, port=self.port))
        with (self._directory / "zookeeper.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._program, f"-Xmx{self._heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                    *("-cp", str(JARS)),
                    *("org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def ask(self, word: str) -> str:
        """Ask one of ZooKeeper's four-letter questions; empty if there is no answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2.0) as connection:
                connection.sendall(word.encode())
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(4096), b"")).decode()
        except OSError:
            return ""

    def suspend(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def start_zookeeper(directory: Path, heap: str = "128m") -> RealZooKeeper:
    """Start a ZooKeeper; skip the test if there is none, fail it in CI."""
    program = shutil.which("java")
    if program is None or not JARS.exists():
        message = "ZooKeeper is missing: install Debian's zookeeper"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    server = RealZooKeeper(program=program, directory=directory, heap=heap)
    try:
        server.start()
    except BaseException:
        server.stop()
        raise
    return server
