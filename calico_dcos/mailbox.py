"""The queue of the scheduler's loop, bounded where what is put into it comes from outside.

Mesos bounds its own events: it sends the next update of a task, and the next offer of an agent, when the last is
answered. Reports come as their senders please; they are counted in bytes until they were folded and stored. What tells
how long ago it was asked or seen is older by the time that it waited here, as it does while the store is away.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from .core.events import BlockerAnswered, Event, Inspected, Report, RosterRead

# A report takes about eight times its size in memory once it is read.
MAX_REPORT_BYTES_WAITING = 8 * 1024 * 1024
MAX_REPORTS_WAITING_PER_TASK = 10


@dataclass(slots=True)
class _Letter:
    """An event, and what it counts for while it is there."""

    event: Event
    size: int = 0
    task_id: str = ""
    put_at: float = 0.0

    def read(self, now: float) -> Event:
        """The event as it is now."""
        if isinstance(self.event, Inspected | RosterRead | BlockerAnswered):
            return replace(self.event, took_s=self.event.took_s + now - self.put_at)
        return self.event


class Mailbox:
    """Events in the order in which they came; put in from any thread, taken out by one.

    Args:
        max_bytes: of reports that wait or are being folded.
        read_clock: seconds, which go by whatever is done to the clock of the machine.
    """

    def __init__(
        self, max_bytes: int = MAX_REPORT_BYTES_WAITING, read_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._read_clock = read_clock
        self._letters: deque[_Letter] = deque()
        self._newest: dict[type[Event], _Letter] = {}
        self._taken: list[_Letter] = []
        self._bytes = 0
        self._reports: Counter[str] = Counter()
        self._changed = threading.Condition()

    def put(self, event: Event) -> None:
        """Put an event in."""
        with self._changed:
            self._add(_Letter(event))

    def put_newest(self, event: Event) -> None:
        """Put an event in that makes those of its kind that still wait worthless; it takes the place of one."""
        with self._changed:
            letter = self._newest.get(type(event))
            if letter is not None:
                letter.event, letter.put_at = event, self._read_clock()
                return
            letter = self._newest[type(event)] = _Letter(event)
            self._add(letter)

    def reserve(self, task_id: str, size: int) -> bool:
        """Keep room for a report of a task that is about to come, of at most so many bytes; False if there is none."""
        with self._changed:
            if self._bytes + size > self._max_bytes or self._reports.get(task_id, 0) >= MAX_REPORTS_WAITING_PER_TASK:
                return False
            self._bytes += size
            self._reports[task_id] += 1
            return True

    def release(self, task_id: str, size: int) -> None:
        """Give room back that was reserved for a report which did not come."""
        with self._changed:
            self._let_go(task_id, size)

    def put_report(self, report: Report, size: int) -> None:
        """Put a report in for which room of this size was reserved."""
        with self._changed:
            self._add(_Letter(report, size, report.task_id))

    def take(self, timeout_s: float, limit: int) -> list[Event]:
        """Take events out, at most `limit`, waiting up to timeout_s for the first; those taken before are done with."""
        with self._changed:
            for letter in self._taken:
                if letter.task_id:
                    self._let_go(letter.task_id, letter.size)
            self._taken = []
            self._changed.wait_for(lambda: self._letters, timeout_s)
            while self._letters and len(self._taken) < limit:
                letter = self._letters.popleft()
                self._newest.pop(type(letter.event), None)
                self._taken.append(letter)
            now = self._read_clock()
            return [letter.read(now) for letter in self._taken]

    def __len__(self) -> int:
        """How many events wait."""
        return len(self._letters)

    def _add(self, letter: _Letter) -> None:
        letter.put_at = self._read_clock()
        self._letters.append(letter)
        self._changed.notify()

    def _let_go(self, task_id: str, size: int) -> None:
        self._bytes -= size
        self._reports[task_id] -= 1
        if not self._reports[task_id]:
            del self._reports[task_id]


class Allowance:
    """How many reports each task may send: a burst, and then one each second.

    Attributes:
        burst: so many at once.
    """

    MAX_TASKS = 20_000

    def __init__(self, burst: int = 100) -> None:
        self.burst = burst
        self._spent: dict[str, tuple[float, float]] = {}

    def take(self, task_id: str) -> bool:
        """Take one report of a task's allowance; False if it is used up. For one thread."""
        now = time.monotonic()
        if len(self._spent) >= self.MAX_TASKS:
            # What was spent long ago is allowed again, and need not be remembered.
            self._spent = {key: (at, count) for key, (at, count) in self._spent.items() if now - at < count}
        at, count = self._spent.get(task_id, (now, 0.0))
        count = max(0.0, count - (now - at))
        if count + 1 > self.burst:
            return False
        self._spent[task_id] = (now, count + 1)
        return True
