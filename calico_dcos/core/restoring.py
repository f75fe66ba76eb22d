"""The state that a scheduler starts with, from what its store remembers."""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from .memory import Batch, Memory
from .model import Agent, Backoff, Step
from .state import State
from .steps import Policy
from .words import hear


def restore(policy: Policy, memory: Memory, now: float) -> State:
    """Build the state that a scheduler starts with from what its store remembers."""
    memory = clamp(memory, policy, now)
    state = State(
        policy=policy,
        framework_id=memory.framework_id,
        secret=memory.secret,
        pins=Map(memory.pins),
        controls=memory.controls,
        connectivity=memory.connectivity,
        audit=Map({entry.place: entry for entry in memory.audit}),
        audit_count=max((entry.number + 1 for entry in memory.audit), default=0),
    )
    state = replace(state.with_agents(memory.agents), changed=Map())
    for word in memory.words:
        state = state.with_word(word, (hear(agent, word, policy, now) for agent in state.agents.values()))
    return replace(state, unsaved=Batch())


def clamp(memory: Memory, policy: Policy, now: float) -> Memory:
    """Take no time for later than now, and no wait for longer than waits are: the clock that wrote them may differ.

    Times that are only shown are left as they are.
    """

    def past(at: float | None) -> float | None:
        return None if at is None else min(at, now)

    def clamp_backoff(backoff: Backoff) -> Backoff:
        return replace(backoff, until=min(backoff.until, now + policy.max_backoff_s))

    def clamp_step(step: Step) -> Step:
        task = step.task
        if task is not None:
            task = replace(task, since=min(task.since, now), healthy_since=past(task.healthy_since))
        return replace(step, task=task, backoff=clamp_backoff(step.backoff))

    def clamp_agent(agent: Agent) -> Agent:
        look = agent.inspection
        return replace(
            agent,
            steps={name: clamp_step(step) for name, step in agent.steps.items()},
            inspection=None if look is None else replace(look, at=min(look.at, now)),
            restarted_at=min(agent.restarted_at, now),
            absent_since=past(agent.absent_since),
            looks=clamp_backoff(agent.looks),
        )

    controls = replace(memory.controls, canary_since=past(memory.controls.canary_since))
    return replace(memory, agents=tuple(map(clamp_agent, memory.agents)), controls=controls)
