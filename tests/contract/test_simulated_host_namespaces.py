"""A simulated host's systemd answers in a PID namespace as a real one was heard to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calico_dcos.sim.host import Host, HostPlan, make_host
from calico_dcos.sim.pid_namespaces import find_unshare
from calico_dcos.sim.standins.options import HostOptions

StartHost = Callable[..., Host]
UNIT = '[Service]\nExecStart=/bin/sh -c "exec sleep 1000"\n[Install]\nWantedBy=multi-user.target\n'
NO_DATA = "Failed to connect to bus: No data available\n"
OUTSIDE = ("systemd-run", "--wait", "--pipe", "--quiet", "--collect")


@pytest.fixture
def start_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHost]:
    hosts: list[Host] = []

    def start(systemd_version: int = 252) -> Host:
        options = HostOptions(systemd_version=systemd_version)
        plan = HostPlan(name="host", units={"a.service": UNIT}, options=options, has_docker=False)
        host = make_host(tmp_path_factory.mktemp("h"), plan)
        hosts.append(host)
        host.start()
        host.wait_until_booted()
        return host

    yield start
    for host in hosts:
        host.stop()


def run_in_task(
    host: Host, *argv: str, text: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of the host's programs in a PID namespace of its own."""
    command = [*find_unshare(), str(host.root / "usr/bin" / argv[0]), *argv[1:]]
    return subprocess.run(
        command, input=text, env=environment or {}, capture_output=True, text=True, timeout=60, check=False
    )


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_systemctl_is_refused_in_a_pid_namespace_unless_it_is_told_to_use_the_bus(start_host: StartHost) -> None:
    host = start_host()
    for argv in (("is-active", "a"), ("show", "-p", "MainPID", "a"), ("restart", "a")):
        refused = run_in_task(host, "systemctl", *argv)
        assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", NO_DATA)
    shown = run_in_task(host, "systemctl", "is-active", "a", environment={"SYSTEMCTL_FORCE_BUS": "1"})
    assert (shown.returncode, shown.stdout) == (0, "active\n")
    assert host.run("systemctl", "is-active", "a").stdout == "active\n"
    assert host.count_restarts("a.service") == 0


def test_the_systemctl_of_rhel_7_answers_in_a_pid_namespace(start_host: StartHost) -> None:
    assert run_in_task(start_host(219), "systemctl", "is-active", "a").stdout == "active\n"


def test_what_is_run_outside_sees_the_hosts_processes_and_has_the_callers_input_and_outputs(
    start_host: StartHost,
) -> None:
    host = start_host()
    script = "read line; readlink /proc/self/ns/pid; echo said $line $COLOUR >&2; exit 7"
    done = run_in_task(host, *OUTSIDE, "--setenv=COLOUR=blue", "--", "/bin/sh", "-c", script, text="hello\n")
    here = Path("/proc/self/ns/pid").readlink()
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{here}\n", "said hello blue\n")


def test_without_wait_nothing_can_be_started_from_a_pid_namespace(start_host: StartHost) -> None:
    host = start_host()
    refused = run_in_task(host, "systemd-run", "/bin/true")
    assert (refused.returncode, refused.stderr) == (1, NO_DATA)
    assert host.run("systemd-run", "/bin/true").returncode == 0


@pytest.mark.parametrize(("version", "missing"), [(219, "--wait"), (234, "--pipe"), (235, "--collect")])
def test_an_older_systemd_does_not_know_all_options(start_host: StartHost, version: int, missing: str) -> None:
    host = start_host(version)
    refused = run_in_task(host, *OUTSIDE, "/bin/true")
    assert (refused.returncode, refused.stderr) == (1, f"systemd-run: unrecognized option '{missing}'\n")
    assert run_in_task(host, "systemd-run", "--version").stdout.startswith(f"systemd {version} (")


def test_what_runs_outside_goes_on_without_its_caller_and_ends_at_its_limit(
    start_host: StartHost, tmp_path: Path
) -> None:
    host = start_host()
    script = f"echo begun > {tmp_path}/state; sleep 1; echo done > {tmp_path}/state"
    command = [*find_unshare(), str(host.root / "usr/bin/systemd-run"), *OUTSIDE[1:], "/bin/sh", "-c", script]
    with subprocess.Popen(command) as caller:
        wait_until((tmp_path / "state").exists)
        caller.kill()
    wait_until(lambda: (tmp_path / "state").read_text() == "done\n")
    limited = run_in_task(host, *OUTSIDE, "--property=RuntimeMaxSec=1", "/bin/sleep", "1000")
    assert limited.returncode == 1
