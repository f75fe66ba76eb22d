"""The values that the framework thinks in: agents, steps, tasks, inspections.

Times are seconds since the epoch as floats, memory is in MB, CPUs are fractions of a core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any


class StepName(Enum):
    """The steps of a phase, in the order in which they run."""

    # Members are asked for in dictionaries all the time, and Enum's own hash is a call of Python.
    __hash__ = object.__hash__

    INSPECT = "inspect"
    ETCD_PROXY = "etcd-proxy"
    DOCKER_CLUSTER_STORE = "docker-cluster-store"
    CNI = "cni"
    AGENT_RESTART = "agent-restart"
    CALICO_NODE = "calico-node"


class Status(Enum):
    """How far a step, a phase or the plan is, in the words of the DC/OS SDK."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    STARTED = "STARTED"
    COMPLETE = "COMPLETE"
    WAITING = "WAITING"
    DELAYED = "DELAYED"
    ERROR = "ERROR"
    IN_PROGRESS = "IN_PROGRESS"


class TaskState(Enum):
    """Mesos' task states, and LAUNCHED for a launch that nobody has answered yet."""

    LAUNCHED = "LAUNCHED"
    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    KILLING = "TASK_KILLING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"
    ERROR = "TASK_ERROR"
    DROPPED = "TASK_DROPPED"
    GONE = "TASK_GONE"
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    LOST = "TASK_LOST"
    UNREACHABLE = "TASK_UNREACHABLE"
    UNKNOWN = "TASK_UNKNOWN"

    @property
    def is_active(self) -> bool:
        """Whether the task may be running or about to run."""
        return self in _ACTIVE

    @property
    def is_in_doubt(self) -> bool:
        """Whether the task may live on although Mesos lost sight of it: none of these states proves its death."""
        return self in _IN_DOUBT

    @property
    def is_ended(self) -> bool:
        """Whether the task is over for good."""
        return not (self.is_active or self.is_in_doubt)


_ACTIVE = frozenset(
    {TaskState.LAUNCHED, TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING},
)
_IN_DOUBT = frozenset({TaskState.LOST, TaskState.UNREACHABLE, TaskState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a step.

    Attributes:
        number: of its launch, among what was launched and commanded on its agent.
        settings: fingerprint of the settings that it was launched with.
        configuration: fingerprint of the whole wanted configuration at its launch: what it sees on its host is judged
            by that, however long it runs.
        may_restart: whether it was given leave to restart Docker or the Mesos agent.
        since: when its state was entered.
        healthy_since: when it became healthy, None while it is not.
        reason: why it failed, in the installer's own words, empty if it did not say.
    """

    id: str
    agent_id: str
    launched_at: float
    settings: str
    state: TaskState = TaskState.LAUNCHED
    may_restart: bool = False
    since: float = 0.0
    healthy_since: float | None = None
    reason: str = ""
    container_id: str = ""
    configuration: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """An operator's word that stays in force: who gave it, when and why.

    Attributes:
        settings: fingerprint of the settings that it counts for, empty if it counts for any.
    """

    at: float
    who: str
    reason: str = ""
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long something that did not work out is let be, whatever it is: each time twice as long, up to a bound.

    Attributes:
        tries: how often in a row it did not work out.
        until: not again before.
        reason: why not the last time, empty if there is no more to say.
    """

    tries: int = 0
    until: float = 0.0
    reason: str = ""

    def grow(self, now: float, first_s: float, longest_s: float, reason: str = "") -> Backoff:
        """Let it be once more, for first_s at the first time and never for more than longest_s."""
        pause_s = min(longest_s, first_s * 2.0 ** min(self.tries, 32))
        return Backoff(self.tries + 1, now + pause_s, reason)

    def describe(self, now: float) -> str:
        """Say for how long it is let be, and after how many tries."""
        return f"again in {max(0.0, self.until - now):.0f} s after {self.tries} {'try' if self.tries == 1 else 'tries'}"


UNTRIED = Backoff()


@dataclass(frozen=True, slots=True)
class Step:
    """What is remembered of a step on one agent.

    Attributes:
        backoff: of failed attempts since the step was last complete, with the reason of the last one.
        completed_as: fingerprint of the settings under which it was last complete: starting a service again under
            the same settings is repair, not change.
        forced: an operator's word that it counts as complete under the settings that the word names.
        skip: an operator's word that it is not done on this agent.
    """

    task: Task | None = None
    backoff: Backoff = UNTRIED
    completed_as: str = ""
    forced: Mark | None = None
    skip: Mark | None = None


# What is remembered of a step of which nothing is.
UNTOUCHED = Step()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a step has still to do on a host, as the installer found it.

    Attributes:
        restarts: "docker" or "mesos-agent" where the change restarts that service, else None.
    """

    message: str
    reason: str
    impact: str
    restarts: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """What Calico knows a host as."""

    name: str
    address: str


class Finding(Enum):
    """What a look at a host found out about a step."""

    PROVEN = "proven"
    TO_DO = "to do"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    AT_FAULT = "at fault"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an installer saw on a host, and what would still have to change there.

    A step has changes, or an entry in exactly one of refusals, unknowns, faults and proofs. Of one that has none of
    these, nothing is known.

    Attributes:
        at: when the look began: for people, and for how old it is.
        number: the newest launch on the agent that it answers; what was launched or commanded later, it did not see.
        settings: fingerprint of the settings that the changes were derived from.
        changes: per step name, what is still to do.
        refusals: per step name, why the step must not be done, with the remedy.
        unknowns: per step name, what could not be looked at, and why.
        faults: per step name, why it does not serve its purpose although all is in place, with the remedy.
        proofs: per step name, what was seen that shows that it serves its purpose.
        node: the name and the address that calico-node takes or has on the host, None if they are not known.
        facts: the installer's facts document, kept for display only.
        warnings: per step name, what keeps it from nothing and an operator should know; for display only.
    """

    at: float
    settings: str
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknowns: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    proofs: Mapping[str, str] = field(default_factory=dict)
    node: Node | None = None
    number: int = 0

    def find(self, step: StepName) -> Finding:
        """What was found out about a step; the worse counts where a report contradicts itself."""
        if step.value in self.refusals:
            return Finding.REFUSED
        if step.value in self.unknowns:
            return Finding.UNKNOWN
        if self.get_changes(step):
            return Finding.TO_DO
        if step.value in self.faults:
            return Finding.AT_FAULT
        return Finding.PROVEN if step.value in self.proofs else Finding.UNKNOWN

    def explain(self, step: StepName) -> str:
        """What was found out about a step, in the installer's words."""
        match self.find(step):
            case Finding.REFUSED:
                return self.refusals[step.value]
            case Finding.TO_DO:
                return self.get_changes(step)[0].reason
            case Finding.AT_FAULT:
                return self.faults[step.value]
            case Finding.PROVEN:
                return self.proofs[step.value]
            case Finding.UNKNOWN:
                return self.unknowns.get(step.value, "the last look said nothing of it")

    def get_changes(self, step: StepName) -> tuple[Change, ...]:
        """What the step has still to do on this host."""
        return self.changes.get(step.value, ())


@dataclass(frozen=True, slots=True)
class Note:
    """One line of an agent's history."""

    at: float
    text: str


HISTORY_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Agent:
    """A Mesos agent and the phase that is walked on it: the unit that is stored.

    Attributes:
        key: the host's name, with the port where it is not 5051; it outlives Mesos' agent ids.
        agent_id: Mesos' id at present.
        slot_since: when the agent took a slot, None while it holds none.
        failed_since: since when it has failed half-way, its slot given back; None if it has not, or holds one again.
        settled_as: fingerprint of the settings under which the phase was last complete, empty before.
        restart_since: when a task of this agent was given leave to restart something, None once facts show the end.
        number: the newest that was given here: each launch and each command takes the next.
        changed: the number of what may have changed the host last.
        restarted_at: when a task that was given leave to restart something was last launched.
        deactivated_since: when we had it deactivated for a restart, None where we did not, or took it back.
        pause: an operator's word that nothing new is to happen here.
        release: an operator's word that the walk goes on although this agent failed.
        retried: the number of an operator's last word that failed steps are tried again, 0 for none.
        retry_word: that word, as hosts note it.
        absent_since: since when the master has not known the agent, None while it does.
        looks: back-off of looks that found what only another look can settle.
        heard: the number up to which words to the whole plan were taken in here, 0 for none.
        tested_as: fingerprint of the settings under which the connectivity test last passed there, empty before.
    """

    key: str
    agent_id: str
    hostname: str
    ip: str = ""
    port: int = 5051
    is_public: bool = False
    mesos_version: str = ""
    steps: Mapping[StepName, Step] = field(default_factory=dict)
    inspection: Inspection | None = None
    slot_since: float | None = None
    failed_since: float | None = None
    settled_as: str = ""
    settled_at: float | None = None
    restart_since: float | None = None
    number: int = 0
    changed: int = 0
    restarted_at: float = 0.0
    deactivated_since: float | None = None
    pause: Mark | None = None
    release: Mark | None = None
    retried: int = 0
    retry_word: str = "0.000"
    absent_since: float | None = None
    looks: Backoff = UNTRIED
    heard: int = 0
    tested_as: str = ""
    first_seen_at: float = 0.0
    history: tuple[Note, ...] = ()

    def get_step(self, name: StepName) -> Step:
        """What is remembered of a step: an untouched one if nothing is."""
        return self.steps.get(name, UNTOUCHED)

    @property
    def has_begun(self) -> bool:
        """Whether the host is being changed, or was left half-way."""
        return self.slot_since is not None or self.failed_since is not None

    @property
    def is_restarting(self) -> bool:
        """Whether a task that was given leave to restart something may be at work."""
        tasks = (step.task for step in self.steps.values())
        return any(task is not None and task.may_restart and not task.state.is_ended for task in tasks)

    def with_step(self, name: StepName, step: Step) -> Agent:
        """The agent with one step replaced."""
        return replace(self, steps={**self.steps, name: step})

    def with_task(self, name: StepName, task: Task) -> Agent:
        """The agent with another task of a step."""
        return self.with_step(name, replace(self.get_step(name), task=task))

    def with_note(self, at: float, text: str) -> Agent:
        """The agent with a line added to its history, of which the newest lines are kept."""
        return replace(self, history=(*self.history, Note(at, text))[-HISTORY_LENGTH:])


def build_agent_key(hostname: str, port: int) -> str:
    """Name a host for good: its Mesos agent id changes, its name and port do not."""
    usual_port = 5051
    return hostname if port in (usual_port, 0) else f"{hostname}:{port}"


# How many agents are named where there may be thousands.
NAMED = 3


def name_some(agents: Iterable[Agent | str]) -> str:
    """Name the first few of some agents, which may be given by their keys, and say how many more there are."""
    names = sorted(one if isinstance(one, str) else one.key for one in agents)
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


@dataclass(frozen=True, slots=True)
class TaskRef:
    """What Mesos needs to find a task."""

    task_id: str
    agent_id: str
