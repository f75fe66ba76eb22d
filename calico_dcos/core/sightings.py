"""Who is there: agents that are offered or listed, met for the first time, seen again, or gone."""

from __future__ import annotations

from dataclasses import replace

from .events import RosterAgent, RosterRead
from .model import Agent, Step, StepName, TaskState, build_agent_key
from .resources import Offer
from .state import HeldOffer, State
from .twins import with_twins


def fold_offers(state: State, offers: tuple[Offer, ...], now: float) -> State:
    """Take offers in: each also tells that its agent is there, and what it is like."""
    for offer in offers:
        key = build_agent_key(offer.hostname, offer.port)
        agent = state.agents.get(key)
        if agent is None:
            agent = _meet(offer, now)
        elif agent.agent_id == offer.agent_id and (agent.ip, agent.is_public) != (offer.ip, offer.is_public):
            agent = replace(agent, ip=offer.ip, is_public=offer.is_public)
        agent = _see(agent, now)
        # What is offered is active, whoever saw to that.
        if agent.deactivated_since is not None and not agent.is_restarting:
            agent = replace(agent, deactivated_since=None)
        state = replace(
            state.with_advanced(agent, now),
            offers=state.offers.set(offer.id, HeldOffer(offer, now, agent.number)),
            offered_at=state.offered_at.set(key, now),
            revives=state.revives.delete(key) if key in state.revives else state.revives,
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


def _replace_agent_id(agent: Agent, found: RosterAgent, now: float) -> Agent:
    """Take a known host in under a new Mesos agent id: it rebooted or was set up anew, and must be looked at again.

    Only the master's list says so: an offer may be of another machine that goes by the same name.

    Its old tasks are over: an agent that registers anew starts without the executors of its former id.
    """
    steps = {name: with_dead_task(step, now) for name, step in agent.steps.items()}
    renamed = replace(agent, agent_id=found.agent_id, ip=found.ip, is_public=found.is_public, steps=steps)
    return replace(renamed, inspection=None).with_note(now, f"came back as Mesos agent {found.agent_id}")


def with_dead_task(step: Step, now: float) -> Step:
    """The step with its task ended, where nobody will ever report on it."""
    if step.task is None or step.task.state.is_ended:
        return step
    return replace(step, task=replace(step.task, state=TaskState.GONE, since=now))


def fold_roster(state: State, event: RosterRead, now: float) -> State:
    """Take a list of all agents in: who is new, who is there, and who is not."""
    state = with_twins(state, event.agents)
    # One that was asked for before the subscription may know less than the offers.
    is_news = now - event.took_s >= state.subscribed_at
    state = replace(state, has_roster=state.has_roster or is_news)
    for found in event.agents:
        agent = state.agents.get(build_agent_key(found.hostname, found.port))
        if agent is None:
            state = state.with_advanced(replace(_meet(found, now), mesos_version=found.mesos_version), now)
        elif agent.agent_id != found.agent_id and found.is_active and agent.key not in state.twins:
            state = state.with_advanced(_replace_agent_id(agent, found, now), now)
        elif agent.agent_id == found.agent_id and agent.mesos_version != found.mesos_version:
            state = state.with_advanced(replace(agent, mesos_version=found.mesos_version), now)
    return _count_absence(state, event, now)


def _count_absence(state: State, event: RosterRead, now: float) -> State:
    """Notice who is there and who is not, and forget who was not for long; one that holds a slot is not forgotten."""
    there = {build_agent_key(found.hostname, found.port) for found in event.agents}
    # A new master lists an agent only once that has registered with it.
    is_complete = not event.unread and state.is_subscribed and now - state.subscribed_at >= state.policy.reregister_s
    changed: list[Agent] = []
    for agent in state.agents.values():
        if agent.key in there:
            changed.append(_see(agent, now))
        elif not is_complete:
            continue
        elif agent.absent_since is None:
            told = "is not registered with the Mesos master any more"
            changed.append(replace(agent, absent_since=now).with_note(now, told))
        elif now - agent.absent_since >= state.policy.forget_after_s and not list_ties(agent):
            state = state.without_agent(agent.key)
    return state.with_agents(changed)


def _see(agent: Agent, now: float) -> Agent:
    if agent.absent_since is None:
        return agent
    return replace(agent, absent_since=None).with_note(now, "is registered with the Mesos master again")


def list_ties(agent: Agent) -> list[str]:
    """Why an agent that left must not be forgotten by itself; empty if nothing would be lost with it."""
    marks = [agent.pause, agent.release, *(mark for step in agent.steps.values() for mark in (step.skip, step.forced))]
    alive = [name.value for name in StepName if (task := agent.get_step(name).task) and not task.state.is_ended]
    ties = ["it holds a slot"] if agent.slot_since is not None else []
    ties += ["it failed half-way"] if agent.failed_since is not None else []
    ties += ["an operator's word is on it"] if any(mark is not None for mark in marks) else []
    return ties + ([f"nobody knows that {', '.join(alive)} ended there"] if alive else [])
