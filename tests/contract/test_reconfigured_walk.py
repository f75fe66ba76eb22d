"""A cluster whose operator changes the options after the walk: only what differs is done again, one agent at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from calico_dcos.sim.cluster import Cluster
from calico_dcos.sim.cluster_plan import plan_agents
from tests.contract.scheduler_process import build_scheduler

SERVICES = ["calico-node", "etcd-proxy"]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two agents; the second has an old Mesos, which needs its agent restarted once."""
    with Cluster(plan_agents(2)) as running:
        yield running


def walk(cluster: Cluster, directory: Path, **settings: str) -> None:
    scheduler = build_scheduler(cluster, directory, **settings)
    scheduler.start()
    try:
        scheduler.wait_until(lambda summary: summary["complete"] == summary["total"] == 2)
    finally:
        scheduler.stop()


def list_services(cluster: Cluster) -> list[list[str]]:
    """The services that Mesos runs, by agent."""
    answer = requests.post(f"http://{cluster.master}/api/v1", json={"type": "GET_TASKS"}, timeout=30)
    running: dict[str, list[str]] = {}
    for task in answer.json()["get_tasks"]["tasks"]:
        if task["state"] == "TASK_RUNNING" and task["name"] in SERVICES:
            running.setdefault(task["agent_id"]["value"], []).append(task["name"])
    return [sorted(names) for names in running.values()]


def read_nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """The containers calico-node, by host."""
    return [json.loads(host.run("docker", "inspect", "calico-node").stdout)[0] for host in cluster.hosts]


def test_what_is_switched_off_ends_and_what_is_not_changed_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    # Nothing goes by the proxy: else what is proven by it would be so no more once it is off.
    member = f"{cluster.addresses.etcd_address}:{cluster.addresses.etcd_port}"
    direct = {"ETCD_ENDPOINTS": f"http://{member}", "DOCKER_CLUSTER_STORE": f"etcd://{member}"}
    walk(cluster, tmp_path, **direct)
    assert list_services(cluster) == [SERVICES, SERVICES]
    before = read_nodes(cluster)

    walk(cluster, tmp_path, **direct, ETCD_RUN_PROXY="false", NODE_ENVIRONMENT="FELIX_LOGSEVERITYSCREEN=debug")

    assert list_services(cluster) == [["calico-node"], ["calico-node"]]
    for old, new in zip(before, read_nodes(cluster), strict=True):
        assert set(new["Config"]["Env"]) - set(old["Config"]["Env"]) == {"FELIX_LOGSEVERITYSCREEN=debug"}
    assert (cluster.count_restarts().docker, cluster.count_restarts().mesos_agent) == (0, 1)
