"""Who takes a slot next: known beforehand, kept from nobody by those that failed, and never waited for without end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calico_dcos.core.command import Command, CommandName, Outcome
from calico_dcos.core.events import Commanded, OffersReceived, RosterAgent, RosterRead, TaskUpdated
from calico_dcos.core.model import Agent, StepName, TaskState
from calico_dcos.core.pace import Pace
from calico_dcos.core.resources import Maintenance
from calico_dcos.core.steps import Policy
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

CNI = StepName.CNI
DOCKER = StepName.DOCKER_CLUSTER_STORE


def build_named(number: int, name: str) -> FakeHost:
    return replace(build_host(number), hostname=name)


def read_roster(*hosts: FakeHost, public: tuple[str, ...] = ()) -> RosterRead:
    return RosterRead(
        tuple(
            RosterAgent(host.agent_id, host.hostname, "10.0.0.1", 5051, host.hostname in public, "1.9.0")
            for host in hosts
        )
    )


def walk(cluster: FakeCluster, *, public: tuple[str, ...] = (), max_steps: int = 500) -> list[str]:
    """Let the walk go through; return in which order agents took their slots."""
    order: list[str] = []
    for host in cluster.hosts.values():
        host.is_offering = False
    cluster.feed(read_roster(*cluster.hosts.values(), public=public))
    for _ in range(max_steps):
        cluster.step()
        for host in reversed(list(cluster.hosts.values())):
            # The last one is always offered first.
            offer = replace(cluster.build_offer(host), is_public=host.hostname in public)
            cluster._perform(cluster.feed(OffersReceived((offer,))))
            order += [key for key in cluster.state.slots if key not in order]
        if cluster.is_complete():
            return order
    return order


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["a2", "a9", "a10", "b1", "p1"]),
        ({"is_public_first": True}, ["p1", "a2", "a9", "a10", "b1"]),
        ({"first_agents": ("b1", "p1", "nobody")}, ["b1", "p1", "a2", "a9", "a10"]),
        ({"own_host": "a2"}, ["a9", "a10", "b1", "p1", "a2"]),
        ({"own_host": "b1", "first_agents": ("b1", "a10")}, ["a10", "a2", "a9", "p1", "b1"]),
    ],
)
def test_order_of_the_walk_is_the_one_that_was_asked_for_whoever_is_offered_first(
    rules: dict[str, Any], expected: list[str]
) -> None:
    hosts = [build_named(number, name) for number, name in enumerate(("a10", "p1", "b1", "a9", "a2"))]
    cluster = FakeCluster(hosts, build_policy(**rules))

    assert walk(cluster, public=("p1",)) == expected
    assert cluster.is_complete()


def test_canaries_are_foreseen() -> None:
    hosts = [build_named(number, f"a{number}") for number in range(5)]
    policy = build_policy(first_agents=("a3", "a1"), pace=Pace(canary_agents=2))
    cluster = FakeCluster(hosts, policy)

    assert walk(cluster, max_steps=60) == ["a3", "a1"]


def test_page_tells_the_next_three_and_each_agent_whose_turn_it_is() -> None:
    hosts = [build_named(number, f"a{number}") for number in range(6)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.feed(read_roster(*hosts))
    for host in hosts[1:]:
        cluster._perform(cluster.feed(OffersReceived((cluster.build_offer(host),))))

    plan = build_plan(cluster.state, cluster.now)

    assert plan.line == ("a0", "a1", "a2")
    messages = {phase.name: phase.message for phase in plan.phases}
    assert messages["a5"] == "waits for its turn: next are a0, a1, a2"


@pytest.mark.parametrize("count", [1, 3])
def test_agent_that_lets_its_turn_go_by_is_waited_for_once_and_not_for_long(count: int) -> None:
    hosts = [build_named(number, f"a{number}") for number in range(count + 2)]
    for host in hosts[:count]:
        host.is_offering = False
    hosts[0].maintenance = Maintenance(0.0)
    cluster = FakeCluster(hosts, build_policy(turn_wait_s=20.0))
    cluster.feed(read_roster(*hosts))
    begun = cluster.now

    cluster.run_until(lambda: "a0" in cluster.state.unsettled and len(cluster.state.unsettled) == count)

    assert begun + 20.0 * count <= cluster.now <= begun + 20.0 * count + 60.0
    for host in hosts:
        host.is_offering, host.maintenance = True, None
    cluster.run_until(cluster.is_complete)


def test_nobody_lets_its_turn_go_by_while_the_plan_is_paused() -> None:
    hosts = [build_named(number, f"a{number}") for number in range(3)]
    cluster = FakeCluster(hosts, build_policy(turn_wait_s=5.0))
    cluster.feed(Commanded(Command(CommandName.PAUSE), "T"))
    for _ in range(60):
        cluster.step()

    cluster.feed(Commanded(Command(CommandName.RESUME), "T"))
    cluster.run_until(lambda: bool(cluster.state.slots))

    assert list(cluster.state.slots) == ["a0"]


def build_failing(policy: Policy, *, failing: int = 1, count: int = 4) -> tuple[FakeCluster, list[FakeHost]]:
    hosts = [build_named(number, f"a{number}") for number in range(count)]
    for host in hosts[:failing]:
        host.outcomes[CNI] = [TaskState.FAILED] * 99
    return FakeCluster(hosts, policy), hosts


def test_failed_agent_within_the_allowance_keeps_no_slot_from_others() -> None:
    policy = build_policy(max_attempts=2, backoff_s=1.0, max_failed_agents=2, max_concurrent_agents=1)
    cluster, hosts = build_failing(policy, failing=2)

    cluster.run_until(lambda: set(cluster.state.unsettled) == {"a0", "a1"} and len(cluster.state.failed) == 2)

    assert cluster.most_slots == 1
    assert not cluster.state.slots
    (first, *_) = build_plan(cluster.state, cluster.now).phases
    assert first.message == "cni failed: made to fail"
    for host in hosts:
        host.outcomes.clear()
    cluster.feed(Commanded(Command(CommandName.RETRY), "T"))
    cluster.run_until(cluster.is_complete)
    assert cluster.most_slots == 1


def test_failed_agent_keeps_the_leave_to_restart_from_nobody() -> None:
    policy = build_policy(max_attempts=2, backoff_s=1.0, max_failed_agents=1)
    hosts = [replace(build_host(number, restarts=(DOCKER,)), hostname=f"a{number}") for number in range(3)]
    hosts[0].outcomes[DOCKER] = [TaskState.FAILED] * 99
    cluster = FakeCluster(hosts, policy)

    cluster.run_until(lambda: list(cluster.state.unsettled) == ["a0"])

    assert cluster.most_restarts == 1


def test_agent_that_was_mended_waits_for_a_slot_and_has_the_next_turn() -> None:
    policy = build_policy(max_attempts=1, backoff_s=1.0, max_failed_agents=1)
    cluster, hosts = build_failing(policy)
    cluster.run_until(lambda: "a0" in cluster.state.failed and list(cluster.state.slots) == ["a1"])
    hosts[0].outcomes.clear()

    cluster.feed(Commanded(Command(CommandName.RETRY, "a0"), "T"))
    cluster.run_until(lambda: "a1" not in cluster.state.unsettled)
    cluster.run_until(lambda: bool(cluster.state.slots))

    assert list(cluster.state.slots) == ["a0"]
    assert cluster.most_slots == 1


def test_failed_agent_that_left_the_cluster_is_told_as_gone_with_what_lets_the_walk_go_on() -> None:
    cluster, hosts = build_failing(build_policy(max_attempts=1, reregister_s=0.0))
    cluster.run_until(lambda: "a0" in cluster.state.halting)
    hosts[0].is_offering = False
    for task_id in list(hosts[0].running):
        cluster.feed(TaskUpdated(task_id, hosts[0].agent_id, TaskState.UNREACHABLE))
    cluster.feed(read_roster(*hosts[1:]))
    cluster.now += 1
    cluster.feed(read_roster(*hosts[1:]))

    messages = {phase.name: phase.message for phase in build_plan(cluster.state, cluster.now).phases}

    assert "before, cni failed: made to fail" in messages["a0"]
    assert "it failed half-way" in messages["a0"]
    told = "the walk is stopped: a0 failed; a0 left the cluster: bring it back, or let the walk go on by release-slot"
    assert messages["a1"].startswith(told)
    verdict = _say(cluster, Command(CommandName.RELEASE_SLOT, "a0"))
    assert verdict is Outcome.ACCEPTED
    cluster.run_until(lambda: list(cluster.state.unsettled) == ["a0"])


def _say(cluster: FakeCluster, command: Command) -> Outcome:
    actions = cluster.feed(Commanded(command, "T"))
    return next(action.verdict.outcome for action in actions if hasattr(action, "verdict"))


def test_retry_of_the_whole_plan_keeps_what_is_skipped_and_says_so() -> None:
    cluster, hosts = build_failing(build_policy(max_attempts=1))
    cluster.feed(read_roster(*hosts))
    cluster.feed(Commanded(Command(CommandName.SKIP, "a2", DOCKER, reason="never touch Docker here"), "T"))
    cluster.run_until(lambda: "a0" in cluster.state.failed)
    hosts[0].outcomes.clear()

    actions = cluster.feed(Commanded(Command(CommandName.RETRY), "T"))

    told = next(action.verdict.message for action in actions if hasattr(action, "verdict"))
    assert told == "failures are forgotten, tried again: a0; still skipped, until it is retried itself: a2"
    cluster.run_until(cluster.is_complete)
    assert DOCKER not in hosts[2].launched

    cluster.feed(Commanded(Command(CommandName.RETRY, "a2"), "T"))
    cluster.run_until(lambda: DOCKER in hosts[2].launched)


def test_a_slot_is_stored_as_given_back_before_it_is_stored_as_taken() -> None:
    state = FakeCluster([build_host(number) for number in range(3)], build_policy()).state
    given = Agent("z", "S9", "z")
    taken = Agent("a", "S8", "a", slot_since=1.0)
    restarting = Agent("b", "S7", "b", slot_since=1.0, restart_since=1.0)

    batch = state.with_agents([restarting, taken, given]).build_batch()

    assert [agent.key for agent in batch.agents] == ["z", "a", "b"]
