"""The demo: a simulated cluster on this machine, walked by the real scheduler in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import requests
from rich.console import Console
from rich.live import Live
from rich.table import Table

from .core.model import Status, StepName
from .sim.cluster import ETCD_NAME, Cluster
from .sim.cluster_plan import plan_agents
from .sim.packages import ETCD_RELEASE
from .sim.pid_namespaces import NamespaceError, find_unshare

POLL_S = 0.2
STOP_TIMEOUT_S = 10.0
# A walk that takes so long for each of its agents will not end any more.
PATIENCE_PER_AGENT_S = 60.0
PATIENCE_FOR_TEST_S = 180.0
STYLES = {
    Status.COMPLETE.value: "green",
    Status.ERROR.value: "bold red",
    Status.DELAYED.value: "yellow",
    Status.STARTED.value: "cyan",
    Status.STARTING.value: "cyan",
    Status.IN_PROGRESS.value: "cyan",
}


class DemoError(Exception):
    """The demo cannot go on; its text is one line for the person who started it."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person can choose.

    Attributes:
        port: of the status page; 0 for any free one.
        stays_up: whether to stay when the plan is complete, until Ctrl-C.
        state: URL of the scheduler's store; empty for a file that goes with the demo.
    """

    agents: int
    port: int
    stays_up: bool
    state: str


class Display(Protocol):
    """Where the walk is shown."""

    def show(self, listing: Mapping[str, Any]) -> None:
        """Show the agents as the scheduler's API lists them."""


def run_demo(options: DemoOptions, console: Console) -> None:
    """Start a cluster, walk it, and say how it went in one last line.

    Raises:
        DemoError: the walk did not come to its end.
    """
    port = options.port or _find_free_port()
    _require_free(port)
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(plan_agents(options.agents)))
        store = options.state or f"sqlite://{cluster.directory}/state.db"
        started_at = time.monotonic()
        environment = {**build_environment(cluster, port, store), "CALICO_DCOS_CONNECTIVITY_TEST": "true"}
        scheduler = stack.enter_context(_Marathon(environment, cluster.directory))
        url = f"http://127.0.0.1:{port}"
        console.print(f"status page: {url}/", highlight=False, soft_wrap=True)
        _tell_of_namespaces(console)
        with _open_display(console) as display:
            _follow(url, options.agents, scheduler, display)
        took_s = time.monotonic() - started_at
        if options.agents > 1:
            console.print(_await_test(url, scheduler), highlight=False, soft_wrap=True)
        restarts = cluster.count_restarts()
        console.print(
            f"{options.agents} of {options.agents} agents complete in {took_s:.1f} s; "
            f"restarts: Docker {restarts.docker}, Mesos agent {restarts.mesos_agent}",
            highlight=False,
            soft_wrap=True,
        )
        while options.stays_up:
            scheduler.keep_running()
            time.sleep(POLL_S)


def _tell_of_namespaces(console: Console) -> None:
    """Say in one line that tasks are not as apart from their hosts as on DC/OS, where this machine forbids it."""
    try:
        find_unshare()
    except NamespaceError as error:
        console.print(f"tasks have no PID namespaces of their own here: {error}", highlight=False, soft_wrap=True)


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(f"port {port} is taken ({error.strerror}): choose another one with --port") from error


def build_environment(cluster: Cluster, port: int, store: str) -> dict[str, str]:
    """Build the environment of a scheduler over a simulated cluster: quick, and with nothing of our own settings.

    Its page is at the port, its memory at the store's URL.
    """
    settings = {
        "MASTER": cluster.master,
        "STATE_STORE": store,
        "BIND_ADDRESS": "127.0.0.1",
        "ADVERTISED_ADDRESS": "127.0.0.1",
        "PORT": str(port),
        "ROSTER_INTERVAL_S": "1",
        "STABILITY_PERIOD_S": "1",
        "BACKOFF_S": "1",
        "NODE_POLL_S": "0.3",
        "ETCD_DISCOVERY_SRV": ETCD_NAME,
        "ETCD_LISTEN": cluster.etcd_listen,
        "ETCD_ENDPOINTS": f"http://{cluster.etcd_listen}",
    }
    for name, package in (
        ("ETCD_ARCHIVE", f"{ETCD_RELEASE}.tar.gz"),
        ("CNI_CALICO", "calico"),
        ("CNI_CALICO_IPAM", "calico-ipam"),
    ):
        settings[f"{name}_URL"] = cluster.packages[package].url
        settings[f"{name}_SHA256"] = cluster.packages[package].sha256
    # The demo's settings are its own: those of a real cluster must not leak into it.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CALICO_DCOS_")}
    marathons = ("PORT0", "HOST", "LIBPROCESS_IP")
    return {
        **{name: value for name, value in inherited.items() if name not in marathons},
        **{f"CALICO_DCOS_{name}": value for name, value in settings.items()},
    }


class _Marathon:
    """Does for the scheduler what Marathon does: starts it, and starts it again when it dies."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self._environment = environment
        self._log_path = directory / "scheduler.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def keep_running(self) -> None:
        """Start the scheduler again if it is dead.

        Raises:
            DemoError: it ends by itself again and again.
        """
        if self._process is None or self._process.poll() is None:
            return
        was_killed = self._process.returncode < 0
        self._failures += 0 if was_killed else 1
        most_failures = 3
        if self._failures >= most_failures:
            raise DemoError(f"the scheduler does not stay up: {self._read_last_line()}")
        self._start()

    def _start(self) -> None:
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "calico_dcos", "scheduler"],
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the demo, which then ends the scheduler.
                start_new_session=True,
            )

    def _read_last_line(self) -> str:
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it says nothing"


def _follow(url: str, agent_count: int, scheduler: _Marathon, display: Display) -> None:
    deadline = time.monotonic() + PATIENCE_PER_AGENT_S * (agent_count + 1)
    while time.monotonic() < deadline:
        scheduler.keep_running()
        listing = _read_listing(url)
        if listing is not None:
            display.show(listing)
            summary = listing["summary"]
            if summary["status"] == Status.ERROR.value:
                raise DemoError(f"the walk failed: {summary['errors'][0]}")
            if summary["complete"] == agent_count == summary["total"]:
                return
        time.sleep(POLL_S)
    raise DemoError(f"the walk did not end in {PATIENCE_PER_AGENT_S * (agent_count + 1):.0f} s")


def _await_test(url: str, scheduler: _Marathon) -> str:
    """Wait for the connectivity test of the agents that were completed last, and say how it came out.

    Raises:
        DemoError: it failed.
    """
    deadline = time.monotonic() + PATIENCE_FOR_TEST_S
    while time.monotonic() < deadline:
        scheduler.keep_running()
        listing, document = _read(url, "agents"), _read(url, "connectivity")
        run = None if document is None else document["run"]
        if listing is not None and run is not None and run["ended_at"] is not None:
            completed_at = max(row["since"] or 0.0 for row in listing["agents"])
            if run["status"] == "failed":
                raise DemoError(run["message"])
            if run["ended_at"] >= completed_at:
                return str(run["message"])
        time.sleep(POLL_S)
    raise DemoError(f"the connectivity test did not end in {PATIENCE_FOR_TEST_S:.0f} s")


def _read_listing(url: str) -> dict[str, Any] | None:
    return _read(url, "agents")


def _read(url: str, what: str) -> dict[str, Any] | None:
    try:
        response = requests.get(f"{url}/v1/{what}", timeout=2)
        response.raise_for_status()
    except requests.RequestException:
        return None
    document: dict[str, Any] = response.json()
    return document


@contextmanager
def _open_display(console: Console) -> Iterator[Display]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=8) as live:
        yield _LiveTable(live)


class _LiveTable:
    """The walk as a table that changes in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, listing: Mapping[str, Any]) -> None:
        """Draw one row for each agent."""
        table = Table("agent", "Mesos", *(name.value for name in StepName), "now", box=None, pad_edge=False)
        for row in listing["agents"]:
            states = [f"[{STYLES.get(step['status'], 'dim')}]{step['status']}[/]" for step in row["steps"]]
            name = f"{row['hostname']}{' (public)' if row['is_public'] else ''}"
            table.add_row(name, row["mesos_version"], *states, row["message"])
        self._live.update(table)


class _Lines:
    """The walk as lines, one for each step that changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[tuple[str, str], str] = {}

    def show(self, listing: Mapping[str, Any]) -> None:
        """Print what changed since the last time."""
        for row in listing["agents"]:
            for step in row["steps"]:
                place = (row["hostname"], step["name"])
                if self._shown.get(place, Status.PENDING.value) != step["status"]:
                    self._shown[place] = step["status"]
                    message = f": {step['message']}" if step["message"] else ""
                    line = f"{row['hostname']:<10} {step['name']:<21} {step['status']}{message}"
                    self._console.print(line, highlight=False, markup=False, soft_wrap=True)
