"""A walk that drains: an agent is deactivated around its restart, and what others did to agents is left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from calico_dcos.sim.cluster import Cluster
from calico_dcos.sim.cluster_plan import AgentPlan
from calico_dcos.sim.host import Host
from tests.contract.scheduler_process import PATIENCE_S, SchedulerProcess, build_scheduler

# Restarts wait for the test, with the name of what is restarted in a file.
GATED_SYSTEMCTL = """\
#!/bin/sh
if [ "$1" = restart ]; then
    echo "$2" > {root}/restarts
    while [ ! -e {root}/go-on ]; do sleep 0.1; done
fi
exec {root}/usr/bin/systemctl.real "$@"
"""
RESTARTED, QUIET, DEACTIVATED = "agent-1", "agent-2", "agent-3"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three agents of Mesos 1.9; the Docker of the first takes a cluster store at its start only."""
    versions = ("1.10.3", "20.10.24", "20.10.24")
    plans = [
        AgentPlan(number=number, mesos_version="1.9.0", docker_version=versions[number - 1]) for number in (1, 2, 3)
    ]
    with Cluster(plans) as running:
        yield running


def gate_restarts(host: Host) -> Path:
    """Have restarts on a host wait until the file that is returned exists."""
    systemctl = host.root / "usr/bin/systemctl"
    systemctl.rename(systemctl.with_suffix(".real"))
    systemctl.write_text(GATED_SYSTEMCTL.format(root=host.root), encoding="utf-8")
    systemctl.chmod(0o755)
    return host.root / "go-on"


def call_master(cluster: Cluster, kind: str, **more: object) -> requests.Response:
    return requests.post(f"http://{cluster.master}/api/v1", json={"type": kind, **more}, timeout=60)


def list_agents(cluster: Cluster) -> dict[str, tuple[str, bool]]:
    """Mesos' id of each agent, and whether it is deactivated."""
    agents = call_master(cluster, "GET_AGENTS").json()["get_agents"]["agents"]
    return {
        agent["agent_info"]["hostname"]: (agent["agent_info"]["id"]["value"], agent["deactivated"]) for agent in agents
    }


def list_deactivated(cluster: Cluster) -> list[str]:
    return sorted(name for name, (_, is_deactivated) in list_agents(cluster).items() if is_deactivated)


def wait_until(is_reached: Callable[[], object], scheduler: SchedulerProcess) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_reached():
        assert time.monotonic() < deadline, scheduler.log.read_text(encoding="utf-8", errors="replace")[-3000:]
        time.sleep(0.1)


def test_an_agent_is_deactivated_around_its_restart_even_if_the_scheduler_is_killed(
    cluster: Cluster, tmp_path: Path
) -> None:
    gate = gate_restarts(cluster.hosts[0])
    agent_id, _ = list_agents(cluster)[DEACTIVATED]
    answer = call_master(cluster, "DEACTIVATE_AGENT", deactivate_agent={"agent_id": {"value": agent_id}})
    assert answer.status_code == 200, answer.text

    scheduler = build_scheduler(cluster, tmp_path, DRAIN="true", DOCKER_TIMEOUT_S="600")
    scheduler.start()
    try:
        wait_until((cluster.hosts[0].root / "restarts").exists, scheduler)
        wait_until(lambda: list_deactivated(cluster) == [RESTARTED, DEACTIVATED], scheduler)
        # Whoever starts next finds in the store what is ours to take back.
        scheduler.stop()
        scheduler.start()
        scheduler.wait_until(lambda summary: summary["is_connected"])
        assert list_deactivated(cluster) == [RESTARTED, DEACTIVATED], "its restart is not over"

        gate.touch()
        scheduler.wait_until(lambda summary: summary["complete"] == 2)
        wait_until(lambda: list_deactivated(cluster) == [DEACTIVATED], scheduler)
    finally:
        gate.touch()
        scheduler.stop()
    assert (cluster.count_restarts().docker, cluster.count_restarts().mesos_agent) == (1, 0)
    told = scheduler.log.read_text(encoding="utf-8", errors="replace")
    assert f"deactivates {RESTARTED}" in told
    assert f"activates {RESTARTED} again" in told
    assert QUIET not in "".join(line for line in told.splitlines() if "activates" in line)
    assert f"activates {DEACTIVATED}" not in told
