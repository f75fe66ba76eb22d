"""What is wrong at present with what the scheduler depends on, as one list for the page, for health and for logs.

Whoever meets a trouble tells it, again and again if need be, and ends it when it is over. Each source has at most one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

log = logging.getLogger(__name__)

MAX_WORDS_LENGTH = 500


class Source(Enum):
    """What can be in trouble."""

    STORE = "store"
    RECORDS = "records"
    SUBSCRIPTION = "subscription"
    CALLS = "calls"
    ROSTER = "roster"
    BLOCKER = "blocker"
    WEBHOOK = "webhook"
    CONNECTIONS = "connections"
    BUS = "bus"
    REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        words: what is wrong, in one line without secrets.
        remedy: what an operator can do about it; empty where waiting is all.
        since: when it was first told.
        stops_all: whether nothing works while it lasts, and a new start may help: then the scheduler is not healthy.
    """

    source: Source
    words: str
    remedy: str
    since: float
    stops_all: bool = False

    @property
    def line(self) -> str:
        """It in one line, with what to do."""
        return f"{self.words}; {self.remedy}" if self.remedy else self.words


class Troubles:
    """The list; told and read from any thread.

    Args:
        read_clock: seconds since the epoch.
    """

    def __init__(self, read_clock: Callable[[], float] = time.time) -> None:
        self._read_clock = read_clock
        self._lock = threading.Lock()
        self._by_source: dict[Source, Trouble] = {}

    def tell(self, source: Source, words: str, remedy: str = "", *, stops_all: bool = False) -> None:
        """Put a trouble on the list, or renew its words; it is logged when they change."""
        told = Trouble(source, words[:MAX_WORDS_LENGTH], remedy, self._read_clock(), stops_all)
        with self._lock:
            known = self._by_source.get(source)
            if known is not None:
                told = replace(told, since=known.since)
            self._by_source[source] = told
        if told != known:
            log.warning("%s: %s", source.value, told.line)

    def end(self, source: Source) -> None:
        """Take a trouble off the list; without effect if there is none."""
        with self._lock:
            known = self._by_source.pop(source, None)
        if known is not None:
            log.info("%s: over after %.0f s: %s", source.value, self._read_clock() - known.since, known.words)

    def find(self, source: Source) -> Trouble | None:
        """The trouble of one source, None if it has none."""
        return self._by_source.get(source)

    def list_all(self) -> tuple[Trouble, ...]:
        """All troubles, those that stop everything first, then the oldest."""
        with self._lock:
            known = tuple(self._by_source.values())
        return tuple(sorted(known, key=lambda one: (not one.stops_all, one.since)))

    def find_stopping(self) -> str | None:
        """Why nothing works, in one line; None if something does."""
        return next((one.line for one in self.list_all() if one.stops_all), None)
