"""A walk through chaos: real processes are killed, suspended, cut off; then the hosts' own records are judged."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from calico_dcos.sim.cluster import Cluster
from calico_dcos.sim.cluster_plan import MASTER_UNIT, plan_agents
from calico_dcos.sim.host import Host
from tests.chaos.evidence import find_violations, tell_story
from tests.chaos.relay import Relay
from tests.chaos.small_disk import SmallDisk
from tests.contract.real_etcd import RealEtcd, start_etcd
from tests.contract.real_zookeeper import RealZooKeeper, start_zookeeper
from tests.contract.scheduler_process import LOG, build_scheduler

MAX_AGENTS = 2
MAX_RESTARTS = 1
OLD_MESOS = "1.0.1"
CALM_PER_AGENT_S = 90.0
LONGEST_FAULT_S = 8.0


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        complete: how many agents the page called complete at the end.
        complete_after_faults: how many it had called complete at some time before the last fault came.
        violations: what must never happen, and did.
    """

    seed: int
    agents: int
    faults: list[str] = field(default_factory=list)
    complete: int = 0
    violations: list[str] = field(default_factory=list)
    complete_after_faults: int = 0
    story: str = ""

    def sum_up(self) -> str:
        """The one line."""
        return (
            f"chaos: seed {self.seed}, {len(self.faults)} faults, {self.complete} of {self.agents} complete, "
            f"{len(self.violations)} violations"
        )


class Chaos:
    """A simulated cluster, its stores, and a scheduler that is started again whenever it ends.

    Args:
        seed: decides which faults come, and when.
        store: where the scheduler remembers: etcd or zookeeper, whose connections are cut or frozen, or sqlite, whose
            disk is filled; the seed chooses one of the first two where none is given. It also chooses whether the
            master is found in ZooKeeper, or by an address of which the connections are cut and frozen too.
        directory: for the stores' data and the scheduler's log.
    """

    def __init__(self, *, seed: int, agents: int, store: str | None, directory: Path, stack: ExitStack) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self._mends: list[tuple[float, str, Callable[[], None]]] = []
        self.outcome = Outcome(seed, agents)
        self.etcd = start_etcd(_make(directory / "etcd"))
        stack.callback(self.etcd.stop)
        self.zookeeper = start_zookeeper(_make(directory / "zookeeper"))
        stack.callback(self.zookeeper.stop)
        zookeeper_url = f"zk://{self.zookeeper.endpoint}/mesos"
        plans = [
            replace(plan, mesos_version=OLD_MESOS if plan.number % 2 == 0 else plan.mesos_version)
            for plan in plan_agents(agents)
        ]
        self.cluster = stack.enter_context(Cluster(plans, start_timeout_s=240, zookeeper=zookeeper_url))
        self.master = Host(self.cluster.directory / "master")
        chosen = "etcd" if self._random.random() < 0.5 else "zookeeper"
        self._relays: dict[str, Relay] = {}
        self.disk: SmallDisk | None = None
        store_url = self._prepare_store(store or chosen, directory, stack)
        is_found = self._random.random() < 0.5
        self.scheduler = build_scheduler(
            self.cluster,
            directory,
            store=store_url,
            MASTER=zookeeper_url if is_found else self._relay("master", self.cluster.master, stack),
            MAX_CONCURRENT_AGENTS=str(MAX_AGENTS),
            MAX_CONCURRENT_RESTARTS=str(MAX_RESTARTS),
            MAX_ATTEMPTS="100",
            MAX_BACKOFF_S="5",
        )
        stack.callback(self.scheduler.stop)
        stack.callback(self._mend_all)
        self.scheduler.start()

    def _prepare_store(self, store: str, directory: Path, stack: ExitStack) -> str:
        """Put between the scheduler and its store what can fail there, and return the store's URL."""
        if store == "sqlite":
            self.disk = SmallDisk(_make(directory / "disk"))
            stack.callback(self.disk.close)
            return f"sqlite://{self.disk.directory}/state.db"
        server = self.etcd if store == "etcd" else self.zookeeper
        return f"{'etcd' if store == 'etcd' else 'zk'}://{self._relay('store', server.endpoint, stack)}/calico"

    def _relay(self, name: str, endpoint: str, stack: ExitStack) -> str:
        """Put something between the scheduler and a server that can be cut, and return its address."""
        host, _, port = endpoint.rpartition(":")
        relay = self._relays[name] = Relay(host, int(port))
        stack.callback(relay.close)
        return f"127.0.0.1:{relay.port}"

    def rage(self, seconds: float) -> None:
        """Let faults come for so long."""
        end = time.monotonic() + seconds
        if self.disk is not None:
            # In the middle of the walk, once in any case: later ones are left to chance.
            self._attend(LONGEST_FAULT_S)
            self._fill_disk(self.disk)
        while time.monotonic() < end:
            self._attend(self._random.uniform(1.0, 8.0))
            self._note_progress()
            self._strike()
        self._mend_all()

    def kill_scheduler(self, times: int) -> None:
        """Kill the scheduler so often, at any moment of its life."""
        for _ in range(times):
            self._attend(self._random.uniform(0.3, 4.0))
            self._note_progress()
            if self.scheduler.poll() is None:
                self._note("kill -9 scheduler")
                self.scheduler.signal(signal.SIGKILL)
                self.scheduler.wait()

    def _note_progress(self) -> None:
        """Note how far the walk is; a scheduler that waits for the store's lock, or does not answer, does not know."""
        complete = self.scheduler.read_summary().get("complete", 0)
        self.outcome.complete_after_faults = max(complete, self.outcome.complete_after_faults)

    def calm_down(self) -> Outcome:
        """Wait until all agents are complete, and judge what was done to them."""
        outcome = self.outcome
        deadline = time.monotonic() + CALM_PER_AGENT_S * (outcome.agents + 1)
        while time.monotonic() < deadline:
            self._attend(0.5)
            summary = self.scheduler.read_summary()
            outcome.complete = summary.get("complete", 0)
            if outcome.complete == outcome.agents == summary.get("total"):
                break
        outcome.violations = find_violations(self.cluster.hosts, max_agents=MAX_AGENTS, max_restarts=MAX_RESTARTS)
        outcome.story = tell_story(self.cluster.hosts)
        return outcome

    def _attend(self, seconds: float) -> None:
        """Do what Marathon does, and mend what is due, for a while."""
        end = time.monotonic() + seconds
        while True:
            for due in [entry for entry in self._mends if entry[0] <= time.monotonic()]:
                self._mends.remove(due)
                due[2]()
            if self.scheduler.poll() is not None:
                self.scheduler.start()
            if time.monotonic() >= end:
                return
            time.sleep(0.1)

    def _strike(self) -> None:
        busy = {entry[1] for entry in self._mends}
        strikes: dict[str, Callable[[], None]] = {
            "scheduler": self._strike_scheduler,
            "master": lambda: self._strike_unit("master", self.master, MASTER_UNIT),
            "agent": self._strike_agent,
            "etcd": lambda: self._strike_store("etcd", self.etcd),
            "zookeeper": lambda: self._strike_store("zookeeper", self.zookeeper),
        }
        for name, relay in self._relays.items():
            strikes[f"connections to the {name}"] = partial(self._cut_connections, name, relay)
        if self.disk is not None:
            strikes["disk"] = partial(self._fill_disk, self.disk)
        chosen = self._random.choice(sorted(strikes))
        if chosen not in busy:
            strikes[chosen]()

    def _strike_scheduler(self) -> None:
        if self._random.random() < 0.5:
            self._note("kill -9 scheduler")
            self.scheduler.signal(signal.SIGKILL)
            return
        self._suspend("scheduler", self.scheduler.pid)

    def _strike_agent(self) -> None:
        host = self._random.choice(self.cluster.hosts)
        units = [path.name for path in (host.root / "etc/systemd/system").glob("dcos-mesos-slave*.service")]
        self._strike_unit("agent", host, units[0])

    def _strike_unit(self, name: str, host: Host, unit: str) -> None:
        pid = _find_main_pid(host, unit)
        if pid == 0:
            return
        if self._random.random() < 0.5:
            self._note(f"kill -9 {name} {host.name}")
            _send(pid, signal.SIGKILL)
            return
        self._suspend(name, pid)

    def _strike_store(self, name: str, store: RealEtcd | RealZooKeeper) -> None:
        if self._random.random() < 0.5:
            self._note(f"kill -9 {name}")
            store.kill()
            self._mend_later(name, store.start)
            return
        self._note(f"SIGSTOP {name}")
        store.suspend()
        self._mend_later(name, store.resume)

    def _cut_connections(self, name: str, relay: Relay) -> None:
        is_cut = self._random.random() < 0.5
        self._note(f"connections to the {name} {'cut' if is_cut else 'frozen'}")
        if is_cut:
            relay.cut()
        else:
            relay.freeze()
        self._mend_later(f"connections to the {name}", relay.mend)

    def _fill_disk(self, disk: SmallDisk) -> None:
        self._note("disk filled")
        disk.fill()
        self._mend_later("disk", disk.make_room)

    def _suspend(self, name: str, pid: int) -> None:
        self._note(f"SIGSTOP {name}")
        _send(pid, signal.SIGSTOP)
        self._mend_later(name, lambda: _send(pid, signal.SIGCONT))

    def _mend_later(self, name: str, mend: Callable[[], None]) -> None:
        self._mends.append((time.monotonic() + self._random.uniform(0.5, LONGEST_FAULT_S), name, mend))

    def _mend_all(self) -> None:
        while self._mends:
            self._mends.pop()[2]()

    def _note(self, fault: str) -> None:
        self.outcome.faults.append(fault)


def _make(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def _find_main_pid(host: Host, unit: str) -> int:
    shown = host.run("systemctl", "show", "--property=MainPID", unit).stdout.strip()
    number = shown.rpartition("=")[2]
    return int(number) if number.isdigit() else 0


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def run_chaos(
    *, seed: int, agents: int, seconds: float, kills: int, directory: Path, store: str | None = None
) -> Outcome:
    """Run one walk through chaos."""
    with ExitStack() as stack:
        chaos = Chaos(seed=seed, agents=agents, store=store, directory=directory, stack=stack)
        if kills:
            chaos.kill_scheduler(kills)
        if seconds:
            chaos.rage(seconds)
        return chaos.calm_down()


def report(outcome: Outcome, directory: Path) -> bool:
    """Print the one line, and what is wrong; tell whether all is well."""
    print(outcome.sum_up())
    print(f"       ({outcome.complete_after_faults} of {outcome.agents} were complete when the last fault came)")
    is_well = not outcome.violations and outcome.complete == outcome.agents
    if not is_well:
        print("\n".join(["violations:", *outcome.violations, "faults:", *outcome.faults, "hosts:", outcome.story]))
        log = (directory / LOG).read_text(encoding="utf-8", errors="replace")
        print("the scheduler said:", log[-20_000:], file=sys.stderr)
    return is_well
