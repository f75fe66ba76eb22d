"""What is said of the connectivity test's tasks: by Mesos in updates, by the installer in them in reports."""

from __future__ import annotations

from dataclasses import replace

from .connectivity import MESOS, Run, Trial
from .connectivity_run import advance_run
from .events import Failed, Probed, Served, TaskUpdated
from .model import TaskState
from .state import State


def fold_trial_update(state: State, update: TaskUpdated, now: float) -> State | None:
    """Take in what Mesos says of a task of the test; None if it says it of none that the test wants.

    A task that Mesos lost sight of is given up at once: nothing on a host depends on it. Should it come back, it is a
    stranger, and killed.
    """
    run = state.connectivity
    trial = None if run is None else run.find_trial(update.task_id)
    if run is None or trial is None or (trial.state.is_ended and update.state.is_active):
        return None
    state = replace(state.without_question(trial.id), heard_at=state.heard_at.set(trial.id, now))
    if trial.state.is_ended:
        return state
    seen = TaskState.GONE if update.state.is_in_doubt else update.state
    changed = replace(
        trial,
        state=seen,
        since=trial.since if seen is trial.state else now,
        reason=trial.reason or (_describe_end(update) if seen.is_ended else ""),
    )
    return state.with_run(advance_run(_with_address(state, run.with_trial(changed), changed, update), now))


def _describe_end(update: TaskUpdated) -> str:
    if update.state is TaskState.FINISHED:
        return ""
    told = update.message or update.reason
    return f"{update.state.value}: {told}" if told else f"its task ended as {update.state.value}"


def _with_address(state: State, run: Run, trial: Trial, update: TaskUpdated) -> Run:
    """Note the address of a workload once it runs; one that has the host's own is not on the network."""
    stand = next((one for one in run.stands if one.workload.trial == trial), None)
    if stand is None or trial.state is not TaskState.RUNNING or trial.address or not update.address:
        return run
    agent = state.agents.get(stand.agent_key)
    if agent is None or update.address != agent.ip:
        return run.with_trial(replace(trial, address=update.address))
    fault = f"it has no address of its own: Mesos tells {update.address}, which is the agent's"
    return run.with_stand(stand.with_server(MESOS, replace(stand.workload, fault=fault)))


def fold_served(state: State, event: Served, now: float) -> State:
    """Take in where a container of the test is reached."""
    run = state.connectivity
    trial = None if run is None else run.find_trial(event.task_id)
    if run is None or trial is None or trial.state.is_ended or trial.address:
        return state
    return state.with_run(advance_run(run.with_trial(replace(trial, address=event.address)), now))


def fold_probed(state: State, event: Probed, now: float) -> State:
    """Take in how a probe's actions went; a report that was overtaken by a later one says nothing new."""
    run = state.connectivity
    if run is None or run.is_over:
        return state
    pair = next((one for one in run.pairs if one.probe is not None and one.probe.id == event.task_id), None)
    if pair is None or pair.is_told or pair.ended_at is not None or len(event.results) < len(pair.results):
        return state
    told = replace(pair, results=event.results, is_told=event.is_last)
    return state.with_run(advance_run(run.with_pair(told), now))


def fold_trial_failed(state: State, event: Failed) -> State:
    """Take in why a task of the test is about to fail; that it did is Mesos' word."""
    run = state.connectivity
    trial = None if run is None else run.find_trial(event.task_id)
    if run is None or trial is None or trial.state.is_ended:
        return state
    return state.with_run(run.with_trial(replace(trial, reason=event.reason)))
