"""The installer in a task: run outside of it, told over its standard input, and to its end when the task is ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.installer.host import Host as InstallersHost
from calico_dcos.installer.lock import CHANGES, hold_lock
from calico_dcos.sim.host import Host, HostPlan, make_host
from calico_dcos.sim.pid_namespaces import find_unshare
from calico_dcos.sim.standins.options import HostOptions
from tests.contract.installer_fakes import FakeHost

STEPS = ("etcd-proxy", "docker-cluster-store", "cni", "agent-restart", "calico-node")
TASK = {"MESOS_EXECUTOR_ID": "inspect.1", "MESOS_SANDBOX": "/nowhere"}
NETWORK = "opt/mesosphere/etc/dcos/network/cni/calico.conf"
StartHost = Callable[..., Host]


@pytest.fixture
def start_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHost]:
    """Start a host with Docker; what it wants, and its agent, are those of the fixture `host`."""
    hosts: list[Host] = []

    def start(systemd_version: int = 252) -> Host:
        made = make_host(
            tmp_path_factory.mktemp("h"),
            HostPlan(
                name="host",
                options=HostOptions(systemd_version=systemd_version),
                files={"opt/mesosphere/active/cni/noop": "", "opt/mesosphere/etc/dcos/network/cni/README": ""},
            ),
        )
        hosts.append(made)
        made.start()
        made.wait_until_booted()
        assert made.run("systemctl", "start", "docker").returncode == 0
        return made

    yield start
    for made in hosts:
        made.stop()


def build_environment(host: FakeHost, where: Host, **more: str) -> dict[str, str]:
    return {**host.environment(), "PYTHONPATH": str(host.project), "CALICO_DCOS_ROOT": str(where.root), **more}


def run(host: FakeHost, where: Host, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the installer in a PID namespace of its own."""
    return subprocess.run(
        [*find_unshare(), *host.build_command(*arguments)],
        env=build_environment(host, where, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def list_runs(where: Host) -> list[str]:
    return [deed.effect for deed in where.read_deeds() if deed.tool == "systemd-run"]


@pytest.mark.parametrize("variables", [TASK, {}], ids=["task", "by hand"])
def test_who_does_not_see_the_hosts_processes_looks_from_where_they_are_seen(
    host: FakeHost, start_host: StartHost, variables: dict[str, str]
) -> None:
    where = start_host()
    done = run(host, where, "inspect", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert list_runs(where) == ["ran calico-dcos: inspect"]
    report = json.loads(done.stdout)
    assert report["facts"]["system"]["sees_host_processes"] is True
    assert report["facts"]["docker"]["unit"]["active_state"] == "active"
    assert host.reports[-1]["authorization"] == "Bearer a-secret"


def test_the_exit_status_of_what_is_run_outside_comes_back(host: FakeHost, start_host: StartHost) -> None:
    where = start_host()
    assert run(host, where, "apply", "cni", **TASK).returncode == 0
    assert (where.root / NETWORK).exists()
    host.wanted["cni"]["enable"] = False
    assert run(host, where, "apply", "cni", **TASK).returncode == 3


def test_by_hand_where_all_is_seen_nothing_is_run_elsewhere(host: FakeHost, start_host: StartHost) -> None:
    where = start_host()
    environment = build_environment(host, where)
    done = subprocess.run(host.build_command("inspect"), env=environment, capture_output=True, check=True, timeout=120)
    assert json.loads(done.stdout)["facts"]["system"]["sees_host_processes"] is True
    assert list_runs(where) == []


@pytest.mark.parametrize(("version", "is_answered"), [(219, True), (229, False), (235, True)])
def test_a_systemd_that_cannot_be_reached_is_unknown_and_no_refusal(
    host: FakeHost, start_host: StartHost, version: int, *, is_answered: bool
) -> None:
    done = run(host, start_host(version), "inspect", **TASK)
    assert f"systemd {version} is older than 236" in done.stderr
    report: Any = json.loads(done.stdout)
    assert report["facts"]["system"]["sees_host_processes"] is False
    assert report["refusals"] == {}
    if is_answered:
        assert "docker-cluster-store" not in report["unknowns"]
        assert report["changes"]["docker-cluster-store"]
    else:
        assert set(report["unknowns"]) == set(STEPS)
        assert "No data available" in report["unknowns"]["docker-cluster-store"]
        assert "No data available" in report["facts"]["docker"]["unit"]["unknown"]
        assert "No data available" in report["facts"]["mesos_agent"]["unit"]["unknown"]


def test_a_run_outlives_its_task_and_another_one_waits_and_says_so(host: FakeHost, start_host: StartHost) -> None:
    where = start_host()
    with hold_lock(InstallersHost(str(where.root), None, {}), CHANGES, 60):
        command = [*find_unshare(), *host.build_command("apply", "cni")]
        environment = build_environment(host, where, **TASK)
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as task:
            assert task.stdout is not None
            assert task.stdout.readline().startswith("waits: another run changes this host (")
            task.kill()
            task.stdout.close()  # from now on, nobody takes its output
    wait_until((where.root / NETWORK).exists)
    wait_until(lambda: host.reports[-1]["kind"] == "inspection")
    assert "cni" in host.reports[-1]["proofs"]


def test_a_run_that_nobody_waits_for_does_nothing(host: FakeHost) -> None:
    for order in (json.dumps(host.environment()).encode(), b"", b"[]", b"no JSON"):
        ours, its = socket.socketpair()
        command = [sys.executable, "-m", "calico_dcos.installer", "--outside", "apply", "cni"]
        ours.sendall(order)
        ours.close()
        with its:
            done = subprocess.run(
                command, stdin=its.fileno(), cwd=host.project, capture_output=True, text=True, check=False, timeout=60
            )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("the order ")
    assert not host.config_file.exists()


def test_the_order_is_a_socket_and_nothing_else(host: FakeHost) -> None:
    command = [*host.build_command("--outside", "inspect")]
    done = subprocess.run(
        command, input="{}", cwd=host.project, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "cannot be taken from standard input" in done.stderr


def test_an_output_that_nobody_takes_any_more_does_not_end_a_run(host: FakeHost) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    environment = {**host.environment(), "CALICO_DCOS_REPORT_URL": "http://127.0.0.1:1/v1/reports/x"}
    done = subprocess.run(
        host.build_command("apply", "cni"),
        env=environment,
        cwd=host.project,
        stdout=write_end,
        stderr=write_end,
        check=False,
        timeout=120,
    )
    os.close(write_end)
    assert done.returncode == 0
    assert host.config_file.exists()


def test_a_look_leaves_nothing_on_the_host(host: FakeHost, start_host: StartHost) -> None:
    where = start_host()

    def list_files() -> set[Path]:
        return {path for path in where.root.rglob("*") if "var/log" not in str(path)}

    before = list_files()
    assert run(host, where, "inspect", **TASK).returncode == 0
    assert list_files() == before
