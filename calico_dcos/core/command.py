"""What an operator may say, what is remembered of it, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .model import Agent, Mark, StepName

# Entries of the audit log that are kept: years of an operator's work, and a few megabytes.
AUDIT_LENGTH = 10_000


class CommandName(Enum):
    """The commands, by the words in which they are given."""

    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    FORCE_COMPLETE = "force-complete"
    SKIP = "skip"
    RELEASE_SLOT = "release-slot"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Command:
    """One word of an operator.

    Attributes:
        agent_key: the agent that it is about, empty for the whole plan.
        step: the step that it is about, None for all that it fits.
        who: who gave it, as far as that is known.
    """

    name: CommandName
    agent_key: str = ""
    step: StepName | None = None
    who: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """What an operator told all agents at once: one record, until the record of each agent has taken it in.

    Attributes:
        number: higher than any that an agent had heard before; an agent took in all words up to its `heard`. 0 for a
            word to one agent.
        is_look: whether nothing is to be tried again, only looked at.
        settings: fingerprint by the name of each step that it may force to complete.
    """

    number: int
    at: float
    name: CommandName
    who: str = ""
    reason: str = ""
    step: StepName | None = None
    is_look: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[object, ...]:
        """What it shares with those of which the newest does all that the older ones did."""
        return self.name, self.step, self.is_look


@dataclass(frozen=True, slots=True)
class Unpin:
    """An operator takes back the sum of a download.

    Attributes:
        pin: its URL, or the sum itself.
    """

    pin: str
    who: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Controls:
    """What operators decided for the whole plan, and what is remembered of it; what is about one agent is part of that.

    Attributes:
        pause: the word that paused the plan, None if it is not paused.
        canary: the word, or the passing of time, that let the walk go on past the first agents; it counts for the
            settings that it names.
        canary_since: since when the first agents have been complete and healthy without a break, None if they are not.
        walking_since: when the first agent took a slot, None while all agents are complete.
    """

    pause: Mark | None = None
    canary: Mark | None = None
    canary_since: float | None = None
    walking_since: float | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One command that was obeyed.

    Attributes:
        number: counts up from 0 and never repeats.
        agent: the agent's key, empty for the plan.
        step: the step's name, empty for all that the command fits.
        effect: what it did, in one line.
    """

    number: int
    at: float
    who: str
    command: str
    agent: str = ""
    step: str = ""
    reason: str = ""
    effect: str = ""

    @property
    def place(self) -> int:
        """Where it is kept: a new entry takes the place of the one that has become too old."""
        return self.number % AUDIT_LENGTH


class Outcome(Enum):
    """How a command was answered."""

    ACCEPTED = "accepted"
    ALREADY = "already"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a command, and what it changes.

    Attributes:
        outcome: ALREADY where nothing is to be done, REFUSED where it is not possible now, UNKNOWN where there is no
            such agent.
        message: the effect, or the reason why there is none, in one line.
        agents: the agents as the command leaves them.
        controls: the plan's controls as the command leaves them, None if it does not touch them.
        word: what all agents are told, of which `agents` are those that it does something to; None for one agent.
        forgotten: keys of the agents of which the command leaves nothing.
    """

    outcome: Outcome
    message: str
    agents: tuple[Agent, ...] = ()
    controls: Controls | None = None
    word: Word | None = None
    forgotten: tuple[str, ...] = ()
