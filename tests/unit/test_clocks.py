"""No clock, set forth or back, decides: numbers say what came after what, and no wait is longer than waits are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calico_dcos.core.actions import Launch, Reconcile
from calico_dcos.core.command import Command, CommandName
from calico_dcos.core.events import Commanded, Inspected, OffersReceived, Subscribed, TaskUpdated
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.pace import Pace, parse_windows
from calico_dcos.core.restoring import restore
from calico_dcos.core.steps import Policy
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

BACK_S = pytest.mark.parametrize("back_s", [30.0, 300.0, 3600.0, -3600.0])
DOCKER = StepName.DOCKER_CLUSTER_STORE


def build_cluster(host: FakeHost, policy: Policy | None = None) -> FakeCluster:
    """A cluster at a time before which there is some."""
    cluster = FakeCluster([host], policy or build_policy())
    cluster.now = 100_000.0
    return cluster


def fail_over(cluster: FakeCluster, ahead_s: float) -> None:
    """Let a scheduler on another host go on, whose clock is ahead or behind."""
    memory = Memory("F1", "s", tuple(cluster.state.agents.values()), controls=cluster.state.controls)
    cluster.now += ahead_s
    cluster.state = restore(cluster.state.policy, memory, cluster.now)
    cluster._perform(cluster.feed(Subscribed("F1", "master:5050")))


@BACK_S
@pytest.mark.parametrize("is_failover", [False, True])
def test_change_that_a_clock_puts_before_its_cause_is_launched_once(back_s: float, *, is_failover: bool) -> None:
    host = build_host(1, restarts=(DOCKER,))
    cluster = build_cluster(host)
    cluster.run_until(lambda: StepName.ETCD_PROXY in host.launched)
    if is_failover:
        fail_over(cluster, -back_s)
    else:
        cluster.now -= back_s

    cluster.run_until(cluster.is_complete, max_steps=60)

    assert [host.launched.count(step) for step in (DOCKER, StepName.CNI, StepName.CALICO_NODE)] == [1, 1, 1]


@BACK_S
def test_retry_is_one_look_whatever_the_clock_says_after_it(back_s: float) -> None:
    host = build_host(1)
    cluster = build_cluster(host)
    cluster.run_until(cluster.is_complete)
    looks = host.launched.count(StepName.INSPECT)
    cluster.feed(Commanded(Command(CommandName.RETRY, host.hostname), "T"))

    fail_over(cluster, -back_s)
    for _ in range(30):
        cluster.step()

    assert host.launched.count(StepName.INSPECT) == looks + 1


@BACK_S
def test_scheduler_whose_clock_is_behind_waits_no_longer_than_waits_are(back_s: float) -> None:
    host = build_host(1)
    host.outcomes[StepName.CNI] = [TaskState.FAILED]
    policy = build_policy(backoff_s=2.0, max_backoff_s=4.0)
    cluster = build_cluster(host, policy)
    cluster.run_until(lambda: StepName.CNI in host.launched)

    fail_over(cluster, -back_s)

    cluster.run_until(cluster.is_complete, max_steps=60)


def test_look_that_came_late_from_before_a_launch_does_not_answer_it() -> None:
    host = build_host(1)
    cluster = build_cluster(host)
    cluster.run_until(lambda: StepName.ETCD_PROXY in host.running.values())
    proxy = next(task_id for task_id, name in host.running.items() if name is StepName.ETCD_PROXY)
    seen = host.inspect()
    host.outcomes[DOCKER] = [TaskState.FAILED]
    cluster.run_until(lambda: DOCKER in host.launched)

    # Set far ahead, a clock would have made it the newest of all.
    cluster.now += 3600.0
    cluster.feed(Inspected(proxy, replace(seen, changes={}, proofs={DOCKER.value: "not at all"})))

    agent = cluster.state.agents[host.hostname]
    task = agent.get_step(DOCKER).task
    assert agent.inspection is not None
    assert task is not None
    assert agent.inspection.number < task.number
    assert DOCKER.value not in [name for name in agent.inspection.proofs if agent.inspection.number >= task.number]


def test_offer_from_before_a_task_was_lost_says_nothing_of_it_whatever_the_clock_says() -> None:
    host = build_host(1)
    cluster = build_cluster(host)
    cluster.run_until(lambda: StepName.ETCD_PROXY in host.running.values())
    task_id = next(iter(host.running))
    before = cluster.state.agents[host.hostname].number
    cluster.now -= 3600.0
    cluster.feed(TaskUpdated(task_id, host.agent_id, TaskState.UNREACHABLE))
    assert cluster.state.agents[host.hostname].number == before + 1

    actions = cluster.feed(OffersReceived((cluster.build_offer(host),)))

    assert [action for action in actions if isinstance(action, Reconcile) and action.tasks]


def test_windows_go_by_the_clock_on_the_wall_and_nothing_else_does() -> None:
    host = build_host(1, restarts=(DOCKER,))
    # 1970-01-01 00:00 UTC was a Thursday, and the cluster's time begins 1000 s later.
    cluster = FakeCluster([host], build_policy(pace=Pace(windows=parse_windows("thu 02:00-03:00"))))
    for _ in range(30):
        cluster.step()
    assert "waits for a window" in build_plan(cluster.state, cluster.now).phases[0].message

    cluster.wall_ahead_s = 2 * 3600.0

    cluster.run_until(cluster.is_complete, max_steps=60)
    assert cluster.now < 1100.0


def test_what_a_host_saw_under_its_former_id_is_not_taken_for_what_it_is_now() -> None:
    host = build_host(1)
    cluster = build_cluster(host)
    actions = cluster.feed(OffersReceived((cluster.build_offer(host),)))
    (look,) = [action for action in actions if isinstance(action, Launch)]
    host.agent_id = "S9"
    cluster.hosts = {"S9": host}
    cluster.feed(cluster.build_roster(cluster.state))
    assert cluster.state.agents[host.hostname].agent_id == "S9"

    cluster.feed(Inspected(look.task_id, host.inspect()))

    assert cluster.state.agents[host.hostname].inspection is None


def build_complete(host: FakeHost) -> FakeCluster:
    cluster = build_cluster(host)
    cluster.run_until(cluster.is_complete)
    return cluster


def test_agent_that_left_in_a_time_to_come_is_not_away_for_longer_than_it_is() -> None:
    host = build_host(1)
    cluster = build_complete(host)
    agent = cluster.state.agents[host.hostname]
    ahead = replace(agent, absent_since=cluster.now + 3600.0, restarted_at=cluster.now + 3600.0)

    state = restore(cluster.state.policy, Memory(agents=(ahead,)), cluster.now)

    assert state.agents[host.hostname].absent_since == cluster.now
    assert state.last_restart_at == cluster.now
