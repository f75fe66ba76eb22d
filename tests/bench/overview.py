"""What the first look of all costs with 10,000 agents, and what the loop's thread feels of it."""

from __future__ import annotations

import threading
import time
from statistics import quantiles

from calico_dcos.core.decide import decide
from calico_dcos.core.events import TaskUpdated
from calico_dcos.core.fold import fold
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.state import State
from calico_dcos.web.board import build_board
from calico_dcos.web.overview import Overview, refresh_overview
from calico_dcos.web.walk import take_snapshot
from tests.bench.page import AGENTS
from tests.page.living import NOW, build_large_walk

UPDATES = 200
PAUSE_S = 0.002


def measure_first_look(state: State) -> float:
    """Seconds until everything that the page shows is worked out from nothing."""
    started_at = time.perf_counter()
    build_board("calico", take_snapshot(state, NOW, (), refresh_overview(Overview(), state, NOW)))
    return time.perf_counter() - started_at


def measure_updates(state: State) -> float:
    """Seconds from the arrival of a status update to the decision, which 99 of 100 do not exceed."""
    took = []
    event = TaskUpdated(f"{StepName.CALICO_NODE.value}.10", "S10", TaskState.RUNNING, uuid="dXVpZA==", is_healthy=True)
    for _ in range(UPDATES):
        # With its waking up: another thread may have the interpreter at that moment.
        started_at = time.perf_counter()
        time.sleep(PAUSE_S)
        folded, _ = fold(state, event, NOW)
        decide(folded, NOW, lambda step: step.value)
        took.append(time.perf_counter() - started_at - PAUSE_S)
    return quantiles(took, n=100)[-1]


def print_overview_figures() -> None:
    """Measure and print."""
    state = build_large_walk(AGENTS).state
    alone = measure_updates(state)
    looks: list[float] = []
    thread = threading.Thread(target=lambda: looks.extend(measure_first_look(state) for _ in range(2)))
    thread.start()
    beside = measure_updates(state)
    thread.join()
    quiet = measure_first_look(state)
    print(f"first look at {AGENTS:,} agents: {quiet:.2f} s, {quiet / AGENTS * 1e6:.0f} us for each")
    print(
        f"a status update while somebody takes it: {beside * 1e3:.1f} ms (99 of 100), {alone * 1e3:.1f} ms otherwise; "
        "it never waits for its end"
    )
