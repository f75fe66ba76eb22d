"""A simulated cluster comes up whole, can be worked on, and goes without a trace."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.sim.cluster import (
    Cluster,
    ClusterError,
    Restarts,
    choose_port,
    read_registered_agents,
    reserve_network,
)
from calico_dcos.sim.cluster_plan import plan_agents
from calico_dcos.sim.standins.process_tree import list_descendants


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def get_json(address: str, path: str) -> Any:
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", path)
    try:
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(plan_agents(3)) as started:
        yield started


def test_all_agents_are_registered_one_public_and_one_old(cluster: Cluster) -> None:
    agents = {agent["hostname"]: agent for agent in get_json(cluster.master, "/slaves")["slaves"]}
    assert sorted(agents) == ["agent-1", "agent-2", "agent-3"]
    assert {name: agent["version"] for name, agent in agents.items()} == {
        "agent-1": "1.9.0",
        "agent-2": "1.0.1",
        "agent-3": "1.9.0",
    }
    assert agents["agent-1"]["attributes"] == {"public_ip": "true"}
    assert set(agents["agent-1"]["reserved_resources"]) == {"slave_public"}
    assert agents["agent-2"]["attributes"] == {}


def test_each_agent_has_a_host_of_its_own_with_the_unit_of_its_kind(cluster: Cluster) -> None:
    units = [
        (host.name, unit)
        for host in cluster.hosts
        for unit in ("dcos-mesos-slave", "dcos-mesos-slave-public", "docker")
        if host.run("systemctl", "is-active", unit).returncode == 0
    ]
    assert units == [
        ("agent-1", "dcos-mesos-slave-public"),
        ("agent-1", "docker"),
        ("agent-2", "dcos-mesos-slave"),
        ("agent-2", "docker"),
        ("agent-3", "dcos-mesos-slave"),
        ("agent-3", "docker"),
    ]


def test_hosts_differ_in_docker_in_its_configuration_and_in_what_runs(cluster: Cluster) -> None:
    versions = {host.run("docker", "version").stdout.split()[2] for host in cluster.hosts}
    assert len(versions) == 3
    has_file = [(host.root / "etc/docker/daemon.json").exists() for host in cluster.hosts]
    assert has_file == [True, False, True]
    containers = [host.run("docker", "ps", "-q").stdout.count("\n") for host in cluster.hosts]
    assert containers == [1, 2, 0]


def test_restarts_are_counted_from_what_was_done_to_the_hosts(cluster: Cluster) -> None:
    assert cluster.count_restarts() == Restarts(docker=0, mesos_agent=0)
    public, old, _ = cluster.hosts
    old.run("systemctl", "reload", "docker")
    public.run("systemctl", "restart", "dcos-mesos-slave-public.service")
    old.run("systemctl", "restart", "dcos-mesos-slave")
    old.run("systemctl", "restart", "docker")
    assert cluster.count_restarts() == Restarts(docker=1, mesos_agent=2)
    wait_until(lambda: len(read_registered_agents(cluster.master)) == 3)


def test_an_agent_that_is_killed_comes_back_by_itself(cluster: Cluster) -> None:
    host = cluster.hosts[2]
    before = host.run("systemctl", "show", "--value", "-p", "MainPID", "dcos-mesos-slave").stdout
    os.kill(int(before), signal.SIGKILL)
    wait_until(lambda: "agent-3" not in read_registered_agents(cluster.master))
    wait_until(lambda: "agent-3" in read_registered_agents(cluster.master))
    assert host.run("systemctl", "show", "--value", "-p", "MainPID", "dcos-mesos-slave").stdout != before


def test_two_clusters_do_not_meet(cluster: Cluster) -> None:
    with Cluster(plan_agents(1)) as other:
        assert other.addresses.network != cluster.addresses.network
        assert read_registered_agents(other.master) == {"agent-1"}


def test_a_cluster_that_is_stopped_leaves_no_process_no_file_and_no_thread() -> None:
    before = set(list_descendants(os.getpid()))
    with Cluster(plan_agents(2)) as started:
        assert len(set(list_descendants(os.getpid())) - before) >= 8
        directory = started.directory
    started.stop()
    assert set(list_descendants(os.getpid())) <= before
    assert not directory.exists()


def test_a_cluster_whose_agents_do_not_register_says_so_and_leaves_nothing() -> None:
    before = set(list_descendants(os.getpid()))
    cluster = Cluster(plan_agents(1), start_timeout_s=0)
    with pytest.raises(ClusterError, match=r"not registered in 0 s: \['agent-1'\]"):
        cluster.start()
    assert set(list_descendants(os.getpid())) <= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_cluster_whose_command_ends(
    number: signal.Signals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("t")
    command = [sys.executable, "-m", "calico_dcos.sim.cluster", "--agents", "1"]
    environment = {**os.environ, "TMPDIR": str(directory)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"up in ")
        below = list_descendants(process.pid)
        assert len(below) >= 4  # two hosts, a master, an agent
        process.send_signal(number)
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in below))
    if number is not signal.SIGKILL:
        assert process.returncode == 0
        assert list(directory.iterdir()) == []


def test_a_directory_whose_path_is_too_long_is_named(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 60)
    directory.mkdir()
    command = [sys.executable, "-m", "calico_dcos.sim.cluster", "--agents", "1"]
    environment = {**os.environ, "TMPDIR": str(directory)}
    refused = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert refused.returncode == 1
    assert "choose a shorter directory" in refused.stderr
    assert list(directory.iterdir()) == []


def test_a_port_that_is_taken_on_one_address_is_passed_over() -> None:
    with reserve_network() as network, socket.create_server((f"{network}.2", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = choose_port([f"{network}.1", f"{network}.2"], port % 10_000 + 10_000)
        assert chosen != port
        assert (chosen - port) % 10_000 == 0
