"""The connectivity test as a part of the walk: each agent that is completed is tested before the next one begins.

Where the pace asks for it, the newest complete agents are tested against one that was tested before; until they passed,
no further agent takes a slot. One complete agent alone has nobody to reach for: the walk goes on to the second.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import islice

from .connectivity import MIN_AGENTS, USUAL_AGENTS, Outcome, Run, StartRun
from .connectivity_run import find_bar, obey_run_command
from .connectivity_words import describe_result
from .state import State

WALK = "the walk"
# After a run that did not pass: whatever is wrong may be mended meanwhile.
RETRY_S = 600.0


def choose_untested(state: State) -> tuple[str, ...]:
    """Choose agents for the next run: those that were not tested, and one that was; empty if there is none to test."""
    able = (key for key in state.untested if find_bar(state, state.agents[key]) is None)
    untested = tuple(islice(able, USUAL_AGENTS))
    if not untested:
        return ()
    peer = next((key for key in state.tested if find_bar(state, state.agents[key]) is None), None)
    keys = untested if peer is None else (*untested, peer)
    return keys if len(keys) >= MIN_AGENTS else ()


def find_test_gate(state: State) -> str | None:
    """Why no further agent may take a slot before a connectivity test passed; None if one may."""
    if not state.policy.pace.tests:
        return None
    keys = choose_untested(state)
    if not keys:
        return None
    run = state.connectivity
    if run is not None and run.is_over and run.who == WALK and set(keys) & {one.agent_key for one in run.stands}:
        return f"the walk waits: {_describe_failure(run)}: mend it, and run the connectivity test again"
    return f"waits for the connectivity test of {keys[0]}"


def _describe_failure(run: Run) -> str:
    failures = (
        describe_result(pair, one) for pair in run.pairs for one in pair.results if one.outcome is Outcome.FAILED
    )
    return next(failures, run.end_reason or "the connectivity test could not test everything")


def watch_tests(state: State, now: float) -> State:
    """Note which agents passed, whoever had them tested, and begin a test of those that the walk has completed."""
    if not state.policy.pace.tests or not state.is_subscribed:
        return state
    run = state.connectivity
    if run is not None:
        if not run.is_over:
            return state
        state = _note_passed(state, run)
        is_due = run.who != WALK or run.outcome is Outcome.PASSED or now - (run.ended_at or 0.0) >= RETRY_S
        if not is_due:
            return state
    keys = choose_untested(state)
    if not keys:
        return state
    ticket = hashlib.sha256(f"{state.secret} {state.revision} {now}".encode()).hexdigest()
    return obey_run_command(state, StartRun(keys, WALK, "newly complete"), ticket, now)[0]


def _note_passed(state: State, run: Run) -> State:
    """Take the agents for tested of which every pair passed, under the settings of today."""
    settings = state.policy.settings
    if run.settings != settings:
        return state
    bad = {end for pair in run.pairs if pair.outcome is not Outcome.PASSED for end in (pair.client, pair.server)}
    good = [one.agent_key for one in run.stands if one.agent_key not in bad and one.agent_key in state.untested]
    if not good:
        return state
    state = state.with_agents(replace(state.agents[key], tested_as=settings) for key in good)
    return replace(state, wants_offers="the connectivity test passed")
