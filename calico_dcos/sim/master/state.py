"""What the master knows and what it wants sent: plain data, without clock, network or threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from calico_dcos.sim.resources import UNRESERVED, Resources, resources_from_json, total
from calico_dcos.sim.task_states import TERMINAL_STATES
from calico_dcos.sim.versions import MesosVersion

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MasterOptions:
    """How the master was started; times in seconds."""

    ip: str
    port: int
    hostname: str
    version: MesosVersion
    agent_ping_timeout_s: float = 15.0
    max_agent_ping_timeouts: int = 5
    agent_reregister_timeout_s: float = 600.0
    allocation_interval_s: float = 1.0
    heartbeat_interval_s: float = 15.0
    offer_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class ToFramework:
    """An event for the scheduler that holds a stream."""

    stream_id: str
    event: Json


@dataclass(frozen=True, slots=True)
class EndStream:
    """The end of a scheduler's stream."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class ToAgent:
    """A message for a connected agent."""

    agent_id: str
    message: Json


@dataclass(frozen=True, slots=True)
class ToOperators:
    """An event for everyone who subscribed to the operator API."""

    event: Json


Outgoing = ToFramework | EndStream | ToAgent | ToOperators


@dataclass(slots=True)
class Task:
    """A task that was launched."""

    info: Json
    framework_id: str
    agent_id: str
    state: str = "TASK_STAGING"
    statuses: list[Json] = field(default_factory=list)
    update_state: str | None = None
    update_uuid: str | None = None
    resources: Resources = field(init=False)

    def __post_init__(self) -> None:
        self.resources = resources_from_json(self.info.get("resources", []))

    @property
    def id(self) -> str:
        """Its id, unique in its framework."""
        task_id: str = self.info["task_id"]["value"]
        return task_id

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended, as far as its agent told."""
        return self.state in TERMINAL_STATES

    def record(self, status: Json) -> None:
        """Add a status to the history, which holds the newest of each run of equal states."""
        if self.statuses and self.statuses[-1]["state"] == status["state"]:
            self.statuses.pop()
        self.statuses.append(status)

    def last_with(self, name: str) -> Any:
        """The newest status' field of that name, or None."""
        return next((status[name] for status in reversed(self.statuses) if name in status), None)


@dataclass(frozen=True, slots=True)
class Offer:
    """Resources of one agent that are offered to one framework for one of its roles."""

    id: str
    framework_id: str
    agent_id: str
    role: str
    resources: Resources
    made_at: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Resources that a framework does not want to be offered for a while: a filter."""

    role: str
    resources: Resources
    until: float


@dataclass(slots=True)
class Framework:
    """A framework; `stream_id` is None while it is disconnected."""

    id: str
    info: Json
    registered_at: float
    reregistered_at: float
    stream_id: str | None = None
    unregistered_at: float = 0.0
    removal_due: float | None = None
    is_recovered: bool = False
    is_suppressed: bool = False
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    unreachable_tasks: dict[str, Task] = field(default_factory=dict)
    completed_tasks: list[Task] = field(default_factory=list)

    def has(self, capability: str) -> bool:
        """Whether it declared a capability."""
        return any(declared.get("type") == capability for declared in self.info.get("capabilities", []))

    @property
    def roles(self) -> list[str]:
        """The roles that it takes offers for."""
        if self.has("MULTI_ROLE"):
            return list(self.info.get("roles", [])) or [UNRESERVED]
        return [self.info.get("role", UNRESERVED)]

    @property
    def is_checkpointing(self) -> bool:
        """Whether its tasks outlive their agent's process."""
        return bool(self.info.get("checkpoint", False))


@dataclass(slots=True)
class Agent:
    """A registered agent; `description` is what it said of itself when it registered."""

    id: str
    description: Json
    registered_at: float
    resources: Resources = field(default_factory=Resources)
    reregistered_at: float | None = None
    is_connected: bool = True
    is_deactivated: bool = False
    awaits_pong: bool = False
    missed_pings: int = 0
    tasks: dict[tuple[str, str], Task] = field(default_factory=dict)
    kills_to_send: dict[tuple[str, str], Json] = field(default_factory=dict)

    @property
    def hostname(self) -> str:
        """The name that it registered with."""
        hostname: str = self.description["hostname"]
        return hostname

    @property
    def used(self) -> Resources:
        """What its tasks hold that have not ended."""
        return total(task.resources for task in self.tasks.values() if not task.is_terminal)


@dataclass(slots=True)
class MasterState:
    """Everything that the master knows; `now` is the time of the event that is being handled, in s since the epoch."""

    options: MasterOptions
    master_id: str
    started_at: float
    now: float = 0.0
    frameworks: dict[str, Framework] = field(default_factory=dict)
    completed_frameworks: dict[str, Framework] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    recovered_agents: dict[str, Json] = field(default_factory=dict)
    unreachable_agents: dict[str, float] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    framework_count: int = 0
    agent_count: int = 0
    offer_count: int = 0
    outgoing: list[Outgoing] = field(default_factory=list)
    is_registry_changed: bool = False

    @property
    def version(self) -> MesosVersion:
        """The version that is simulated."""
        return self.options.version

    def send(self, framework: Framework, event_type: str, body: Json | None = None) -> None:
        """Queue an event for a framework; lost if it is disconnected."""
        if framework.stream_id is not None:
            self.outgoing.append(ToFramework(framework.stream_id, build_event(event_type, body)))

    def send_to_agent(self, agent_id: str, message_type: str, /, **fields: Any) -> None:
        """Queue a message for an agent."""
        self.outgoing.append(ToAgent(agent_id, {"type": message_type, **fields}))

    def publish(self, event_type: str, body: Json) -> None:
        """Queue an event for subscribers of the operator API."""
        self.outgoing.append(ToOperators(build_event(event_type, body)))

    def take_outgoing(self) -> list[Outgoing]:
        """What has been queued since the last call."""
        outgoing, self.outgoing = self.outgoing, []
        return outgoing

    def next_agent_id(self) -> str:
        """An id that no agent has had yet."""
        self.agent_count += 1
        return f"{self.master_id}-S{self.agent_count - 1}"

    def offers_of(self, *, framework_id: str | None = None, agent_id: str | None = None) -> Iterator[Offer]:
        """Outstanding offers of a framework, of an agent, or of one to the other."""
        for offer in list(self.offers.values()):
            if framework_id in (None, offer.framework_id) and agent_id in (None, offer.agent_id):
                yield offer


def build_event(event_type: str, body: Json | None = None) -> Json:
    """An event as the v1 APIs tell it: the body lies under the lower-case name of the type."""
    return {"type": event_type} if body is None else {"type": event_type, event_type.lower(): body}


def value(identifier: str) -> Json:
    """An id as the v1 APIs tell it."""
    return {"value": identifier}


def nanoseconds(time_s: float) -> Json:
    """A time as the v1 APIs tell it."""
    return {"nanoseconds": int(time_s * 1e9)}
