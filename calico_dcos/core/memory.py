"""What outlives the process: the shape of the store, in the framework's own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .command import AuditEntry, Controls, Word
from .connectivity import Run
from .model import Agent, Backoff, Step
from .steps import Policy


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a store holds.

    Attributes:
        framework_id: Mesos' id of this framework, None before the first subscription.
        secret: what report tokens are derived from, None before the first start.
        pins: sha256 by URL, of downloads for which no option gives a sum: the first agent's counts for all.
        controls: what operators decided for the whole plan.
        audit: commands that were obeyed, in any order.
        connectivity: the newest run of the connectivity test, None before the first.
        words: what all agents were told, of which the records of some may not know yet; the oldest first.
    """

    framework_id: str | None = None
    secret: str | None = None
    agents: tuple[Agent, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    controls: Controls = field(default_factory=Controls)
    audit: tuple[AuditEntry, ...] = ()
    connectivity: Run | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that are stored before anything follows from them; what is None or empty stays as it is.

    The store of a scheduler that is killed meanwhile may have the agents in part, each of them whole, in the order in
    which they come here, and no sooner than the rest.

    Attributes:
        unpinned: URLs whose sums are taken back; none of them is among `pins`.
        forgotten: keys of agents of which nothing is remembered any more; none of them is among `agents`.
    """

    framework_id: str | None = None
    secret: str | None = None
    agents: tuple[Agent, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    controls: Controls | None = None
    audit: tuple[AuditEntry, ...] = ()
    connectivity: Run | None = None
    words: tuple[Word, ...] | None = None
    forgotten: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return self == Batch()


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
