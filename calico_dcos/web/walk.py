"""What the web may see of the walk: one moment of it as a value, and the ways to read one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from calico_dcos.core.model import Agent
from calico_dcos.core.plan import PlanView, build_plan
from calico_dcos.core.state import State


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the walk.

    Attributes:
        revision: grows with each change of the state.
        at: when it was taken.
        agents: by key; each has a phase of that name in the plan, and each phase its agent here.
        master: address of the leading master, for people.
        notice: what keeps this scheduler from deciding anything, in one line; empty if nothing does.
    """

    revision: int
    at: float
    agents: Mapping[str, Agent]
    plan: PlanView
    framework_id: str = ""
    master: str = ""
    is_connected: bool = False
    max_concurrent_agents: int = 1
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Walk:
    """How the web reads the walk. All of it is called in the web's thread and must not block.

    Attributes:
        read_revision: the revision of the newest state; called a few times a second while somebody looks.
        read_snapshot: takes a snapshot of the newest state; costs in proportion to the number of agents.
        check_health: why the scheduler is not healthy, None if it is.
        read_notice: what keeps it from deciding anything although it is healthy, None if nothing does.
    """

    read_revision: Callable[[], int]
    read_snapshot: Callable[[], Snapshot]
    check_health: Callable[[], str | None]
    read_notice: Callable[[], str | None] = lambda: None


def take_snapshot(state: State, now: float, notice: str | None = None) -> Snapshot:
    """Show the state as it is now to the web."""
    return Snapshot(
        revision=state.revision,
        at=now,
        agents=state.agents,
        plan=build_plan(state, now),
        framework_id=state.framework_id or "",
        master=state.master,
        is_connected=state.is_subscribed,
        max_concurrent_agents=state.policy.max_concurrent_agents,
        notice=notice or "",
    )
