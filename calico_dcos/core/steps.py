"""What the steps are and how the walk is paced, as an operator configured it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .model import Agent, Backoff, StepName
from .pace import Pace

Rank = tuple[Any, ...]
_NUMBER = re.compile(r"([0-9]+)")

SERVICES = frozenset({StepName.ETCD_PROXY, StepName.CALICO_NODE})


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step as configured, before it meets an agent.

    Attributes:
        settings: fingerprint of everything configured that changes what the step leaves on a host.
        downloads: URLs of what it fetches and for which no setting gives a sum.
        ports: claimed from an offer that has them; an offer without them will do as well.
    """

    name: StepName
    settings: str
    cpus: float
    mem_mb: float
    is_enabled: bool = True
    ports: tuple[int, ...] = ()
    downloads: frozenset[str] = frozenset()

    @property
    def is_service(self) -> bool:
        """Whether the step's task runs for good."""
        return self.name in SERVICES


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of the walk; DESIGN gives the reason of each default.

    Attributes:
        steps: one spec for each StepName, in the order of StepName.
        settings: fingerprint of the whole wanted configuration.
        max_concurrent_inspections: each fetches the installer from the scheduler and sends it a report.
        own_host: hostname or address of the agent that runs this scheduler, walked last; empty if unknown.
        first_agents: hostnames of agents that are walked before all others, in this order.
        is_public_first: whether public agents are walked before private ones.
        turn_wait_s: how long an agent whose turn it is may let it go by, before the next one has its turn.
        pace: what slows the walk down on purpose.
        reregister_s: how long agents may take to register with a new master, which does not list them before: Mesos'
            --agent_reregister_timeout.
    """

    steps: tuple[StepSpec, ...]
    max_concurrent_agents: int = 1
    max_concurrent_restarts: int = 1
    max_failed_agents: int = 0
    max_concurrent_inspections: int = 200
    stability_s: float = 30.0
    max_attempts: int = 5
    backoff_s: float = 10.0
    max_backoff_s: float = 600.0
    verify_interval_s: float = 86_400.0
    forget_after_s: float = 86_400.0
    reregister_s: float = 600.0
    facts_max_age_s: float = 600.0
    recheck_s: float = 60.0
    refuse_brief_s: float = 1.0
    refuse_waiting_s: float = 5.0
    max_refuse_waiting_s: float = 60.0
    refuse_resting_s: float = 3_600.0
    hold_s: float = 10.0
    answer_timeout_s: float = 10.0
    max_answer_timeout_s: float = 120.0
    reconcile_s: float = 600.0
    revive_s: float = 5.0
    own_host: str = ""
    first_agents: tuple[str, ...] = ()
    is_public_first: bool = False
    turn_wait_s: float = 60.0
    pace: Pace = field(default_factory=Pace)
    by_name: dict[StepName, StepSpec] = field(init=False, repr=False, compare=False)
    settings: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the steps by name, and take a fingerprint of the whole wanted configuration.

        Raises:
            ValueError: the steps are not all there, or not in their order.
        """
        if tuple(spec.name for spec in self.steps) != tuple(StepName):
            raise ValueError(f"steps must be {[name.value for name in StepName]}")
        object.__setattr__(self, "by_name", {spec.name: spec for spec in self.steps})
        settings = "+".join(f"{spec.settings}{'' if spec.is_enabled else '!'}" for spec in self.steps)
        object.__setattr__(self, "settings", settings)

    def is_own_host(self, agent: Agent) -> bool:
        """Whether this scheduler runs there."""
        return self.own_host != "" and self.own_host in (agent.hostname, agent.ip)

    def rank(self, agent: Agent) -> Rank:
        """Where an agent comes in the walk, the smallest first: what was left half-way, what is named, then by name."""
        known = self.first_agents
        place = known.index(agent.hostname) if agent.hostname in known else len(known)
        # "node9" comes before "node10": every second part is a number.
        parts = [int(part) if number % 2 else part for number, part in enumerate(_NUMBER.split(agent.key))]
        is_late = agent.is_public is not self.is_public_first
        return (agent.failed_since is None, self.is_own_host(agent), place, is_late, *parts)

    def compute_refuse_s(self, waiting: int) -> float:
        """How long an agent that waits for others is not to be offered.

        The more of them wait, the longer: looking at an offer takes a fraction of a millisecond, and those of thousands
        of agents every few seconds would leave time for nothing else. A slot that gets free has all of them offered.

        Args:
            waiting: how many agents are not complete.
        """
        return min(self.max_refuse_waiting_s, max(self.refuse_waiting_s, waiting * 0.02))

    def back_off(self, backoff: Backoff, now: float, reason: str) -> Backoff:
        """Let a host be after one more failure there."""
        return backoff.grow(now, self.backoff_s, self.max_backoff_s, reason)
