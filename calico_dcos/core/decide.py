"""What is to be done now: offers answered, tasks asked after, ended or started; stored first, then performed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice

from immutables import Map

from .actions import Action, Deactivate, Decline, Kill, Launch, Reactivate, Reconcile, Revive
from .adoption import label, settle_strangers
from .connectivity import TrialKind
from .connectivity_moves import end_trials, is_awaited, launch_trial
from .connectivity_walk import find_test_gate
from .controls import find_hold
from .gates import PREFLIGHT, can_drain, find_canary_gate, find_maintenance, find_restart_gate
from .model import UNTRIED, Agent, Node, Offer, StepName, Task, TaskRef, TaskState, name_some
from .phase import Ask, End, Move, Rest, Start, Wait, advance, choose_move
from .resources import Shortfall, take
from .state import HeldOffer, State
from .turns import describe_stop, find_turn, with_line
from .twins import find_twins

_REFUSE_INSPECTION_S = 15.0
_NODES_MAX = 50

NewTaskId = Callable[[StepName | TrialKind], str]


@dataclass(frozen=True, slots=True)
class Decision:
    """The state that remembers what is about to be done, and the actions that do it."""

    state: State
    actions: tuple[Action, ...] = field(default=())

    def then(self, state: State, *actions: Action) -> Decision:
        """The decision with more decided."""
        return Decision(state, (*self.actions, *actions))


def decide(state: State, now: float, new_task_id: NewTaskId) -> Decision:
    """Decide on everything that is open.

    Args:
        state: with all events so far folded in.
        now: seconds since the epoch.
        new_task_id: makes a task id that was never used before.
    """
    if not state.is_subscribed:
        return Decision(state)
    decision = Decision(with_line(state, now))
    for held in state.offers.values():
        decision = _answer_offer(decision, held, now, new_task_id)
    for key in decision.state.slots:
        decision = _end_unwanted(decision, decision.state.agents[key], now)
    ended, kills = end_trials(decision.state, now)
    decision = decision.then(ended, *kills)
    decision = _ask(decision, now)
    settled, kills = settle_strangers(decision.state, now)
    decision = decision.then(settled, *kills)
    decision = _reactivate(decision, now)
    decision = _revive(decision, now)
    return replace(decision, state=_note_walk(decision.state, now))


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


def _answer_offer(
    decision: Decision,
    held: HeldOffer,
    now: float,
    new_task_id: NewTaskId,
) -> Decision:
    state = decision.state
    offer = held.offer
    known = state.get_agent_by_id(offer.agent_id)
    if not state.has_roster:
        return _decline(decision, offer, state.policy.refuse_brief_s, "the master has not listed its agents yet")
    if known is None or known.agent_id != offer.agent_id:
        return _decline(decision, offer, state.policy.refuse_waiting_s, "the master has not listed its agent yet")
    agent = advance(known, state.policy, now)
    state = state.with_agent(agent)
    decision = Decision(state, decision.actions)
    if any(_is_asked_after(state, agent, name) for name in StepName):
        return _decline(decision, offer, state.policy.refuse_waiting_s, "Mesos has not said yet what its tasks do")
    move: Move = choose_move(agent, state.policy, now)
    if isinstance(move, Rest | Wait) and agent.slot_since is None:
        state, trial = launch_trial(state, agent.key, offer, now, new_task_id)
        decision = Decision(state, decision.actions)
        if trial is not None:
            return decision.then(state, trial)
    return _follow(decision, agent, held, move, now, new_task_id)


def _follow(
    decision: Decision, agent: Agent, held: HeldOffer, move: Move, now: float, new_task_id: NewTaskId
) -> Decision:
    """Do with an offer what the agent's phase wants next."""
    state, offer = decision.state, held.offer
    match move:
        case Rest():
            refuse_s = state.policy.refuse_brief_s if is_awaited(state, agent.key) else state.policy.refuse_resting_s
            return _decline(decision, offer, refuse_s, move.reason)
        case Wait():
            if move.is_brief and agent.slot_since is not None and now - held.received_at < state.policy.hold_s:
                return decision
            refuse_s = state.policy.refuse_brief_s if move.is_brief else state.policy.refuse_waiting_s
            return _decline(decision, offer, refuse_s, move.reason)
        case Ask() if held.number < agent.number:
            # It says nothing of whether the agent is back: LOST would be taken for dead, and a second one be started.
            return _decline(decision, offer, state.policy.refuse_waiting_s, f"came before {move.task_id} was lost")
        case Ask():
            asked = state.with_questions([move.task_id], now, is_after_offer=True)
            return _decline(Decision(asked, decision.actions), offer, state.policy.refuse_waiting_s, move.reason)
        case End():
            return _prepare_end(decision, agent, offer, move, now)
        case Start():
            return _start(decision, agent, offer, move, now, new_task_id)


def _is_asked_after(state: State, agent: Agent, name: StepName) -> bool:
    task = agent.get_step(name).task
    if task is None or task.state is TaskState.LAUNCHED:
        return False
    return task.id in state.questions


def _decline(decision: Decision, offer: Offer, refuse_s: float, reason: str) -> Decision:
    state = decision.state.without_offers([offer.id])
    return decision.then(state, Decline((offer.id,), refuse_s, f"{offer.hostname}: {reason}"))


def _start(
    decision: Decision,
    agent: Agent,
    offer: Offer,
    start: Start,
    now: float,
    new_task_id: NewTaskId,
) -> Decision:
    state = decision.state
    policy = state.policy
    obstacle = find_obstacle(state, agent, start, now)
    if obstacle is not None:
        refuse_s = policy.compute_refuse_s(len(state.unsettled))
        # Nothing revives offers for an inspection.
        refuse_s = refuse_s if start.needs_slot else min(refuse_s, _REFUSE_INSPECTION_S)
        return _decline(decision, offer, refuse_s, obstacle)
    spec = policy.by_name[start.step]
    resources = take(offer, spec)
    if isinstance(resources, Shortfall):
        since = state.shortfalls.get(agent.key, (now, ""))[0]
        state = replace(state, shortfalls=state.shortfalls.set(agent.key, (since, resources.text)))
        return _decline(Decision(state, decision.actions), offer, policy.refuse_waiting_s, f"no {resources.text}")
    settings = policy.settings if start.step is StepName.INSPECT else spec.settings
    task = Task(
        id=label(new_task_id(start.step), spec, policy),
        agent_id=offer.agent_id,
        launched_at=now,
        settings=settings,
        may_restart=start.restarts is not None,
        since=now,
        configuration=policy.settings,
        number=agent.number + 1,
    )
    is_drained = start.restarts is not None and can_drain(state, agent)
    if is_drained:
        agent = replace(agent, deactivated_since=now)
    state = _remember_launch(state.without_offers([offer.id]), agent, start, task, now)
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
    if not is_drained:
        return decision.then(state, launch)
    # The launch goes first: what is deactivated takes none.
    deactivate = Deactivate(offer.agent_id, agent.key, f"{start.restarts} is about to restart there")
    return decision.then(state, launch, deactivate)


def _choose_nodes(state: State, agent: Agent) -> tuple[Node, ...]:
    """Some complete nodes for a host to reach: with more, a task would grow with the cluster."""
    others = (node for key, node in state.complete_nodes.items() if key != agent.key)
    return tuple(islice(others, _NODES_MAX))


def _remember_launch(state: State, agent: Agent, start: Start, task: Task, now: float) -> State:
    is_change = start.step is not StepName.INSPECT
    agent = replace(
        agent.with_step(start.step, replace(agent.get_step(start.step), task=task)),
        slot_since=now if start.needs_slot and agent.slot_since is None else agent.slot_since,
        restart_since=now if start.restarts is not None and agent.restart_since is None else agent.restart_since,
        number=task.number,
        changed=task.number if is_change else agent.changed,
        changed_at=now if is_change else agent.changed_at,
        restarted_at=now if start.restarts is not None else agent.restarted_at,
        failed_since=None if start.needs_slot else agent.failed_since,
        release=None if start.needs_slot else agent.release,
    ).with_note(now, f"{start.step.value} starts as {task.id}: {start.reason}")
    state = state.with_agent(agent).with_questions([task.id], now + state.policy.answer_timeout_s)
    if agent.key in state.shortfalls:
        state = replace(state, shortfalls=state.shortfalls.delete(agent.key))
    return state


def _prepare_end(decision: Decision, agent: Agent, offer: Offer, end: End, now: float) -> Decision:
    """Give the agent the slot in which its service may end; whoever holds one gets it ended."""
    state = decision.state
    obstacle = find_obstacle(state, agent, end, now)
    if obstacle is None and agent.slot_since is None:
        agent = replace(agent, slot_since=now, failed_since=None, release=None).with_note(
            now, f"takes a slot: {end.reason}"
        )
        decision = Decision(state.with_agent(agent), decision.actions)
    refuse_s = state.policy.compute_refuse_s(len(state.unsettled)) if obstacle else 0.0
    return _decline(decision, offer, refuse_s, obstacle or end.reason)


def _end_unwanted(decision: Decision, agent: Agent, now: float) -> Decision:
    state = decision.state
    move = choose_move(agent, state.policy, now)
    if not isinstance(move, End) or move.task_id in state.questions:
        return decision
    if find_obstacle(state, agent, move, now) is not None:
        return decision
    found = state.get_task(move.task_id)
    if found is None or found[2].state is TaskState.KILLING:
        return decision
    # Asked after if no update tells of its end: a call may get lost.
    state = state.with_questions([move.task_id], now + state.policy.answer_timeout_s)
    return decision.then(state, Kill(TaskRef(move.task_id, found[2].agent_id), move.reason))


def _ask(decision: Decision, now: float) -> Decision:
    state = decision.state
    policy = state.policy
    refs: list[TaskRef] = []
    for task_id, question in sorted(state.questions.items()):
        ref = state.find_ref(task_id)
        if ref is None:
            state = state.without_question(task_id)
        elif question.backoff.until <= now:
            backoff = question.backoff.grow(now, policy.answer_timeout_s, policy.max_answer_timeout_s)
            asked = replace(question, backoff=backoff)
            state = replace(state, questions=state.questions.set(task_id, asked))
            refs.append(ref)
    if refs:
        return decision.then(state, Reconcile(tuple(refs), "the master has not said yet what became of them"))
    is_first = state.reconciled_at is None and not state.questions
    is_due = state.reconciled_at is not None and now - state.reconciled_at >= policy.reconcile_s
    if is_due:
        state = _ask_after_the_silent(state, now)
    if is_first or is_due:
        state = replace(state, reconciled_at=now, heard=Map())
        return decision.then(state, Reconcile((), "finds tasks that nobody remembers"))
    return decision.then(state)


def _ask_after_the_silent(state: State, now: float) -> State:
    """Ask after every task that is believed to run and of which the last answer for all said nothing.

    Mesos leaves out what it does not know: a task whose end got lost would be waited for for ever.
    """
    active = [task_id for task_id, task_state in state.list_tasks() if task_state.is_active]
    return state.with_questions((one for one in active if one not in state.heard and one not in state.questions), now)


def _reactivate(decision: Decision, now: float) -> Decision:
    """Take deactivations of ours back once nothing restarts any more, again and again until the master confirms it."""
    state = decision.state
    policy = state.policy
    for key, backoff in state.deactivated.items():
        agent = state.agents[key]
        if agent.is_restarting or backoff.until > now:
            continue
        again = backoff.grow(now, policy.answer_timeout_s, policy.max_answer_timeout_s)
        asked = state.deactivated.set(key, again)
        state = replace(state, deactivated=asked)
        decision = decision.then(state, Reactivate(agent.agent_id, key, "its restart is over"))
    return decision


def _revive(decision: Decision, now: float) -> Decision:
    state = decision.state
    if now - state.revived_at < state.policy.revive_s:
        return decision
    reason, key = _find_reason_to_revive(state, now)
    if not reason:
        return decision
    if key:
        policy = state.policy
        backoff = state.revives.get(key, UNTRIED).grow(now, policy.revive_s, policy.max_backoff_s, reason)
        state = replace(state, revives=state.revives.set(key, backoff))
    return decision.then(replace(state, revived_at=now, has_free_slot=False, wants_offers=""), Revive(reason))


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
