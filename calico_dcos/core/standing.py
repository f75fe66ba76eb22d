"""How far the steps of one agent are, by what was seen and remembered: done, lost, refused, left open, failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .model import Agent, Finding, Step, StepName, Task, TaskState
from .steps import Policy, StepSpec


def is_step_done(agent: Agent, name: StepName, policy: Policy) -> bool:
    """Whether a step needs no task any more: the table "Is this step done?" of docs/architecture.md, row by row."""
    spec, task, inspection = policy.by_name[name], agent.get_step(name).task, agent.inspection
    found = find(agent, name, policy)
    if name is StepName.INSPECT:
        return found is not None
    if not is_wanted(agent, spec):
        return True
    if task is None:
        return not spec.is_service and found is Finding.PROVEN
    if spec.is_service:
        is_up = task.state is TaskState.RUNNING and task.healthy_since is not None and task.settings == spec.settings
        return is_up and not is_contradicted(agent, name, policy)
    if inspection is None or found is None or not task.state.is_ended:
        return False
    if found is Finding.PROVEN and inspection.number >= task.number:
        return True
    is_finished = task.state is TaskState.FINISHED and task.settings == spec.settings
    return is_finished and inspection.number <= task.number


def find(agent: Agent, name: StepName, policy: Policy) -> Finding | None:
    """What the last look found out about a step; None where no look answers what is wanted now."""
    inspection = agent.inspection
    return None if inspection is None or inspection.settings != policy.settings else inspection.find(name)


def is_wanted(agent: Agent, spec: StepSpec) -> bool:
    """Whether a step is to be done on an agent: it is on, and no operator's word stands for it."""
    return spec.is_enabled and not is_waived(agent.get_step(spec.name), spec)


def is_proven(agent: Agent, policy: Policy) -> bool:
    """Whether the last look proved every step that is to be done on the agent."""
    steps = [spec for spec in policy.steps if spec.name is not StepName.INSPECT and is_wanted(agent, spec)]
    return all(find(agent, spec.name, policy) is Finding.PROVEN for spec in steps)


def is_waived(step: Step, spec: StepSpec) -> bool:
    """Whether an operator's word stands for the step: it is skipped, or counts as complete under these settings."""
    return step.skip is not None or (step.forced is not None and step.forced.settings == spec.settings)


def is_contradicted(agent: Agent, name: StepName, policy: Policy) -> bool:
    """Whether a look found that a service which is at work does not serve its purpose, or could not look."""
    task, inspection = agent.get_step(name).task, agent.inspection
    if task is None or not task.state.is_active or inspection is None or inspection.number < task.number:
        return False
    return find(agent, name, policy) not in {None, Finding.PROVEN}


def find_next_step(agent: Agent, policy: Policy) -> StepName | None:
    """The first step after the inspection that is not done.

    A service that was complete before and is lost comes before everything else: it needs no slot, and an agent that
    waits for one must not go without its network meanwhile.
    """
    open_steps = [name for name in StepName if name is not StepName.INSPECT and not is_step_done(agent, name, policy)]
    lost = [name for name in open_steps if is_lost(agent, name, policy)]
    return next(iter(lost or open_steps), None)


def is_lost(agent: Agent, name: StepName, policy: Policy) -> bool:
    """Whether the task of a service that was complete is gone; one that is up and of no use has to be looked at."""
    task = agent.get_step(name).task
    return is_repair(agent, name, policy) and (task is None or not task.state.is_active)


def is_repair(agent: Agent, name: StepName, policy: Policy) -> bool:
    """Whether launching the step would only bring back what was complete under the same settings."""
    spec = policy.by_name[name]
    return spec.is_service and agent.get_step(name).completed_as == spec.settings


def is_settled(agent: Agent, policy: Policy) -> bool:
    """Whether the phase was complete under the present settings, and nothing is known to have undone it."""
    return agent.settled_as == policy.settings


def compute_stable_at(agent: Agent, policy: Policy) -> float | None:
    """When the phase's calico-node will have been healthy for the stability period; None if it is not healthy now."""
    spec = policy.by_name[StepName.CALICO_NODE]
    step = agent.get_step(StepName.CALICO_NODE)
    if not is_wanted(agent, spec):
        return 0.0
    task = step.task
    if task is None or task.healthy_since is None:
        return None
    return max(task.healthy_since, *_list_ends_of_leftovers(agent, policy)) + policy.stability_s


def _list_ends_of_leftovers(agent: Agent, policy: Policy) -> list[float]:
    """When services ended that are switched off: calico-node has to be healthy without them."""
    off = [agent.get_step(spec.name).task for spec in policy.steps if spec.is_service and not spec.is_enabled]
    return [0.0, *(task.since for task in off if task is not None and task.state.is_ended)]


def find_leftover(agent: Agent, policy: Policy) -> tuple[StepName, Task] | None:
    """A service that still runs although it is switched off; None if there is none."""
    for spec in policy.steps:
        task = agent.get_step(spec.name).task
        if spec.is_service and not spec.is_enabled and task is not None and not task.state.is_ended:
            return spec.name, task
    return None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a phase is in ERROR.

    Attributes:
        finding: REFUSED where the host's facts forbid the step, AT_FAULT where it stays of no use although all is in
            place, which no further attempt would change; None where attempts failed.
    """

    step: StepName
    reason: str
    finding: Finding | None = None

    def describe(self) -> str:
        """Say in one line what is wrong."""
        return f"{self.step.value} {'refused' if self.finding is Finding.REFUSED else 'failed'}: {self.reason}"


def find_failure(agent: Agent, policy: Policy) -> Failure | None:
    """Why the phase is in ERROR: the host refuses a step, or one is out of attempts or stays at fault; None if not.

    Repairs and verifications of a phase that was complete go on for ever, with back-off: giving up would not help.
    """
    if agent.inspection is not None and agent.inspection.refusals:
        for found in _list_found(agent, policy):
            if found.finding is Finding.REFUSED:
                return Failure(found.step, found.reason, Finding.REFUSED)
    for name in StepName:
        step = agent.get_step(name)
        if step.backoff.tries < policy.max_attempts:
            continue
        if name is StepName.INSPECT:
            is_exempt = is_settled(agent, policy)
        else:
            is_exempt = is_step_done(agent, name, policy) or is_repair(agent, name, policy)
        if not is_exempt:
            return Failure(name, step.backoff.reason)
    doubt = find_doubt(agent, policy)
    if doubt is not None and doubt.finding is Finding.AT_FAULT and agent.looks.tries >= policy.max_attempts:
        return Failure(doubt.step, doubt.reason, Finding.AT_FAULT)
    return None


@dataclass(frozen=True, slots=True)
class Doubt:
    """What only another look can settle.

    Attributes:
        finding: UNKNOWN where the installer could not look; AT_FAULT or TO_DO where it saw what cannot be mended by
            another task, because one is at work or has nothing to do.
    """

    step: StepName
    reason: str
    finding: Finding

    def describe(self) -> str:
        """Say in one line what is open."""
        if self.finding is Finding.UNKNOWN:
            return f"could not look at {self.step.value}: {self.reason}"
        return f"{self.step.value} is of no use yet: {self.reason}"


def _list_found(agent: Agent, policy: Policy) -> Iterator[Doubt]:
    """What the last look found out about the steps that are not done, and of which it decides what happens now.

    Before the first change, whatever is in the way of any step keeps the whole phase from starting. Later it counts
    when its step comes: what is looked at while another step restarts something may not answer at that moment.
    """
    inspection = agent.inspection
    if inspection is None or inspection.settings != policy.settings:
        return
    for name in (find_next_step(agent, policy),) if agent.has_begun else StepName:
        if name not in {None, StepName.INSPECT} and not is_step_done(agent, name, policy):
            yield Doubt(name, inspection.explain(name), inspection.find(name))


def find_doubt(agent: Agent, policy: Policy) -> Doubt | None:
    """What the last look left open; None if it left nothing open, or what it left open is for a task to do."""
    for found in _list_found(agent, policy):
        is_open = found.finding not in {Finding.REFUSED, Finding.PROVEN}
        if is_open and not _is_for_a_task(agent, found.step, found.finding, policy):
            return found
    return None


def _is_for_a_task(agent: Agent, name: StepName, finding: Finding, policy: Policy) -> bool:
    """Whether a task of the step is the answer to what was found."""
    spec = policy.by_name[name]
    if not spec.is_service:
        return finding is Finding.TO_DO
    task = agent.get_step(name).task
    if task is not None and task.state.is_active and task.settings == spec.settings:
        # It is at work, and until it is healthy nobody expects a proof.
        return task.healthy_since is None
    # A supervisor mends what it finds, and waits for what it cannot look at; but that does not begin a phase.
    return finding is not Finding.UNKNOWN or agent.has_begun
