"""What operators' commands do to the walk, and how they are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calico_dcos.core.actions import Kill, Launch, Reply
from calico_dcos.core.command import AUDIT_LENGTH, AuditEntry, Command, CommandName, Outcome, Verdict
from calico_dcos.core.controls import judge
from calico_dcos.core.events import Commanded
from calico_dcos.core.model import Change, Status, StepName, TaskState
from calico_dcos.core.restoring import restore
from calico_dcos.web.commands import list_audit
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy


def say(cluster: FakeCluster, name: CommandName, host: FakeHost | None = None, step: StepName | None = None) -> Verdict:
    command = Command(name, "" if host is None else host.hostname, step, who="ann", reason="works in the rack")
    actions = cluster.feed(Commanded(command, "T"))
    cluster._perform(actions)
    replies = [action.verdict for action in actions if isinstance(action, Reply)]
    assert len(replies) == 1
    return replies[0]


def restart(cluster: FakeCluster) -> None:
    """Start again from what a store would have kept."""
    cluster.state = restore(cluster.state.policy, cluster.kept.load(), cluster.now)


def has_failed(cluster: FakeCluster) -> bool:
    return bool(cluster.state.failed)


def build_failing(count: int = 2, max_failed_agents: int = 0) -> tuple[FakeCluster, list[FakeHost]]:
    """A cluster whose first host has failed for good at its CNI step."""
    hosts = [build_host(number) for number in range(count)]
    hosts[0].outcomes[StepName.CNI] = [TaskState.FAILED]
    cluster = FakeCluster(hosts, build_policy(max_attempts=1, max_failed_agents=max_failed_agents))
    cluster.run_until(lambda: has_failed(cluster))
    return cluster, hosts


def test_paused_plan_starts_nothing_and_goes_on_when_resumed() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = FakeCluster(hosts, build_policy())

    assert say(cluster, CommandName.PAUSE).outcome is Outcome.ACCEPTED
    for _ in range(20):
        cluster.step()
    plan = build_plan(cluster.state, cluster.now)
    assert [host.launched for host in hosts] == [[], []]
    assert plan.status is Status.WAITING
    assert plan.message == "paused by ann since 1970-01-01 00:16 UTC: works in the rack"
    assert plan.message in plan.phases[0].message.replace("the plan is ", "")

    assert say(cluster, CommandName.RESUME).outcome is Outcome.ACCEPTED
    cluster.run_until(cluster.is_complete)


def test_paused_plan_brings_lost_services_back() -> None:
    host = build_host(0)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    say(cluster, CommandName.PAUSE)

    cluster.lose(host, StepName.CALICO_NODE, TaskState.FAILED)

    cluster.run_until(lambda: StepName.CALICO_NODE in host.running.values())


def test_paused_agent_is_left_alone_while_others_are_walked() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.step()
    say(cluster, CommandName.PAUSE, hosts[0])
    launched = list(hosts[0].launched)

    # It may hold the slot already: whoever is paused in a slot keeps it.
    for _ in range(60):
        cluster.step()

    assert hosts[0].launched == launched
    phase = next(phase for phase in build_plan(cluster.state, cluster.now).phases if phase.name == hosts[0].hostname)
    assert phase.status is Status.WAITING
    assert phase.message.startswith("paused by ann since ")


def test_paused_agent_gets_no_repair_either() -> None:
    host = build_host(0)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    say(cluster, CommandName.PAUSE, host)
    cluster.lose(host, StepName.CALICO_NODE, TaskState.FAILED)

    for _ in range(30):
        cluster.step()
    assert StepName.CALICO_NODE not in host.running.values()

    say(cluster, CommandName.RESUME, host)
    cluster.run_until(lambda: StepName.CALICO_NODE in host.running.values())


def test_pause_keeps_running_services_that_have_old_settings() -> None:
    host = build_host(0)
    policy = build_policy()
    cluster = FakeCluster([host], policy)
    cluster.run_until(cluster.is_complete)
    newer = tuple(
        replace(spec, settings="node-2") if spec.name is StepName.CALICO_NODE else spec for spec in policy.steps
    )
    say(cluster, CommandName.PAUSE)
    other = FakeCluster([host], replace(policy, steps=newer), cluster.kept.load())
    for _ in range(30):
        other.step()
    assert not any(isinstance(action, Kill | Launch) for action in other.actions)

    say(other, CommandName.RESUME)
    other.run_until(other.is_complete)
    assert any(isinstance(action, Kill) for action in other.actions)


def test_retry_starts_a_failed_step_again_and_the_walk_goes_on() -> None:
    cluster, hosts = build_failing()
    for _ in range(30):
        cluster.step()
    assert hosts[1].launched == [StepName.INSPECT], "the walk is stopped"

    verdict = say(cluster, CommandName.RETRY, hosts[0])

    assert verdict.outcome is Outcome.ACCEPTED
    cluster.run_until(cluster.is_complete)


def test_retry_of_the_plan_means_every_failed_agent() -> None:
    cluster, _ = build_failing(max_failed_agents=5)
    assert say(cluster, CommandName.RETRY).outcome is Outcome.ACCEPTED
    cluster.run_until(cluster.is_complete)


def test_retry_where_nothing_failed_looks_at_the_host_again_once() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.run_until(cluster.is_complete)
    cluster.now += 1.0

    verdict = say(cluster, CommandName.RETRY, hosts[1])
    assert (verdict.outcome, len(verdict.agents)) == (Outcome.ACCEPTED, 1)
    assert "looked at again: agent1.test" in verdict.message
    command = Command(CommandName.RETRY, hosts[1].hostname)
    assert judge(cluster.state, command, cluster.now).outcome is Outcome.ALREADY
    assert not cluster.state.unsettled, "what is complete stays so while it is looked at"
    cluster.run_until(lambda: hosts[1].launched.count(StepName.INSPECT) > hosts[0].launched.count(StepName.INSPECT))

    # A hand edit that nobody would have seen before the verify interval was over.
    hosts[0].todo[StepName.CNI] = Change("writes calico.conf", "it is missing", "none")
    cluster.now += 1.0
    assert say(cluster, CommandName.RETRY).outcome is Outcome.ACCEPTED
    cluster.run_until(lambda: StepName.CNI not in hosts[0].todo)


def test_whole_plan_is_forced_but_for_agents_at_work() -> None:
    hosts = [build_host(number) for number in range(3)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.step()
    cluster.step()

    assert say(cluster, CommandName.FORCE_COMPLETE).outcome is Outcome.ACCEPTED

    cluster.run_until(cluster.is_complete)
    assert judge(cluster.state, Command(CommandName.FORCE_COMPLETE), cluster.now).outcome is Outcome.ALREADY
    assert hosts[1].todo
    assert hosts[2].launched == [StepName.INSPECT]


def test_forced_plan_names_agents_with_a_step_at_work() -> None:
    hosts = [build_host(number) for number in range(2)]
    hosts[0].outcomes[StepName.CNI] = [TaskState.RUNNING]
    cluster = FakeCluster(hosts, build_policy())
    cluster.run_until(lambda: StepName.CNI in hosts[0].launched)

    verdict = say(cluster, CommandName.FORCE_COMPLETE)
    assert verdict.message == "forced to complete: agent1.test; not those with a step at work: agent0.test"
    verdict = judge(cluster.state, Command(CommandName.FORCE_COMPLETE), cluster.now)
    assert (verdict.outcome, "at work on agent0.test" in verdict.message) == (Outcome.REFUSED, True)


def test_retry_of_a_refused_host_looks_at_it_again() -> None:
    host = build_host(0)
    host.refusals = {StepName.DOCKER_CLUSTER_STORE: "swarm mode"}
    cluster = FakeCluster([host], build_policy(recheck_s=10_000.0))
    cluster.run_until(lambda: has_failed(cluster))
    host.refusals = {}

    say(cluster, CommandName.RETRY, host)

    cluster.run_until(cluster.is_complete)


def test_forced_step_counts_as_complete_until_its_settings_change() -> None:
    cluster, hosts = build_failing(1)
    assert say(cluster, CommandName.FORCE_COMPLETE, hosts[0], StepName.CNI).outcome is Outcome.ACCEPTED
    cluster.run_until(cluster.is_complete)
    phase = build_plan(cluster.state, cluster.now).phases[0]
    step = next(step for step in phase.steps if step.name is StepName.CNI)
    assert phase.status is Status.COMPLETE
    assert step.message.startswith("forced to complete by ann since ")
    assert StepName.CNI in hosts[0].todo

    policy = cluster.state.policy
    newer = tuple(replace(spec, settings="cni-2") if spec.name is StepName.CNI else spec for spec in policy.steps)
    other = FakeCluster(hosts, replace(policy, steps=newer), cluster.kept.load())
    other.run_until(other.is_complete)
    assert StepName.CNI not in hosts[0].todo


def test_skipped_step_is_as_disabled_on_its_agent_until_it_is_retried() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.step()
    assert say(cluster, CommandName.SKIP, hosts[1], StepName.CALICO_NODE).outcome is Outcome.ACCEPTED
    cluster.run_until(cluster.is_complete)
    assert StepName.CALICO_NODE not in hosts[1].launched
    assert StepName.CALICO_NODE in hosts[0].launched

    assert say(cluster, CommandName.RETRY, hosts[1], StepName.CALICO_NODE).outcome is Outcome.ACCEPTED
    assert cluster.state.unsettled
    cluster.run_until(cluster.is_complete)
    assert StepName.CALICO_NODE in hosts[1].launched


def test_skipped_agent_gives_its_slot_back() -> None:
    cluster, hosts = build_failing()
    assert say(cluster, CommandName.SKIP, hosts[0]).outcome is Outcome.ACCEPTED
    cluster.run_until(cluster.is_complete)


def test_released_slot_lets_the_walk_go_on_past_a_failed_agent() -> None:
    cluster, hosts = build_failing()
    assert say(cluster, CommandName.RELEASE_SLOT, hosts[0]).outcome is Outcome.ACCEPTED

    cluster.run_until(lambda: list(cluster.state.unsettled) == [hosts[0].hostname])

    phase = build_plan(cluster.state, cluster.now).phases[0]
    assert phase.status is Status.ERROR
    assert "slot released by ann" in phase.message
    say(cluster, CommandName.RETRY, hosts[0])
    cluster.run_until(cluster.is_complete)


def build_dead() -> tuple[FakeCluster, list[FakeHost]]:
    """A cluster whose first host died in its slot, at its CNI step: nothing there ever ends, or fails."""
    hosts = [build_host(number) for number in range(2)]
    hosts[0].outcomes[StepName.CNI] = [TaskState.UNREACHABLE]
    cluster = FakeCluster(hosts, build_policy())
    cluster.run_until(lambda: StepName.CNI in hosts[0].launched)
    hosts[0].is_offering = False
    return cluster, hosts


def test_slot_of_an_agent_that_died_in_it_can_be_released() -> None:
    cluster, hosts = build_dead()
    cluster.step(86_400.0)
    assert list(cluster.state.slots) == [hosts[0].hostname], "never by time alone"

    assert say(cluster, CommandName.RELEASE_SLOT, hosts[0]).outcome is Outcome.ACCEPTED
    cluster.run_until(lambda: list(cluster.state.unsettled) == [hosts[0].hostname])

    assert "slot released by ann" in build_plan(cluster.state, cluster.now).phases[0].message
    hosts[0].is_offering = True
    cluster.run_until(cluster.is_complete)
    assert cluster.most_slots == 1


def test_own_host_does_not_wait_for_an_agent_that_was_released() -> None:
    hosts = [build_host(number) for number in range(2)]
    hosts[0].outcomes[StepName.CNI] = [TaskState.FAILED]
    cluster = FakeCluster(hosts, build_policy(max_attempts=1, own_host=hosts[1].hostname))
    cluster.run_until(lambda: has_failed(cluster))
    say(cluster, CommandName.RELEASE_SLOT, hosts[0])

    cluster.run_until(lambda: list(cluster.state.unsettled) == [hosts[0].hostname])


@pytest.mark.parametrize(
    "name", [name for name in CommandName if name not in (CommandName.RELEASE_SLOT, CommandName.FORGET)]
)
def test_command_that_was_obeyed_already_changes_nothing(name: CommandName) -> None:
    cluster, hosts = build_failing(1)
    if name is CommandName.RESUME:
        say(cluster, CommandName.PAUSE, hosts[0])
    step = StepName.CNI if name in (CommandName.SKIP, CommandName.FORCE_COMPLETE) else None
    command = Command(name, hosts[0].hostname, step, who="ann")
    assert judge(cluster.state, command, cluster.now).outcome is Outcome.ACCEPTED
    cluster.feed(Commanded(command, "T"))
    count = cluster.state.audit_count

    verdict = judge(cluster.state, command, cluster.now)

    assert verdict.outcome is Outcome.ALREADY
    cluster.feed(Commanded(command, "T"))
    assert cluster.state.audit_count == count


@pytest.mark.parametrize(
    ("command", "outcome", "said"),
    [
        (Command(CommandName.PAUSE, "nowhere"), Outcome.UNKNOWN, "no agent nowhere"),
        (Command(CommandName.RESUME), Outcome.ALREADY, "the plan is not paused"),
        (Command(CommandName.SKIP), Outcome.REFUSED, "for one agent"),
        (Command(CommandName.SKIP, "agent1.test", StepName.INSPECT), Outcome.REFUSED, "inspect cannot be left out"),
        (Command(CommandName.RELEASE_SLOT), Outcome.REFUSED, "for one agent"),
        (Command(CommandName.RELEASE_SLOT, "agent1.test"), Outcome.REFUSED, "has not failed"),
    ],
)
def test_command_that_is_not_possible_says_why(command: Command, outcome: Outcome, said: str) -> None:
    cluster, _ = build_failing()

    verdict = judge(cluster.state, command, cluster.now)

    assert verdict.outcome is outcome
    assert said in verdict.message
    assert verdict.agents == ()


def test_controls_and_audit_survive_a_restart() -> None:
    cluster, hosts = build_failing()
    say(cluster, CommandName.PAUSE)
    say(cluster, CommandName.PAUSE, hosts[1])
    say(cluster, CommandName.SKIP, hosts[1], StepName.CNI)
    before = cluster.state

    restart(cluster)

    assert cluster.state.controls == before.controls
    assert cluster.state.agents == before.agents
    assert cluster.state.audit == before.audit
    assert cluster.state.audit_count == 3
    newest = next(iter(list_audit(cluster.state.audit, cluster.state.audit_count, limit=1)))
    assert (newest.number, newest.who, newest.command, newest.agent, newest.step, newest.reason) == (
        2,
        "ann",
        "skip",
        "agent1.test",
        "cni",
        "works in the rack",
    )


def test_audit_log_keeps_the_newest_entries_and_lists_them_newest_first() -> None:
    count = AUDIT_LENGTH + 5
    entries: dict[int, AuditEntry] = {}
    for number in range(count):
        entry = AuditEntry(number, float(number), "ann", "pause")
        entries[entry.place] = entry

    def list_numbers(limit: int, before: int | None = None) -> list[int]:
        return [entry.number for entry in list_audit(entries, count, limit=limit, before=before)]

    assert len(entries) == AUDIT_LENGTH
    assert list_numbers(2) == [count - 1, count - 2]
    assert list_numbers(2, before=count - 2) == [count - 3, count - 4]
    assert list_numbers(100, before=8) == [7, 6, 5]
    assert list_numbers(100, before=0) == []
    assert list_numbers(100, before=10 * count)[0] == count - 1
