"""One back-off for whatever does not work out: doubling, capped, and told with its reason."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_dcos.core.actions import Launch, Reactivate, Reconcile, Revive
from calico_dcos.core.events import OffersReceived, TaskUpdated
from calico_dcos.core.model import Backoff, Status, StepName, TaskState
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

PROXY = StepName.ETCD_PROXY
NODE = StepName.CALICO_NODE


@given(st.integers(1, 60), st.floats(0.1, 100), st.floats(1, 10_000))
def test_each_wait_is_twice_the_one_before_up_to_a_bound(tries: int, first_s: float, longest_s: float) -> None:
    backoff, waits = Backoff(), []
    for number in range(tries):
        backoff = backoff.grow(0.0, first_s, longest_s, "why")
        waits.append(backoff.until)
        assert (backoff.tries, backoff.reason) == (number + 1, "why")

    assert waits[0] == min(first_s, longest_s)
    assert all(later == pytest.approx(min(longest_s, 2 * sooner)) for sooner, later in pairwise(waits))


def explain(cluster: FakeCluster) -> str:
    return build_plan(cluster.state, cluster.now).phases[0].message


def refuse_launches(
    cluster: FakeCluster, host: FakeHost, state: TaskState, words: str, seconds: int
) -> list[tuple[float, Launch]]:
    """Offer each second, and refuse every launch; return these with their times."""
    launches = []
    for _ in range(seconds):
        cluster.now += 1
        for action in cluster.feed(OffersReceived((cluster.build_offer(host),))):
            if isinstance(action, Launch):
                launches.append((cluster.now, action))
                cluster.feed(TaskUpdated(action.task_id, host.agent_id, state, message=words))
    return launches


@pytest.mark.parametrize("state", [TaskState.DROPPED, TaskState.ERROR])
@pytest.mark.parametrize("step", [StepName.INSPECT, PROXY])
def test_launch_that_mesos_refuses_each_time_ends_in_error_with_its_words(state: TaskState, step: StepName) -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    if step is PROXY:
        cluster.run_until(lambda: StepName.INSPECT in host.launched)
    words = "Mesos refused the launch: 400 Total resources cpus exceed the offer"

    launches = [launch for launch in refuse_launches(cluster, host, state, words, 600) if launch[1].step is step]

    assert len(launches) <= 8
    plan = build_plan(cluster.state, cluster.now)
    assert plan.status is Status.ERROR
    assert words in plan.phases[0].message
    waits = [later - sooner for (sooner, _), (later, _) in pairwise(launches[:5])]
    assert all(later > sooner for sooner, later in pairwise(waits))


def test_refused_launch_says_when_it_is_tried_again_and_why() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())

    refuse_launches(cluster, host, TaskState.DROPPED, "no such principal", 2)

    assert explain(cluster).startswith("backs off after 1 failed attempts: no such principal (")


@pytest.mark.parametrize("is_repair", [False, True])
def test_agent_that_gets_no_offers_has_them_asked_for_less_and_less_often(*, is_repair: bool) -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    if is_repair:
        cluster.run_until(cluster.is_complete)
        cluster.lose(host, NODE, TaskState.FAILED)
    else:
        cluster.run_until(lambda: PROXY in host.launched)
    host.is_offering = False
    cluster.actions.clear()

    for _ in range(3600):
        cluster.step()

    revives = [action for action in cluster.actions if isinstance(action, Revive)]
    assert 8 <= len(revives) <= 20
    assert "waits for an offer: none for" in explain(cluster)
    assert "all are asked for again in " in explain(cluster)
    host.is_offering = True
    cluster.run_until(lambda: not cluster.state.revives, max_steps=5)
    cluster.run_until(cluster.is_complete)


def test_question_that_is_not_answered_is_put_less_and_less_often_and_says_so() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    task_id = next(task_id for task_id, name in host.running.items() if name is NODE)
    cluster.feed(TaskUpdated(task_id, host.agent_id, TaskState.LOST))
    cluster.now += 1
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    asked = []
    for _ in range(1000):
        cluster.now += 1
        asked += [cluster.now for action in cluster.feed() if isinstance(action, Reconcile) and action.tasks]

    waits = [later - sooner for sooner, later in pairwise(asked)]
    assert waits[:3] == [20.0, 40.0, 80.0]
    assert waits[-1] == 120.0
    assert "asks Mesos what became of it (again in " in explain(cluster)


def test_reactivation_that_nobody_confirms_is_asked_for_less_and_less_often() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    agent = cluster.state.agents[host.hostname]
    cluster.state = cluster.state.with_agent(replace(agent, deactivated_since=cluster.now))
    asked = []
    for _ in range(600):
        cluster.now += 1
        asked += [cluster.now for action in cluster.feed() if isinstance(action, Reactivate)]

    waits = [later - sooner for sooner, later in pairwise(asked)]
    assert waits[:3] == [10.0, 20.0, 40.0]
    assert max(waits) == 120.0
