"""What outlives the process: the shape of the store, in the framework's own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .command import AuditEntry, Controls, Word
from .connectivity import Run
from .model import Agent


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a store holds.

    Attributes:
        framework_id: Mesos' id of this framework, None before the first subscription.
        secret: what report tokens are derived from, None before the first start.
        pins: sha256 by URL, of downloads for which no option gives a sum: the first agent's counts for all.
        controls: what operators decided for the whole plan.
        audit: commands that were obeyed, in any order.
        connectivity: the newest run of the connectivity test, None before the first.
        words: what all agents were told, of which the records of some may not know yet; the oldest first.
    """

    framework_id: str | None = None
    secret: str | None = None
    agents: tuple[Agent, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    controls: Controls = field(default_factory=Controls)
    audit: tuple[AuditEntry, ...] = ()
    connectivity: Run | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that are stored before anything follows from them; what is None or empty stays as it is.

    The store of a scheduler that is killed meanwhile may have the agents in part, each of them whole, in the order in
    which they come here, and no sooner than the rest.

    Attributes:
        unpinned: URLs whose sums are taken back; none of them is among `pins`.
        forgotten: keys of agents of which nothing is remembered any more; none of them is among `agents`.
    """

    framework_id: str | None = None
    secret: str | None = None
    agents: tuple[Agent, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    controls: Controls | None = None
    audit: tuple[AuditEntry, ...] = ()
    connectivity: Run | None = None
    words: tuple[Word, ...] | None = None
    forgotten: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return self == Batch()
