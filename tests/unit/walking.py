"""A cluster that lives in memory, for tests of the core: it answers actions as Mesos and the installer would."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from calico_dcos.core.actions import Action, Deactivate, Decline, Kill, Launch, LaunchTrial, Reactivate, Reconcile
from calico_dcos.core.connectivity import DOCKER, MESOS, Outcome, Result, TrialKind
from calico_dcos.core.decide import decide
from calico_dcos.core.events import (
    Event,
    Inspected,
    OffersReceived,
    Probed,
    Reactivated,
    RosterAgent,
    RosterRead,
    Served,
    Subscribed,
    TaskUpdated,
    Ticked,
)
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Change, Inspection, Node, StepName, TaskState
from calico_dcos.core.resources import Maintenance, Offer, Resource, ResourceKind
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from calico_dcos.core.steps import SERVICES, Policy, StepSpec
from tests.unit.kept import Kept

HOST_IP = "10.0.0.1"
STEPS = tuple(name for name in StepName if name is not StepName.INSPECT)
ONE_SHOTS = (StepName.DOCKER_CLUSTER_STORE, StepName.CNI, StepName.AGENT_RESTART)


def build_policy(*, disabled: tuple[StepName, ...] = (), **rules: object) -> Policy:
    """A policy with short times; rules replace its attributes."""
    steps = tuple(
        StepSpec(name, settings=f"{name.value}-1", cpus=0.1, mem_mb=32.0, is_enabled=name not in disabled)
        for name in StepName
    )
    return replace(Policy(steps=steps, stability_s=5.0), **rules)  # type: ignore[arg-type]


@dataclass
class FakeHost:
    """A host with a Mesos agent.

    Attributes:
        todo: what the installer would find still to do, by step.
        outcomes: how the next tasks of a step end, first come first; FINISHED when used up.
        refusals: why the installer would refuse a step.
        unknowns: why the installer could not look at a step.
        faults: why a step is of no use although nothing is left to do.
        kept: services that somebody else keeps running.
        trial_faults: why a task of the connectivity test fails there, by its kind.
        failures: actions of the connectivity test that fail from there, with what they say.
        trials: kinds of the connectivity test's tasks that run there, by task id.
        is_mute: whether the reports of its probes get lost.
    """

    hostname: str
    agent_id: str
    todo: dict[StepName, Change] = field(default_factory=dict)
    outcomes: dict[StepName, list[TaskState]] = field(default_factory=dict)
    running: dict[str, StepName] = field(default_factory=dict)
    launched: list[StepName] = field(default_factory=list)
    refusals: dict[StepName, str] = field(default_factory=dict)
    unknowns: dict[StepName, str] = field(default_factory=dict)
    faults: dict[StepName, str] = field(default_factory=dict)
    kept: set[StepName] = field(default_factory=set)
    is_offering: bool = True
    is_deactivated: bool = False
    maintenance: Maintenance | None = None
    trial_faults: dict[TrialKind, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    trials: dict[str, TrialKind] = field(default_factory=dict)
    is_mute: bool = False

    def inspect(self) -> Inspection:
        """What an installer would report of the host."""
        idle = [name for name in SERVICES if name not in {*self.running.values(), *self.kept}]
        todo = {**self.todo, **{name: Change(f"runs {name.value}", "it does not run", "none") for name in idle}}
        said = (self.refusals, self.unknowns, self.faults)
        todo = {name: change for name, change in todo.items() if not any(name in other for other in said)}
        proven = [name for name in STEPS if not any(name in other for other in (todo, *said))]
        return Inspection(
            at=0.0,
            settings="",
            changes={name.value: (change,) for name, change in todo.items()},
            refusals={name.value: reason for name, reason in self.refusals.items()},
            unknowns={name.value: reason for name, reason in self.unknowns.items()},
            faults={name.value: reason for name, reason in self.faults.items()},
            proofs={name.value: f"{name.value} was seen" for name in proven},
            node=Node(self.hostname, f"10.0.0.{self.agent_id.removeprefix('S')}"),
        )


def build_host(number: int, *, restarts: tuple[StepName, ...] = ()) -> FakeHost:
    """A host on which nothing is done yet."""
    services = {StepName.DOCKER_CLUSTER_STORE: "docker", StepName.AGENT_RESTART: "mesos-agent"}
    steps = [name for name in ONE_SHOTS if name is not StepName.AGENT_RESTART or name in restarts]
    todo = {
        name: Change(f"does {name.value}", "facts ask for it", "none", services[name] if name in restarts else None)
        for name in steps
    }
    return FakeHost(f"agent{number}.test", f"S{number}", todo)


class FakeCluster:
    """Drives fold and decide with events that follow from the actions."""

    def __init__(self, hosts: list[FakeHost], policy: Policy, memory: Memory | None = None, now: float = 1e3) -> None:
        self.hosts = {host.agent_id: host for host in hosts}
        self.now = now
        self.wall_ahead_s = 0.0
        self.lists_agents = True
        self.kept = Kept(memory or Memory(framework_id="F1", secret="s"))
        self.state: State = restore(policy, self.kept.load(), self.now)
        self.actions: list[Action] = []
        self.answered: list[str] = []
        self.offered: list[str] = []
        self.most_slots = 0
        self.most_restarts = 0
        self._numbers = itertools.count(1)
        self.feed(Subscribed("F1", "master:5050"))

    def feed(self, *events: Event) -> list[Action]:
        """Fold events, decide, and take what was decided without performing it."""
        actions: list[Action] = []
        state = self.state
        for event in events:
            state, answers = fold(state, event, self.now)
            actions.extend(answers)
            if isinstance(event, Subscribed) and self.lists_agents:
                state, _ = fold(state, self.build_roster(state), self.now)
        decision = decide(state, self.now, self._new_task_id)
        self.kept.save(decision.state.build_batch())
        self.state = decision.state.saved()
        actions.extend(decision.actions)
        self.actions.extend(actions)
        self.most_slots = max(self.most_slots, len(self.state.slots))
        self.most_restarts = max(self.most_restarts, len(self.state.restarts))
        return actions

    def build_roster(self, state: State) -> RosterRead:
        """What the master lists of the agents that are known: others are met when they are offered."""
        known = [host for host in self.hosts.values() if host.hostname in state.agents]
        return RosterRead(
            tuple(
                RosterAgent(host.agent_id, host.hostname, HOST_IP, 5051, is_public=False, mesos_version="")
                for host in known
            )
        )

    def _new_task_id(self, step: StepName | TrialKind) -> str:
        return f"{step.value}.{next(self._numbers)}"

    def step(self, seconds: float = 1.0) -> None:
        """Let time pass, offer what may be offered, and perform what is decided."""
        self.now += seconds
        self._perform(self.feed(Ticked(self.now + self.wall_ahead_s)))
        for host in self.hosts.values():
            if host.is_offering and not host.is_deactivated:
                self._perform(self.feed(OffersReceived((self.build_offer(host),))))

    def run_until(self, is_reached: Callable[[], bool], max_steps: int = 500) -> None:
        """Let time pass until something holds; fail with the story if it never does."""
        for _ in range(max_steps):
            if is_reached():
                return
            self.step()
        story = [f"{note.at:.0f} {a.key} {note.text}" for a in self.state.agents.values() for note in a.history]
        raise AssertionError("never reached:\n" + "\n".join(sorted(story)))

    def is_complete(self) -> bool:
        """Whether every agent is settled."""
        return len(self.state.agents) == len(self.hosts) and not self.state.unsettled

    def build_offer(self, host: FakeHost) -> Offer:
        """An offer large enough for anything."""
        offer_id = f"O{next(self._numbers)}"
        self.offered.append(offer_id)
        resources = (
            Resource("cpus", ResourceKind.SCALAR, "*", amount=4.0),
            Resource("mem", ResourceKind.SCALAR, "*", amount=4096.0),
        )
        return Offer(
            offer_id,
            host.agent_id,
            host.hostname,
            HOST_IP,
            5051,
            is_public=False,
            resources=resources,
            maintenance=host.maintenance,
        )

    def _perform(self, actions: list[Action]) -> None:
        # A task is over as soon as it is launched here; what was decided with its launch has to come before its end.
        for action in sorted(actions, key=lambda action: not isinstance(action, Deactivate)):
            match action:
                case Launch():
                    self.answered.append(action.offer_id)
                    self._run(action)
                case LaunchTrial():
                    self.answered.append(action.offer_id)
                    self._try(action)
                case Decline():
                    self.answered.extend(action.offer_ids)
                case Reconcile():
                    self._reconcile(action)
                case Kill():
                    host = self.hosts[action.task.agent_id]
                    host.running.pop(action.task.task_id, None)
                    host.trials.pop(action.task.task_id, None)
                    self.update(action.task.task_id, host, TaskState.KILLED)
                case Deactivate():
                    self.hosts[action.agent_id].is_deactivated = True
                case Reactivate():
                    self.hosts[action.agent_id].is_deactivated = False
                    self._perform(self.feed(Reactivated(action.agent_key)))
                case _:
                    pass

    def _reconcile(self, action: Reconcile) -> None:
        for host in self.hosts.values() if not action.tasks else ():
            for task_id in [*host.running, *host.trials]:
                self.update(task_id, host, TaskState.RUNNING, is_reconciliation=True)
        for ref in action.tasks:
            host = self.hosts[ref.agent_id]
            state = TaskState.RUNNING if ref.task_id in {*host.running, *host.trials} else TaskState.GONE
            is_healthy = True if ref.task_id in host.running else None
            self.update(ref.task_id, host, state, is_reconciliation=True, is_healthy=is_healthy)

    def _run(self, launch: Launch) -> None:
        host = self.hosts[launch.agent_id]
        host.launched.append(launch.step)
        self.update(launch.task_id, host, TaskState.RUNNING)
        if launch.step in SERVICES:
            host.running[launch.task_id] = launch.step
            self.update(launch.task_id, host, TaskState.RUNNING, is_healthy=True)
            self._perform(self.feed(Inspected(launch.task_id, host.inspect())))
            return
        outcomes = host.outcomes.get(launch.step, [])
        outcome = outcomes.pop(0) if outcomes else TaskState.FINISHED
        if outcome is TaskState.FINISHED:
            host.todo.pop(launch.step, None)
            self._perform(self.feed(Inspected(launch.task_id, host.inspect())))
        self.update(launch.task_id, host, outcome, message="" if outcome is TaskState.FINISHED else "made to fail")

    def _try(self, launch: LaunchTrial) -> None:
        """Run a task of the connectivity test as Mesos and the installer would."""
        host = self.hosts[launch.agent_id]
        fault = host.trial_faults.get(launch.kind)
        if fault is not None:
            self.update(launch.task_id, host, TaskState.FAILED, message=fault)
            return
        host.trials[launch.task_id] = launch.kind
        number = host.agent_id.removeprefix("S")
        is_workload = launch.kind is TrialKind.WORKLOAD
        self.update(launch.task_id, host, TaskState.RUNNING, address=f"192.168.0.{number}" if is_workload else HOST_IP)
        if launch.kind is TrialKind.CONTAINER:
            self._perform(self.feed(Served(launch.task_id, f"192.168.1.{number}")))
        if launch.kind is TrialKind.PROBE:
            self._probe(launch, host)

    def _probe(self, launch: LaunchTrial, host: FakeHost) -> None:
        results = tuple(
            Result(test, action, Outcome.FAILED, host.failures[action])
            if action in host.failures
            else Result(test, action, Outcome.PASSED, "as it should be", rtt_ms=0.5)
            for test in (MESOS, DOCKER)
            if launch.order[test] is not None
            for action in ("tcp", "ping")
        )
        if not host.is_mute:
            self._perform(self.feed(Probed(launch.task_id, results[:1], is_last=False)))
            self._perform(self.feed(Probed(launch.task_id, results, is_last=True)))
        del host.trials[launch.task_id]
        self.update(launch.task_id, host, TaskState.FINISHED)

    def update(
        self,
        task_id: str,
        host: FakeHost,
        state: TaskState,
        *,
        is_healthy: bool | None = None,
        is_reconciliation: bool = False,
        message: str = "",
        address: str = "",
    ) -> None:
        """Send a status update and perform what follows."""
        event = TaskUpdated(
            task_id,
            host.agent_id,
            state,
            message=message,
            uuid="" if is_reconciliation else "dXVpZA==",
            is_healthy=is_healthy,
            is_reconciliation=is_reconciliation,
            address=address,
        )
        self._perform(self.feed(event))

    def lose(self, host: FakeHost, step: StepName, state: TaskState) -> None:
        """End a host's running service."""
        task_id = next(task_id for task_id, name in host.running.items() if name is step)
        del host.running[task_id]
        self.update(task_id, host, state, message="made to end")
