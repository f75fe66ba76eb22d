"""Whose turn it is to take a slot: the order is known beforehand, and nobody is waited for without end."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from heapq import nsmallest

from immutables import Map

from .connectivity_walk import find_test_gate
from .gates import find_canary_gate
from .model import NAMED, Agent, name_some
from .state import State


def with_line(state: State, now: float) -> State:
    """Work out who comes next, where that may have changed, and pass over those that let their turn go by.

    Whoever is passed over has its turn again once all others had theirs.
    """
    free = state.policy.max_concurrent_agents - len(state.slots)
    causes, before = (state.queue, state.twins, state.passed, free), state.line_causes
    if not before or before[3] != free or any(one is not other for one, other in zip(causes[:3], before, strict=False)):
        state = _line_up(state, free, now)
    if free <= 0 or not state.line or _is_held(state):
        return replace(state, line_since=now)
    if now - state.line_since < state.policy.turn_wait_s:
        return state
    passed = state.passed.update(dict.fromkeys(state.line[:free]))
    return _line_up(replace(state, passed=passed, has_free_slot=True), free, now)


def _line_up(state: State, free: int, now: float) -> State:
    passed = Map({key: None for key in state.passed if key in state.queue})
    able = [(rank, key) for key, rank in state.queue.items() if key not in passed and key not in state.twins]
    if not able:
        passed = Map()
        able = [(rank, key) for key, rank in state.queue.items() if key not in state.twins]
    line = tuple(key for _, key in nsmallest(max(NAMED, free), able))
    is_same = line[: max(0, free)] == state.line[: max(0, free)]
    return replace(
        state,
        line=state.line if line == state.line else line,
        line_since=state.line_since if is_same else now,
        line_causes=(state.queue, state.twins, passed, free),
        passed=passed,
    )


def _is_held(state: State) -> bool:
    """Whether nobody may take a slot now, so that nobody lets its turn go by."""
    is_paused = state.controls.pause is not None or state.policy.pace.is_preflight or not state.is_subscribed
    return is_paused or state.is_stopped or find_canary_gate(state) is not None or find_test_gate(state) is not None


def find_turn(state: State, agent: Agent) -> str | None:
    """Why an agent may not take a slot although one is free; None if it is its turn."""
    free = state.policy.max_concurrent_agents - len(state.slots)
    if free <= 0:
        return f"waits for a slot: held by {_name(state.slots, state.absent)}"
    if not state.line or agent.key in state.line[:free] or agent.key not in state.queue:
        return None
    return f"waits for its turn: next {'is' if state.line[1:] == () else 'are'} {', '.join(state.line[:NAMED])}"


def describe_stop(state: State) -> str:
    """Say who stops the walk, and what lets it go on past those that will not come back."""
    return f"the walk is stopped: {_name(state.halting, state.absent, ' failed')}"


@lru_cache(maxsize=8)  # Everybody who waits for them asks.
def _name(keys: Map[str, object], absent: Map[str, float], told: str = "") -> str:
    gone = [key for key in keys if key in absent]
    left = "left the cluster: bring it back, or let the walk go on by release-slot or forget"
    return f"{name_some(keys)}{told}" + (f"; {name_some(gone)} {left}" if gone else "")
