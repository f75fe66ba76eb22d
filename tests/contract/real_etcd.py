"""A real etcd on loopback, with its data in a directory of the test."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

START_TIMEOUT_S = 60.0


class RealEtcd:
    """One etcd server, that can be suspended, killed and started again on the same data.

    Attributes:
        members: all of its cluster, as etcd is told them: itself, if nobody says otherwise.
    """

    def __init__(self, *, program: str, directory: Path, options: tuple[str, ...] = (), name: str = "one") -> None:
        self._program = program
        self._name = name
        self._options = options
        self._directory = directory
        self.client_port, peer_port = find_free_port(), find_free_port()
        self._peer = f"http://127.0.0.1:{peer_port}"
        self.members = self.member
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.client_port}"

    @property
    def member(self) -> str:
        """Itself, as etcd is told its members."""
        return f"{self._name}={self._peer}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        self.wait_until_healthy()

    def launch(self) -> None:
        """Start it: one of several answers only once most of them run."""
        client, peer = f"http://{self.endpoint}", self._peer
        with (self._directory / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._program, "--name", self._name, "--data-dir", str(self._directory / "data")),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", self.members, "--logger", "zap", *self._options),
                ],
                stdout=log,
                stderr=log,
            )

    def wait_until_healthy(self) -> None:
        """Wait until it answers, and knows a leader."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_healthy():
            assert time.monotonic() < deadline, (self._directory / "etcd.log").read_text()
            time.sleep(0.05)

    def is_leader(self) -> bool:
        """Whether it leads its cluster."""
        connection = http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=5.0)
        try:
            connection.request("POST", "/v3/maintenance/status", b"{}")
            status = json.loads(connection.getresponse().read())
            return bool(status["leader"] == status["header"]["member_id"])
        finally:
            connection.close()

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
            self.resume()
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=1.0)
        try:
            connection.request("GET", "/health")
            return b"true" in connection.getresponse().read()
        except OSError:
            return False
        finally:
            connection.close()


def start_etcd(directory: Path, *options: str) -> RealEtcd:
    """Start an etcd; skip the test if there is none, fail it in CI."""
    etcd = RealEtcd(program=_find_program(), directory=directory, options=options)
    etcd.start()
    return etcd


def start_members(directory: Path, *names: str) -> list[RealEtcd]:
    """Start a cluster of several etcd; skip the test if there is none, fail it in CI."""
    program = _find_program()
    servers = []
    for name in names:
        (directory / name).mkdir()
        servers.append(RealEtcd(program=program, directory=directory / name, name=name))
    for server in servers:
        server.members = ",".join(other.member for other in servers)
        server.launch()
    for server in servers:
        server.wait_until_healthy()
    return servers


def _find_program() -> str:
    program = shutil.which("etcd")
    if program is None:
        message = "etcd is missing: install Debian's etcd-server"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return program


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
