"""The walk as a whole, against a cluster in memory."""

from __future__ import annotations

from itertools import pairwise

from calico_dcos.core.actions import Launch
from calico_dcos.core.events import (
    Failed,
    OffersReceived,
    Subscribed,
    TaskUpdated,
)
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Status, StepName, TaskState
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

CNI = StepName.CNI
DOCKER = StepName.DOCKER_CLUSTER_STORE
RESTART = StepName.AGENT_RESTART
NODE = StepName.CALICO_NODE
PROXY = StepName.ETCD_PROXY


def test_walk_takes_every_agent_to_complete_step_by_step() -> None:
    hosts = [build_host(n) for n in range(1, 4)]
    cluster = FakeCluster(hosts, build_policy())

    cluster.run_until(cluster.is_complete)

    for host in hosts:
        assert host.launched == [StepName.INSPECT, PROXY, DOCKER, CNI, NODE]
    assert build_plan(cluster.state, cluster.now).status is Status.COMPLETE


def test_walk_never_holds_more_slots_than_allowed() -> None:
    cluster = FakeCluster([build_host(n) for n in range(1, 7)], build_policy(max_concurrent_agents=2))

    cluster.run_until(cluster.is_complete)

    assert cluster.most_slots == 2


def test_walk_restarts_no_more_agents_at_once_than_allowed() -> None:
    hosts = [build_host(n, restarts=(DOCKER,)) for n in range(1, 5)]
    cluster = FakeCluster(hosts, build_policy(max_concurrent_agents=4))

    cluster.run_until(cluster.is_complete)

    assert cluster.most_restarts == 1
    assert all(host.launched.count(DOCKER) == 1 for host in hosts)


def test_offers_are_answered_exactly_once() -> None:
    cluster = FakeCluster([build_host(n) for n in range(1, 4)], build_policy())

    cluster.run_until(cluster.is_complete)

    held = list(cluster.state.offers)
    assert sorted([*cluster.answered, *held]) == sorted(cluster.offered)


def test_host_on_which_everything_is_done_gets_no_changing_task() -> None:
    host = FakeHost("agent1.test", "S1")
    cluster = FakeCluster([host], build_policy())

    cluster.run_until(cluster.is_complete)

    assert host.launched == [StepName.INSPECT, PROXY, NODE]


def test_failing_step_backs_off_then_fails_its_phase_and_stops_the_walk() -> None:
    bad, good = build_host(1), build_host(2)
    bad.outcomes[DOCKER] = [TaskState.FAILED] * 9
    cluster = FakeCluster([bad, good], build_policy(max_attempts=3, backoff_s=2.0))

    cluster.run_until(lambda: bool(cluster.state.failed))

    times = [action for action in cluster.actions if isinstance(action, Launch) and action.step is DOCKER]
    assert len(times) == 3
    for _ in range(60):
        cluster.step()
    assert good.launched == [StepName.INSPECT], "an agent in ERROR stops the walk"
    plan = build_plan(cluster.state, cluster.now)
    assert plan.status is Status.ERROR
    assert plan.errors == ("agent1.test: docker-cluster-store failed: made to fail",)
    assert "the walk is stopped: agent1.test failed" in plan.phases[1].message


def test_back_off_doubles() -> None:
    host = build_host(1)
    host.outcomes[CNI] = [TaskState.FAILED] * 3
    cluster = FakeCluster([host], build_policy(backoff_s=4.0))
    launches: list[float] = []

    while len(launches) < 4:
        cluster.step()
        if host.launched.count(CNI) > len(launches):
            launches.append(cluster.now)

    assert [round(b - a) for a, b in pairwise(launches)] == [4, 8, 16]


def test_service_of_a_complete_agent_is_brought_back_without_a_slot() -> None:
    first, second = build_host(1), build_host(2)
    cluster = FakeCluster([first, second], build_policy())
    cluster.run_until(lambda: "agent1.test" not in cluster.state.unsettled and bool(cluster.state.slots))
    assert list(cluster.state.slots) == ["agent2.test"]

    cluster.lose(first, NODE, TaskState.FAILED)
    cluster.step()

    assert first.launched[-1] is NODE
    assert list(cluster.state.slots) == ["agent2.test"]


def test_service_that_keeps_failing_after_completion_is_retried_for_ever() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(max_attempts=2, backoff_s=1.0, max_backoff_s=2.0, stability_s=60.0))
    cluster.run_until(cluster.is_complete)

    for _ in range(6):
        cluster.run_until(lambda: NODE in host.running.values())
        cluster.lose(host, NODE, TaskState.FAILED)

    assert not cluster.state.failed
    cluster.run_until(lambda: NODE in host.running.values())


def test_flapping_service_fails_its_phase_before_it_was_ever_stable() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(max_attempts=3, backoff_s=1.0, stability_s=30.0))

    for _ in range(3):
        cluster.run_until(lambda: NODE in host.running.values())
        cluster.lose(host, NODE, TaskState.FAILED)

    assert list(cluster.state.failed) == ["agent1.test"]
    assert list(cluster.state.halting) == ["agent1.test"]
    assert not cluster.state.slots


def test_task_that_dies_with_the_agent_it_restarts_is_judged_by_facts() -> None:
    host = build_host(1, restarts=(RESTART,))
    host.outcomes[RESTART] = [TaskState.FAILED]
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(lambda: RESTART in host.launched)
    host.todo.pop(RESTART)

    cluster.run_until(cluster.is_complete)

    assert host.launched.count(RESTART) == 1


def test_refused_step_fails_before_anything_changes_and_recovers_when_the_host_allows_it() -> None:
    host = build_host(1)
    host.refusals[DOCKER] = "Docker 23 has no cluster-store: disable the step"
    cluster = FakeCluster([host], build_policy(recheck_s=20.0))

    cluster.run_until(lambda: bool(cluster.state.failed))
    assert list(cluster.state.failed.items()) == [("agent1.test", DOCKER)]
    assert host.launched == [StepName.INSPECT]
    phase = build_plan(cluster.state, cluster.now).phases[0]
    assert phase.message == "docker-cluster-store refused: Docker 23 has no cluster-store: disable the step"

    host.refusals.clear()
    cluster.run_until(cluster.is_complete)


def test_inspection_whose_report_is_lost_counts_as_failed() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(max_attempts=1))
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    task_id = next(iter(cluster.state.tasks))

    cluster.feed(TaskUpdated(task_id, "S1", TaskState.FINISHED))

    assert "report never arrived" in build_plan(cluster.state, cluster.now).errors[0]


def test_reported_reason_wins_over_what_mesos_says() -> None:
    host = build_host(1)
    host.outcomes[CNI] = [TaskState.FAILED]
    cluster = FakeCluster([host], build_policy())
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    task_id = next(iter(cluster.state.tasks))

    cluster.feed(
        Failed(task_id, "no space left on /var"),
        TaskUpdated(task_id, "S1", TaskState.FAILED, message="Command exited with status 1"),
    )

    assert cluster.state.agents["agent1.test"].get_step(StepName.INSPECT).backoff.reason == "no space left on /var"


def test_scheduler_that_starts_again_goes_on_where_it_was() -> None:
    hosts = [build_host(n, restarts=(DOCKER, RESTART)) for n in range(1, 4)]
    policy = build_policy()
    cluster = FakeCluster(hosts, policy)
    for _ in range(200):
        cluster.step()
        memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
        restarted = FakeCluster(hosts, policy, memory)
        restarted.now = cluster.now
        restarted._numbers = cluster._numbers
        restarted._perform(restarted.feed(Subscribed("F1", "master:5050")))
        cluster = restarted
        if cluster.is_complete():
            break

    assert cluster.is_complete()
    for host in hosts:
        assert host.launched.count(DOCKER) == 1
        assert host.launched.count(RESTART) == 1


def test_own_host_is_walked_last() -> None:
    hosts = [build_host(n) for n in range(1, 4)]
    cluster = FakeCluster(hosts, build_policy(own_host="agent1.test"))
    cluster.run_until(lambda: PROXY in hosts[0].launched)

    assert list(cluster.state.unsettled) == ["agent1.test"]
