"""A task as its agent knows it, and how that is written down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from calico_dcos.sim.task_states import TERMINAL_STATES

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, told apart from a later one with the same number by when it started (in clock ticks after boot)."""

    pid: int
    started: int


@dataclass(slots=True)
class Task:
    """A task with its one command executor.

    `pending` are the updates that the framework has not acknowledged, `seen` the uuids of the newest ones that came
    from the executor, `networks` those that it is attached to, each with its name and address. It is abandoned when its
    framework was removed: then nobody is told of it any more.
    """

    info: Json
    framework: Json
    container_id: str
    sandbox: str
    state: str = "TASK_STAGING"
    executor: ProcessId | None = None
    is_executor_gone: bool = False
    is_kill_wanted: bool = False
    is_abandoned: bool = False
    statuses: list[Json] = field(default_factory=list)
    pending: list[Json] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    networks: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The task's id."""
        task_id: str = self.info["task_id"]["value"]
        return task_id

    @property
    def framework_id(self) -> str:
        """The id of its framework."""
        framework_id: str = self.framework["id"]["value"]
        return framework_id

    @property
    def is_checkpointed(self) -> bool:
        """Whether it outlives the agent's process."""
        return bool(self.framework.get("checkpoint", False))

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.state in TERMINAL_STATES

    @property
    def is_complete(self) -> bool:
        """Whether nothing more will come of it."""
        return self.is_terminal and not self.pending and self.is_executor_gone

    def can(self, capability: str) -> bool:
        """Whether its framework declared a capability."""
        return any(declared.get("type") == capability for declared in self.framework.get("capabilities", []))

    def record(self, status: Json) -> None:
        """Note a new status; the history holds the newest of each run of equal states."""
        if self.statuses and self.statuses[-1]["state"] == status["state"]:
            self.statuses.pop()
        self.statuses.append(status)
        self.state = status["state"]

    def for_storage(self) -> Json:
        """The task as JSON."""
        return asdict(self)

    @classmethod
    def from_storage(cls, stored: Json) -> Task:
        """The task that `for_storage` described."""
        executor = stored["executor"]
        return cls(**{**stored, "executor": None if executor is None else ProcessId(**executor)})
