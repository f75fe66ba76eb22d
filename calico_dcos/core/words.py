"""What an operator's word does to one agent, whether it was told alone or with all others.

A word to all agents is stored as one record. Each agent takes it in at once where it is remembered, and in the store
when its record is next written; whoever reads an older record takes the word in again, with the same effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .command import CommandName, Word
from .model import UNTRIED, Agent, Mark, StepName, Task
from .phase import advance
from .standing import find_failure, find_next_step, is_repair, is_settled, is_step_done
from .steps import Policy


def hear(agent: Agent, word: Word, policy: Policy, now: float) -> Agent:
    """The agent after a word to the whole plan; the very same if it has heard it, or is none of those it is about."""
    if agent.heard >= word.number:
        return agent
    if word.name is CommandName.FORCE_COMPLETE:
        fresh = _force(agent, word, policy)
    elif word.is_look:
        fresh = want_look(agent, word.at) if is_seen(agent) else agent
    else:
        fresh = retry(agent, policy, word.step, word.at, keeps_skips=True) if is_open(agent, policy) else agent
    return agent if fresh is agent else advance(note(fresh, word), policy, now)


def note(agent: Agent, word: Word) -> Agent:
    """The agent with the word in its history."""
    told = f"{word.name.value} by {word.who or 'an operator'}" + (f": {word.reason}" if word.reason else "")
    return agent.with_note(word.at, told)


def is_open(agent: Agent, policy: Policy) -> bool:
    """Whether anything is left to do on the agent, or to repair."""
    step = find_next_step(agent, policy)
    return not is_settled(agent, policy) or (step is not None and is_repair(agent, step, policy))


def retry(agent: Agent, policy: Policy, only: StepName | None, at: float, *, keeps_skips: bool) -> Agent:
    """The agent with its failures forgotten and its waivers taken back; the very same if there is nothing to retry."""
    fresh = agent
    for name in StepName if only is None else (only,):
        step = agent.get_step(name)
        skip = step.skip if keeps_skips else None
        if step.backoff.tries or step.backoff.until > at or step.forced is not None or step.skip is not skip:
            fresh = fresh.with_step(name, replace(step, backoff=UNTRIED, forced=None, skip=skip))
    failure = find_failure(agent, policy)
    is_failed = failure is not None and only in {None, failure.step}
    if fresh is agent and not is_failed:
        return agent
    fresh = replace(want_look(fresh, at), release=None, looks=UNTRIED)
    step_name = find_next_step(fresh, policy)
    if is_settled(fresh, policy) and step_name is not None and not is_repair(fresh, step_name, policy):
        return replace(fresh, settled_as="", settled_at=None)
    return fresh


def is_seen(agent: Agent) -> bool:
    """Whether the host was looked at since the last word of an operator."""
    return agent.inspection is not None and agent.inspection.number >= agent.retried


def want_look(agent: Agent, at: float) -> Agent:
    """The agent with what is known of its host taken for old."""
    number = agent.number + 1
    # Not the number alone: a host may note a word for longer than its agent is remembered here.
    return replace(agent, number=number, retried=number, retry_word=f"{number}/{at:.3f}")


def force(agent: Agent, names: Iterable[StepName], mark: Mark, settings: Mapping[str, str]) -> Agent:
    """The agent with steps that count as complete under the settings that they have."""
    for name in names:
        forced = replace(mark, settings=settings[name.value])
        agent = agent.with_step(name, replace(agent.get_step(name), forced=forced))
    return agent


def skip(agent: Agent, names: Iterable[StepName], mark: Mark) -> Agent:
    """The agent with steps that are not done there."""
    for name in names:
        agent = agent.with_step(name, replace(agent.get_step(name), skip=mark))
    return agent


def list_unwaived(agent: Agent, only: StepName | None, policy: Policy, *, is_skip: bool) -> list[StepName]:
    """The steps, or the one of them, that are on and not skipped, or not complete nor forced to be."""
    return [
        spec.name
        for spec in policy.steps
        if spec.is_enabled and spec.name is not StepName.INSPECT and only in {None, spec.name}
        if not (agent.get_step(spec.name).skip if is_skip else is_step_done(agent, spec.name, policy))
    ]


def find_task_at_work(agent: Agent, names: Iterable[StepName], policy: Policy) -> tuple[StepName, Task] | None:
    """A step whose task is known to run, and is to end by itself; one that Mesos lost sight of may never end."""
    for name in names:
        task = agent.get_step(name).task
        if task is not None and task.state.is_active and not policy.by_name[name].is_service:
            return name, task
    return None


def _force(agent: Agent, word: Word, policy: Policy) -> Agent:
    names = list_unwaived(agent, word.step, policy, is_skip=False)
    if find_task_at_work(agent, names, policy) is not None:
        return agent
    return force(agent, names, Mark(word.at, word.who, word.reason), word.settings)
