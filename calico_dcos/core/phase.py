"""One agent's phase: when its host is looked at, what comes next, and when it is complete."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .model import UNTRIED, Agent, Finding, Inspection, Step, StepName, TaskState
from .standing import (
    compute_stable_at,
    find_doubt,
    find_failure,
    find_leftover,
    find_next_step,
    is_contradicted,
    is_lost,
    is_proven,
    is_repair,
    is_settled,
    is_step_done,
    is_wanted,
)
from .steps import Policy


def find_reason_to_inspect(agent: Agent, policy: Policy, now: float) -> str | None:
    """Why the host must be looked at again before anything else, None if what is known will do."""
    inspection = agent.inspection
    if inspection is None:
        return "nothing is known of the host"
    if inspection.settings != policy.settings:
        return "the wanted configuration changed"
    if inspection.number < agent.retried:
        return "an operator wants it tried again"
    age_s = now - inspection.at
    if any(_is_outcome_unknown(agent.get_step(name), inspection) for name in StepName):
        return "a change ended without success: facts decide what it did"
    failure = find_failure(agent, policy)
    if failure is not None:
        wait_s = policy.facts_max_age_s if failure.finding is None else policy.recheck_s
        return "an operator may have mended the host" if age_s > wait_s else None
    doubt = find_doubt(agent, policy)
    if doubt is not None:
        return doubt.describe() if agent.looks.until <= now else None
    if is_settled(agent, policy):
        return "the verify interval is over" if age_s > policy.verify_interval_s else None
    if find_next_step(agent, policy) is not None:
        is_at_rest = agent.slot_since is None and age_s > policy.facts_max_age_s
        return "what is known of the host is old" if is_at_rest else None
    # The last service's task looks at the host by itself once it is healthy: only a lost report makes us ask again.
    stable_at = compute_stable_at(agent, policy)
    is_confirmed = inspection.number >= agent.changed and is_proven(agent, policy)
    if not is_confirmed and stable_at is not None and stable_at <= now:
        return "all steps are done: facts have to confirm it"
    return None


def _is_outcome_unknown(step: Step, inspection: Inspection) -> bool:
    task = step.task
    return (
        task is not None
        and task.may_restart
        and task.state.is_ended
        and task.state is not TaskState.FINISHED
        and inspection.number <= task.number
    )


def advance(agent: Agent, policy: Policy, now: float) -> Agent:
    """Draw the conclusions that facts and time allow: forget old failures, settle the phase, or find it undone."""
    agent = _complete_steps(agent, policy)
    if agent.restart_since is not None and _is_restart_over(agent, policy):
        agent = replace(agent, restart_since=None)
    if is_settled(agent, policy):
        return _unsettle_if_undone(agent, policy, now)
    return _give_slot_back(_settle_if_complete(agent, policy, now), policy, now)


def _give_slot_back(agent: Agent, policy: Policy, now: float) -> Agent:
    """Let others have the slot of an agent that failed in it: too many of these stop the walk, not the first."""
    if agent.slot_since is None or find_failure(agent, policy) is None:
        return agent
    tasks = (agent.get_step(spec.name).task for spec in policy.steps if not spec.is_service)
    if any(task is not None and not task.state.is_ended for task in tasks):
        return agent
    return replace(agent, slot_since=None, failed_since=now, restart_since=None).with_note(now, "gives its slot back")


def _complete_steps(agent: Agent, policy: Policy) -> Agent:
    for spec in policy.steps:
        step = agent.get_step(spec.name)
        if spec.name is StepName.INSPECT or spec.is_service or not is_step_done(agent, spec.name, policy):
            continue
        done = replace(step, backoff=UNTRIED)
        if done != step:
            agent = agent.with_step(spec.name, done)
    return agent


def _is_restart_over(agent: Agent, policy: Policy) -> bool:
    return all(
        is_step_done(agent, name, policy)
        for name, step in agent.steps.items()
        if step.task is not None and step.task.may_restart
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
    settled = replace(settled, release=None, failed_since=None)
    for spec in policy.steps:
        if spec.is_service and is_wanted(agent, spec):
            done = replace(agent.get_step(spec.name), backoff=UNTRIED, completed_as=spec.settings)
            settled = settled.with_step(spec.name, done)
    return settled.with_note(now, "complete: proven by facts, healthy for the stability period")


def count_look(agent: Agent, policy: Policy, now: float) -> Agent:
    """Count a look: each one in a row that left something open doubles the wait for the next."""
    doubt = find_doubt(agent, policy)
    looks = UNTRIED if doubt is None else policy.back_off(agent.looks, now, doubt.describe())
    inspect = replace(agent.get_step(StepName.INSPECT), backoff=UNTRIED)
    return replace(agent.with_step(StepName.INSPECT, inspect), looks=looks)


def _unsettle_if_undone(agent: Agent, policy: Policy, now: float) -> Agent:
    for spec in policy.steps:
        if spec.name is StepName.INSPECT or not is_wanted(agent, spec):
            continue
        # A service of which only the task is lost is brought back, and the phase stays complete as far as that goes.
        is_of_no_use = spec.is_service and is_contradicted(agent, spec.name, policy)
        if is_of_no_use or not (spec.is_service or is_step_done(agent, spec.name, policy)):
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
        return Wait(failure.describe())
    doubt = find_doubt(agent, policy)
    return None if doubt is None else Wait(f"{doubt.describe()}; looks again", agent.looks.until)


def _choose_inspection(agent: Agent, reason: str, now: float) -> Move:
    # Looking does no harm, so it goes on even where the phase is in ERROR: the operator may have mended the cause.
    step = agent.get_step(StepName.INSPECT)
    if step.backoff.until > now:
        return _back_off(step)
    return Start(StepName.INSPECT, reason)


def _choose_start(agent: Agent, name: StepName, policy: Policy, now: float) -> Move:
    spec = policy.by_name[name]
    step = agent.get_step(name)
    if step.task is not None and step.task.state.is_active:
        if step.task.settings == spec.settings:
            return Wait(f"{name.value} is starting", is_brief=True)
        return End(step.task.id, f"{name.value} runs with settings that are wanted no more")
    if step.backoff.until > now:
        return _back_off(step)
    if is_repair(agent, name, policy):
        return Start(name, "it was complete and is lost")
    changes = agent.inspection.get_changes(name) if agent.inspection is not None else ()
    restarts = next((change.restarts for change in changes if change.restarts is not None), None)
    reason = changes[0].reason if changes else "its turn has come"
    return Start(name, reason, needs_slot=True, restarts=None if spec.is_service else restarts)


def _back_off(step: Step) -> Wait:
    backoff = step.backoff
    return Wait(f"backs off after {backoff.tries} failed attempts: {backoff.reason}", backoff.until)
