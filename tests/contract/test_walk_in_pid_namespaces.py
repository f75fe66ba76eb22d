"""A walk over agents whose tasks have PID namespaces of their own, as every task of DC/OS 1.9 and later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.sim.cluster import Cluster, Restarts
from calico_dcos.sim.cluster_plan import AgentPlan
from calico_dcos.sim.host import Host
from tests.contract.scheduler_process import PATIENCE_S, SchedulerProcess, build_scheduler

NEW, RHEL_7, COREOS, OLD_MESOS = "agent-1", "agent-2", "agent-3", "agent-4"


@dataclass(frozen=True, slots=True)
class Walked:
    """A cluster that was walked once."""

    cluster: Cluster
    scheduler: SchedulerProcess

    def get_host(self, name: str) -> Host:
        return next(host for host in self.cluster.hosts if host.name == name)

    def read_facts(self, name: str) -> Any:
        return self.scheduler.get(f"/v1/agents/{name}")["facts"]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """Systemd can run commands outside of tasks on the first and the last; Mesos 1.0 gives tasks no namespace."""
    docker = "20.10.24"
    plans = [
        AgentPlan(number=1, mesos_version="1.9.0", docker_version=docker, containers=("web",)),
        AgentPlan(number=2, mesos_version="1.9.0", docker_version=docker, systemd_version=219),
        AgentPlan(number=3, mesos_version="1.9.0", docker_version=docker, systemd_version=235),
        AgentPlan(number=4, mesos_version="1.0.1", docker_version=docker, is_hybrid=True),
    ]
    directory = tmp_path_factory.mktemp("walk")
    with Cluster(plans) as cluster:
        scheduler = build_scheduler(cluster, directory, MAX_CONCURRENT_AGENTS="4")
        scheduler.start()
        try:
            for count in range(1, len(plans) + 1):  # there is patience for each of them
                wait_for_complete(scheduler, count)
            yield Walked(cluster, scheduler)
        finally:
            scheduler.stop()


def wait_for_complete(scheduler: SchedulerProcess, count: int) -> None:
    scheduler.wait_until(lambda summary: summary["complete"] >= count)


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", [NEW, RHEL_7, COREOS, OLD_MESOS])
def test_tasks_in_a_pid_namespace_docker_cluster_store_is_really_done(walked: Walked, name: str) -> None:
    """Up to 2.0.0 its step was complete, and Docker had no store."""
    host = walked.get_host(name)
    assert f"Cluster Store: etcd://{walked.cluster.etcd_listen}" in host.run("docker", "info").stdout
    effects = [deed.effect for deed in host.read_deeds()]
    assert effects.count("reloaded docker.service") == 1
    assert walked.cluster.count_restarts() == Restarts(docker=0, mesos_agent=1)


def test_what_reads_and_changes_a_host_is_run_where_the_hosts_processes_are_seen(walked: Walked) -> None:
    for name in (NEW, OLD_MESOS):
        system = walked.read_facts(name)["system"]
        assert system["sees_host_processes"] is True
        sockets = walked.read_facts(name)["etcd_port"]["sockets"]
        assert all("program" in socket["process"] for socket in sockets), "who listens is known"
        effects = [deed.effect for deed in walked.get_host(name).read_deeds() if deed.tool == "systemd-run"]
        assert "ran calico-dcos: apply docker-cluster-store" in effects
        assert effects[0] == "ran calico-dcos: inspect"


@pytest.mark.parametrize("name", [RHEL_7, COREOS])
def test_where_systemd_can_run_nothing_outside_less_is_told_and_all_is_done(walked: Walked, name: str) -> None:
    assert [deed for deed in walked.get_host(name).read_deeds() if deed.tool == "systemd-run"] == []
    facts = walked.read_facts(name)
    assert facts["system"]["sees_host_processes"] is False
    assert facts["docker"]["unit"]["active_state"] == "active"
    sockets = facts["etcd_port"]["sockets"]
    assert {socket["process"]["unknown"] for socket in sockets} == {"the host's processes are not seen from this task"}


def test_no_token_and_no_wanted_state_is_on_a_command_line(walked: Walked) -> None:
    for deed in walked.get_host(NEW).read_deeds():
        assert not [word for word in deed.argv if "TOKEN" in word or "WANTED" in word or len(word) > 300]


def test_supervisors_do_not_look_at_the_whole_host_again_and_again(walked: Walked) -> None:
    def count_looks() -> int:
        return sum(deed.tool == "systemd-run" for deed in walked.get_host(NEW).read_deeds())

    before = count_looks()
    time.sleep(5)  # some fifteen polls of calico-node
    assert count_looks() == before


def test_the_tasks_of_each_agent_are_where_its_mesos_puts_them(walked: Walked) -> None:
    here = Path("/proc/self/ns/pid").readlink()
    for name, is_apart in ((NEW, True), (RHEL_7, True), (OLD_MESOS, False)):
        mark = f"CALICO_DCOS_ROOT={walked.get_host(name).root}".encode()
        namespaces = set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"supervise" in words and mark in (entry / "environ").read_bytes().split(b"\0"):
                    namespaces.add((entry / "ns/pid").readlink())
            except OSError:
                continue  # it ended meanwhile
        assert len(namespaces) == (2 if is_apart else 1), "two services, each a task"
        assert (here in namespaces) is not is_apart


def test_a_task_that_is_ended_leaves_no_process_behind(walked: Walked) -> None:
    """Its supervisor of etcd ends with its executor, also where that is killed: its port is free for the next one."""
    host = walked.get_host(NEW)

    def find_gateways() -> set[str]:
        mark = f"CALICO_DCOS_ROOT={host.root}".encode()
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                is_gateway = b"gateway" in (entry / "cmdline").read_bytes().split(b"\0")
                if is_gateway and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(entry.name)
            except OSError:
                continue
        return found

    before = find_gateways()
    assert before
    assert host.run("systemctl", "kill", "-s", "USR1", "--kill-who=main", "dcos-mesos-slave").returncode == 0
    wait_until(lambda: not find_gateways() & before)
