"""Maintenance that an operator announced to Mesos: nothing begins on such a host, and the others are walked."""

from __future__ import annotations

import pytest

from calico_dcos.core.gates import MAINTENANCE_LEAD_S
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.resources import Maintenance
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, build_host, build_policy

DOCKER = StepName.DOCKER_CLUSTER_STORE


def get_message(cluster: FakeCluster, key: str) -> str:
    return next(phase.message for phase in build_plan(cluster.state, cluster.now).phases if phase.name == key)


def test_a_host_whose_maintenance_is_near_is_inspected_and_not_changed_while_the_others_are_walked() -> None:
    away, other = build_host(1), build_host(2)
    cluster = FakeCluster([away, other], build_policy())
    away.maintenance = Maintenance(cluster.now + 60, cluster.now + 7_200)

    cluster.run_until(lambda: "agent2.test" not in cluster.state.unsettled and len(cluster.state.agents) == 2)

    assert away.launched == [StepName.INSPECT]
    message = get_message(cluster, "agent1.test")
    assert message == "maintenance of the host is announced to Mesos, from 1970-01-01 00:17 UTC to 1970-01-01 02:16 UTC"


@pytest.mark.parametrize("ends", [True, False])
def test_the_host_is_walked_when_the_maintenance_is_over_or_called_off(ends: bool) -> None:  # noqa: FBT001
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    host.maintenance = Maintenance(cluster.now, cluster.now + 100)
    for _ in range(20):
        cluster.step()
    assert host.launched == [StepName.INSPECT]

    if ends:
        cluster.now += 100
    else:
        host.maintenance = None

    cluster.run_until(cluster.is_complete)


def test_a_maintenance_that_is_far_away_keeps_nothing_waiting() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    host.maintenance = Maintenance(cluster.now + MAINTENANCE_LEAD_S + 3_600)

    cluster.run_until(cluster.is_complete)


def test_an_agent_in_its_slot_goes_on_but_restarts_nothing() -> None:
    host = build_host(1, restarts=(DOCKER,))
    host.outcomes[DOCKER] = [TaskState.FAILED]
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(lambda: host.launched.count(DOCKER) == 1)
    assert "agent1.test" in cluster.state.slots

    host.maintenance = Maintenance(cluster.now)
    for _ in range(60):
        cluster.step()

    assert host.launched.count(DOCKER) == 1
    assert "maintenance of the host" in get_message(cluster, "agent1.test")


def test_a_lost_service_is_brought_back_during_a_maintenance() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    host.maintenance = Maintenance(cluster.now)
    (task_id,) = [task for task, step in host.running.items() if step is StepName.CALICO_NODE]
    del host.running[task_id]
    cluster.update(task_id, host, TaskState.FAILED)

    cluster.run_until(lambda: StepName.CALICO_NODE in host.running.values())


@pytest.mark.parametrize("start", [-1e300, 1e15])
def test_a_time_that_no_calendar_has_is_told_as_such(start: float) -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    host.maintenance = Maintenance(-1e300, start)

    for _ in range(5):
        cluster.step()

    assert (host.launched == [StepName.INSPECT]) is (start > 0)
    assert ("from a time that no calendar has" in get_message(cluster, "agent1.test")) is (start > 0)
