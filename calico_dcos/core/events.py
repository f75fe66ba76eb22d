"""What can happen to the framework: each value is one thing that somebody told it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .command import Command, Unpin
from .connectivity import Result, RunCommand
from .model import Inspection, TaskState
from .resources import Offer


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The master took us in; every task has to be asked after again.

    Attributes:
        master: its address, for people.
    """

    framework_id: str
    master: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream from the master ended; offers in hand are worth nothing any more."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The master ended our subscription with an ERROR event.

    Attributes:
        message: Mesos' own text, "Framework failed over" and "Framework has been removed" among them.
    """

    message: str


@dataclass(frozen=True, slots=True)
class OffersReceived:
    """New offers."""

    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class OfferRescinded:
    """An offer that the master took back."""

    offer_id: str


@dataclass(frozen=True, slots=True)
class TaskUpdated:
    """A task status update, from an agent, or made up by the master.

    Attributes:
        uuid: to be acknowledged with, verbatim; empty in updates that the master made, which must not be acknowledged.
        is_healthy: the verdict of the task's health check, None where there was none yet.
        is_reconciliation: whether it answers a reconciliation.
        address: of the task's container: the host's own, but for a container on a network.
    """

    task_id: str
    agent_id: str
    state: TaskState
    message: str = ""
    reason: str = ""
    uuid: str = ""
    is_healthy: bool | None = None
    is_reconciliation: bool = False
    container_id: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class RosterAgent:
    """An agent that the master knows, whether or not it was ever offered.

    Attributes:
        is_active: whether the master is connected to it.
    """

    agent_id: str
    hostname: str
    ip: str
    port: int
    is_public: bool
    mesos_version: str
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class RosterRead:
    """All agents that are registered with the master at this moment.

    Attributes:
        unread: how many more there are that made no sense.
        took_s: seconds from the question to the answer.
    """

    agents: tuple[RosterAgent, ...]
    unread: int = 0
    took_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Inspected:
    """The installer in a task looked at its host.

    Attributes:
        inspection: its `at` and `settings` are filled in when it is folded.
        took_s: seconds from the start of the look to the sending of the report.
    """

    task_id: str
    inspection: Inspection
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Progressed:
    """The installer in a task tells what it is doing.

    Attributes:
        done_bytes: of a download, with total_bytes if the server said how many there will be.
    """

    task_id: str
    message: str
    done_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The installer in a task tells why it failed, before it exits."""

    task_id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The installer in a task fetched something for which no sum was given."""

    task_id: str
    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Served:
    """A container of the connectivity test can be reached."""

    task_id: str
    address: str


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe of the connectivity test tells how its actions went, all of them so far.

    Attributes:
        is_last: whether there are no more to come.
    """

    task_id: str
    results: tuple[Result, ...]
    is_last: bool


AnyCommand = Command | RunCommand | Unpin


@dataclass(frozen=True, slots=True)
class Commanded:
    """An operator gave a command.

    Attributes:
        ticket: by which whoever passed it on knows the answer.
    """

    command: AnyCommand
    ticket: str


@dataclass(frozen=True, slots=True)
class BlockerAnswered:
    """The one who is asked before each restart answered, or could not be asked.

    Attributes:
        reason: why nothing may be restarted, empty if it may.
        took_s: seconds from the question to the answer.
    """

    reason: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reactivated:
    """The master offers an agent again that we had deactivated."""

    agent_key: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went by.

    Attributes:
        wall_at: what clocks on walls show, for windows; None where it is the time that everything else goes by.
    """

    wall_at: float | None = None


Report = Inspected | Progressed | Failed | Downloaded | Served | Probed
Event = (
    Subscribed
    | Disconnected
    | Rejected
    | OffersReceived
    | OfferRescinded
    | TaskUpdated
    | RosterRead
    | Report
    | Commanded
    | BlockerAnswered
    | Reactivated
    | Ticked
)
