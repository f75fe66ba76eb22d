"""Hosts of a stormy cluster: what an installer does there, one stage after another, and what a host tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from calico_dcos.core.actions import Launch
from calico_dcos.core.events import Event, Inspected, TaskUpdated
from calico_dcos.core.model import Change, Inspection, StepName, TaskState
from calico_dcos.core.steps import SERVICES, Policy
from tests.unit.walking import ONE_SHOTS, STEPS

# The stage from which on a task's change is done, and a service is up.
HEALTHY = 3
_CONTAINER = StepName.CALICO_NODE
RESTARTED_BY = {StepName.DOCKER_CLUSTER_STORE: "docker", StepName.AGENT_RESTART: "mesos-agent"}


@dataclass
class HostTask:
    """A task on a host.

    Attributes:
        stage: how far it is: 0 staged, 1 running, 2 in the middle of its change, 3 done with it, 4 over.
        was_change: whether the scheduler needed a slot for it.
        policy: what was wanted when it was launched, which is all that it knows.
        is_over: whether it can do nothing more to the host; what Mesos calls LOST may be over or not.
    """

    id: str
    step: StepName
    may_restart: bool
    was_change: bool
    policy: Policy
    stage: int = 0
    state: TaskState = TaskState.STAGING
    is_over: bool = False


@dataclass
class Host:
    """A host, its Mesos agent, and everything that the agent has not been told to forget.

    Attributes:
        is_up: whether the agent runs; its tasks go on without it.
        is_registered: whether the master knows the agent as one that is there.
        is_unreachable: whether the master has given it up, though it runs.
        is_gone: whether the machine is no more.
        restarting: the steps of which the change restarts something here.
        made: under which settings each step was done last.
        unacknowledged: updates in order; the agent sends the first of each task until it is acknowledged.
        refused_until: no offers before.
        restarts: how often what was restarted, by step.
        blind: the steps at which an installer cannot look.
        useless: the steps that are of no use once nothing is left to do.
    """

    name: str
    agent_id: str
    restarting: frozenset[StepName]
    say: Callable[[Event], None]
    tell: Callable[[str], None]
    is_up: bool = True
    is_registered: bool = True
    is_unreachable: bool = False
    is_gone: bool = False
    tasks: dict[str, HostTask] = field(default_factory=dict)
    unacknowledged: list[TaskUpdated] = field(default_factory=list)
    refused_until: float = 0.0
    restarts: dict[StepName, int] = field(default_factory=dict)
    made: dict[StepName, str] = field(default_factory=dict)
    blind: set[StepName] = field(default_factory=set)
    useless: set[StepName] = field(default_factory=set)
    numbers: int = 0

    @property
    def is_talking(self) -> bool:
        """Whether updates get through."""
        return self.is_up and self.is_registered and not self.is_unreachable

    def get_live(self) -> list[HostTask]:
        return [task for task in self.tasks.values() if not task.is_over]

    def find_todo(self, policy: Policy) -> Mapping[StepName, Change]:
        """What an installer would still have to do for what is wanted."""
        wanted = {step: policy.by_name[step].settings for step in ONE_SHOTS}
        if StepName.AGENT_RESTART in self.restarting:
            wanted[StepName.AGENT_RESTART] = wanted[StepName.CNI]
        else:
            del wanted[StepName.AGENT_RESTART]
        return {
            step: Change(
                f"does {step.value}", "facts ask", "none", RESTARTED_BY[step] if step in self.restarting else None
            )
            for step, settings in wanted.items()
            if self.made.get(step) != settings
        }

    def launch(self, launch: Launch, policy: Policy, *, was_change: bool) -> None:
        self.tasks[launch.task_id] = HostTask(launch.task_id, launch.step, launch.may_restart, was_change, policy)

    def work(self) -> None:
        """Let every task do its next stage."""
        for task in self.get_live():
            self.advance(task)

    def advance(self, task: HostTask) -> None:
        task.stage += 1
        match task.stage:
            case 1:
                self.update(task, TaskState.RUNNING)
            case 2 if task.step in self.find_todo(task.policy) and task.may_restart:
                self.restarts[task.step] = self.restarts.get(task.step, 0) + 1
                self.tell(f"{self.name} restarts {RESTARTED_BY[task.step]} for {task.id}")
            case 3:
                self.finish_change(task)
                self.say(Inspected(task.id, self.inspect(task.policy)))
                if task.step in SERVICES:
                    self.update(task, TaskState.RUNNING, is_healthy=True)
            case 4 if task.step not in SERVICES:
                task.is_over = True
                self.update(task, TaskState.FINISHED)
            case _:
                pass

    def finish_change(self, task: HostTask) -> None:
        if task.step is _CONTAINER and task.stage >= HEALTHY:
            self.made[task.step] = task.policy.by_name[task.step].settings
        change = self.find_todo(task.policy).get(task.step)
        if change is None or task.stage < 2 or (change.restarts is not None and not task.may_restart):
            return
        source = StepName.CNI if task.step is StepName.AGENT_RESTART else task.step
        self.made[task.step] = task.policy.by_name[source].settings

    def fail(self, *, is_done: bool, state: TaskState = TaskState.FAILED, reason: str = "") -> None:
        """End the newest live task; its change may have been done before."""
        live = self.get_live()
        if live:
            self.end(live[-1], state, is_done=is_done, reason=reason)

    def end(self, task: HostTask, state: TaskState, *, is_done: bool, reason: str = "") -> None:
        if is_done:
            self.finish_change(task)
        task.is_over = True
        self.update(task, state, reason=reason)

    def inspect(self, policy: Policy) -> Inspection:
        """What an installer would report: services have to be run, until they are."""
        idle = {name: Change(f"runs {name.value}", "it does not run so", "none") for name in self.find_idle(policy)}
        todo = {**self.find_todo(policy), **idle}
        unseen = dict.fromkeys(self.blind, "no answer")
        useless = {name: "it is of no use: mend it" for name in self.useless if name not in {*unseen, *todo}}
        proven = [name for name in STEPS if name not in {*todo, *unseen, *useless}]
        return Inspection(
            at=0.0,
            settings="",
            changes={name.value: (change,) for name, change in todo.items() if name not in unseen},
            unknowns={name.value: reason for name, reason in unseen.items()},
            faults={name.value: reason for name, reason in useless.items()},
            proofs={name.value: "it was seen" for name in proven},
        )

    def find_idle(self, policy: Policy) -> list[StepName]:
        """The services that do not run as wanted: calico-node's container outlives its task, an etcd proxy does not."""
        up = {task.step: task.policy.by_name[task.step].settings for task in self.get_live() if task.stage >= HEALTHY}
        if _CONTAINER in self.made:
            up[_CONTAINER] = self.made[_CONTAINER]
        return [name for name in SERVICES if up.get(name) != policy.by_name[name].settings]

    def update(self, task: HostTask, state: TaskState, *, is_healthy: bool | None = None, reason: str = "") -> None:
        """Enter a state; the agent tells it as soon as the one before is acknowledged."""
        task.state = state
        self.numbers += 1
        update = TaskUpdated(
            task.id, self.agent_id, state, reason=reason, uuid=f"{self.name}-{self.numbers}", is_healthy=is_healthy
        )
        self.unacknowledged.append(update)
        if self.find_first(task.id) is update:
            self.send(update)

    def find_first(self, task_id: str) -> TaskUpdated | None:
        return next((update for update in self.unacknowledged if update.task_id == task_id), None)

    def send(self, update: TaskUpdated) -> None:
        if self.is_talking:
            self.say(update)

    def send_again(self) -> None:
        """Do what an agent does from time to time, and when it registers again."""
        for task_id in dict.fromkeys(update.task_id for update in self.unacknowledged):
            first = self.find_first(task_id)
            if first is not None:
                self.send(first)

    def acknowledge(self, task_id: str, uuid: str) -> None:
        first = self.find_first(task_id)
        if first is None or first.uuid != uuid:
            return
        self.unacknowledged.remove(first)
        following = self.find_first(task_id)
        if following is not None:
            self.send(following)
        elif task_id in self.tasks and self.tasks[task_id].is_over:
            del self.tasks[task_id]

    def vanish(self) -> None:
        """End for good, with everything that runs."""
        self.tasks.clear()
        self.unacknowledged.clear()
        self.is_up = False
        self.is_gone = self.is_unreachable = True

    def reboot(self, agent_id: str) -> None:
        """Come back under a new id, without any task."""
        self.tasks.clear()
        self.unacknowledged.clear()
        self.agent_id = agent_id
        self.is_up = self.is_registered = True
        self.is_unreachable = False
        self.refused_until = 0.0
