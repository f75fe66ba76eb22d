"""How each event changes the state. What is to be done about it is `decide`'s business, except answering the master."""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from .actions import Acknowledge, Exit, Reply
from .command import Command, Unpin, Verdict
from .connectivity_run import advance_run, cut_short, obey_run_command
from .connectivity_updates import fold_probed, fold_served
from .connectivity_walk import watch_tests
from .controls import obey
from .events import (
    BlockerAnswered,
    Commanded,
    Disconnected,
    Downloaded,
    Event,
    Failed,
    Inspected,
    OfferRescinded,
    OffersReceived,
    Probed,
    Progressed,
    Reactivated,
    Rejected,
    RosterRead,
    Served,
    Subscribed,
    TaskUpdated,
    Ticked,
)
from .gates import watch_canary
from .model import TaskState
from .pins import fold_downloaded, obey_unpin
from .sightings import fold_offers, fold_roster, with_dead_task
from .state import BlockerAnswer, State
from .updates import fold_failed, fold_inspected, fold_progressed, fold_update

Answer = Acknowledge | Exit | Reply


def fold(  # noqa: C901, PLR0912 - one case for each event
    state: State, event: Event, now: float
) -> tuple[State, tuple[Answer, ...]]:
    """Take one event in.

    Returns:
        The new state, and what must be answered once that state is stored.
    """
    match event:
        case TaskUpdated():
            acknowledgement = (Acknowledge(event.task_id, event.agent_id, event.uuid),) if event.uuid else ()
            return fold_update(state, event, now), acknowledgement
        case Rejected():
            return _fold_rejected(state, event)
        case Subscribed():
            return _fold_subscribed(state, event, now), ()
        case Disconnected():
            return replace(state, is_subscribed=False, offers=Map(), revision=state.revision + 1), ()
        case OffersReceived():
            return fold_offers(state, event.offers, now), ()
        case OfferRescinded():
            return state.without_offers([event.offer_id]), ()
        case RosterRead():
            return fold_roster(state, event, now), ()
        case Inspected():
            return fold_inspected(state, event, now), ()
        case Progressed():
            return fold_progressed(state, event), ()
        case Failed():
            return fold_failed(state, event, now), ()
        case Downloaded():
            return fold_downloaded(state, event), ()
        case Served():
            return fold_served(state, event, now), ()
        case Probed():
            return fold_probed(state, event, now), ()
        case Commanded():
            state, verdict = _obey(state, event, now)
            return state, (Reply(event.ticket, verdict),)
        case BlockerAnswered():
            return replace(state, answer=BlockerAnswer(now - event.took_s, event.reason)), ()
        case Reactivated():
            return _fold_reactivated(state, event.agent_key, now), ()
        case Ticked():
            wall_at = now if event.wall_at is None else event.wall_at
            return _fold_ticked(replace(state, wall_ahead_s=wall_at - now), now), ()


def _obey(state: State, event: Commanded, now: float) -> tuple[State, Verdict]:
    if isinstance(event.command, Command):
        return obey(state, event.command, now)
    if isinstance(event.command, Unpin):
        return obey_unpin(state, event.command, now)
    return obey_run_command(state, event.command, event.ticket, now)


def _fold_subscribed(state: State, event: Subscribed, now: float) -> State:
    if event.framework_id != state.framework_id:
        # Tasks of another framework id died with it, and nobody will ever report on them.
        for key in {key for key, _ in state.tasks.values()}:
            agent = state.agents[key]
            steps = {name: with_dead_task(step, now) for name, step in agent.steps.items()}
            state = state.with_advanced(replace(agent, steps=steps), now)
        unsaved = replace(state.unsaved, framework_id=event.framework_id)
        state = _give_up_run(replace(state, framework_id=event.framework_id, unsaved=unsaved), now)
    state = replace(
        state,
        master=event.master,
        is_subscribed=True,
        has_roster=False,
        subscribed_at=now,
        reconciled_at=None,
        questions=Map(),
        strangers=Map(),
        offers=Map(),
        revision=state.revision + 1,
    )
    return state.with_questions((one for one, task_state in state.list_tasks() if not task_state.is_ended), now)


def _give_up_run(state: State, now: float) -> State:
    """End a connectivity test whose tasks died with the framework's former id."""
    run = state.connectivity
    if run is None:
        return state
    for trial in run.list_trials():
        if not trial.state.is_ended:
            run = run.with_trial(replace(trial, state=TaskState.GONE, since=now))
    return state.with_run(run if run.is_over else cut_short(run, "the framework was registered anew", now))


def _fold_rejected(state: State, event: Rejected) -> tuple[State, tuple[Answer, ...]]:
    reason = f"the master ended the subscription: {event.message}"
    if "removed" in event.message:
        # The id is dead for ever; what is known of the hosts stays true.
        state = replace(state, framework_id=None, unsaved=replace(state.unsaved, framework_id=""))
        reason += "; starts again as a new framework, and keeps what is known of the hosts"
    return replace(state, is_subscribed=False, offers=Map()), (Exit(reason),)


def _fold_reactivated(state: State, key: str, now: float) -> State:
    agent = state.agents.get(key)
    if agent is None or agent.deactivated_since is None or agent.is_restarting:
        return state
    return state.with_advanced(replace(agent, deactivated_since=None), now)


def _fold_ticked(state: State, now: float) -> State:
    state = state.with_word_stored()
    for key in state.slots:
        state = state.with_advanced(state.agents[key], now)
    if state.connectivity is not None and not state.connectivity.is_over and state.is_subscribed:
        state = state.with_run(advance_run(state.connectivity, now))
    return watch_canary(watch_tests(state, now), now)
