"""The operator's hands: what each command means for the walk, judged and carried out purely.

Pause keeps new things from being started or ended; what runs goes on. A paused plan still brings back a service that
was complete and is lost; a paused agent is left alone entirely. Retry forgets failures and takes back what was skipped
or forced, but of the whole plan no skip, which was said of one agent; where nothing is, the host is looked at again.
Force-complete and skip let an operator's word stand for a step. Release-slot lets the walk go on past an agent that
failed. Forget takes one out of the plan that was taken out of the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

from .command import Command, CommandName, Outcome, Verdict, Word
from .gates import is_canary_complete, pass_canary
from .model import Agent, Mark, Step, StepName, name_some
from .phase import End, Start, advance
from .standing import find_failure, is_repair, is_waived
from .state import State
from .steps import Policy, StepSpec
from .words import (
    find_task_at_work,
    force,
    hear,
    is_seen,
    list_unwaived,
    note,
    retry,
    skip,
    want_look,
)


def describe_mark(done: str, mark: Mark) -> str:
    """Say in one line what an operator did, when and why."""
    when = datetime.fromtimestamp(mark.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{done} by {mark.who or 'an operator'} since {when}" + (f": {mark.reason}" if mark.reason else "")


def describe_waiver(step: Step, spec: StepSpec) -> str | None:
    """Say whose word stands for a step; None if nobody's does."""
    if step.skip is not None:
        return describe_mark("SKIPPED", step.skip)
    if step.forced is not None and is_waived(step, spec):
        return describe_mark("forced to complete", step.forced)
    return None


def find_hold(state: State, agent: Agent, move: Start | End) -> str | None:
    """Why an operator's pause keeps an agent from its next move; None if it does not."""
    if agent.pause is not None:
        return describe_mark("paused", agent.pause)
    if state.controls.pause is None:
        return None
    # Nobody who pauses the walk wants to see finished agents without their network.
    if isinstance(move, Start) and is_repair(agent, move.step, state.policy):
        return None
    return describe_mark("the plan is paused", state.controls.pause)


def obey(state: State, command: Command, now: float) -> tuple[State, Verdict]:
    """Carry a command out, with its line in the audit log; without effect unless it is accepted."""
    verdict = judge(state, command, now)
    if verdict.outcome is not Outcome.ACCEPTED:
        return state, verdict
    if verdict.word is not None:
        state = state.with_word(verdict.word, verdict.agents)
    else:
        word = _build_word(state, command, now)
        state = state.with_agents(advance(note(agent, word), state.policy, now) for agent in verdict.agents)
    for key in verdict.forgotten:
        state = state.without_agent(key)
    if verdict.controls is not None:
        state = state.with_controls(verdict.controls)
    step = "" if command.step is None else command.step.value
    about = {"agent": command.agent_key, "step": step, "reason": command.reason}
    state = state.with_audit(now, command.who, command.name.value, effect=verdict.message, **about)
    # Agents that had nothing to do may have declined their offers for an hour.
    is_brake = command.name is CommandName.PAUSE
    return (state if is_brake else replace(state, wants_offers=f"an operator's {command.name.value}")), verdict


def judge(state: State, command: Command, now: float) -> Verdict:
    """Say what a command does at this moment, or why it does nothing."""
    agent = state.agents.get(command.agent_key)
    if command.agent_key and agent is None:
        return Verdict(Outcome.UNKNOWN, f"no agent {command.agent_key}")
    match command.name:
        case CommandName.PAUSE:
            return _judge_pause(state, agent, _mark(command, now))
        case CommandName.RESUME:
            return _judge_resume(state, agent, command, now)
        case CommandName.RETRY:
            return _judge_retry(state, agent, command, now)
        case CommandName.FORCE_COMPLETE | CommandName.SKIP if command.step is StepName.INSPECT:
            return Verdict(Outcome.REFUSED, "inspect cannot be left out: everything else follows from what it sees")
        case CommandName.FORCE_COMPLETE if agent is None:
            return _judge_waiver_of_all(state, command, now)
        case CommandName.FORCE_COMPLETE | CommandName.SKIP:
            return _judge_waiver(state, agent, command, now)
        case CommandName.RELEASE_SLOT:
            return _judge_release(state, agent, _mark(command, now))
        case CommandName.FORGET:
            return _judge_forget(agent)
        case _:
            assert_never(command.name)


def _mark(command: Command, now: float) -> Mark:
    return Mark(now, command.who, command.reason)


def _build_word(state: State, command: Command, now: float, *, is_look: bool = False) -> Word:
    settings = {spec.name.value: spec.settings for spec in state.policy.steps}
    is_force = command.name is CommandName.FORCE_COMPLETE
    heard = [] if command.agent_key else [agent.heard for agent in state.agents.values()]
    return Word(
        number=0 if command.agent_key else 1 + max([0, *heard, *(word.number for word in state.words)]),
        at=now,
        name=command.name,
        who=command.who,
        reason=command.reason,
        step=command.step,
        is_look=is_look,
        settings=settings if is_force else {},
    )


def _judge_pause(state: State, agent: Agent | None, mark: Mark) -> Verdict:
    if agent is None:
        if state.controls.pause is not None:
            return Verdict(Outcome.ALREADY, describe_mark("the plan is paused", state.controls.pause))
        message = "the plan is paused: nothing new is started or ended, lost services are still brought back"
        return Verdict(Outcome.ACCEPTED, message, controls=replace(state.controls, pause=mark))
    if agent.pause is not None:
        return Verdict(Outcome.ALREADY, f"{agent.key} is {describe_mark('paused', agent.pause)}")
    message = f"{agent.key} is paused: nothing new is started or ended there"
    return Verdict(Outcome.ACCEPTED, message, agents=(replace(agent, pause=mark),))


def _judge_resume(state: State, agent: Agent | None, command: Command, now: float) -> Verdict:
    if agent is not None:
        if agent.pause is None:
            return Verdict(Outcome.ALREADY, f"{agent.key} is not paused")
        return Verdict(Outcome.ACCEPTED, f"{agent.key} goes on", agents=(replace(agent, pause=None),))
    if state.controls.pause is not None:
        return Verdict(Outcome.ACCEPTED, "the plan goes on", controls=replace(state.controls, pause=None))
    if is_canary_complete(state):
        mark = pass_canary(state, command.who, command.reason, now)
        message = "the walk goes on past its first agents"
        return Verdict(Outcome.ACCEPTED, message, controls=replace(state.controls, canary=mark))
    return Verdict(Outcome.ALREADY, "the plan is not paused")


def _judge_retry(state: State, agent: Agent | None, command: Command, now: float) -> Verdict:
    what = "" if command.step is None else f" of {command.step.value}"
    if agent is not None:
        fresh = retry(agent, state.policy, command.step, now, keeps_skips=False)
        if fresh is agent:
            return _judge_look(state, agent, command, now)
        return Verdict(Outcome.ACCEPTED, f"failures{what} are forgotten, tried again: {agent.key}", agents=(fresh,))
    word = _build_word(state, command, now)
    tried = _tell(state, sorted({*state.unsettled, *state.repairs}), word, now)
    if not tried:
        return _judge_look(state, None, command, now)
    kept = tuple(one for one in state.agents.values() if any(had.skip for had in one.steps.values()))
    left = f"; still skipped, until it is retried itself: {name_some(kept)}" if kept else ""
    message = f"failures{what} are forgotten, tried again: {name_some(tried)}{left}"
    return Verdict(Outcome.ACCEPTED, message, agents=tried, word=word)


def _judge_look(state: State, agent: Agent | None, command: Command, now: float) -> Verdict:
    """Look at hosts again where nothing is to be forgotten: what is complete and was undone by hand shows so."""
    what = "" if command.step is None else f" of {command.step.value}"
    told = f"nothing{what} on {'the plan' if agent is None else agent.key} failed, backs off, or was skipped or forced"
    word = None if agent is not None else _build_word(state, command, now, is_look=True)
    if word is not None:
        again = _tell(state, state.agents, word, now)
    else:
        again = (want_look(agent, now),) if agent is not None and is_seen(agent) else ()
    if not again:
        return Verdict(Outcome.ALREADY, f"{told}, and it is looked at next anyway")
    return Verdict(Outcome.ACCEPTED, f"{told}: looked at again: {name_some(again)}", agents=again, word=word)


def _tell(state: State, keys: Iterable[str], word: Word, now: float) -> tuple[Agent, ...]:
    """The agents on which a word to all of them does something, as it leaves them."""
    known = ((state.agents[key], hear(state.agents[key], word, state.policy, now)) for key in keys)
    return tuple(fresh for agent, fresh in known if fresh is not agent)


def _judge_waiver(state: State, agent: Agent | None, command: Command, now: float) -> Verdict:
    policy, is_skip = state.policy, command.name is CommandName.SKIP
    done = "skipped" if is_skip else "forced to complete"
    if agent is None:
        return Verdict(Outcome.REFUSED, f"{command.name.value} is for one agent: name it")
    left = list_unwaived(agent, command.step, policy, is_skip=is_skip)
    if not left:
        what = "every step" if command.step is None else command.step.value
        return Verdict(Outcome.ALREADY, f"{what} on {agent.key} is complete or {done} already")
    if (refusal := _refuse_at_work(state, agent, left)) is not None:
        return refusal
    mark, word = _mark(command, now), _build_word(state, command, now)
    waived = skip(agent, left, mark) if is_skip else force(agent, left, mark, word.settings)
    listed = ", ".join(name.value for name in left)
    return Verdict(Outcome.ACCEPTED, f"{listed} on {agent.key}: {done}", agents=(waived,))


def _judge_waiver_of_all(state: State, command: Command, now: float) -> Verdict:
    """Force the whole plan: all agents that are known now, but for those on which a step is at work."""
    word = _build_word(state, command, now)
    forced = _tell(state, state.agents, word, now)
    busy = tuple(agent for agent in state.agents.values() if _is_busy(agent, command.step, state.policy))
    told = f"; not those with a step at work: {name_some(busy)}" if busy else ""
    if forced:
        return Verdict(Outcome.ACCEPTED, f"forced to complete: {name_some(forced)}{told}", agents=forced, word=word)
    if busy:
        return Verdict(Outcome.REFUSED, f"a step is at work on {name_some(busy)}: wait for its end")
    return Verdict(Outcome.ALREADY, "every step of the plan is complete or forced to complete already")


def _is_busy(agent: Agent, only: StepName | None, policy: Policy) -> bool:
    return find_task_at_work(agent, list_unwaived(agent, only, policy, is_skip=False), policy) is not None


def _refuse_at_work(state: State, agent: Agent, names: Iterable[StepName]) -> Verdict | None:
    found = find_task_at_work(agent, names, state.policy)
    if found is None:
        return None
    name, task = found
    return Verdict(Outcome.REFUSED, f"{name.value} is at work on {agent.key} as {task.id}: wait for its end")


def _judge_release(state: State, agent: Agent | None, mark: Mark) -> Verdict:
    if agent is None:
        return Verdict(Outcome.REFUSED, "release-slot is for one agent: name it")
    if agent.release is not None:
        return Verdict(Outcome.ALREADY, f"the slot of {agent.key} is {describe_mark('released', agent.release)}")
    tasks = [task for name in StepName if (task := agent.get_step(name).task) is not None]
    # A machine that died in its slot would hold the walk up for ever: its tasks never end, so nothing ever fails.
    is_out_of_sight = any(task.state.is_in_doubt for task in tasks)
    if find_failure(agent, state.policy) is None and not is_out_of_sight:
        return Verdict(Outcome.REFUSED, f"{agent.key} has not failed: pause it, or wait until it is complete")
    if (refusal := _refuse_at_work(state, agent, StepName)) is not None:
        return refusal
    released = replace(agent, release=mark, slot_since=None, restart_since=None)
    return Verdict(Outcome.ACCEPTED, f"{agent.key} gives its slot up: the walk goes on past it", agents=(released,))


def _judge_forget(agent: Agent | None) -> Verdict:
    if agent is None:
        return Verdict(Outcome.REFUSED, "forget is for one agent: name it")
    if agent.absent_since is None:
        told = f"{agent.key} is registered with the Mesos master: take it out of the cluster first"
        return Verdict(Outcome.REFUSED, told)
    return Verdict(Outcome.ACCEPTED, f"{agent.key} is forgotten: should it return, it is new", forgotten=(agent.key,))
