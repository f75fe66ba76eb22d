"""What the web may see of the walk: one moment of it as a value, and the ways to read one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from calico_dcos.core.connectivity import Run
from calico_dcos.core.model import Agent
from calico_dcos.core.state import State
from calico_dcos.troubles import Trouble

from .overview import Overview, refresh_overview
from .plan import PlanView


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the walk.

    Attributes:
        revision: grows with each change of the state.
        at: when it was taken.
        agents: by key; each has a phase of that name in the plan, and each phase its agent here.
        master: address of the leading master, for people.
        settings: fingerprint of the wanted configuration.
        troubles: what is wrong with what the scheduler depends on, the worst first.
        is_preflight: whether agents are only looked at.
        connectivity: the newest run of the connectivity test.
        pins: the sums that downloads have to have, by URL, where no setting gives one.
        downloads: URLs that need such a sum, by the step that fetches them.
    """

    revision: int
    at: float
    agents: Mapping[str, Agent]
    plan: PlanView
    framework_id: str = ""
    master: str = ""
    is_connected: bool = False
    max_concurrent_agents: int = 1
    settings: str = ""
    troubles: tuple[Trouble, ...] = ()
    is_preflight: bool = False
    connectivity: Run | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    downloads: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Walk:
    """How the web reads the walk. All of it is called in the web's thread and must not block.

    Attributes:
        read_revision: the revision of the newest state; called a few times a second while somebody looks.
        read_snapshot: takes a snapshot of the newest state; costs in proportion to the number of agents.
        check_health: why the scheduler is not healthy, None if it is.
        read_troubles: what is wrong with what it depends on, whether or not it is healthy nevertheless.
    """

    read_revision: Callable[[], int]
    read_snapshot: Callable[[], Snapshot]
    check_health: Callable[[], str | None]
    read_troubles: Callable[[], tuple[Trouble, ...]] = tuple


def take_snapshot(
    state: State, now: float, troubles: tuple[Trouble, ...] = (), overview: Overview | None = None
) -> Snapshot:
    """Show the state as it is now to the web; the overview is the state's, where somebody worked it out already."""
    shown = refresh_overview(Overview(), state, now) if overview is None else overview
    return Snapshot(
        revision=state.revision,
        at=now,
        agents=state.agents,
        plan=shown.plan,
        framework_id=state.framework_id or "",
        master=state.master,
        is_connected=state.is_subscribed,
        max_concurrent_agents=state.policy.max_concurrent_agents,
        settings=state.policy.settings,
        troubles=troubles,
        is_preflight=state.policy.pace.is_preflight,
        connectivity=state.connectivity,
        pins=state.pins,
        downloads={spec.name.value: spec.downloads for spec in state.policy.steps},
    )


class Photographer:
    """Takes snapshots one after another, each by what changed since the one before."""

    def __init__(
        self,
        *,
        read_state: Callable[[], State],
        read_troubles: Callable[[], tuple[Trouble, ...]],
        read_clock: Callable[[], float],
    ) -> None:
        self._read_state = read_state
        self._read_troubles = read_troubles
        self._read_clock = read_clock
        self._overview = Overview()

    def __call__(self) -> Snapshot:
        """Take a snapshot of the newest state."""
        state, now = self._read_state(), self._read_clock()
        self._overview = refresh_overview(self._overview, state, now)
        return take_snapshot(state, now, self._read_troubles(), self._overview)
