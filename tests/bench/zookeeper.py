"""Whether the masters' own ZooKeeper, with the memory that DC/OS gives it, survives a walk and commands to the plan."""

from __future__ import annotations

import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from calico_dcos.core.command import Command, CommandName, Outcome
from calico_dcos.core.controls import obey
from calico_dcos.core.decide import decide
from calico_dcos.core.events import OffersReceived
from calico_dcos.core.fold import fold
from calico_dcos.core.state import State
from calico_dcos.scheduler import MAX_EVENTS, Store, StoreError
from calico_dcos.store.urls import open_store
from tests.bench.clusters import LARGE, NOW, build_agents, build_offer, build_open, build_state, make_task_id
from tests.bench.figures import read_peak_mb
from tests.bench.stores import HEAP, save
from tests.contract.real_zookeeper import RealZooKeeper, start_zookeeper
from tests.contract.store_backends import save_until_answered

PASSES = 2
"""How often each agent changes in the walk, after it was first looked at."""
COMMANDS = (CommandName.RETRY, CommandName.FORCE_COMPLETE, CommandName.PAUSE, CommandName.RESUME)
ASK_S = 0.2
# In ZooKeeper's log each write is a sum of eight bytes, its length, itself, and one byte; a header comes first.
LOG_HEADER, SUM, LENGTH, END = 16, 8, 4, 1


@dataclass(slots=True)
class Watch:
    """Asks a server again and again how it is, as the masters do by their sessions."""

    server: RealZooKeeper
    longest_s: float = 0.0
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        answered_at = time.monotonic()
        while not self.is_over.wait(ASK_S):
            is_well = self.server.ask("ruok") == "imok"
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - answered_at)
            answered_at = now if is_well else answered_at


def take_offers(store: Store, state: State) -> State:
    """Take an offer of each agent, as many in a turn as the loop takes events: each then hears what was said."""
    agents = tuple(state.agents.values())
    for start in range(0, len(agents), MAX_EVENTS):
        offers = OffersReceived(tuple(map(build_offer, agents[start : start + MAX_EVENTS])))
        state, _ = fold(state, offers, NOW)
        state = decide(state, NOW, make_task_id).state
        save_until_answered(store, state.build_batch())
        state = state.saved()
    return state


def give_command(store: Store, state: State, name: CommandName) -> State:
    """Give a command to the whole plan, and store it, as the loop does."""
    state, verdict = obey(state, Command(name, who="bench"), NOW)
    assert verdict.outcome is Outcome.ACCEPTED, verdict
    save_until_answered(store, state.build_batch())
    return state.saved()


def walk(store: Store) -> State:
    """Save each agent with its facts, and then as it changes."""
    agents = build_agents(LARGE, build_open)
    state = save(store, build_state(0, build_open), agents)
    for number in range(PASSES):
        state = save(store, state, tuple(replace(agent, restarted_at=NOW + number) for agent in agents))
    return state


def read_largest_write(directory: Path) -> int:
    """Bytes of the largest write in a server's logs."""
    largest = 0
    for path in directory.glob("data/version-2/log.*"):
        with path.open("rb") as log:
            log.seek(LOG_HEADER)
            while len(head := log.read(SUM + LENGTH)) == SUM + LENGTH:
                (length,) = struct.unpack(">i", head[SUM:])
                if length <= 0:
                    break
                largest = max(largest, length)
                log.seek(length + END, 1)
    return largest


def measure_survival(server: RealZooKeeper, directory: Path) -> None:
    """Walk, give each command and have all agents hear of it; print how the server was after each."""
    watch = Watch(server)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    with closing(open_store(f"zk://{server.endpoint}/bench")) as store:
        store.acquire("bench", 30.0)
        state = _tell(server, f"walk, {LARGE:,} agents saved {1 + PASSES} times each", lambda: walk(store))
        for name in COMMANDS:
            told = f"{name.value} of the whole plan"
            state = _tell(server, told, lambda state=state, name=name: give_command(store, state, name))  # type: ignore[misc]
            state = _tell(server, f"{told}, an offer of each", lambda state=state: take_offers(store, state))  # type: ignore[misc]
        _tell(server, "load", lambda: _load(store, state))
    watch.is_over.set()
    thread.join()
    print(f"longest silence {watch.longest_s:.1f} s, largest write {read_largest_write(directory) / 1024:,.0f} KiB")


def _load(store: Store, state: State) -> State:
    assert len(store.load().agents) == len(state.agents)
    return state


def _tell(server: RealZooKeeper, what: str, act: Callable[[], State]) -> State:
    started_at = time.perf_counter()
    state = act()
    took_s = time.perf_counter() - started_at
    lives = "lives" if server.ask("ruok") == "imok" else "IS DEAD"
    print(f"  {what:<58}{took_s:>9.2f} s   {lives}, peak {read_peak_mb(server.pid):,.0f} MB", flush=True)
    return state


def _find_reason(directory: Path) -> str:
    lines = (directory / "zookeeper.log").read_text(encoding="utf-8").splitlines()
    return next((line.strip() for line in lines if "OutOfMemoryError" in line), "its log does not say why")


def print_zookeeper_figures() -> None:
    """Measure and print, where there is a ZooKeeper."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            server = start_zookeeper(Path(directory), HEAP)
        except pytest.skip.Exception as missing:
            print(f"ZooKeeper is not measured: {missing}")
            return
        print(f"ZooKeeper with -Xmx{HEAP}, {LARGE:,} agents:")
        try:
            measure_survival(server, Path(directory))
        except (StoreError, AssertionError) as error:
            print(f"  ZooKeeper IS DEAD: {error}; {_find_reason(Path(directory))}")
        finally:
            server.stop()
