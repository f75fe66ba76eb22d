"""The plan of a large cluster, kept up to date: an agent's phase is worked out again only when its causes changed.

The causes of a phase are the agent itself, what else the state says of it, what holds the walk up, and the time.
Agents change one by one. What holds the walk up changes for all agents at once whenever a slot changes hands; that
replaces a line in phases that are otherwise the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from immutables import Map

from calico_dcos.core.decide import find_obstacle
from calico_dcos.core.model import Agent
from calico_dcos.core.phase import Ask, End, Move, Start, Wait
from calico_dcos.core.state import State

from .plan import PhaseView, PlanView, describe_plan_hold, look_at, show_phase, sum_up_plan

# How long a line that counts seconds is shown unchanged.
TICK_S = 1.0
# How long an obstacle is shown that nothing in the state but time can have changed.
OBSTACLE_MAX_AGE_S = 5.0

# What may change every phase; the other parts of the state change a phase through its own agent alone, or not at all.
COMMON = ("policy", "is_subscribed", "untested", "tested")
# What changes phases only through the obstacle in their way.
_WALK = ("slots", "restarts", "failed", "halting", "released", "unsettled", "line")
OBSTACLES = (*_WALK, "inspecting", "maintenance", "twins")


@dataclass(frozen=True, slots=True)
class Entry:
    """A phase, and what it was worked out from.

    Attributes:
        own: what else the state says of the agent.
        until: when time alone makes it look different.
        obstacle_until: when time alone may have changed the obstacle.
    """

    agent: Agent
    own: tuple[Any, ...]
    move: Move
    obstacle: str | None
    phase: PhaseView
    until: float
    obstacle_until: float


@dataclass(frozen=True, slots=True)
class Overview:
    """The plan of one state.

    Attributes:
        entries: by agent key, in the order of the keys.
        common: parts of the state on which every phase may depend.
        obstacles: parts of the state on which obstacles depend.
    """

    plan: PlanView = field(default_factory=lambda: sum_up_plan(()))
    entries: Mapping[str, Entry] = field(default_factory=dict)
    common: tuple[Any, ...] = ()
    obstacles: tuple[Any, ...] = ()


def refresh_overview(before: Overview, state: State, now: float) -> Overview:
    """Show the whole walk as it is now; phases that look the same are the same objects as before."""
    # Of the controls, what else is remembered in them is no cause.
    common = (*(getattr(state, name) for name in COMMON), state.controls.pause, state.controls.canary)
    obstacles = tuple(getattr(state, name) for name in OBSTACLES)
    known = before.entries if _are_same(common, before.common) else {}
    are_obstacles_same = _are_same(obstacles, before.obstacles)
    entries = {}
    for key in _sort_keys(before, state.agents):
        agent = state.agents[key]
        entry = known.get(key)
        if entry is None or now >= entry.until or entry.agent is not agent or entry.own != _get_own(state, agent):
            entry = _build_entry(state, agent, now)
        elif not are_obstacles_same or now >= entry.obstacle_until:
            entry = _refresh_obstacle(entry, state, now)
        entries[key] = entry
    phases = tuple(entry.phase for entry in entries.values())
    plan = sum_up_plan(phases, describe_plan_hold(state), state.controls.pause, state.line)
    return Overview(plan, entries, common, obstacles)


def _are_same(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    if len(some) != len(others):
        return False
    return all(one is other for one, other in zip(some, others, strict=True))


def _sort_keys(before: Overview, agents: Map[str, Agent]) -> list[str]:
    if len(agents) == len(before.entries) and all(key in agents for key in before.entries):
        return list(before.entries)
    return sorted(agents)


def _get_own(state: State, agent: Agent) -> tuple[Any, ...]:
    # Progress is told of tasks that run, and questions are open of few.
    told: list[Any] = [agent.key in state.shortfalls, state.revives.get(agent.key), state.twins.get(agent.key)]
    if state.progress or state.questions:
        ids = [step.task.id for step in agent.steps.values() if step.task is not None and not step.task.state.is_ended]
        told += [part for one in (state.progress, state.questions) for id_ in ids if (part := one.get(id_)) is not None]
    return tuple(told)


def _build_entry(state: State, agent: Agent, now: float) -> Entry:
    look = look_at(state, agent, now)
    move, obstacle = look.move, look.obstacle
    return Entry(
        agent=agent,
        own=_get_own(state, agent),
        move=move,
        obstacle=obstacle,
        phase=show_phase(look),
        until=_find_end(state, agent, move, obstacle, now),
        obstacle_until=inf if obstacle is None else now + OBSTACLE_MAX_AGE_S,
    )


def _find_end(state: State, agent: Agent, move: Move, obstacle: str | None, now: float) -> float:
    """When time alone makes the agent's phase look different."""
    policy = state.policy
    counts_seconds = (isinstance(move, Wait) and move.until is not None) or (
        isinstance(move, Start | End | Ask) and obstacle is None
    )
    if counts_seconds or any(step.backoff.until > now for step in agent.steps.values()):
        return now + TICK_S
    if agent.inspection is None:
        return inf
    ages_s = (policy.recheck_s, policy.facts_max_age_s, policy.verify_interval_s)
    # What is known of a host counts until it is older than these.
    ends = (agent.inspection.at + age_s + TICK_S for age_s in ages_s)
    return min((end for end in ends if end > now), default=now + TICK_S)


def _refresh_obstacle(entry: Entry, state: State, now: float) -> Entry:
    if not isinstance(entry.move, Start | End):
        return entry
    obstacle = find_obstacle(state, entry.agent, entry.move, now)
    if obstacle is None or entry.obstacle is None:
        return entry if obstacle is entry.obstacle else _build_entry(state, entry.agent, now)
    until = now + OBSTACLE_MAX_AGE_S
    if obstacle == entry.obstacle:
        return replace(entry, obstacle_until=until)
    steps = tuple(
        replace(step, message=obstacle) if step.message == entry.obstacle else step for step in entry.phase.steps
    )
    message = obstacle if entry.phase.message == entry.obstacle else entry.phase.message
    phase = replace(entry.phase, message=message, steps=steps)
    return replace(entry, obstacle=obstacle, phase=phase, obstacle_until=until)
