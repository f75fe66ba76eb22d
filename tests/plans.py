"""The plan worked out anew, for tests: the scheduler shows one that is kept up to date."""

from __future__ import annotations

from calico_dcos.core.model import Agent
from calico_dcos.core.state import State
from calico_dcos.web.plan import PhaseView, PlanView, describe_plan_hold, look_at, show_phase, sum_up_plan


def build_plan(state: State, now: float) -> PlanView:
    """Show the whole walk, one phase for each agent, in the order of their names."""
    phases = tuple(build_phase(state, state.agents[key], now) for key in sorted(state.agents))
    return sum_up_plan(phases, describe_plan_hold(state), state.controls.pause, state.line)


def build_phase(state: State, agent: Agent, now: float) -> PhaseView:
    """Show one agent's phase."""
    return show_phase(look_at(state, agent, now))
