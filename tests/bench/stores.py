"""What a cluster costs in each real store that is at hand: saved as the loop does it, in batches, and loaded."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from calico_dcos.scheduler import MAX_EVENTS, Store
from calico_dcos.store.urls import open_store
from tests.bench.clusters import NOW, POLICY, SIZES, build_agents, build_complete
from tests.bench.figures import Row, build_heading
from tests.contract.real_etcd import start_etcd
from tests.contract.real_zookeeper import start_zookeeper
from tests.contract.store_backends import save_until_answered

HEAP = "512m"
"""What DC/OS gives its ZooKeeper."""

SAVE, SAVE_AGAIN, LOAD = "save, with facts that are new", "save, with facts as they were", "load"
Costs = dict[str, dict[int, float]]


def save(store: Store, state: State, agents: tuple[Agent, ...]) -> State:
    """Save agents in batches as large as the loop makes them."""
    for start in range(0, len(agents), MAX_EVENTS):
        state = state.with_agents(agents[start : start + MAX_EVENTS])
        save_until_answered(store, state.build_batch())
        state = state.saved()
    return state


def measure_store(url: str, size: int, costs: Costs) -> None:
    """Save a cluster at a new place, save it once more as its walk changes it, and load it."""

    def note(name: str, started_at: float) -> None:
        costs[name][size] = (time.perf_counter() - started_at) / size

    with closing(open_store(url)) as store:
        store.acquire("bench", 10.0)
        agents = build_agents(size, build_complete)
        started_at = time.perf_counter()
        state = save(store, restore(POLICY, Memory(framework_id="F1"), NOW), agents)
        note(SAVE, started_at)
        started_at = time.perf_counter()
        save(store, state, tuple(replace(agent, slot_since=NOW) for agent in agents))
        note(SAVE_AGAIN, started_at)
        started_at = time.perf_counter()
        store.load()
        note(LOAD, started_at)


def print_store_figures() -> None:
    """Measure and print, for each store whose server is installed."""
    print(build_heading("us for each agent, by the clock on the wall, of"))
    for name, start in (("SQLite", start_sqlite), ("etcd", start_real_etcd), ("ZooKeeper", start_real_zookeeper)):
        try:
            with tempfile.TemporaryDirectory() as directory, start(Path(directory)) as url:
                costs: Costs = {SAVE: {}, SAVE_AGAIN: {}, LOAD: {}}
                for size in SIZES:
                    measure_store(f"{url}-{size}", size, costs)
        except pytest.skip.Exception as missing:
            print(f"{name} is not measured: {missing}")
        else:
            for work, costs_s in costs.items():
                print(Row(f"{name}: {work}", costs_s, bound=None).describe(), flush=True)


@contextmanager
def start_sqlite(directory: Path) -> Iterator[str]:
    yield f"sqlite://{directory}/state"


@contextmanager
def start_real_etcd(directory: Path) -> Iterator[str]:
    server = start_etcd(directory, f"--quota-backend-bytes={8 << 30}")
    try:
        yield f"etcd://{server.endpoint}/bench"
    finally:
        server.stop()


@contextmanager
def start_real_zookeeper(directory: Path) -> Iterator[str]:
    server = start_zookeeper(directory, HEAP)
    try:
        yield f"zk://{server.endpoint}/bench"
    finally:
        server.stop()
