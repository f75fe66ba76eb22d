"""One agent's phase: which steps are done, what comes next, and what the agent waits for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .model import Agent, Finding, Step, StepName, Task, TaskState
from .steps import Policy, StepSpec


def is_step_done(agent: Agent, name: StepName, policy: Policy) -> bool:
    """Whether a step needs no task any more: a proof decides, and where no look is newer, the exit code."""
    spec = policy.by_name[name]
    if name is StepName.INSPECT:
        return find(agent, name, policy) is not None
    if not is_wanted(agent, spec):
        return True
    if spec.is_service:
        return _is_service_up(agent.get_step(name), spec.settings) and not _is_contradicted(agent, name, policy)
    return _is_change_done(agent, name, policy)


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


def _is_service_up(step: Step, settings: str) -> bool:
    task = step.task
    return (
        task is not None
        and task.state is TaskState.RUNNING
        and task.healthy_since is not None
        and task.settings == settings
    )


def _is_contradicted(agent: Agent, name: StepName, policy: Policy) -> bool:
    """Whether a look found that a service which is at work does not serve its purpose, or could not look."""
    task, inspection = agent.get_step(name).task, agent.inspection
    if task is None or not task.state.is_active or inspection is None or inspection.at < task.launched_at:
        return False
    return find(agent, name, policy) not in {None, Finding.PROVEN}


def _is_change_done(agent: Agent, name: StepName, policy: Policy) -> bool:
    task = agent.get_step(name).task
    inspection = agent.inspection
    if inspection is None or inspection.settings != policy.settings:
        return False
    is_seen = inspection.find(name) is Finding.PROVEN
    if task is None:
        return is_seen
    if not task.state.is_ended:
        return False
    if inspection.at >= task.launched_at and is_seen:
        return True
    is_newest_word = inspection.at <= task.since
    return task.state is TaskState.FINISHED and task.settings == policy.by_name[name].settings and is_newest_word


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

    @property
    def is_refusal(self) -> bool:
        """Whether the step must not be done on this host."""
        return self.finding is Finding.REFUSED


def find_failure(agent: Agent, policy: Policy) -> Failure | None:
    """Why the phase is in ERROR: the host refuses a step, or one is out of attempts or stays at fault; None if not.

    Repairs and verifications of a phase that was complete go on for ever, with back-off: giving up would not help.
    """
    refusal = _find_refusal(agent, policy)
    if refusal is not None:
        return refusal
    for name in StepName:
        step = agent.get_step(name)
        if step.attempts < policy.max_attempts:
            continue
        if name is StepName.INSPECT:
            is_exempt = is_settled(agent, policy)
        else:
            is_exempt = is_step_done(agent, name, policy) or is_repair(agent, name, policy)
        if not is_exempt:
            return Failure(name, step.reason)
    doubt = find_doubt(agent, policy)
    if doubt is not None and doubt.finding is Finding.AT_FAULT and agent.open_looks >= policy.max_attempts:
        return Failure(doubt.step, doubt.reason, Finding.AT_FAULT)
    return None


def _find_refusal(agent: Agent, policy: Policy) -> Failure | None:
    inspection = agent.inspection
    if inspection is None or inspection.settings != policy.settings or not inspection.refusals:
        return None
    for name in _list_decisive_steps(agent, policy):
        if inspection.find(name) is Finding.REFUSED:
            return Failure(name, inspection.explain(name), Finding.REFUSED)
    return None


def _list_decisive_steps(agent: Agent, policy: Policy) -> list[StepName]:
    """The steps that are not done, and of which a look decides what happens now.

    Before the first change, whatever is in the way of any step keeps the whole phase from starting. Later it counts
    when its step comes: what is looked at while another step restarts something may not answer at that moment.
    """
    if agent.slot_since is not None:
        next_step = find_next_step(agent, policy)
        return [] if next_step is None else [next_step]
    return [name for name in StepName if name is not StepName.INSPECT and not is_step_done(agent, name, policy)]


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


def find_doubt(agent: Agent, policy: Policy) -> Doubt | None:
    """What the last look left open; None if it left nothing open, or what it left open is for a task to do."""
    inspection = agent.inspection
    if inspection is None or inspection.settings != policy.settings:
        return None
    for name in _list_decisive_steps(agent, policy):
        finding = inspection.find(name)
        if finding not in {Finding.REFUSED, Finding.PROVEN} and not _is_for_a_task(agent, name, finding, policy):
            return Doubt(name, inspection.explain(name), finding)
    return None


def _is_for_a_task(agent: Agent, name: StepName, finding: Finding, policy: Policy) -> bool:
    """Whether a task of the step is the answer to what was found."""
    if not policy.by_name[name].is_service:
        return finding is Finding.TO_DO
    task = agent.get_step(name).task
    if task is not None and task.state.is_active:
        # It is at work, and until it is healthy nobody expects a proof.
        return task.healthy_since is None
    # A supervisor mends what it finds, and waits for what it cannot look at; but that does not begin a phase.
    return finding is not Finding.UNKNOWN or agent.slot_since is not None


def find_reason_to_inspect(agent: Agent, policy: Policy, now: float) -> str | None:
    """Why the host must be looked at again before anything else, None if what is known will do."""
    inspection = agent.inspection
    if inspection is None:
        return "nothing is known of the host"
    if inspection.settings != policy.settings:
        return "the wanted configuration changed"
    if inspection.at <= agent.retried_at:
        return "an operator wants it tried again"
    age_s = now - inspection.at
    if any(_is_outcome_unknown(agent.get_step(name), inspection.at) for name in StepName):
        return "a change ended without success: facts decide what it did"
    failure = find_failure(agent, policy)
    if failure is not None:
        wait_s = policy.facts_max_age_s if failure.finding is None else policy.recheck_s
        return "an operator may have mended the host" if age_s > wait_s else None
    doubt = find_doubt(agent, policy)
    if doubt is not None:
        return doubt.describe() if agent.look_at <= now else None
    if is_settled(agent, policy):
        return "the verify interval is over" if age_s > policy.verify_interval_s else None
    if find_next_step(agent, policy) is not None:
        is_at_rest = agent.slot_since is None and age_s > policy.facts_max_age_s
        return "what is known of the host is old" if is_at_rest else None
    # The last service's task looks at the host by itself once it is healthy: only a lost report makes us ask again.
    stable_at = compute_stable_at(agent, policy)
    is_confirmed = inspection.at >= agent.changed_at and is_proven(agent, policy)
    if not is_confirmed and stable_at is not None and stable_at <= now:
        return "all steps are done: facts have to confirm it"
    return None


def _is_outcome_unknown(step: Step, inspected_at: float) -> bool:
    task = step.task
    return (
        task is not None
        and task.may_restart
        and task.state.is_ended
        and task.state is not TaskState.FINISHED
        and inspected_at < task.since
    )


def advance(agent: Agent, policy: Policy, now: float) -> Agent:
    """Draw the conclusions that facts and time allow: forget old failures, settle the phase, or find it undone."""
    agent = _complete_steps(agent, policy)
    if agent.restart_since is not None and _is_restart_over(agent, policy):
        agent = replace(agent, restart_since=None)
    if is_settled(agent, policy):
        return _unsettle_if_undone(agent, policy, now)
    return _settle_if_complete(agent, policy, now)


def _complete_steps(agent: Agent, policy: Policy) -> Agent:
    for spec in policy.steps:
        step = agent.get_step(spec.name)
        if spec.name is StepName.INSPECT or spec.is_service or not is_step_done(agent, spec.name, policy):
            continue
        done = replace(step, attempts=0, retry_at=0.0, reason="")
        if done != step:
            agent = agent.with_step(spec.name, done)
    return agent


def _is_restart_over(agent: Agent, policy: Policy) -> bool:
    return all(
        is_step_done(agent, name, policy)
        for name in (StepName.DOCKER_CLUSTER_STORE, StepName.AGENT_RESTART)
        if (task := agent.get_step(name).task) is not None and task.may_restart
    )


def _settle_if_complete(agent: Agent, policy: Policy, now: float) -> Agent:
    if find_next_step(agent, policy) is not None or find_reason_to_inspect(agent, policy, now) is not None:
        return agent
    if find_failure(agent, policy) is not None or not is_proven(agent, policy):
        return agent
    stable_at = compute_stable_at(agent, policy)
    if stable_at is None or stable_at > now or find_leftover(agent, policy) is not None:
        return agent
    settled = replace(agent, settled_as=policy.settings, settled_at=now, slot_since=None, restart_since=None)
    settled = replace(settled, release=None)
    for spec in policy.steps:
        if spec.is_service and is_wanted(agent, spec):
            done = replace(agent.get_step(spec.name), attempts=0, retry_at=0.0, reason="", completed_as=spec.settings)
            settled = settled.with_step(spec.name, done)
    return settled.with_note(now, "complete: proven by facts, healthy for the stability period")


def count_look(agent: Agent, policy: Policy, now: float) -> Agent:
    """Count a look that left something open: each one in a row doubles the wait for the next."""
    if find_doubt(agent, policy) is None:
        return replace(agent, open_looks=0, look_at=0.0) if agent.open_looks else agent
    looks = agent.open_looks + 1
    return replace(agent, open_looks=looks, look_at=now + policy.compute_backoff_s(looks))


def _unsettle_if_undone(agent: Agent, policy: Policy, now: float) -> Agent:
    for spec in policy.steps:
        if spec.name is StepName.INSPECT or not is_wanted(agent, spec):
            continue
        # A service of which only the task is lost is brought back, and the phase stays complete as far as that goes.
        is_contradicted = spec.is_service and _is_contradicted(agent, spec.name, policy)
        if is_contradicted or not (spec.is_service or is_step_done(agent, spec.name, policy)):
            undone = replace(agent, settled_as="", settled_at=None)
            return undone.with_note(now, f"{spec.name.value} undone: {_explain_undone(agent, spec.name)}")
    return agent


def _explain_undone(agent: Agent, name: StepName) -> str:
    inspection = agent.inspection
    if inspection is None or inspection.find(name) is Finding.PROVEN:
        return "the step is not done any more"
    told = "could not look: " if inspection.find(name) is Finding.UNKNOWN else ""
    return told + inspection.explain(name)


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing to do on this agent."""

    reason: str = "complete"


@dataclass(frozen=True, slots=True)
class Wait:
    """The agent waits for something that its own phase decides.

    Attributes:
        until: when to look again at the latest, None if an event will tell.
        is_brief: whether an offer in hand is worth keeping meanwhile.
    """

    reason: str
    until: float | None = None
    is_brief: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Mesos has to be asked what became of a task before anything else happens."""

    task_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """A running service has to end, because it runs with settings that are wanted no more, or is switched off.

    Attributes:
        needs_slot: always, because what follows changes the host.
        restarts: nothing.
    """

    task_id: str
    reason: str
    needs_slot: bool = True
    restarts: None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A step's task is to be launched.

    Attributes:
        needs_slot: whether it changes the host.
        restarts: what it will restart, None if nothing.
    """

    step: StepName
    reason: str
    needs_slot: bool = False
    restarts: str | None = None


Move = Rest | Wait | Ask | End | Start


def choose_move(agent: Agent, policy: Policy, now: float) -> Move:
    """What this agent's phase wants next, whatever other agents do: a ladder, the first rung that holds decides."""
    for name in StepName:
        task = agent.get_step(name).task
        # A task that Mesos lost sight of may still be at work on the host.
        if task is not None and task.state.is_in_doubt:
            return Ask(task.id, f"{name.value} is {task.state.value}: asks Mesos what became of it")
        # One change at a time: two installers on one host would undo each other's work.
        if task is not None and task.state.is_active and not policy.by_name[name].is_service:
            return Wait(f"{name.value} is at work", is_brief=True)
    inspect_reason = find_reason_to_inspect(agent, policy, now)
    next_step = find_next_step(agent, policy)
    # A lost service is brought back before anything is looked at: nobody's network waits for an inspection.
    if next_step is not None and is_lost(agent, next_step, policy):
        return _choose_start(agent, next_step, policy, now)
    if inspect_reason is not None:
        return _choose_inspection(agent, inspect_reason, now)
    wait = _find_wait(agent, policy)
    if wait is not None:
        return wait
    if next_step is not None:
        return _choose_start(agent, next_step, policy, now)
    if is_settled(agent, policy):
        return Rest()
    leftover = find_leftover(agent, policy)
    if leftover is not None:
        name, task = leftover
        return End(task.id, f"{name.value} is switched off, and nothing here needs it any more")
    stable_at = compute_stable_at(agent, policy)
    return Wait("calico-node is healthy; waits for the stability period", stable_at, is_brief=True)


def _find_wait(agent: Agent, policy: Policy) -> Wait | None:
    failure = find_failure(agent, policy)
    if failure is not None:
        return Wait(f"{failure.step.value} {'refused' if failure.is_refusal else 'failed'}: {failure.reason}")
    doubt = find_doubt(agent, policy)
    return None if doubt is None else Wait(f"{doubt.describe()}; looks again", agent.look_at)


def _choose_inspection(agent: Agent, reason: str, now: float) -> Move:
    # Looking does no harm, so it goes on even where the phase is in ERROR: the operator may have mended the cause.
    step = agent.get_step(StepName.INSPECT)
    if step.retry_at > now:
        return _back_off(step)
    return Start(StepName.INSPECT, reason)


def _choose_start(agent: Agent, name: StepName, policy: Policy, now: float) -> Move:
    spec = policy.by_name[name]
    step = agent.get_step(name)
    if step.task is not None and step.task.state.is_active:
        if step.task.settings == spec.settings:
            return Wait(f"{name.value} is starting", is_brief=True)
        return End(step.task.id, f"{name.value} runs with settings that are wanted no more")
    if step.retry_at > now:
        return _back_off(step)
    if is_repair(agent, name, policy):
        return Start(name, "it was complete and is lost")
    changes = agent.inspection.get_changes(name) if agent.inspection is not None else ()
    restarts = next((change.restarts for change in changes if change.restarts is not None), None)
    reason = changes[0].reason if changes else "its turn has come"
    return Start(name, reason, needs_slot=True, restarts=None if spec.is_service else restarts)


def _back_off(step: Step) -> Wait:
    return Wait(f"backs off after {step.attempts} failed attempts: {step.reason}", step.retry_at)
