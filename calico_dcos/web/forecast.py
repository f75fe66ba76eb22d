"""How long the walk will still take, from how long it took on the agents that are complete. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from calico_dcos.core.model import Agent, StepName

# Answers are rounded to these: nobody can know better, and a figure that changes all the time tells less.
_FINE_S = 10.0
_COARSE_S = 60.0
_COARSE_FROM_S = 600.0


def measure_walk_s(agent: Agent) -> float | None:
    """How long an agent took from its first change to the end of its phase; None if it had none, or is not there."""
    if agent.settled_at is None:
        return None
    tasks = (agent.get_step(name).task for name in StepName if name is not StepName.INSPECT)
    # A service that was started again later tells nothing of the walk.
    starts = [task.launched_at for task in tasks if task is not None and task.launched_at <= agent.settled_at]
    return agent.settled_at - min(starts) if starts else None


def estimate_left_s(rows: Iterable[Mapping[str, Any]], concurrency: int, now: float) -> float | None:
    """Estimate how many seconds the walk goes on; None where nothing was measured yet.

    Agents that failed are not waited for.
    """
    took_s: list[float] = []
    waiting = 0
    working_since: list[float] = []
    for row in rows:
        if row["walk_s"] is not None:
            took_s.append(row["walk_s"])
        if row["group"] in ("working", "waiting"):
            if row["slot_since"] is None:
                waiting += 1
            else:
                working_since.append(row["slot_since"])
    if not waiting and not working_since:
        return 0.0
    if not took_s:
        return None
    usual_s = median(took_s)
    left_s = waiting * usual_s + sum(max(0.0, usual_s - (now - since)) for since in working_since)
    return _round(left_s / max(1, concurrency))


def _round(seconds: float) -> float:
    unit_s = _FINE_S if seconds < _COARSE_FROM_S else _COARSE_S
    return max(unit_s, round(seconds / unit_s) * unit_s)
