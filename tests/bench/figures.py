"""How costs are measured and shown: at several sizes of a cluster, in turns, as one table with their growth."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.clusters import LARGE, SIZES, SMALL

ROUNDS = 3
EVENT_ROUNDS = 20
MAX_GROWTH = 1.3
BYTES_PER_MB = 1024 * 1024

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        costs_s: by the size of the cluster, for one agent or for one event.
        bound: which its growth is not to exceed, None where it has none.
    """

    name: str
    costs_s: dict[int, float]
    bound: float | None = MAX_GROWTH

    @property
    def growth(self) -> float:
        """How many times as much it costs in the largest cluster as in the smallest."""
        return self.costs_s[LARGE] / self.costs_s[SMALL]

    def describe(self) -> str:
        """Its line: microseconds at each size, the whole at the largest, and the growth."""
        costs = "".join(f"{self.costs_s[size] * 1e6:>11,.0f}" if size in self.costs_s else " " * 11 for size in SIZES)
        bound = "" if self.bound is None else f"(bound: {self.bound:g})"
        return f"{self.name:<58}{costs}{self.growth:>9.2f} x {bound}".rstrip()


def build_heading(unit: str) -> str:
    """The line above a table."""
    return f"{unit:<58}{''.join(f'{size:>11,}' for size in SIZES)}{'growth':>9}"


def measure_each(name: str, works: dict[int, Work]) -> Row:
    """Measure work on a whole cluster, for each of its agents: as many agents at each size in a round."""
    return _measure(name, works, {size: LARGE // size for size in works}, LARGE, ROUNDS)


def measure_events(name: str, works: dict[int, Work], events: int) -> Row:
    """Measure work on some events, as many at each size."""
    return _measure(name, works, dict.fromkeys(works, 1), events, EVENT_ROUNDS)


def _measure(name: str, works: dict[int, Work], repeats: dict[int, int], share: int, rounds: int) -> Row:
    """Measure pure work at each size in turns, so that whatever else the machine does meets all of them.

    Args:
        name: of the work.
        works: what to do, by size.
        repeats: how often it is done in a round, by size.
        share: among how many agents or events a round is shared.
        rounds: of which the cheapest counts.
    """
    # Collections that the work causes count, but without clusters of other rows, which a scheduler does not have.
    gc.collect()
    gc.freeze()
    costs = [{size: _time(work, repeats[size]) / share for size, work in works.items()} for _ in range(rounds)]
    return Row(name, {size: min(cost[size] for cost in costs) for size in works})


def _time(work: Work, repeats: int) -> float:
    """Seconds of this process for doing it; what others do to the machine does not count."""
    started_at = time.process_time()
    for _ in range(repeats):
        work()
    return time.process_time() - started_at


def read_peak_mb(pid: int) -> float:
    """Peak resident memory of a process, in MB; 0 where it has none any more.

    Raises:
        OSError: there is no such process.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / BYTES_PER_MB
    return 0.0
