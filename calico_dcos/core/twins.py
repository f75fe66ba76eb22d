"""Agents of Mesos that go by one name: what is known of a host would be known of another one, so none is touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from immutables import Map

from .events import RosterAgent
from .model import Agent, build_agent_key
from .state import State


def with_twins(state: State, agents: Iterable[RosterAgent]) -> State:
    """Remember which of the agents that are there have the name and the port of another one.

    One that left, and came back under another id, is listed twice for a while; but only one of the two is active.
    """
    ids: dict[str, list[str]] = {}
    for agent in agents:
        if agent.is_active:
            ids.setdefault(build_agent_key(agent.hostname, agent.port), []).append(agent.agent_id)
    twins = Map({key: tuple(sorted(some)) for key, some in ids.items() if len(some) > 1})
    return state if twins == state.twins else replace(state, twins=twins)


def find_twins(state: State, agent: Agent) -> str | None:
    """Why nothing may be done on an agent, in one line; None if its name is its own."""
    ids = state.twins.get(agent.key)
    if ids is None:
        return None
    return f"{len(ids)} agents of Mesos go by this name: start each with a --hostname of its own"
