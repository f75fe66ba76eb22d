"""What Mesos lost sight of, and what only Mesos knows: asked after, and never taken for dead."""

from __future__ import annotations

from calico_dcos.core.actions import Acknowledge, Exit, Kill, Reconcile
from calico_dcos.core.events import (
    Disconnected,
    OffersReceived,
    Rejected,
    RosterAgent,
    RosterRead,
    Subscribed,
    TaskUpdated,
)
from calico_dcos.core.model import Status, StepName, TaskState
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

CNI = StepName.CNI
DOCKER = StepName.DOCKER_CLUSTER_STORE
RESTART = StepName.AGENT_RESTART
NODE = StepName.CALICO_NODE
PROXY = StepName.ETCD_PROXY


def test_unreachable_service_is_not_replaced_before_its_agent_is_back() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    task_id = next(task_id for task_id, name in host.running.items() if name is NODE)
    host.is_offering = False
    launched = len(host.launched)

    cluster.update(task_id, host, TaskState.UNREACHABLE)
    for _ in range(10):
        cluster.step()
    assert len(host.launched) == launched

    host.is_offering = True
    cluster.run_until(lambda: not cluster.state.repairs)
    assert len(host.launched) == launched, "the task lived on, so nothing was started"


def test_unreachable_service_that_died_is_replaced_when_its_agent_is_back() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)

    cluster.lose(host, NODE, TaskState.UNREACHABLE)
    cluster.run_until(lambda: NODE in host.running.values())

    assert host.launched[-1] is NODE


def test_task_that_mesos_leaves_out_of_its_answer_for_all_is_asked_after() -> None:
    """Its end got lost, so that everybody but Mesos believes that it runs."""
    hosts = [build_host(1), build_host(2)]
    cluster = FakeCluster(hosts, build_policy(reconcile_s=60.0))
    cluster.run_until(cluster.is_complete)
    node_id = next(task_id for task_id, step in hosts[0].running.items() if step is NODE)
    del hosts[0].running[node_id]

    cluster.run_until(lambda: NODE in hosts[0].running.values(), max_steps=200)
    cluster.run_until(cluster.is_complete)

    asked = [action.tasks for action in cluster.actions if isinstance(action, Reconcile)]
    assert sum(len(refs) for refs in asked) == 1
    assert [host.launched.count(NODE) for host in hosts] == [2, 1]


def test_task_that_nobody_remembers_is_killed_only_after_reconciliation() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    cluster.feed(Disconnected(), Subscribed("F1", "master:5050"))

    actions = cluster.feed(TaskUpdated("stranger", "S1", TaskState.RUNNING, uuid="dQ=="))
    assert Acknowledge("stranger", "S1", "dQ==") in actions
    assert not [action for action in actions if isinstance(action, Kill)]

    answers = [
        TaskUpdated(task_id, "S1", TaskState.RUNNING, is_reconciliation=True) for task_id in cluster.state.questions
    ]
    killed = [action.task.task_id for action in cluster.feed(*answers) if isinstance(action, Kill)]
    assert killed == ["stranger"]


def test_subscription_asks_after_every_task_that_is_not_over() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)

    actions = cluster.feed(Disconnected(), Subscribed("F1", "master:5050"))

    asked = [ref.task_id for action in actions if isinstance(action, Reconcile) for ref in action.tasks]
    assert sorted(asked) == sorted(host.running)


def test_launch_without_an_answer_is_asked_after() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(answer_timeout_s=10.0))
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    cluster.now += 11

    actions = cluster.feed()

    assert [len(action.tasks) for action in actions if isinstance(action, Reconcile)] == [1]


def test_host_that_comes_back_under_a_new_agent_id_is_looked_at_again() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    reborn = FakeHost("agent1.test", "S9")
    cluster.hosts = {"S9": reborn}
    cluster.feed(cluster.build_roster(cluster.state))
    came_back_at = cluster.now

    cluster.run_until(lambda: cluster.is_complete() and NODE in reborn.running.values())

    inspection = cluster.state.agents["agent1.test"].inspection
    assert inspection is not None
    assert inspection.at >= came_back_at
    assert list(cluster.state.agents) == ["agent1.test"]


def test_agent_that_is_never_offered_is_shown_with_the_reason() -> None:
    cluster = FakeCluster([], build_policy())
    cluster.feed(RosterRead((RosterAgent("S1", "agent1.test", "10.0.0.1", 5051, False, "1.9.0"),)))  # noqa: FBT003
    cluster.now += 300

    phase = build_plan(cluster.state, cluster.now).phases[0]

    assert phase.status is Status.PENDING
    assert phase.message == "inspect waits for an offer: none for 5 min"


def test_removed_framework_forgets_its_id_but_not_its_agents() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)

    actions = cluster.feed(Rejected("Framework has been removed"))

    assert [action for action in actions if isinstance(action, Exit)]
    assert cluster.state.framework_id is None
    cluster.feed(Subscribed("F2", "master:5050"))
    agent = cluster.state.agents["agent1.test"]
    assert agent.inspection is not None
    assert all(step.task is None or step.task.state.is_ended for step in agent.steps.values())


def test_failed_over_framework_exits_and_keeps_its_id() -> None:
    cluster = FakeCluster([], build_policy())

    actions = cluster.feed(Rejected("Framework failed over"))

    assert [action.reason for action in actions if isinstance(action, Exit)] == [
        "the master ended the subscription: Framework failed over",
    ]
    assert cluster.state.framework_id == "F1"
