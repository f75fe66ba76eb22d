"""A walk that an operator holds by the hand: preflight, pause and canary, with the scheduler killed in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from calico_dcos.sim.cluster import Cluster
from calico_dcos.sim.cluster_plan import plan_agents
from tests.contract.scheduler_process import SchedulerProcess, build_scheduler

TOKEN = "a-token-for-tests"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two agents; the second has an old Mesos, which needs its agent restarted."""
    with Cluster(plan_agents(2)) as running:
        yield running


def command(scheduler: SchedulerProcess, name: str) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{scheduler.port}/v1/plans/deploy/commands",
        json={"command": name, "reason": "as tested"},
        headers={"X-Calico-Token": TOKEN, "X-Calico-Operator": "ann"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text


def is_at_canary(summary: Any) -> bool:
    return bool(summary["message"].startswith("canary: the first agent"))


def test_walk_obeys_its_operator_across_kills(cluster: Cluster, tmp_path: Path) -> None:
    scheduler = build_scheduler(cluster, tmp_path, OPERATOR_TOKEN=TOKEN, MODE="preflight")
    scheduler.start()
    try:
        scheduler.wait_until(lambda _: scheduler.get("/v1/preflight")["total"]["inspected"] == 2)
        total = scheduler.get("/v1/preflight")["total"]
        assert (total["change"], total["mesos-agent"]) == (2, 1)
        assert (cluster.count_restarts().docker, cluster.count_restarts().mesos_agent) == (0, 0)
        command(scheduler, "pause")
    finally:
        scheduler.stop()

    scheduler = build_scheduler(cluster, tmp_path, OPERATOR_TOKEN=TOKEN, CANARY_AGENTS="1", DRAIN="true")
    scheduler.start()
    try:
        summary = scheduler.wait_until(lambda summary: summary["total"] == 2)
        assert summary["message"].startswith("paused by ann since ")
        assert summary["status"] == "WAITING"
        command(scheduler, "resume")
        assert scheduler.wait_until(is_at_canary)["complete"] == 1
        scheduler.stop()
        scheduler.start()
        scheduler.wait_until(is_at_canary)
        command(scheduler, "resume")
        scheduler.wait_until(lambda summary: summary["complete"] == 2)
        audit: Any = scheduler.get("/v1/audit")
        assert [entry["command"] for entry in audit["entries"]] == ["resume", "resume", "pause"]
    finally:
        scheduler.stop()
    assert (cluster.count_restarts().docker, cluster.count_restarts().mesos_agent) == (0, 1)
