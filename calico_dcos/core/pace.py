"""How the walk is paced, as an operator configured it: preflight, canary, windows for restarts, calm between them.

Time zones come from outside: nothing here reads the clock of this machine or its zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_WINDOW = re.compile(r"(?P<days>[a-z,-]+)\s+(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """A time of the week in which restarts are allowed.

    Attributes:
        days: on which it opens, 0 for Monday.
        start: minutes after midnight.
        end: minutes after midnight; not after the start means that it closes on the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    @property
    def minutes(self) -> int:
        """How long it is open."""
        return self.end - self.start if self.end > self.start else self.end - self.start + _DAY_MINUTES


@dataclass(frozen=True, slots=True)
class Pace:
    """What slows the walk down on purpose.

    Attributes:
        is_preflight: hosts are inspected, and nothing is changed.
        canary_agents: after so many complete agents the walk waits; 0 for never.
        canary_wait_s: how long these must have been healthy before it goes on by itself; 0: until an operator resumes.
        windows: when restarts may begin; none at all means always.
        zone: of the windows.
        restart_interval_s: at least so long from the beginning of one restart to that of the next.
        has_blocker: whether somebody outside is asked before each restart.
        answer_max_age_s: how long an answer of that somebody counts.
        drains: whether an agent is deactivated around its restart.
        tests: whether each agent that was completed is tested against another one before the next begins.
    """

    is_preflight: bool = False
    canary_agents: int = 0
    canary_wait_s: float = 0.0
    windows: tuple[Window, ...] = ()
    zone: tzinfo = UTC
    restart_interval_s: float = 0.0
    has_blocker: bool = False
    answer_max_age_s: float = 30.0
    drains: bool = False
    tests: bool = False


def parse_windows(text: str) -> tuple[Window, ...]:
    """Read windows such as `mon-thu 22:00-04:00; sat,sun 00:00-24:00`.

    Raises:
        ValueError: the text means something else.
    """
    return tuple(_parse_window(part.strip().lower()) for part in text.split(";") if part.strip())


def _parse_window(text: str) -> Window:
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is no window")
    days = frozenset(day for part in match["days"].split(",") for day in _parse_days(part))
    start, end = _parse_minutes(match["start"]), _parse_minutes(match["end"])
    if start == _DAY_MINUTES:
        raise ValueError(f"{text} is no window: it opens after the day's end")
    return Window(days, start, end)


def _parse_days(text: str) -> Iterable[int]:
    first, _, last = text.partition("-")
    if first == "daily" and not last:
        return range(7)
    if not {first, last or first} <= set(DAYS):
        raise ValueError(f"{text} are no days of a window: they are {', '.join(DAYS)} and daily")
    start = DAYS.index(first)
    end = DAYS.index(last) if last else start
    # sat-mon goes round the end of the week.
    return ((start + ahead) % 7 for ahead in range((end - start) % 7 + 1))


def _parse_minutes(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    total = 60 * hours + minutes
    minutes_of_an_hour = 60
    if minutes >= minutes_of_an_hour or total > _DAY_MINUTES:
        raise ValueError(f"{text} is no time of the day of a window")
    return total


def is_open(pace: Pace, now: float) -> bool:
    """Whether a restart may begin now, as clocks on the walls of the zone show it."""
    if not pace.windows:
        return True
    local = datetime.fromtimestamp(now, pace.zone)
    minute = 60 * local.hour + local.minute
    return any(_is_inside(window, local.weekday(), minute) for window in pace.windows)


def _is_inside(window: Window, day: int, minute: int) -> bool:
    today = day in window.days and window.start <= minute < window.start + window.minutes
    yesterday = (day - 1) % 7 in window.days
    return today or (yesterday and minute + _DAY_MINUTES < window.start + window.minutes)


def find_next_opening(pace: Pace, now: float) -> datetime | None:
    """When the next window opens, in the zone's own time; None without windows."""
    local = datetime.fromtimestamp(now, pace.zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    openings = (
        midnight + timedelta(days=ahead, minutes=window.start)
        for ahead in range(8)
        for window in pace.windows
        if (local.weekday() + ahead) % 7 in window.days
    )
    # Compared by what clocks show, as the windows are.
    shown = local.replace(tzinfo=None)
    return min((opening for opening in openings if opening.replace(tzinfo=None) > shown), default=None)
