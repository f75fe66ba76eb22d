"""What is to be done now: offers answered, tasks asked after, ended or started; stored first, then performed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from math import inf

from immutables import Map

from .actions import Action, Deactivate, Decline, Kill, Launch, Reactivate, Reconcile, Revive
from .adoption import label, settle_strangers
from .connectivity import TrialKind
from .connectivity_moves import end_trials, is_awaited, launch_trial
from .connectivity_walk import find_test_gate
from .controls import find_hold
from .gates import PREFLIGHT, can_drain, find_canary_gate, find_maintenance, find_restart_gate
from .model import UNTRIED, Agent, Node, StepName, Task, TaskRef, TaskState, name_some
from .phase import Ask, End, Move, Rest, Start, Wait, advance, choose_move
from .resources import Offer, Shortfall, take
from .state import HeldOffer, Question, State
from .turns import describe_stop, find_turn, with_line
from .twins import find_twins

_REFUSE_INSPECTION_S = 15.0
_NODES_MAX = 50

NewTaskId = Callable[[StepName | TrialKind], str]


@dataclass(frozen=True, slots=True)
class Decision:
    """The state that remembers what is about to be done, and the actions that do it."""

    state: State
    actions: tuple[Action, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A decision in the making."""

    state: State
    now: float
    new_task_id: NewTaskId
    actions: list[Action] = field(default_factory=list)

    def then(self, state: State, *actions: Action) -> None:
        """Decide something more."""
        self.state = state
        self.actions.extend(actions)

    def decline(self, offer: Offer, refuse_s: float, reason: str) -> None:
        """Give an offer back."""
        action = Decline((offer.id,), refuse_s, f"{offer.hostname}: {reason}")
        self.then(self.state.without_offers([offer.id]), action)


def decide(state: State, now: float, new_task_id: NewTaskId) -> Decision:
    """Decide on everything that is open.

    Args:
        state: with all events so far folded in.
        now: seconds since the epoch.
        new_task_id: makes a task id that was never used before.
    """
    if not state.is_subscribed:
        return Decision(state)
    draft = _Draft(with_line(state, now), now, new_task_id)
    for held in state.offers.values():
        _answer_offer(draft, held)
    for key in draft.state.slots:
        _end_unwanted(draft, draft.state.agents[key])
    ended, kills = end_trials(draft.state, now)
    draft.then(ended, *kills)
    _ask(draft)
    settled, kills = settle_strangers(draft.state, now)
    draft.then(settled, *kills)
    _reactivate(draft)
    _revive(draft)
    return Decision(_note_walk(draft.state, now), tuple(draft.actions))


def _note_walk(state: State, now: float) -> State:
    """Remember whether a walk goes on: from the first slot that is taken until all agents are complete."""
    controls = state.controls
    if controls.walking_since is None:
        return state.with_controls(replace(controls, walking_since=now)) if state.slots else state
    is_over = bool(state.agents) and not state.unsettled
    return state.with_controls(replace(controls, walking_since=None)) if is_over else state


def find_obstacle(state: State, agent: Agent, move: Start | End, now: float) -> str | None:
    """Why an agent may not do what is next although its own phase is ready for it; None if it may."""
    takes_slot = move.needs_slot and agent.slot_since is None
    hold = (
        find_twins(state, agent)
        or find_hold(state, agent, move)
        or (PREFLIGHT if move.needs_slot and state.policy.pace.is_preflight else None)
        or (find_canary_gate(state) if takes_slot else None)
        or find_restart_gate(state, move.restarts, now)
        or find_maintenance(state, agent, move, now)
    )
    if hold is not None:
        return hold
    looks = isinstance(move, Start) and move.step is StepName.INSPECT and agent.slot_since is None
    if looks and len(state.inspecting) >= state.policy.max_concurrent_inspections:
        return f"waits to be inspected: {len(state.inspecting)} others are at present"
    if takes_slot and state.is_stopped and agent.failed_since is None:
        return describe_stop(state)
    if takes_slot and state.policy.is_own_host(agent) and (others := state.count_awaited() - 1) > 0:
        return f"runs this scheduler, so it is walked last: {others} other agents are not complete"
    if takes_slot and (wait := find_turn(state, agent) or find_test_gate(state)) is not None:
        return wait
    may_restart = agent.restart_since is not None
    if move.restarts is not None and not may_restart and len(state.restarts) >= state.policy.max_concurrent_restarts:
        return f"waits for leave to restart {move.restarts}: {name_some(state.restarts)} has it"
    return None


def _answer_offer(draft: _Draft, held: HeldOffer) -> None:
    offer, policy = held.offer, draft.state.policy
    known = draft.state.get_agent_by_id(offer.agent_id)
    if not draft.state.has_roster:
        return draft.decline(offer, policy.refuse_brief_s, "the master has not listed its agents yet")
    if known is None or known.agent_id != offer.agent_id:
        return draft.decline(offer, policy.refuse_waiting_s, "the master has not listed its agent yet")
    agent = advance(known, policy, draft.now)
    draft.state = draft.state.with_agent(agent)
    if any(_is_asked_after(draft.state, agent, name) for name in StepName):
        return draft.decline(offer, policy.refuse_waiting_s, "Mesos has not said yet what its tasks do")
    move: Move = choose_move(agent, policy, draft.now)
    if isinstance(move, Rest | Wait) and agent.slot_since is None:
        draft.state, trial = launch_trial(draft.state, agent.key, offer, draft.now, draft.new_task_id)
        if trial is not None:
            return draft.then(draft.state, trial)
    return _follow(draft, agent, held, move)


def _follow(draft: _Draft, agent: Agent, held: HeldOffer, move: Move) -> None:
    """Do with an offer what the agent's phase wants next."""
    state, offer, policy = draft.state, held.offer, draft.state.policy
    match move:
        case Rest():
            refuse_s = policy.refuse_brief_s if is_awaited(state, agent.key) else policy.refuse_resting_s
            draft.decline(offer, refuse_s, move.reason)
        case Wait():
            if move.is_brief and agent.slot_since is not None and draft.now - held.received_at < policy.hold_s:
                return
            draft.decline(offer, policy.refuse_brief_s if move.is_brief else policy.refuse_waiting_s, move.reason)
        case Ask() if held.number < agent.number:
            # It says nothing of whether the agent is back: LOST would be taken for dead, and a second one be started.
            draft.decline(offer, policy.refuse_waiting_s, f"came before {move.task_id} was lost")
        case Ask():
            draft.state = state.with_questions([move.task_id], draft.now, is_after_offer=True)
            draft.decline(offer, policy.refuse_waiting_s, move.reason)
        case End():
            _prepare_end(draft, agent, offer, move)
        case Start():
            _start(draft, agent, offer, move)


def _is_asked_after(state: State, agent: Agent, name: StepName) -> bool:
    task = agent.get_step(name).task
    return task is not None and task.state is not TaskState.LAUNCHED and task.id in state.questions


def _start(draft: _Draft, agent: Agent, offer: Offer, start: Start) -> None:
    state, policy, now = draft.state, draft.state.policy, draft.now
    obstacle = find_obstacle(state, agent, start, now)
    if obstacle is not None:
        refuse_s = policy.compute_refuse_s(len(state.unsettled))
        # Nothing revives offers for an inspection.
        return draft.decline(offer, refuse_s if start.needs_slot else min(refuse_s, _REFUSE_INSPECTION_S), obstacle)
    spec = policy.by_name[start.step]
    resources = take(offer, spec)
    if isinstance(resources, Shortfall):
        since = state.shortfalls.get(agent.key, (now, ""))[0]
        draft.state = replace(state, shortfalls=state.shortfalls.set(agent.key, (since, resources.text)))
        return draft.decline(offer, policy.refuse_waiting_s, f"no {resources.text}")
    task = Task(
        id=label(draft.new_task_id(start.step), spec, policy),
        agent_id=offer.agent_id,
        launched_at=now,
        settings=policy.settings if start.step is StepName.INSPECT else spec.settings,
        may_restart=start.restarts is not None,
        since=now,
        configuration=policy.settings,
        number=agent.number + 1,
    )
    is_drained = start.restarts is not None and can_drain(state, agent)
    if is_drained:
        agent = replace(agent, deactivated_since=now)
    launch = Launch(
        offer_id=offer.id,
        task_id=task.id,
        agent_id=offer.agent_id,
        agent_key=agent.key,
        step=start.step,
        may_restart=task.may_restart,
        retry_word=agent.retry_word,
        reach=state.master.rpartition(":")[0].strip("[]"),
        complete_nodes=_choose_nodes(state, agent),
        resources=resources,
        reason=start.reason,
    )
    draft.then(_remember_launch(state.without_offers([offer.id]), agent, start, task, now), launch)
    if is_drained:
        # The launch goes first: what is deactivated takes none.
        told = f"{start.restarts} is about to restart there"
        draft.actions.append(Deactivate(offer.agent_id, agent.key, told))
    return None


def _choose_nodes(state: State, agent: Agent) -> tuple[Node, ...]:
    """Some complete nodes for a host to reach: with more, a task would grow with the cluster."""
    others = (node for key, node in state.complete_nodes.items() if key != agent.key)
    return tuple(islice(others, _NODES_MAX))


def _remember_launch(state: State, agent: Agent, start: Start, task: Task, now: float) -> State:
    is_change = start.step is not StepName.INSPECT
    agent = replace(
        agent.with_task(start.step, task),
        slot_since=now if start.needs_slot and agent.slot_since is None else agent.slot_since,
        restart_since=now if start.restarts is not None and agent.restart_since is None else agent.restart_since,
        number=task.number,
        changed=task.number if is_change else agent.changed,
        restarted_at=now if start.restarts is not None else agent.restarted_at,
        failed_since=None if start.needs_slot else agent.failed_since,
        release=None if start.needs_slot else agent.release,
    ).with_note(now, f"{start.step.value} starts as {task.id}: {start.reason}")
    state = state.with_agent(agent).with_questions([task.id], now + state.policy.answer_timeout_s)
    if agent.key in state.shortfalls:
        state = replace(state, shortfalls=state.shortfalls.delete(agent.key))
    return state


def _prepare_end(draft: _Draft, agent: Agent, offer: Offer, end: End) -> None:
    """Give the agent the slot in which its service may end; whoever holds one gets it ended."""
    state, now = draft.state, draft.now
    obstacle = find_obstacle(state, agent, end, now)
    if obstacle is None and agent.slot_since is None:
        agent = replace(agent, slot_since=now, failed_since=None, release=None)
        draft.state = state.with_agent(agent.with_note(now, f"takes a slot: {end.reason}"))
    refuse_s = state.policy.compute_refuse_s(len(state.unsettled)) if obstacle else 0.0
    draft.decline(offer, refuse_s, obstacle or end.reason)


def _end_unwanted(draft: _Draft, agent: Agent) -> None:
    state, now = draft.state, draft.now
    move = choose_move(agent, state.policy, now)
    if not isinstance(move, End) or move.task_id in state.questions:
        return
    found = state.get_task(move.task_id)
    if found is None or found[2].state is TaskState.KILLING or find_obstacle(state, agent, move, now) is not None:
        return
    # Asked after if no update tells of its end: a call may get lost.
    asked = state.with_questions([move.task_id], now + state.policy.answer_timeout_s)
    draft.then(asked, Kill(TaskRef(move.task_id, found[2].agent_id), move.reason))


def _ask(draft: _Draft) -> None:
    state, policy, now = draft.state, draft.state.policy, draft.now
    refs: list[TaskRef] = []
    if state.ask_at <= now:

        @cache  # Most were asked together, and go on with one value.
        def ask_again(question: Question) -> Question:
            backoff = question.backoff.grow(now, policy.answer_timeout_s, policy.max_answer_timeout_s)
            return replace(question, backoff=backoff)

        questions: dict[str, Question] = {}
        for task_id, question in state.questions.items():
            if (ref := state.find_ref(task_id)) is None:
                continue
            questions[task_id] = question
            if question.backoff.until <= now:
                questions[task_id] = ask_again(question)
                refs.append(ref)
        ask_at = min((question.backoff.until for question in questions.values()), default=inf)
        draft.state = state = replace(state, questions=Map(questions), ask_at=ask_at)
    if refs:
        return draft.then(state, Reconcile(tuple(refs), "the master has not said yet what became of them"))
    is_first = state.reconciled_at is None and not state.questions
    is_due = state.reconciled_at is not None and now - state.reconciled_at >= policy.reconcile_s
    if is_due:
        state = _ask_after_the_silent(state, now)
    if is_first or is_due:
        draft.then(replace(state, reconciled_at=now, heard=Map()), Reconcile((), "finds tasks that nobody remembers"))
    return None


def _ask_after_the_silent(state: State, now: float) -> State:
    """Ask after every task that is believed to run and of which the last answer for all said nothing.

    Mesos leaves out what it does not know: a task whose end got lost would be waited for for ever.
    """
    active = [task_id for task_id, task_state in state.list_tasks() if task_state.is_active]
    return state.with_questions((one for one in active if one not in state.heard and one not in state.questions), now)


def _reactivate(draft: _Draft) -> None:
    """Take deactivations of ours back once nothing restarts any more, again and again until the master confirms it."""
    state, policy, now = draft.state, draft.state.policy, draft.now
    for key, backoff in state.deactivated.items():
        agent = state.agents[key]
        if agent.is_restarting or backoff.until > now:
            continue
        again = backoff.grow(now, policy.answer_timeout_s, policy.max_answer_timeout_s)
        asked = replace(draft.state, deactivated=draft.state.deactivated.set(key, again))
        draft.then(asked, Reactivate(agent.agent_id, key, "its restart is over"))


def _revive(draft: _Draft) -> None:
    state, policy, now = draft.state, draft.state.policy, draft.now
    reason, key = _find_reason_to_revive(state, now) if now - state.revived_at >= policy.revive_s else ("", "")
    if not reason:
        return
    if key:
        backoff = state.revives.get(key, UNTRIED).grow(now, policy.revive_s, policy.max_backoff_s, reason)
        state = replace(state, revives=state.revives.set(key, backoff))
    draft.then(replace(state, revived_at=now, has_free_slot=False, wants_offers=""), Revive(reason))


def _find_reason_to_revive(state: State, now: float) -> tuple[str, str]:
    """Why offers that were declined are wanted before their time is over, and by which agent if by one; "" if not."""
    if state.wants_offers:
        return state.wants_offers, ""
    if state.has_free_slot and state.unsettled and not state.is_stopped:
        return "a slot is free", ""
    for key in (*state.slots, *state.repairs):
        if key in state.absent or state.revives.get(key, UNTRIED).until > now:
            continue
        if now - state.offered_at.get(key, 0.0) < 2 * state.policy.refuse_waiting_s:
            continue
        move = choose_move(state.agents[key], state.policy, now)
        agent = state.agents[key]
        if isinstance(move, Ask) or (isinstance(move, Start) and find_obstacle(state, agent, move, now) is None):
            return f"{key} needs an offer: {move.reason}", key
    return "", ""
