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
Prepare = Callable[[int, int], Work]


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


def measure_each(name: str, prepare: Prepare, bound: float | None = MAX_GROWTH) -> Row:
    """Measure work on a whole cluster, for each of its agents: in a round, on as many agents at each size.

    None of them is met twice in a round: a hundred agents that are stay in the processor's cache, and ten thousand do
    not, so that all work, even if it only looks at each, would seem to grow.

    Args:
        name: of the work.
        prepare: gives the work on a cluster of a size, whose agents begin with a number.
        bound: of its growth.
    """
    works = {size: [prepare(size, first) for first in range(0, LARGE, size)] for size in SIZES}
    return Row(name, _measure(works, LARGE, ROUNDS), bound)


def measure_events(name: str, works: dict[int, Work], events: int) -> Row:
    """Measure work on some events, as many at each size."""
    return Row(name, _measure({size: [work] for size, work in works.items()}, events, EVENT_ROUNDS))


def _measure(works: dict[int, list[Work]], share: int, rounds: int) -> dict[int, float]:
    """Measure pure work at each size in turns, so that whatever else the machine does meets all of them.

    Args:
        works: what to do in a round, by size.
        share: among how many agents or events a round is shared.
        rounds: of which the cheapest counts.
    """
    # Collections that the work causes count, but without clusters of other rows, which a scheduler does not have.
    gc.collect()
    gc.freeze()
    costs = [{size: _time(some) / share for size, some in works.items()} for _ in range(rounds)]
    return {size: min(cost[size] for cost in costs) for size in works}


def _time(works: list[Work]) -> float:
    """Seconds of this process for doing it; what others do to the machine does not count."""
    started_at = time.process_time()
    for work in works:
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
