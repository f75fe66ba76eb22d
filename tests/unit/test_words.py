"""A word to the whole plan is one record, however many agents it is about, and none of them loses it."""

from __future__ import annotations

from dataclasses import replace

from calico_dcos.core.command import Command, CommandName
from calico_dcos.core.events import Commanded, Ticked
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import UNTRIED, Agent, Backoff, Inspection, Step, StepName
from calico_dcos.core.restoring import restore
from calico_dcos.core.standing import is_step_done
from calico_dcos.core.state import TOLD_AT_ONCE, State
from tests.unit.kept import Kept
from tests.unit.walking import build_policy

NOW = 1000.0
MANY = 3 * TOLD_AT_ONCE - 1


class Plan:
    """A plan of many agents that failed, in a store; it begins with words said before."""

    def __init__(self, count: int = MANY) -> None:
        policy = build_policy()
        seen = Inspection(at=1.0, settings=policy.settings, number=1)
        failed = {StepName.CNI: Step(backoff=Backoff(3, NOW + 60, "no disk"))}
        agents = tuple(
            Agent(f"a{number}", f"S{number}", f"a{number}", steps=failed, inspection=seen, number=1)
            for number in range(count)
        )
        self.kept = Kept(Memory("F1", "s", agents))
        self.state = restore(policy, self.kept.load(), NOW)

    def say(self, name: CommandName, step: StepName | None = None) -> None:
        self.state, _ = fold(self.state, Commanded(Command(name, "", step, who="ann"), "T"), NOW)

    def tick(self) -> None:
        self.state, _ = fold(self.state, Ticked(), NOW)

    def save(self) -> list[str]:
        """Save what is unsaved, and name the agents of which a record was written."""
        batch = self.state.build_batch()
        self.kept.save(batch)
        self.state = self.state.saved()
        return [agent.key for agent in batch.agents]

    def restart(self) -> State:
        return restore(self.state.policy, self.kept.load(), NOW + 5)


def list_steps(state: State) -> dict[str, object]:
    return {key: (dict(agent.steps), agent.retried, agent.retry_word) for key, agent in state.agents.items()}


def test_a_word_to_all_agents_is_one_record_and_outlives_the_scheduler() -> None:
    plan = Plan()
    plan.say(CommandName.RETRY)
    assert all(agent.get_step(StepName.CNI).backoff == UNTRIED for agent in plan.state.agents.values())

    assert plan.save() == []

    assert list_steps(plan.restart()) == list_steps(plan.state)
    assert plan.restart().build_batch().is_empty


def test_agents_take_a_word_in_a_few_at_a_time_until_nobody_needs_it() -> None:
    plan = Plan()
    plan.say(CommandName.RETRY)
    plan.save()

    written = []
    for _ in range(3):
        plan.tick()
        written.append(plan.save())
        assert plan.kept.load().words, "an agent needs it still"
        assert list_steps(plan.restart()) == list_steps(plan.state)
    assert max(map(len, written)) <= TOLD_AT_ONCE
    assert sorted(key for keys in written for key in keys) == sorted(plan.state.agents)

    plan.tick()
    assert plan.save() == []
    assert plan.kept.load().words == ()
    assert list_steps(plan.restart()) == list_steps(plan.state)


def test_what_happened_to_an_agent_after_a_word_is_not_undone_by_it() -> None:
    plan = Plan()
    plan.say(CommandName.RETRY)
    plan.save()
    again = plan.state.agents["a0"].with_step(StepName.CNI, Step(backoff=Backoff(1, NOW + 10, "no disk again")))
    new = Agent("new", "S999", "new", steps=again.steps)
    plan.state = plan.state.with_agents([again, new])

    assert plan.save() == ["a0", "new"]

    assert list_steps(plan.restart()) == list_steps(plan.state)
    assert plan.restart().agents["new"].get_step(StepName.CNI).backoff.reason == "no disk again"


def test_words_of_several_kinds_count_in_their_order_and_of_one_kind_the_newest() -> None:
    plan = Plan()
    for _ in range(3):
        plan.say(CommandName.FORCE_COMPLETE, StepName.CNI)
        plan.say(CommandName.RETRY)
    plan.say(CommandName.FORCE_COMPLETE, StepName.CNI)
    plan.save()

    assert [word.name for word in plan.kept.load().words] == [CommandName.RETRY, CommandName.FORCE_COMPLETE]
    restarted = plan.restart()
    for state in (plan.state, restarted):
        assert all(is_step_done(agent, StepName.CNI, state.policy) for agent in state.agents.values())


def test_a_force_of_the_whole_plan_counts_for_the_settings_that_it_was_said_of() -> None:
    plan = Plan()
    plan.say(CommandName.FORCE_COMPLETE)
    plan.save()
    policy = plan.state.policy
    newer = tuple(replace(spec, settings="cni-2") if spec.name is StepName.CNI else spec for spec in policy.steps)

    state = restore(replace(policy, steps=newer), plan.kept.load(), NOW)

    for agent in state.agents.values():
        assert not is_step_done(agent, StepName.CNI, state.policy)
        assert is_step_done(agent, StepName.AGENT_RESTART, state.policy)


def test_a_word_is_newer_than_all_that_agents_heard_whatever_became_of_the_audit_log() -> None:
    plan = Plan(2)
    plan.say(CommandName.RETRY)
    for _ in range(3):
        plan.save()
        plan.tick()
    memory = replace(plan.kept.load(), audit=())
    plan.state = restore(plan.state.policy, memory, NOW)
    failed = plan.state.agents["a1"].with_step(StepName.CNI, Step(backoff=Backoff(1, NOW + 10, "no disk again")))
    plan.state = plan.state.with_agent(failed)

    plan.say(CommandName.RETRY)

    assert plan.state.agents["a1"].get_step(StepName.CNI).backoff == UNTRIED
