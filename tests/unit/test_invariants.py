"""What holds whatever happens: the invariants of the walk, against a cluster in which things go wrong."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from calico_dcos.core.actions import Action, Kill, Launch
from calico_dcos.core.events import Disconnected, Subscribed
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.restoring import restore
from calico_dcos.core.standing import is_step_done
from calico_dcos.core.state import State
from tests.unit.walking import ONE_SHOTS, FakeCluster, FakeHost, build_host, build_policy

RESTARTING = (StepName.DOCKER_CLUSTER_STORE, StepName.AGENT_RESTART)
ENDS = (TaskState.FAILED, TaskState.KILLED, TaskState.LOST, TaskState.UNREACHABLE, TaskState.GONE, TaskState.FINISHED)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        kind: crash (the scheduler starts again from its store), cut (the stream ends), end (a service ends), bad (the
            next task of a step fails), silent (an agent is not offered for a while).
        after: seconds of peace before it.
        host: which host, counted modulo the number of hosts.
    """

    kind: str
    after: int
    host: int
    state: TaskState
    step: StepName


FAULTS = st.builds(
    Fault,
    kind=st.sampled_from(["crash", "cut", "end", "bad", "silent"]),
    after=st.integers(0, 6),
    host=st.integers(0, 3),
    state=st.sampled_from(ENDS),
    step=st.sampled_from([StepName.INSPECT, *ONE_SHOTS]),
)


class Watched(FakeCluster):
    """A cluster that checks the invariants at every decision."""

    def feed(self, *events: object) -> list[Action]:
        """Check each decision against the state before it."""
        before = self.state
        actions = super().feed(*events)  # type: ignore[arg-type]
        policy = before.policy
        assert len(self.state.slots) <= policy.max_concurrent_agents
        assert len(self.state.restarts) <= policy.max_concurrent_restarts
        for action in actions:
            if isinstance(action, Launch):
                self._check_launch(action)
            if isinstance(action, Kill):
                assert before.get_task(action.task.task_id) is None, "a task that we know and want was killed"
        return actions

    def _check_launch(self, launch: Launch) -> None:
        agent = self.state.agents[launch.agent_key]
        spec = self.state.policy.by_name[launch.step]
        note(f"{self.now:.0f} launches {launch.step.value} on {agent.key}: {launch.reason}")
        is_repair = spec.is_service and agent.get_step(launch.step).completed_as == spec.settings
        if launch.step is StepName.INSPECT or is_repair:
            return
        assert agent.slot_since is not None, "a change without a slot"
        for name in StepName:
            if name is launch.step:
                break
            assert is_step_done(agent, name, self.state.policy), f"{launch.step} before {name} is complete"

    def crash(self) -> None:
        """Start again from what is stored; the master then takes the new process in."""
        memory = Memory(self.state.framework_id, self.state.secret, tuple(self.state.agents.values()), self.state.pins)
        self.state: State = restore(self.state.policy, memory, self.now)
        self.reconnect()

    def reconnect(self) -> None:
        """End the stream, and subscribe again."""
        self.feed(Disconnected())
        self._perform(self.feed(Subscribed("F1", "master:5050")))


def make_it_happen(cluster: Watched, hosts: list[FakeHost], fault: Fault) -> None:
    """Let one thing go wrong."""
    host = hosts[fault.host % len(hosts)]
    note(f"{cluster.now:.0f} {fault}")
    match fault.kind:
        case "crash":
            cluster.crash()
        case "cut":
            cluster.reconnect()
        case "bad":
            host.outcomes.setdefault(fault.step, []).append(TaskState.FAILED)
        case "silent":
            host.is_offering = not host.is_offering
        case _:
            services = sorted(host.running.items())
            if services:
                cluster.lose(host, services[0][1], fault.state)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(1, 4),
    slots=st.integers(1, 3),
    faults=st.lists(FAULTS, max_size=12),
    restarting=st.lists(st.sampled_from(RESTARTING), unique=True),
)
def test_walk_keeps_its_promises_and_completes_once_failures_end(
    count: int,
    slots: int,
    faults: list[Fault],
    restarting: list[StepName],
) -> None:
    hosts = [build_host(number, restarts=tuple(restarting)) for number in range(count)]
    policy = build_policy(max_concurrent_agents=slots, max_attempts=1000, backoff_s=1.0, max_backoff_s=8.0)
    cluster = Watched(hosts, policy)

    for fault in faults:
        for _ in range(fault.after):
            cluster.step()
        make_it_happen(cluster, hosts, fault)
    for host in hosts:
        host.is_offering = True
    cluster.run_until(cluster.is_complete, max_steps=1500)

    for host in hosts:
        assert not host.todo
        for step in restarting:
            failed = sum(fault.kind == "bad" and fault.step is step for fault in faults)
            assert host.launched.count(step) <= 1 + failed, f"{step} twice for one change"
    for agent in cluster.state.agents.values():
        assert agent.inspection is not None
        assert agent.inspection.number >= agent.changed, "complete without facts newer than the last change"
