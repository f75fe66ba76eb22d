"""Steps fit the memory that their tasks get by default, measured in a cgroup of that size; and what agents tell of."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.fake_tools import PLUGIN
from tests.contract.installer_fakes import FakeHost

# Of what Mesos allows a task of 64 MB, 32 MB more for its executor, the executor uses some 30 MB.
LIMIT_MB = 66
PLUGIN_MB = 32
V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A memory cgroup of that size; where none can be made, the test is skipped and says why."""
    root, limit = (V1, "memory.limit_in_bytes") if V1.is_dir() else (V2, "memory.max")
    group = root / f"calico-dcos-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(LIMIT_MB << 20))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no memory cgroup can be made here ({error}): what a step needs is not measured")
    yield group
    group.rmdir()


def run_in(group: Path, host: FakeHost, *arguments: str) -> subprocess.CompletedProcess[str]:
    enter = ["sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh"]
    return subprocess.run(
        [*enter, *host.build_command(*arguments)],
        cwd=host.project,
        env=host.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def serve_plugins(host: FakeHost, version: str) -> None:
    for number, name in enumerate(("calico", "calico-ipam")):
        path = host.root / "downloads" / f"{name}-{version}"
        path.write_bytes(f"{PLUGIN}exit 0\n# {name} {version}\n".encode() + os.urandom(1 << 20) * PLUGIN_MB)
        host.wanted["cni"]["plugins"][number]["url"] = path.as_uri()


def test_an_upgrade_of_the_plugins_fits_the_default_memory(host: FakeHost, small_cgroup: Path) -> None:
    for version in ("v1", "v2"):
        serve_plugins(host, version)
        done = run_in(small_cgroup, host, "apply", "cni")
        assert done.returncode == 0, (version, done.returncode, done.stdout[-300:], done.stderr[-300:])
        downloaded = (host.root / "downloads" / f"calico-{version}").read_bytes()
        assert (host.plugins_dir / "calico").read_bytes() == downloaded


def test_a_removal_of_the_plugins_fits_the_default_memory(host: FakeHost, small_cgroup: Path) -> None:
    theirs = f"{PLUGIN}exit 0\n# somebody else's\n".encode() + os.urandom(1 << 20) * PLUGIN_MB
    for name in ("calico", "calico-ipam"):
        (host.plugins_dir / name).write_bytes(theirs)
    serve_plugins(host, "v1")
    assert host.run("apply", "cni").returncode == 0
    assert (host.plugins_dir / "calico").read_bytes() != theirs
    done = run_in(small_cgroup, host, "remove")
    assert done.returncode == 0, (done.returncode, done.stdout[-300:], done.stderr[-300:])
    assert (host.plugins_dir / "calico").read_bytes() == theirs


def write_long_state(host: FakeHost) -> int:
    """Have the agent answer with a past of some 20 MB, and one task that runs; returns its length."""
    running = {"id": "f", "executors": [{"tasks": [{"id": "t", "state": "TASK_RUNNING"}]}]}
    host.change_state(agent={"frameworks": [running]})
    task = json.dumps({"id": "x" * 60, "state": "TASK_FINISHED", "labels": [{"key": "k", "value": "v" * 400}]})
    past = '"completed_frameworks": [' + ", ".join([task] * 40_000) + "]}"
    path = host.root / "fake/agent-state"
    path.write_text(json.dumps(host.state["agent"])[:-1] + ", " + past)
    return path.stat().st_size


def test_a_look_at_an_agent_with_a_long_past_fits_the_default_memory(host: FakeHost, small_cgroup: Path) -> None:
    assert write_long_state(host) > 20 << 20
    done = run_in(small_cgroup, host, "inspect")
    assert done.returncode == 0, (done.returncode, done.stderr[-300:])
    state = host.reports[-1]["facts"]["mesos_agent"]["state"]
    assert (state["version"], state["running_tasks"], state["is_cni_isolator_on"]) == ("1.9.0", 1, True)


def test_an_agent_that_wants_a_login_is_not_refused_where_no_restart_is_needed(host: FakeHost) -> None:
    host.change_state(agent_status=401)
    done = host.run("apply", "agent-restart")
    assert done.returncode == 0, done.stdout
    assert "not needed: Mesos 1.9.0" in done.stdout
    agent = host.reports[-1]["facts"]["mesos_agent"]
    assert (agent["version"], agent["wants_login"]) == ("1.9.0", True)
    assert "wants a login" in agent["state"]["unknown"]


def test_a_network_is_not_called_done_as_long_as_the_agent_does_not_tell_whether_it_reads_it(host: FakeHost) -> None:
    assert host.run("apply", "cni").returncode == 0
    host.change_state(agent_status=401)
    done = host.run("apply", "cni")
    assert done.returncode == 1
    report = host.reports[-1]
    assert "whether the Mesos agent reads this network: " in report["unknowns"]["cni"]
    assert "set the option agent-login" in report["unknowns"]["cni"]
    assert "cni" not in report["proofs"]


def test_an_agent_that_wants_a_login_is_read_where_one_is_given(host: FakeHost) -> None:
    host.change_state(agent_login="reader:word", agent={"version": "1.0.3"})
    environment = {**host.environment(), "CALICO_DCOS_AGENT_LOGIN": "reader:word"}
    assert host.run("inspect", environment=environment).returncode == 0
    agent = host.reports[-1]["facts"]["mesos_agent"]
    assert (agent["wants_login"], agent["state"]["version"]) == (False, "1.0.3")
    assert "reader:word" not in json.dumps(host.reports)


def test_an_old_agent_that_wants_a_login_could_not_be_looked_at(host: FakeHost) -> None:
    host.change_state(agent_status=401, agent={"version": "1.0.3"})
    assert host.run("apply", "agent-restart").returncode == 1
    report = host.reports[-1]
    assert "wants a login" in report["unknowns"]["agent-restart"]
    assert "agent-restart" not in report["refusals"]


def test_flags_that_are_not_in_the_head_of_the_state_are_asked_for(host: FakeHost) -> None:
    agent = host.state["agent"]
    flags = agent.pop("flags")
    host.save({**host.state, "agent": {**agent, "frameworks": [], "flags": flags}})
    assert host.run("inspect").returncode == 0
    state = host.reports[-1]["facts"]["mesos_agent"]["state"]
    assert state["cni_config_dir"] == "/opt/mesosphere/etc/dcos/network/cni"
