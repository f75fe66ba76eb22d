"""What the pace holds back at this moment, and why, in one line for people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from .model import Agent, Mark
from .pace import find_next_opening, is_open
from .phase import End, Start
from .state import State

PREFLIGHT = "preflight: hosts are inspected, nothing is changed; set mode to install to begin"
CANARY_WAIT = "canary-wait"
# How long before a maintenance nothing new begins on its host: most agents are done within minutes.
MAINTENANCE_LEAD_S = 1800.0
# The first Mesos that has DEACTIVATE_AGENT.
DRAINING_SINCE = (1, 9)


def find_maintenance(state: State, agent: Agent, move: Start | End, now: float) -> str | None:
    """Why an operator's maintenance of the host keeps an agent from its next move; None if it does not.

    What would change the host waits, in a slot what would restart something: neither is to be cut off half-way, nor to
    be in the way of those who work on the host. What only looks, or brings back what was there, goes on.
    """
    maintenance = state.maintenance.get(agent.key)
    begins = move.restarts is not None or (move.needs_slot and agent.slot_since is None)
    wall = now + state.wall_ahead_s
    if maintenance is None or not begins or wall < maintenance.start - MAINTENANCE_LEAD_S:
        return None
    if maintenance.end is not None and wall >= maintenance.end:
        return None
    start = _format_time(maintenance.start)
    end = "" if maintenance.end is None else f" to {_format_time(maintenance.end)}"
    return f"maintenance of the host is announced to Mesos, from {start}{end}"


def _format_time(at: float) -> str:
    """Write a time of another program, which may be any number."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "a time that no calendar has"


def is_canary_passed(state: State) -> bool:
    """Whether the walk may go on past the first agents: the word for it counts for the settings of its time."""
    canary = state.controls.canary
    return not state.policy.pace.canary_agents or (canary is not None and canary.settings == state.policy.settings)


def is_canary_complete(state: State) -> bool:
    """Whether the first agents are complete, and the walk waits for them to prove themselves."""
    return not is_canary_passed(state) and _count_complete(state) >= state.policy.pace.canary_agents


def _count_complete(state: State) -> int:
    return len(state.agents) - len(state.unsettled)


def find_canary_gate(state: State) -> str | None:
    """Why no further agent may take a slot before the first agents proved themselves; None if one may."""
    if is_canary_passed(state):
        return None
    pace = state.policy.pace
    complete = _count_complete(state)
    if complete + len(state.slots) < pace.canary_agents:
        return None
    first = f"the first {pace.canary_agents} agents" if pace.canary_agents > 1 else "the first agent"
    if complete < pace.canary_agents:
        return f"canary: waits for {first} to be complete"
    if not pace.canary_wait_s:
        return f"canary: {first} complete; resume the plan to go on with the others"
    return f"canary: goes on by itself once {first} stayed healthy for {pace.canary_wait_s:.0f} s, or when resumed"


def pass_canary(state: State, who: str, reason: str, now: float) -> Mark:
    """The word that lets the walk go on past the first agents."""
    return Mark(now, who, reason, state.policy.settings)


def watch_canary(state: State, now: float) -> State:
    """Let the walk go on once the first agents were healthy for long enough without a break.

    Since when is stored, so that a restart of the scheduler does not start the wait anew. While the master is away
    nobody knows how they are: the wait ends only once it has answered for every task, and told what broke meanwhile.
    """
    pace, controls = state.policy.pace, state.controls
    is_healthy = is_canary_complete(state) and not state.repairs and not state.halting
    if not is_healthy or not pace.canary_wait_s:
        return state if controls.canary_since is None else state.with_controls(replace(controls, canary_since=None))
    if not state.is_subscribed or state.reconciled_at is None:
        return state
    if controls.canary_since is None:
        return state.with_controls(replace(controls, canary_since=now))
    if now - controls.canary_since < pace.canary_wait_s or controls.pause is not None:
        return state
    reason = f"the first agents were healthy for {pace.canary_wait_s:.0f} s"
    mark = pass_canary(state, CANARY_WAIT, reason, now)
    state = state.with_controls(replace(controls, canary=mark, canary_since=None))
    state = state.with_audit(now, CANARY_WAIT, "resume", reason=reason, effect="the walk goes on")
    return replace(state, wants_offers=f"canary: {reason}")


def can_drain(state: State, agent: Agent) -> bool:
    """Whether an agent is to be deactivated around its restart, and its Mesos knows how."""
    if not state.policy.pace.drains:
        return False
    major, _, rest = agent.mesos_version.partition(".")
    minor = rest.partition(".")[0]
    return major.isdecimal() and minor.isdecimal() and (int(major), int(minor)) >= DRAINING_SINCE


def find_restart_gate(state: State, service: str | None, now: float) -> str | None:
    """Why the pace keeps a service from being restarted now; None if it does not, or there is none to restart."""
    if service is None:
        return None
    pace = state.policy.pace
    wall = now + state.wall_ahead_s
    if not is_open(pace, wall):
        opening = find_next_opening(pace, wall)
        when = "" if opening is None else f": the next one opens {opening.strftime('%a %Y-%m-%d %H:%M')} {pace.zone}"
        return f"the restart of {service} waits for a window{when}"
    calm_until = state.last_restart_at + pace.restart_interval_s
    if now < calm_until:
        until = datetime.fromtimestamp(calm_until + state.wall_ahead_s, UTC).strftime("%H:%M:%S UTC")
        return f"the restart of {service} waits until {until}: {pace.restart_interval_s:.0f} s between restarts"
    return _find_block(state, service, now) if pace.has_blocker else None


def _find_block(state: State, service: str, now: float) -> str | None:
    """What the one who is asked before each restart says against it: no answer, or an old one, is a no."""
    answer = state.answer
    if answer is None or answer.asked_at <= state.last_restart_at:
        return f"the restart of {service} waits for the blocker's answer"
    age_s = now - answer.asked_at
    if age_s > state.policy.pace.answer_max_age_s:
        return f"the restart of {service} waits for the blocker's answer: the last one is {age_s:.0f} s old"
    return f"the restart of {service} is blocked: {answer.reason}" if answer.reason else None
