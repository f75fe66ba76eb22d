"""The scheduler as a process of its own, as Marathon runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from calico_dcos.demo import build_environment
from calico_dcos.sim.cluster import Cluster
from tests.contract.real_etcd import find_free_port

PATIENCE_S = 120.0
PREFIX = "CALICO_DCOS_"
LOG = "scheduler.log"


class SchedulerProcess:
    """A scheduler with a page on a port of its own.

    Args:
        log: file that takes what it says.
        settings: without their CALICO_DCOS_ prefix.
    """

    def __init__(self, *, log: Path, **settings: str) -> None:
        self.port = find_free_port()
        self.log = log
        own = {"PORT": str(self.port), "BIND_ADDRESS": "127.0.0.1", "ADVERTISED_ADDRESS": "127.0.0.1", **settings}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._environment = {**inherited, **{f"{PREFIX}{name}": value for name, value in own.items()}}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "calico_dcos", "scheduler"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def poll(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> Any:
        """Read a document of the scheduler; None while it does not answer."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5).json()
        except (requests.RequestException, ValueError):
            return None

    def read_summary(self) -> Any:
        listing = self.get("/v1/agents")
        return {} if listing is None else listing["summary"]

    def wait_until(self, claim: Callable[[Any], object]) -> Any:
        """Wait until the summary is as claimed; give it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            summary = self.read_summary()
            if summary and claim(summary):
                return summary
            said = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
            assert time.monotonic() < deadline, f"waited in vain; summary {summary}; the log says:\n{said}"
            time.sleep(0.1)


def build_scheduler(cluster: Cluster, directory: Path, *, store: str = "", **settings: str) -> SchedulerProcess:
    """A scheduler over a simulated cluster, with the demo's quick settings but for those that are named.

    The directory takes its log, and its store where no URL of another one is given.
    """
    environment = build_environment(cluster, port=0, store=store or f"sqlite://{directory}/state.db")
    demo = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
    del demo["PORT"]
    return SchedulerProcess(log=directory / LOG, **{**demo, **settings})
