"""The plan as people and DC/OS tools see it, derived from what is remembered: Plan > Phase > Step."""

from __future__ import annotations

from dataclasses import dataclass

from .decide import find_obstacle
from .model import Agent, Status, Step, StepName, TaskState
from .phase import (
    End,
    Start,
    Wait,
    choose_move,
    compute_stable_at,
    find_failure,
    find_next_step,
    find_reason_to_inspect,
    is_settled,
    is_step_done,
)
from .state import State


@dataclass(frozen=True, slots=True)
class StepView:
    """A step on one agent.

    Attributes:
        message: what it does or waits for, in one line; empty where the status says all.
        since: when it entered this status, None if unknown.
    """

    name: StepName
    status: Status
    message: str
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
    """

    name: str
    status: Status
    message: str
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class PlanView:
    """The whole walk."""

    phases: tuple[PhaseView, ...]
    status: Status
    errors: tuple[str, ...]


def build_plan(state: State, now: float) -> PlanView:
    """Show the whole walk, one phase for each agent, in the order of their names."""
    phases = tuple(build_phase(state, state.agents[key], now) for key in sorted(state.agents))
    errors = tuple(f"{phase.name}: {phase.message}" for phase in phases if phase.status is Status.ERROR)
    return PlanView(phases, _sum_up([phase.status for phase in phases]), errors)


def build_phase(state: State, agent: Agent, now: float) -> PhaseView:
    """Show one agent's phase, with the reason why it does not go on."""
    steps = tuple(_build_step(state, agent, name, now) for name in StepName)
    statuses = [step.status for step in steps]
    status = _sum_up(statuses)
    if status is Status.COMPLETE and not is_settled(agent, state.policy):
        status = Status.IN_PROGRESS
    return PhaseView(agent.key, status, explain(state, agent, now), steps)


def explain(state: State, agent: Agent, now: float) -> str:
    """Say in one line what an agent does now, or what it waits for."""
    move = choose_move(agent, state.policy, now)
    if isinstance(move, Wait) and move.until is not None and move.until > now:
        return f"{move.reason} ({move.until - now:.0f} s to go)"
    if not isinstance(move, Start | End):
        return move.reason
    obstacle = find_obstacle(state, agent, move)
    if obstacle is not None or isinstance(move, End):
        return obstacle or move.reason
    if not state.is_subscribed:
        return f"{move.step.value} waits for the Mesos master"
    if agent.key in state.shortfalls:
        since, wanted = state.shortfalls[agent.key]
        return f"no offer with {wanted} for {_describe_time(now - since)}"
    offered_at = state.offered_at.get(agent.key, agent.first_seen_at)
    if now - offered_at > 2 * state.policy.refuse_waiting_s:
        return f"{move.step.value} waits for an offer: none for {_describe_time(now - offered_at)}"
    return f"{move.step.value} is next: {move.reason}"


def _describe_time(seconds: float) -> str:
    minute, hour = 60, 3600
    if seconds < 2 * minute:
        return f"{seconds:.0f} s"
    return f"{seconds / minute:.0f} min" if seconds < 2 * hour else f"{seconds / hour:.0f} h"


def _sum_up(statuses: list[Status]) -> Status:
    """Combine the statuses of children into their parent's, by the SDK's rules."""
    unfinished = [status for status in statuses if status is not Status.COMPLETE]
    if Status.ERROR in unfinished:
        return Status.ERROR
    if not unfinished:
        return Status.COMPLETE if statuses else Status.PENDING
    if all(status is Status.DELAYED for status in unfinished):
        return Status.DELAYED
    if any(status in (Status.IN_PROGRESS, Status.STARTING, Status.STARTED) for status in unfinished):
        return Status.IN_PROGRESS
    if all(status in (Status.WAITING, Status.PENDING) for status in unfinished) and Status.WAITING in unfinished:
        return Status.WAITING
    if len(unfinished) < len(statuses) or Status.DELAYED in unfinished:
        return Status.IN_PROGRESS
    return Status.PENDING


def _build_step(state: State, agent: Agent, name: StepName, now: float) -> StepView:
    step = agent.get_step(name)
    status, message = _judge_step(state, agent, name, now)
    progress = None if step.task is None else state.progress.get(step.task.id)
    return StepView(
        name=name,
        status=status,
        message=message,
        task_id="" if step.task is None else step.task.id,
        attempts=step.attempts,
        since=None if step.task is None else step.task.since,
        done_bytes=None if progress is None else progress.done_bytes,
        total_bytes=None if progress is None else progress.total_bytes,
    )


def _judge_step(state: State, agent: Agent, name: StepName, now: float) -> tuple[Status, str]:
    policy = state.policy
    step = agent.get_step(name)
    if not policy.by_name[name].is_enabled:
        return Status.COMPLETE, _describe_skipped(agent, name)
    failure = find_failure(agent, policy)
    if failure is not None and failure.step is name:
        return Status.ERROR, failure.reason
    if step.task is not None and step.task.state.is_in_doubt:
        return Status.WAITING, f"Mesos lost sight of it: {step.task.state.value}"
    if is_step_done(agent, name, policy) and not _is_at_work(step, name):
        return _judge_done(state, agent, name, now)
    if step.task is not None and step.task.state.is_active:
        progress = state.progress.get(step.task.id)
        is_up = step.task.state in (TaskState.RUNNING, TaskState.KILLING)
        return (Status.STARTED if is_up else Status.STARTING), "" if progress is None else progress.message
    if step.retry_at > now:
        return Status.DELAYED, f"{step.reason} (again in {step.retry_at - now:.0f} s)"
    return _judge_open(state, agent, name, now)


def _is_at_work(step: Step, name: StepName) -> bool:
    return name is StepName.INSPECT and step.task is not None and step.task.state.is_active


def _judge_done(state: State, agent: Agent, name: StepName, now: float) -> tuple[Status, str]:
    if name is StepName.CALICO_NODE and not is_settled(agent, state.policy):
        stable_at = compute_stable_at(agent, state.policy)
        left_s = 0.0 if stable_at is None else stable_at - now
        return Status.STARTED, f"healthy; stable in {left_s:.0f} s" if left_s > 0 else "healthy; waits to be verified"
    if agent.get_step(name).task is None and name is not StepName.INSPECT:
        return Status.COMPLETE, "nothing to do: the host already has it"
    return Status.COMPLETE, ""


def _judge_open(state: State, agent: Agent, name: StepName, now: float) -> tuple[Status, str]:
    is_inspection_due = find_reason_to_inspect(agent, state.policy, now) is not None
    current = StepName.INSPECT if is_inspection_due else find_next_step(agent, state.policy)
    if current is not name:
        return Status.PENDING, ""
    move = choose_move(agent, state.policy, now)
    obstacle = find_obstacle(state, agent, move) if isinstance(move, Start | End) else None
    return (Status.WAITING, obstacle) if obstacle is not None else (Status.PENDING, "")


def _describe_skipped(agent: Agent, name: StepName) -> str:
    if agent.inspection is None:
        return "SKIPPED (disabled)"
    has_it = not agent.inspection.get_changes(name) and name.value not in agent.inspection.refusals
    return f"SKIPPED (disabled; the host {'already has' if has_it else 'lacks'} it)"
