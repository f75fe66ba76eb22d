"""Inspections need no slot, but not all agents of a large cluster are inspected at once."""

from __future__ import annotations

from dataclasses import replace

from calico_dcos.core.actions import Decline, Launch
from calico_dcos.core.events import OffersReceived, TaskUpdated
from calico_dcos.core.model import StepName, TaskState
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy


def offer_all(cluster: FakeCluster, hosts: list[FakeHost]) -> list[Launch]:
    actions = cluster.feed(OffersReceived(tuple(cluster.build_offer(host) for host in hosts)))
    assert all(action.refuse_s <= 15 for action in actions if isinstance(action, Decline))
    return [action for action in actions if isinstance(action, Launch)]


def test_so_many_agents_are_inspected_at_once_and_the_others_say_what_they_wait_for() -> None:
    hosts = [build_host(number) for number in range(30)]
    cluster = FakeCluster(hosts, build_policy(max_concurrent_inspections=10))

    first = offer_all(cluster, hosts)

    assert [launch.step for launch in first] == [StepName.INSPECT] * 10
    messages = [phase.message for phase in build_plan(cluster.state, cluster.now).phases]
    assert messages.count("waits to be inspected: 10 others are at present") == 20

    cluster.feed(TaskUpdated(first[0].task_id, first[0].agent_id, TaskState.FAILED))
    others = [host for host in hosts if host.agent_id != first[0].agent_id]
    assert len(offer_all(cluster, others)) == 1


def test_an_inspection_that_mesos_lost_sight_of_keeps_nobody_waiting() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = FakeCluster(hosts, build_policy(max_concurrent_inspections=1))
    (launch,) = offer_all(cluster, hosts)

    cluster.feed(TaskUpdated(launch.task_id, launch.agent_id, TaskState.UNREACHABLE))

    assert len(offer_all(cluster, [host for host in hosts if host.agent_id != launch.agent_id])) == 1


def test_an_agent_in_its_slot_is_inspected_without_waiting() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = FakeCluster(hosts, build_policy())
    hosts[0].outcomes[StepName.CNI] = [TaskState.FAILED]
    cluster.run_until(lambda: bool(cluster.state.slots))

    crowded = replace(cluster.state.policy, max_concurrent_inspections=0)
    cluster.state = replace(cluster.state, policy=crowded)

    cluster.run_until(lambda: len(cluster.state.unsettled) == 1)


def test_a_large_cluster_is_inspected_whole() -> None:
    hosts = [build_host(number) for number in range(40)]
    cluster = FakeCluster(hosts, build_policy(max_concurrent_inspections=3))

    cluster.run_until(lambda: all(StepName.INSPECT in host.launched for host in hosts))
