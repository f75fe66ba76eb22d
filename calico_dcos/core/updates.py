"""What is said of tasks: by Mesos in updates, by the installer in them in reports."""

from __future__ import annotations

from dataclasses import replace

from .connectivity_updates import fold_trial_failed, fold_trial_update
from .events import Failed, Inspected, Progressed, TaskUpdated
from .model import Agent, Backoff, Finding, Inspection, StepName, Task, TaskState
from .phase import count_look
from .standing import is_settled
from .state import State

_EXECUTOR_TERMINATED = "REASON_EXECUTOR_TERMINATED"
# Ends in which the task's command was never at fault.
_BLAMELESS = frozenset({TaskState.GONE, TaskState.GONE_BY_OPERATOR})


def fold_update(state: State, update: TaskUpdated, now: float) -> State:
    """Take in what Mesos says of a task; one that nobody remembers is a stranger."""
    found = state.get_task(update.task_id)
    if found is None:
        tried = fold_trial_update(state, update, now)
        return _fold_stranger(state, update) if tried is None else tried
    agent, name, task = found
    question = state.questions.get(update.task_id)
    state = state.without_question(update.task_id)
    state = replace(state, heard=state.heard.set(update.task_id, None))
    if task.state.is_ended:
        return state
    new_state = update.state
    if new_state.is_in_doubt and update.is_reconciliation and question is not None and question.is_after_offer:
        # Asked while the agent is registered: the master would know the task if it lived.
        new_state = TaskState.GONE
    seen = replace(
        task,
        state=new_state,
        since=now if new_state is not task.state else task.since,
        healthy_since=_judge_health(task, update, now),
        container_id=update.container_id or task.container_id,
    )
    if new_state.is_ended:
        ended = _end_task(state, agent, name, seen, update, now)
        return _forget_progress(state, task.id).with_advanced(ended, now)
    if new_state.is_in_doubt and not task.state.is_in_doubt:
        # An offer from before says nothing of whether the agent is back.
        agent = replace(agent, number=agent.number + 1)
        agent = agent.with_note(now, f"{name.value} is {new_state.value}: {update.message}")
    return state.with_advanced(agent.with_task(name, seen), now)


def _judge_health(task: Task, update: TaskUpdated, now: float) -> float | None:
    if update.is_healthy is None:
        return task.healthy_since
    if not update.is_healthy:
        return None
    return now if task.healthy_since is None else task.healthy_since


def _fold_stranger(state: State, update: TaskUpdated) -> State:
    if update.state.is_active:
        return replace(state, strangers=state.strangers.set(update.task_id, update.agent_id))
    if update.task_id in state.strangers:
        return replace(state, strangers=state.strangers.delete(update.task_id))
    return state


def _forget_progress(state: State, task_id: str) -> State:
    return replace(state, progress=state.progress.delete(task_id)) if task_id in state.progress else state


def _end_task(state: State, agent: Agent, name: StepName, task: Task, update: TaskUpdated, now: float) -> Agent:
    spec = state.policy.by_name[name]
    agent = agent.with_task(name, task)
    if spec.is_service and not spec.is_enabled:
        agent = replace(agent, number=agent.number + 1, changed=agent.number + 1)
        return agent.with_note(now, f"{name.value} ended: it is switched off")
    if spec.is_service and task.settings != spec.settings:
        return agent.with_note(now, f"{name.value} ended to make room for new settings")
    if task.state is TaskState.GONE_BY_OPERATOR and agent.absent_since is None:
        # Mesos lets no agent come back that an operator has marked as gone.
        agent = replace(agent, absent_since=now)
    if task.state in _BLAMELESS:
        return agent.with_note(now, f"{name.value} is {task.state.value}: {update.message}")
    if spec.is_service and agent.restart_since is not None and update.reason == _EXECUTOR_TERMINATED:
        return agent.with_note(now, f"{name.value} ended with the restart of its agent, and will be started again")
    if task.state is TaskState.FINISHED and not spec.is_service:
        is_told = agent.inspection is not None and agent.inspection.number >= task.number
        if name is not StepName.INSPECT or is_told:
            return agent.with_note(now, f"{name.value} finished")
        return _fail(state, agent, name, "its report never arrived: can the agent reach the scheduler's address?", now)
    if task.state is TaskState.FINISHED:
        return _fail(state, agent, name, task.reason or "it ended by itself", now)
    reason = task.reason or update.message or update.reason or task.state.value
    if task.may_restart:
        reason += "; facts will tell whether its restart took"
    return _fail(state, agent, name, reason, now)


def _fail(state: State, agent: Agent, name: StepName, reason: str, now: float) -> Agent:
    policy = state.policy
    step = agent.get_step(name)
    healthy_since = None if step.task is None else step.task.healthy_since
    was_stable = healthy_since is not None and now - healthy_since >= policy.stability_s
    backoff = Backoff(0, now, reason) if was_stable else policy.back_off(step.backoff, now, reason)
    return agent.with_step(name, replace(step, backoff=backoff)).with_note(now, f"{name.value} failed: {reason}")


def fold_inspected(state: State, event: Inspected, now: float) -> State:
    """Take in what an installer saw on its host."""
    found = state.get_task(event.task_id)
    if found is None:
        return state
    agent, name, task = found
    if task.agent_id != agent.agent_id:
        return state
    at = now - event.took_s
    known = agent.inspection
    # What an older launch sees counts if it looked later; it then saw as much as the look that is known.
    if known is not None and task.number <= known.number and at < known.at:
        return state
    number = task.number if known is None else max(task.number, known.number)
    inspection = replace(event.inspection, at=at, number=number, settings=task.configuration)
    # A look that follows from other options than those of today must not take the place of one that does.
    if inspection.settings == state.policy.settings or known is None or known.settings != state.policy.settings:
        agent = _forget_undone(state, replace(agent, inspection=inspection), inspection, now)
    is_proven = inspection.find(name) is Finding.PROVEN
    if state.policy.by_name[name].is_service and is_proven and task.healthy_since is None:
        # A supervisor looks at the host when its service has become healthy: sooner than Mesos' next health check.
        agent = agent.with_task(name, replace(task, healthy_since=now))
    return state.with_advanced(count_look(agent, state.policy, now), now)


def _forget_undone(state: State, agent: Agent, inspection: Inspection, now: float) -> Agent:
    """Start a step over whose work is not there any more, or never was although its task said so."""
    for name in StepName:
        step = agent.get_step(name)
        changes = inspection.get_changes(name)
        task = step.task
        if state.policy.by_name[name].is_service or not changes or task is None:
            continue
        if task.state is not TaskState.FINISHED or inspection.number <= task.number:
            continue
        agent = agent.with_step(name, replace(step, task=None))
        if not is_settled(agent, state.policy):
            agent = _fail(state, agent, name, f"it finished, but facts show: {changes[0].reason}", now)
    return agent


def fold_progressed(state: State, event: Progressed) -> State:
    """Take in how far a task is; for display only."""
    found = state.get_task(event.task_id)
    if found is None or found[2].state.is_ended:
        return state
    return replace(state, progress=state.progress.set(event.task_id, event), revision=state.revision + 1)


def fold_failed(state: State, event: Failed, now: float) -> State:
    """Take in why a task is about to fail; that it did is Mesos' word."""
    found = state.get_task(event.task_id)
    if found is None:
        return fold_trial_failed(state, event)
    agent, name, task = found
    agent = agent.with_task(name, replace(task, reason=event.reason))
    return state.with_advanced(agent.with_note(now, event.detail) if event.detail else agent, now)
