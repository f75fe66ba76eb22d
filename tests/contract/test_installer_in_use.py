"""A removal on a host whose containers still use the network: it refuses, and names them, unless it is forced."""

from __future__ import annotations

from typing import Any

import pytest

from calico_dcos.installer.host import Host
from tests.contract.installer_fakes import FakeHost
from tests.contract.test_installer_remove import install

NETWORK_INFO = {"name": "calico", "ip_addresses": [{"ip_address": "192.168.0.1"}]}


def add_network(host: FakeHost, containers: dict[str, Any], driver: str = "calico", scope: str = "global") -> None:
    network = {"Id": "c1", "Name": "frontend", "Driver": driver, "Scope": scope, "Containers": containers}
    host.change_state(networks=[*host.state["networks"], network])


def run_task(host: FakeHost, **task: Any) -> None:
    tasks = [{"id": "db.1", "state": "TASK_RUNNING", **task}]
    host.change_state(agent={"frameworks": [{"name": "marathon", "executors": [{"tasks": tasks}]}]})


def expect_refusal(host: FakeHost, user: str) -> None:
    before, acts = host.snapshot(), host.acts
    for arguments in (["--dry-run"], []):
        done = host.run("remove", *arguments)
        assert done.returncode == 3, done.stdout + done.stderr
        assert f"Calico is in use: {user}; move these away first" in done.stdout
    assert host.acts == acts
    assert {path: status for path, status in before.items() if path not in host.snapshot()} == {}
    assert host.daemon_json.exists()
    assert host.config_file.exists()


@pytest.mark.parametrize(("driver", "scope"), [("calico", "global"), ("calico-net", "local"), ("overlay", "global")])
def test_a_container_on_a_docker_network_of_calico_or_of_its_store_hinders(
    host: FakeHost, driver: str, scope: str
) -> None:
    install(host)
    add_network(host, {"0123": {"Name": "web"}}, driver, scope)
    expect_refusal(host, "container web on Docker's network frontend")


@pytest.mark.parametrize(
    ("driver", "scope", "containers"),
    [
        ("calico", "global", {}),
        ("calico", "global", {"ep-0123": {"Name": "on-another-host"}}),
        ("overlay", "swarm", {"0123": {"Name": "web"}}),
        ("bridge", "local", {"0123": {"Name": "web"}}),
    ],
)
def test_containers_of_other_networks_and_of_other_hosts_hinder_nothing(
    host: FakeHost, driver: str, scope: str, containers: dict[str, Any]
) -> None:
    install(host)
    add_network(host, containers, driver, scope)
    assert host.run("remove").returncode == 0


@pytest.mark.parametrize(
    "task",
    [
        {"statuses": [{}, {"container_status": {"network_infos": [NETWORK_INFO]}}]},
        {"state": "TASK_STAGING", "container": {"type": "MESOS", "network_infos": [NETWORK_INFO]}},
    ],
)
def test_a_task_of_mesos_on_our_network_hinders(host: FakeHost, task: dict[str, Any]) -> None:
    install(host)
    run_task(host, **task)
    expect_refusal(host, "task db.1 of marathon on network calico")


@pytest.mark.parametrize(
    "task",
    [
        {"statuses": [{"container_status": {"network_infos": [{"name": "dcos"}]}}]},
        {"state": "TASK_FINISHED", "statuses": [{"container_status": {"network_infos": [NETWORK_INFO]}}]},
    ],
)
def test_a_task_elsewhere_or_at_its_end_hinders_nothing(host: FakeHost, task: dict[str, Any]) -> None:
    install(host)
    run_task(host, **task)
    assert host.run("remove").returncode == 0


def test_an_interface_of_felix_hinders_whoever_made_the_container(host: FakeHost) -> None:
    install(host)
    (host.root / "sys/class/net/cali0a1b2c").mkdir(parents=True)
    expect_refusal(host, "the container behind interface cali0a1b2c")


def test_forced_it_removes_under_who_uses_it_and_tells_that(host: FakeHost) -> None:
    install(host)
    add_network(host, {f"{n}": {"Name": f"web{n}"} for n in range(7)})
    done = host.run("remove", "--force")
    assert done.returncode == 0
    assert "web4 on Docker's network frontend, and 2 more; removed all the same (--force)" in done.stdout
    assert not host.config_file.exists()


def test_an_agent_that_does_not_answer_is_a_warning(host: FakeHost) -> None:
    install(host)
    host.change_state(agent_status=503)
    done = host.run("remove")
    assert done.returncode == 0
    assert "warning: whether tasks of Mesos use it is not known: the agent at" in done.stdout


def test_the_container_goes_without_dockers_command_line(host: FakeHost) -> None:
    install(host)
    (host.root / "usr/bin/docker").unlink()
    assert host.run("remove").returncode == 0
    assert "calico-node" not in host.state["containers"]


def test_a_host_from_which_docker_was_taken_is_cleaned_to_the_end(host: FakeHost) -> None:
    assert host.run("apply", "cni").returncode == 0
    (host.root / "run/docker.sock").unlink()
    (host.root / "usr/bin/docker").unlink()
    host.change_state(units={"docker.service": {"LoadState": "not-found", "ActiveState": "active"}})
    assert host.run("remove").returncode == 0
    assert not (host.root / "var/lib/calico-dcos").exists()


def test_a_shell_that_points_docker_at_another_host_does_not_reach_tools() -> None:
    environment = {"DOCKER_HOST": "tcp://elsewhere:2376", "DOCKER_CONFIG": "/root/.docker", "DOCKER_CONTEXT": "x"}
    kept = Host("/", None, environment).build_tool_environment()
    assert sorted(name for name in kept if name.startswith("DOCKER")) == ["DOCKER_CONFIG"]
