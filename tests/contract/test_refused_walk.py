"""A walk among hosts that must not be changed: each is refused, told with its reason, and holds up nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.sim.cluster import Cluster
from calico_dcos.sim.cluster_plan import AgentPlan
from calico_dcos.sim.host import DOCKER_UNIT, Host
from tests.contract.scheduler_process import build_scheduler

DOCKER_23, DCOS_21, FLAGS, OTHER_STORE, GOOD = range(1, 6)
STEP = "docker-cluster-store"
REASONS = {
    f"agent-{DOCKER_23}": "Docker 23.0.0 no longer knows cluster-store",
    f"agent-{DCOS_21}": "this DC/OS carries its own Calico (DC/OS 2.1.0)",
    f"agent-{FLAGS}": "dockerd is started with --cluster-advertise",
    f"agent-{OTHER_STORE}": "another cluster store is configured (etcd://10.9.9.9:2379)",
}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Five agents, of which the last alone may be changed."""
    plans = [
        AgentPlan(
            number=number,
            mesos_version="1.9.0",
            docker_version="23.0.0" if number == DOCKER_23 else "20.10.24",
            daemon_json={"cluster-store": "etcd://10.9.9.9:2379"} if number == OTHER_STORE else None,
        )
        for number in (DOCKER_23, DCOS_21, FLAGS, OTHER_STORE, GOOD)
    ]
    with Cluster(plans) as running:
        version = running.hosts[DCOS_21 - 1].root / "opt/mesosphere/etc/dcos-version.json"
        version.write_text(json.dumps({"version": "2.1.0"}), encoding="utf-8")
        start_docker_with_a_flag(running.hosts[FLAGS - 1])
        yield running


def start_docker_with_a_flag(host: Host) -> None:
    unit = host.root / "etc/systemd/system" / DOCKER_UNIT
    text = unit.read_text(encoding="utf-8").replace("-H fd://", "-H fd:// --cluster-advertise=127.0.0.1:2376")
    unit.write_text(text, encoding="utf-8")
    for words in (["daemon-reload"], ["restart", DOCKER_UNIT]):
        answer = host.run("systemctl", *words)
        assert answer.returncode == 0, answer.stderr


def read_texts(host: Host) -> dict[str, str]:
    """The files of a host that a walk might change."""
    files = [path for name in ("etc", "opt") for path in (host.root / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(host.root)): path.read_text(encoding="utf-8") for path in files}


def find_badges(row: Any) -> dict[str, str]:
    return {step["name"]: step["badge"] for step in row["steps"] if step["badge"]}


def test_every_refused_agent_is_an_error_with_its_reason_and_the_others_are_walked(
    cluster: Cluster, tmp_path: Path
) -> None:
    before = {host.name: read_texts(host) for host in cluster.hosts}
    restarts = cluster.count_restarts().docker
    scheduler = build_scheduler(cluster, tmp_path)
    scheduler.start()
    try:
        summary = scheduler.wait_until(lambda seen: (seen["complete"], seen["failed"]) == (1, len(REASONS)))
        rows = {row["key"]: row for row in scheduler.get("/v1/agents")["agents"]}
        plan = scheduler.get("/v1/plans/deploy")
    finally:
        scheduler.stop()
    assert summary["status"] == "ERROR"
    assert summary["slots_held"] == 0, "who was never changed holds no slot"
    assert rows[f"agent-{GOOD}"]["status"] == "COMPLETE"
    for name, reason in REASONS.items():
        assert rows[name]["status"] == "ERROR"
        assert reason in rows[name]["message"]
        assert "refused" in find_badges(rows[name]).values()
        assert any(error.startswith(f"{name}: ") and reason in error for error in plan["errors"])
    assert cluster.count_restarts().docker == restarts
    after = {host.name: read_texts(host) for host in cluster.hosts}
    assert {name for name in before if before[name] != after[name]} == {f"agent-{GOOD}"}
