"""How each event changes the state. What is to be done about it is `decide`'s business, except answering the master."""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from .actions import Acknowledge, Exit, Reply
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
    Progressed,
    Reactivated,
    Rejected,
    RosterAgent,
    RosterRead,
    Subscribed,
    TaskUpdated,
    Ticked,
)
from .gates import watch_canary
from .model import Agent, Inspection, Offer, Step, StepName, Task, TaskState, build_agent_key
from .phase import advance, is_settled
from .state import HeldOffer, Question, State
from .twins import with_twins

Answer = Acknowledge | Exit | Reply

# Ends in which the task's command was never at fault.
_EXECUTOR_TERMINATED = "REASON_EXECUTOR_TERMINATED"
_BLAMELESS = frozenset({TaskState.GONE, TaskState.GONE_BY_OPERATOR, TaskState.DROPPED})


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
            return _fold_update(state, event, now), acknowledgement
        case Rejected():
            return _fold_rejected(state, event)
        case Subscribed():
            return _fold_subscribed(state, event, now), ()
        case Disconnected():
            return replace(state, is_subscribed=False, offers=Map(), revision=state.revision + 1), ()
        case OffersReceived():
            return _fold_offers(state, event.offers, now), ()
        case OfferRescinded():
            return state.without_offers([event.offer_id]), ()
        case RosterRead():
            return _fold_roster(state, event, now), ()
        case Inspected():
            return _fold_inspected(state, event, now), ()
        case Progressed():
            return _fold_progressed(state, event), ()
        case Failed():
            return _fold_failed(state, event, now), ()
        case Downloaded():
            return _fold_downloaded(state, event), ()
        case Commanded():
            state, verdict = obey(state, event.command, now)
            return state, (Reply(event.ticket, verdict),)
        case BlockerAnswered():
            return replace(state, answer=event), ()
        case Reactivated():
            return _fold_reactivated(state, event.agent_key, now), ()
        case Ticked():
            return _fold_ticked(state, now), ()


def _put(state: State, agent: Agent, now: float) -> State:
    return state.with_agent(advance(agent, state.policy, now))


def _fold_subscribed(state: State, event: Subscribed, now: float) -> State:
    if event.framework_id != state.framework_id:
        # Tasks of another framework id died with it, and nobody will ever report on them.
        for key in {key for key, _ in state.tasks.values()}:
            agent = state.agents[key]
            steps = {name: _with_dead_task(step, now) for name, step in agent.steps.items()}
            state = _put(state, replace(agent, steps=steps), now)
        unsaved = replace(state.unsaved, framework_id=event.framework_id)
        state = replace(state, framework_id=event.framework_id, unsaved=unsaved)
    questions: Map[str, Question] = Map()
    for task_id, (key, name) in state.tasks.items():
        known = state.agents[key].get_step(name).task
        if known is not None and not known.state.is_ended:
            questions = questions.set(task_id, Question(key, ask_at=now))
    return replace(
        state,
        master=event.master,
        is_subscribed=True,
        subscribed_at=now,
        reconciled_at=None,
        questions=questions,
        strangers=Map(),
        offers=Map(),
        revision=state.revision + 1,
    )


def _fold_rejected(state: State, event: Rejected) -> tuple[State, tuple[Answer, ...]]:
    reason = f"the master ended the subscription: {event.message}"
    if "removed" in event.message:
        # The id is dead for ever; what is known of the hosts stays true.
        state = replace(state, framework_id=None, unsaved=replace(state.unsaved, framework_id=""))
        reason += "; starts again as a new framework, and keeps what is known of the hosts"
    return replace(state, is_subscribed=False, offers=Map()), (Exit(reason),)


def _fold_offers(state: State, offers: tuple[Offer, ...], now: float) -> State:
    for offer in offers:
        key = build_agent_key(offer.hostname, offer.port)
        agent = state.agents.get(key)
        if agent is None:
            agent = _meet(offer, now)
        elif agent.agent_id != offer.agent_id and key not in state.twins:
            agent = _replace_agent_id(agent, offer, now)
        elif agent.agent_id == offer.agent_id and (agent.ip, agent.is_public) != (offer.ip, offer.is_public):
            agent = replace(agent, ip=offer.ip, is_public=offer.is_public)
        agent = _see(agent, now)
        # What is offered is active, whoever saw to that.
        if agent.deactivated_since is not None and not agent.is_restarting:
            agent = replace(agent, deactivated_since=None)
        state = replace(
            _put(state, agent, now),
            offers=state.offers.set(offer.id, HeldOffer(offer, now)),
            offered_at=state.offered_at.set(key, now),
        )
        state = _with_maintenance(state, key, offer)
    return state


def _with_maintenance(state: State, key: str, offer: Offer) -> State:
    """Remember what the newest offer says of the host's maintenance: a word that was taken back is not repeated."""
    if state.maintenance.get(key) == offer.maintenance:
        return state
    if offer.maintenance is None:
        return replace(state, maintenance=state.maintenance.delete(key))
    return replace(state, maintenance=state.maintenance.set(key, offer.maintenance))


def _meet(found: Offer | RosterAgent, now: float) -> Agent:
    return Agent(
        key=build_agent_key(found.hostname, found.port),
        agent_id=found.agent_id,
        hostname=found.hostname,
        ip=found.ip,
        port=found.port,
        is_public=found.is_public,
        first_seen_at=now,
    ).with_note(now, f"first seen as Mesos agent {found.agent_id}")


def _replace_agent_id(agent: Agent, offer: Offer, now: float) -> Agent:
    """Take a known host in under a new Mesos agent id: it rebooted or was set up anew, and must be looked at again.

    Its old tasks are over: an agent that registers anew starts without the executors of its former id.
    """
    steps = {name: _with_dead_task(step, now) for name, step in agent.steps.items()}
    renamed = replace(agent, agent_id=offer.agent_id, ip=offer.ip, is_public=offer.is_public, steps=steps)
    return replace(renamed, inspection=None).with_note(now, f"came back as Mesos agent {offer.agent_id}")


def _with_dead_task(step: Step, now: float) -> Step:
    if step.task is None or step.task.state.is_ended:
        return step
    return replace(step, task=replace(step.task, state=TaskState.GONE, since=now))


def _fold_roster(state: State, event: RosterRead, now: float) -> State:
    for found in event.agents:
        agent = state.agents.get(build_agent_key(found.hostname, found.port))
        if agent is None:
            state = _put(state, replace(_meet(found, now), mesos_version=found.mesos_version), now)
        elif agent.agent_id == found.agent_id and agent.mesos_version != found.mesos_version:
            state = _put(state, replace(agent, mesos_version=found.mesos_version), now)
    state = _count_absence(state, event, now)
    return with_twins(state, event.agents)


def _count_absence(state: State, event: RosterRead, now: float) -> State:
    """Notice who is there and who is not, and forget who was not for long; one that holds a slot is not forgotten."""
    there = {build_agent_key(found.hostname, found.port) for found in event.agents}
    # A new master lists an agent only once that has registered with it.
    is_complete = state.is_subscribed and now - state.subscribed_at >= state.policy.reregister_s
    changed: list[Agent] = []
    for agent in state.agents.values():
        if agent.key in there:
            changed.append(_see(agent, now))
        elif is_complete and agent.absent_since is None:
            told = "is not registered with the Mesos master any more"
            changed.append(replace(agent, absent_since=now).with_note(now, told))
        elif is_complete and _is_to_be_forgotten(state, agent, now):
            state = state.without_agent(agent.key)
    return state.with_agents(changed)


def _is_to_be_forgotten(state: State, agent: Agent, now: float) -> bool:
    if agent.absent_since is None or agent.slot_since is not None:
        return False
    return now - agent.absent_since >= state.policy.forget_after_s


def _see(agent: Agent, now: float) -> Agent:
    if agent.absent_since is None:
        return agent
    return replace(agent, absent_since=None).with_note(now, "is registered with the Mesos master again")


def _fold_update(state: State, update: TaskUpdated, now: float) -> State:
    found = state.get_task(update.task_id)
    if found is None:
        return _fold_stranger(state, update)
    agent, name, task = found
    question = state.questions.get(update.task_id)
    state = state.without_question(update.task_id)
    state = replace(state, heard_at=state.heard_at.set(update.task_id, now))
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
        return _put(_forget_progress(state, task.id), _end_task(state, agent, name, seen, update, now), now)
    if new_state.is_in_doubt and not task.state.is_in_doubt:
        agent = agent.with_note(now, f"{name.value} is {new_state.value}: {update.message}")
    return _put(state, _with_task(agent, name, seen), now)


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


def _with_task(agent: Agent, name: StepName, task: Task) -> Agent:
    return agent.with_step(name, replace(agent.get_step(name), task=task))


def _forget_progress(state: State, task_id: str) -> State:
    return replace(state, progress=state.progress.delete(task_id)) if task_id in state.progress else state


def _end_task(state: State, agent: Agent, name: StepName, task: Task, update: TaskUpdated, now: float) -> Agent:
    spec = state.policy.by_name[name]
    agent = _with_task(agent, name, task)
    if spec.is_service and not spec.is_enabled:
        return replace(agent, changed_at=now).with_note(now, f"{name.value} ended: it is switched off")
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
        inspected_at = 0.0 if agent.inspection is None else agent.inspection.at
        if name is not StepName.INSPECT or inspected_at >= task.launched_at:
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
    attempts = 0 if was_stable else step.attempts + 1
    retry_at = now if was_stable else now + policy.compute_backoff_s(attempts)
    failed = replace(step, attempts=attempts, retry_at=retry_at, reason=reason)
    return agent.with_step(name, failed).with_note(now, f"{name.value} failed: {reason}")


def _fold_inspected(state: State, event: Inspected, now: float) -> State:
    found = state.get_task(event.task_id)
    if found is None:
        return state
    agent, name, task = found
    # What was seen is as old as the start of the look, not as its report; but no older than the task that looked.
    at = max(now - event.took_s, task.launched_at)
    if agent.inspection is not None and agent.inspection.at > at:
        return state
    inspection = replace(event.inspection, at=at, settings=task.configuration)
    if inspection.settings == state.policy.settings or not _is_of_today(state, agent.inspection):
        agent = _forget_undone(state, replace(agent, inspection=inspection), inspection, now)
    if state.policy.by_name[name].is_service and not inspection.get_changes(name) and task.healthy_since is None:
        # A supervisor looks at the host when its service has become healthy: sooner than Mesos' next health check.
        agent = _with_task(agent, name, replace(task, healthy_since=now))
    return _put(state, _reset_inspect(agent), now)


def _is_of_today(state: State, inspection: Inspection | None) -> bool:
    """Whether it follows from the options of today: a look that does not must not take its place."""
    return inspection is not None and inspection.settings == state.policy.settings


def _reset_inspect(agent: Agent) -> Agent:
    step = agent.get_step(StepName.INSPECT)
    return agent.with_step(StepName.INSPECT, replace(step, attempts=0, retry_at=0.0, reason=""))


def _forget_undone(state: State, agent: Agent, inspection: Inspection, now: float) -> Agent:
    """Start a step over whose work is not there any more, or never was although its task said so."""
    for name in StepName:
        step = agent.get_step(name)
        changes = inspection.get_changes(name)
        task = step.task
        if state.policy.by_name[name].is_service or not changes or task is None:
            continue
        if task.state is not TaskState.FINISHED or inspection.at <= task.since:
            continue
        agent = agent.with_step(name, replace(step, task=None))
        if not is_settled(agent, state.policy):
            agent = _fail(state, agent, name, f"it finished, but facts show: {changes[0].reason}", now)
    return agent


def _fold_progressed(state: State, event: Progressed) -> State:
    found = state.get_task(event.task_id)
    if found is None or found[2].state.is_ended:
        return state
    return replace(state, progress=state.progress.set(event.task_id, event), revision=state.revision + 1)


def _fold_failed(state: State, event: Failed, now: float) -> State:
    found = state.get_task(event.task_id)
    if found is None:
        return state
    agent, name, task = found
    agent = _with_task(agent, name, replace(task, reason=event.reason))
    return _put(state, agent.with_note(now, event.detail) if event.detail else agent, now)


def _fold_downloaded(state: State, event: Downloaded) -> State:
    # The first sum counts: a later, different one must not be trusted.
    if event.task_id not in state.tasks or event.url in state.pins:
        return state
    unsaved = replace(state.unsaved, pins={**state.unsaved.pins, event.url: event.sha256})
    return replace(state, pins=state.pins.set(event.url, event.sha256), unsaved=unsaved)


def _fold_reactivated(state: State, key: str, now: float) -> State:
    agent = state.agents.get(key)
    if agent is None or agent.deactivated_since is None or agent.is_restarting:
        return state
    return _put(state, replace(agent, deactivated_since=None), now)


def _fold_ticked(state: State, now: float) -> State:
    for key in state.slots:
        state = _put(state, state.agents[key], now)
    return watch_canary(state, now)
