"""The plan as people and DC/OS tools see it, derived from what is remembered: Plan > Phase > Step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from calico_dcos.core.controls import describe_mark, describe_waiver
from calico_dcos.core.decide import find_obstacle
from calico_dcos.core.gates import PREFLIGHT, find_canary_gate, is_canary_complete
from calico_dcos.core.model import NAMED, Agent, Finding, Mark, Status, Step, StepName, TaskState
from calico_dcos.core.phase import Ask, End, Move, Start, Wait, choose_move
from calico_dcos.core.sightings import list_ties
from calico_dcos.core.standing import (
    Doubt,
    Failure,
    compute_stable_at,
    find_doubt,
    find_failure,
    is_settled,
    is_step_done,
)
from calico_dcos.core.state import State
from calico_dcos.core.twins import find_twins


class Badge(Enum):
    """What tells a step apart from others of the same status."""

    NONE = ""
    OFF = "off"
    WAIVED = "waived"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    AT_FAULT = "at fault"


@dataclass(frozen=True, slots=True)
class StepView:
    """A step on one agent.

    Attributes:
        badge: what the status does not say: off and waived steps are COMPLETE without being done, refused ones are in
            ERROR without having been tried, unknown ones could not be looked at.
        message: what it does or waits for, in one line; empty where the status says all.
        since: when it entered this status, None if unknown.
    """

    name: StepName
    status: Status
    message: str
    badge: Badge = Badge.NONE
    task_id: str = ""
    attempts: int = 0
    since: float | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One agent's way to Calico.

    Attributes:
        name: the agent's key, unique.
        message: why it does not go on, or what it does now.
        pause: the word that paused this agent; a pause of the plan is the plan's.
    """

    name: str
    status: Status
    message: str
    steps: tuple[StepView, ...]
    pause: Mark | None = None


@dataclass(frozen=True, slots=True)
class PlanView:
    """The whole walk.

    Attributes:
        message: why the whole walk does not go on, empty if it may.
        line: who comes next.
    """

    phases: tuple[PhaseView, ...]
    status: Status
    errors: tuple[str, ...]
    message: str = ""
    pause: Mark | None = None
    line: tuple[str, ...] = ()


def describe_plan_hold(state: State) -> str:
    """Say what keeps the whole walk waiting for an operator; empty if nothing does."""
    pause = state.controls.pause
    if pause is not None:
        return describe_mark("paused", pause)
    if state.policy.pace.is_preflight:
        return PREFLIGHT
    return (find_canary_gate(state) or "") if is_canary_complete(state) else ""


def sum_up_plan(
    phases: tuple[PhaseView, ...], message: str = "", pause: Mark | None = None, line: tuple[str, ...] = ()
) -> PlanView:
    """Show the whole of phases that are shown already, and what keeps all of them waiting."""
    errors = tuple(f"{phase.name}: {phase.message}" for phase in phases if phase.status is Status.ERROR)
    status = _sum_up([phase.status for phase in phases], is_interrupted=bool(message))
    return PlanView(phases, status, errors, message, pause, line[:NAMED])


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of an agent at one moment, worked out once for all its steps."""

    state: State
    agent: Agent
    now: float
    move: Move
    obstacle: str | None
    failure: Failure | None
    doubt: Doubt | None


def look_at(state: State, agent: Agent, now: float) -> Look:
    """Work out what an agent wants, and what keeps it from it."""
    move = choose_move(agent, state.policy, now)
    return Look(
        state=state,
        agent=agent,
        now=now,
        move=move,
        obstacle=find_obstacle(state, agent, move, now) if isinstance(move, Start | End) else None,
        failure=find_failure(agent, state.policy),
        doubt=find_doubt(agent, state.policy),
    )


def show_phase(look: Look) -> PhaseView:
    """Show one agent's phase, with the reason why it does not go on."""
    state, agent = look.state, look.agent
    steps = tuple(_build_step(look, name) for name in StepName)
    status = _sum_up([step.status for step in steps], is_interrupted=agent.pause is not None)
    if status is Status.COMPLETE and not is_settled(agent, state.policy):
        status = Status.IN_PROGRESS
    return PhaseView(agent.key, status, _explain(look), steps, agent.pause)


def _explain(look: Look) -> str:
    """Say in one line what an agent does now, or what it waits for."""
    state, agent, move = look.state, look.agent, look.move
    if agent.absent_since is not None:
        return _describe_absence(look, agent.absent_since)
    hold = find_twins(state, agent) if agent.pause is None else describe_mark("paused", agent.pause)
    if hold is not None:
        return hold
    if look.failure is not None or agent.release is not None:
        # What is wrong stays in sight while the installer looks whether somebody mended it.
        told = move.reason if look.failure is None else look.failure.describe()
        return told if agent.release is None else f"{told} (slot {describe_mark('released', agent.release)})"
    if isinstance(move, Wait) and move.until is not None and move.until > look.now:
        return f"{move.reason} ({move.until - look.now:.0f} s to go)"
    if isinstance(move, Ask) and (asked := state.questions.get(move.task_id)) is not None:
        return f"{move.reason} ({asked.backoff.describe(look.now)})"
    if not isinstance(move, Start):
        return look.obstacle or move.reason
    return look.obstacle or _explain_start(look, move)


def _explain_start(look: Look, move: Start) -> str:
    """Say what an agent waits for of which the turn has come."""
    state, agent = look.state, look.agent
    if not state.is_subscribed:
        return f"{move.step.value} waits for the Mesos master"
    if agent.key in state.shortfalls:
        since, wanted = state.shortfalls[agent.key]
        return f"no offer with {wanted} for {_describe_time(look.now - since)}"
    offered_at = state.offered_at.get(agent.key, agent.first_seen_at)
    if look.now - offered_at > 2 * state.policy.refuse_waiting_s:
        asked = state.revives.get(agent.key)
        told = "" if asked is None else f"; all are asked for {asked.describe(look.now)}"
        return f"{move.step.value} waits for an offer: none for {_describe_time(look.now - offered_at)}{told}"
    return f"{move.step.value} is next: {move.reason}"


def _describe_absence(look: Look, since: float) -> str:
    told = f"not registered with the Mesos master for {_describe_time(look.now - since)}"
    if look.failure is not None:
        told += f"; before, {look.failure.describe()}"
    ties = list_ties(look.agent)
    if ties:
        return f"{told}; stays in the plan until it is back, or an operator forgets it: {', '.join(ties)}"
    return f"{told}; leaves the plan after {_describe_time(look.state.policy.forget_after_s)}"


def _describe_time(seconds: float) -> str:
    minute, hour = 60, 3600
    if seconds < 2 * minute:
        return f"{seconds:.0f} s"
    return f"{seconds / minute:.0f} min" if seconds < 2 * hour else f"{seconds / hour:.0f} h"


def _sum_up(statuses: list[Status], *, is_interrupted: bool) -> Status:
    """Combine the statuses of children into their parent's, by the SDK's rules."""
    unfinished = [status for status in statuses if status is not Status.COMPLETE]
    if Status.ERROR in unfinished:
        return Status.ERROR
    if not unfinished:
        return Status.COMPLETE if statuses else Status.PENDING
    if is_interrupted:
        return Status.WAITING
    if all(status is Status.DELAYED for status in unfinished):
        return Status.DELAYED
    if any(status in (Status.IN_PROGRESS, Status.STARTING, Status.STARTED) for status in unfinished):
        return Status.IN_PROGRESS
    if all(status in (Status.WAITING, Status.PENDING) for status in unfinished) and Status.WAITING in unfinished:
        return Status.WAITING
    if len(unfinished) < len(statuses) or Status.DELAYED in unfinished:
        return Status.IN_PROGRESS
    return Status.PENDING


def _build_step(look: Look, name: StepName) -> StepView:
    step = look.agent.get_step(name)
    status, message, badge = _judge_step(look, name, step)
    progress = None if step.task is None else look.state.progress.get(step.task.id)
    return StepView(
        name=name,
        status=status,
        message=message,
        badge=badge,
        task_id="" if step.task is None else step.task.id,
        attempts=step.backoff.tries,
        since=None if step.task is None else step.task.since,
        done_bytes=None if progress is None else progress.done_bytes,
        total_bytes=None if progress is None else progress.total_bytes,
    )


def _judge_step(look: Look, name: StepName, step: Step) -> tuple[Status, str, Badge]:
    spec = look.state.policy.by_name[name]
    if not spec.is_enabled:
        return Status.COMPLETE, _describe_off(look.agent, name), Badge.OFF
    waiver = describe_waiver(step, spec)
    if waiver is not None:
        return Status.COMPLETE, waiver, Badge.WAIVED
    if look.failure is not None and look.failure.step is name:
        return Status.ERROR, look.failure.reason, _BADGES.get(look.failure.finding, Badge.NONE)
    if look.doubt is not None and look.doubt.step is name:
        left_s = max(0.0, look.agent.looks.until - look.now)
        return Status.DELAYED, f"{look.doubt.describe()} (looks again in {left_s:.0f} s)", _BADGES[look.doubt.finding]
    return (*_judge_wanted(look, name, step), Badge.NONE)


def _judge_wanted(look: Look, name: StepName, step: Step) -> tuple[Status, str]:
    """Judge a step that is on, and that neither failed nor waits for another look."""
    policy = look.state.policy
    if name is StepName.INSPECT and is_settled(look.agent, policy):
        # A look at what is complete takes nothing back, whatever becomes of its task: only what it finds does.
        return Status.COMPLETE, "verifies what is complete" if _is_at_work(step, name) else ""
    if step.task is not None and step.task.state.is_in_doubt:
        return Status.WAITING, f"Mesos lost sight of it: {step.task.state.value}"
    if is_step_done(look.agent, name, policy) and not _is_at_work(step, name):
        return _judge_done(look, name, step)
    if step.task is not None and step.task.state.is_active:
        progress = look.state.progress.get(step.task.id)
        is_up = step.task.state in (TaskState.RUNNING, TaskState.KILLING)
        return (Status.STARTED if is_up else Status.STARTING), "" if progress is None else progress.message
    if step.backoff.until > look.now:
        return Status.DELAYED, f"{step.backoff.reason} (again in {step.backoff.until - look.now:.0f} s)"
    is_next = isinstance(look.move, Start) and look.move.step is name
    if is_next and look.obstacle is not None:
        return Status.WAITING, look.obstacle
    return Status.PENDING, ""


def _is_at_work(step: Step, name: StepName) -> bool:
    return name is StepName.INSPECT and step.task is not None and step.task.state.is_active


def _judge_done(look: Look, name: StepName, step: Step) -> tuple[Status, str]:
    if name is StepName.CALICO_NODE and not is_settled(look.agent, look.state.policy):
        stable_at = compute_stable_at(look.agent, look.state.policy)
        left_s = 0.0 if stable_at is None else stable_at - look.now
        return Status.STARTED, f"healthy; stable in {left_s:.0f} s" if left_s > 0 else "healthy; waits to be verified"
    if name is StepName.INSPECT or look.agent.inspection is None:
        return Status.COMPLETE, ""
    proof = look.agent.inspection.proofs.get(name.value, "")
    return Status.COMPLETE, f"nothing to do: {proof or 'the host already has it'}" if step.task is None else proof


_BADGES = {
    None: Badge.NONE,
    Finding.REFUSED: Badge.REFUSED,
    Finding.UNKNOWN: Badge.UNKNOWN,
    Finding.AT_FAULT: Badge.AT_FAULT,
    Finding.TO_DO: Badge.AT_FAULT,
}


def _describe_off(agent: Agent, name: StepName) -> str:
    """Say of a step that is off whether the host has by other hands what it would do."""
    if agent.inspection is None:
        return "SKIPPED (disabled)"
    told = agent.inspection.explain(name)
    match agent.inspection.find(name):
        case Finding.PROVEN:
            return f"SKIPPED (disabled; the host already has it: {told})"
        case Finding.UNKNOWN:
            return f"SKIPPED (disabled; could not look: {told})"
        case Finding.AT_FAULT:
            return f"SKIPPED (disabled; the host has it, but it is of no use: {told})"
        case _:
            return f"SKIPPED (disabled; the host lacks it: {told})"
