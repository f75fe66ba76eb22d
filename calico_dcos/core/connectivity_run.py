"""How a run of the connectivity test begins, goes on and ends: conclusions from what is known and from time, purely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .command import Outcome, Verdict
from .connectivity import (
    DOCKER,
    MAX_AGENTS,
    MAX_PROBES,
    MESOS,
    MIN_AGENTS,
    OFFER_TIMEOUT_S,
    PROBE_TIMEOUT_S,
    START_ACTION,
    START_TIMEOUT_S,
    TESTS,
    USUAL_AGENTS,
    Pair,
    Result,
    Run,
    RunCommand,
    Stand,
    StartRun,
    StopRun,
)
from .connectivity import Outcome as ActionOutcome
from .model import Agent, StepName, TaskState, name_some
from .standing import is_settled
from .state import State
from .steps import Policy

COMMAND = "connectivity-test"
_NEEDS = {
    MESOS: (StepName.CNI, StepName.CALICO_NODE),
    DOCKER: (StepName.DOCKER_CLUSTER_STORE, StepName.CALICO_NODE),
}
_NAMES = {MESOS: "workload on the CNI network", DOCKER: "container on a Docker network"}


def obey_run_command(state: State, command: RunCommand, ticket: str, now: float) -> tuple[State, Verdict]:
    """Carry out what an operator wants of the test, with its line in the audit log.

    Args:
        state: of the walk.
        command: what is wanted.
        ticket: unique, of letters and digits: what the run makes is marked with its beginning.
        now: seconds since the epoch.
    """
    if isinstance(command, StopRun):
        return _stop(state, command, now)
    verdict, keys = _judge_start(state, command)
    if verdict.outcome is not Outcome.ACCEPTED:
        return state, verdict
    left_out = {test: told for test in TESTS if (told := find_reason_to_leave_out(test, state.policy))}
    run = Run(
        id=ticket[:12],
        started_at=now,
        who=command.who,
        reason=command.reason,
        settings=state.policy.settings,
        tests=tuple(test for test in TESTS if test not in left_out),
        left_out=left_out,
        stands=tuple(Stand(key, asked_since=now) for key in keys),
        pairs=tuple(Pair(key, keys[(place + 1) % len(keys)]) for place, key in enumerate(keys)),
    )
    # What is still there of the run before is nobody's from here on.
    old = [] if state.connectivity is None else list(state.connectivity.list_trials())
    strangers = state.strangers.update({trial.id: trial.agent_id for trial in old if not trial.state.is_ended})
    state = replace(state.with_run(run), strangers=strangers, wants_offers="the connectivity test begins")
    return state.with_audit(now, command.who, COMMAND, reason=command.reason, effect=verdict.message), verdict


def _stop(state: State, command: StopRun, now: float) -> tuple[State, Verdict]:
    run = state.connectivity
    if run is None or run.is_over:
        return state, Verdict(Outcome.ALREADY, "no connectivity test is running")
    told = f"stopped by {command.who or 'an operator'}"
    verdict = Verdict(Outcome.ACCEPTED, f"the connectivity test is {told}: its tasks are ended")
    state = state.with_run(cut_short(run, told, now))
    return state.with_audit(now, command.who, COMMAND, reason=command.reason, effect=verdict.message), verdict


def cut_short(run: Run, reason: str, now: float) -> Run:
    """End a run before its time: what was not tried is told as such."""
    pairs = []
    for pair in run.pairs:
        left = [test for test in run.tests if not any(result.test == test for result in pair.results)]
        untested = [Result(test, START_ACTION, ActionOutcome.NOT_TESTED, reason) for test in left]
        ended = replace(pair, results=(*pair.results, *untested), ended_at=now)
        pairs.append(pair if pair.ended_at is not None else ended)
    return replace(run, pairs=tuple(pairs), ended_at=now, end_reason=reason)


def _judge_start(state: State, command: StartRun) -> tuple[Verdict, tuple[str, ...]]:
    def refuse(message: str, outcome: Outcome = Outcome.REFUSED) -> tuple[Verdict, tuple[str, ...]]:
        return Verdict(outcome, message), ()

    if state.connectivity is not None and not state.connectivity.is_over:
        return refuse("a connectivity test is running: wait for its end, or stop it")
    if all(find_reason_to_leave_out(test, state.policy) for test in TESTS):
        return refuse("there is nothing to test: calico-node is off, or both cni and docker-cluster-store are")
    named = tuple(dict.fromkeys(command.agents))
    for key in named:
        if key not in state.agents:
            return refuse(f"no agent {key}", Outcome.UNKNOWN)
        bar = find_bar(state, state.agents[key])
        if bar is not None:
            return refuse(f"{key} cannot be tested: {bar}")
    keys = named or spread(sorted(key for key in state.agents if find_bar(state, state.agents[key]) is None))
    if len(keys) < MIN_AGENTS:
        return refuse(
            f"a connectivity test needs {MIN_AGENTS} agents, and {len(keys)} of {len(state.agents)} "
            f"{'was named' if named else 'is complete: wait until the walk has completed another one'}"
        )
    if len(keys) > MAX_AGENTS:
        return refuse(f"a connectivity test takes {MAX_AGENTS} agents at most, and {len(keys)} were named")
    return Verdict(Outcome.ACCEPTED, f"the connectivity test begins on {len(keys)} agents: {name_some(keys)}"), keys


def spread(keys: list[str], count: int = USUAL_AGENTS) -> tuple[str, ...]:
    """Choose some of many, from all over their order: racks and zones often go by names."""
    if len(keys) <= count:
        return tuple(keys)
    return tuple(keys[place * len(keys) // count] for place in range(count))


def find_reason_to_leave_out(test: str, policy: Policy) -> str | None:
    """Why a test makes no sense as things are configured; None if it does."""
    off = [name.value for name in _NEEDS[test] if not policy.by_name[name].is_enabled]
    return f"the step {' and the step '.join(off)} is off" if off else None


def find_bar(state: State, agent: Agent) -> str | None:
    """Why an agent cannot take part; None if it can."""
    if agent.absent_since is not None:
        return "it is not registered with the Mesos master"
    if agent.key in state.twins:
        return "another agent goes by the same name"
    if agent.pause is not None:
        return "it is paused: resume it first"
    if not is_settled(agent, state.policy):
        return "it is not complete"
    if agent.key in state.repairs:
        return "it has lost a service, which is being brought back"
    skipped = [name.value for name in (StepName.CNI, StepName.CALICO_NODE) if agent.get_step(name).skip is not None]
    return f"{skipped[0]} was skipped there" if skipped else None


def advance_run(run: Run, now: float) -> Run:
    """Draw the conclusions that events and time allow."""
    if run.is_over:
        return run
    for stand in run.stands:
        for test in run.tests:
            server = stand.get_server(test)
            fault = "" if server.fault else find_fault(run, stand, test, now)
            if fault:
                failed = replace(server, fault=fault)
                run = run.with_stand((run.get_stand(stand.agent_key) or stand).with_server(test, failed))
    for pair in run.pairs:
        run = run.with_pair(_advance_pair(run, pair, now))
    return replace(run, ended_at=now) if all(pair.ended_at is not None for pair in run.pairs) else run


def find_fault(run: Run, stand: Stand, test: str, now: float) -> str:
    """Why an agent will not serve in a test; empty as long as there is hope."""
    trial = stand.get_server(test).trial
    if trial is None:
        maker = run.stands[0].container
        if test == DOCKER and stand is not run.stands[0] and not maker.is_ready:
            return f"the network was not made: {run.stands[0].agent_key}: {maker.fault}" if maker.fault else ""
        since = max(stand.asked_since, maker.trial.since if test == DOCKER and maker.trial else 0.0)
        lacks = f"no {stand.shortfall}" if stand.shortfall else "Mesos did not offer the agent"
        return f"{lacks} within {OFFER_TIMEOUT_S:.0f} s" if now - since > OFFER_TIMEOUT_S else ""
    if trial.state.is_ended:
        return trial.reason or f"its task ended as {trial.state.value}"
    if not stand.get_server(test).is_ready and now - trial.launched_at > START_TIMEOUT_S:
        state = "told no address" if trial.state is TaskState.RUNNING else f"was {trial.state.value}"
        return f"its task still {state} after {START_TIMEOUT_S:.0f} s"
    return ""


def list_ready_tests(run: Run, pair: Pair) -> tuple[str, ...]:
    """The tests in which both ends of a pair serve."""
    return tuple(test for test in run.tests if all(end.get_server(test).is_ready for end in list_ends(run, pair)))


def is_due(run: Run, pair: Pair) -> bool:
    """Whether a pair's probe is to be launched: it is known of both ends how they came up."""
    if pair.probe is not None or pair.ended_at is not None:
        return False
    ends = list(list_ends(run, pair))
    is_known = all(end.get_server(test).is_settled for end in ends for test in run.tests)
    at_work = sum(one.probe is not None and one.ended_at is None for one in run.pairs)
    return is_known and bool(list_ready_tests(run, pair)) and at_work < MAX_PROBES


def list_ends(run: Run, pair: Pair) -> Iterator[Stand]:
    """The stands of the two agents of a pair."""
    for stand in run.stands:
        if stand.agent_key in (pair.client, pair.server):
            yield stand


def _advance_pair(run: Run, pair: Pair, now: float) -> Pair:
    if pair.ended_at is not None:
        return pair
    if pair.is_told:
        return _end_pair(run, pair, (), now)
    probe = pair.probe
    if probe is not None:
        ended = probe.reason or "its report never arrived: can the agent reach the scheduler's address?"
        if probe.state.is_ended:
            return _end_pair(run, pair, _blame(run, pair, f"the probe on {pair.client} ended: {ended}"), now)
        if now - probe.launched_at > PROBE_TIMEOUT_S:
            told = f"the probe on {pair.client} told no end within {PROBE_TIMEOUT_S:.0f} s"
            return _end_pair(run, pair, _blame(run, pair, told), now)
        return pair
    if is_due(run, pair):
        asked_since = pair.asked_since or now
        if now - asked_since > OFFER_TIMEOUT_S:
            told = f"Mesos did not offer {pair.client} for the probe within {OFFER_TIMEOUT_S:.0f} s"
            return _end_pair(run, pair, _blame(run, pair, told), now)
        return replace(pair, asked_since=asked_since)
    is_hopeless = all(_list_faults(run, pair, test) for test in run.tests)
    return _end_pair(run, pair, (), now) if is_hopeless else replace(pair, asked_since=0.0)


def _blame(run: Run, pair: Pair, message: str) -> tuple[Result, ...]:
    """What is told in the place of results that will not come."""
    test = next(iter(list_ready_tests(run, pair)), run.tests[0])
    return (Result(test, START_ACTION, ActionOutcome.FAILED, message),)


def _end_pair(run: Run, pair: Pair, more: tuple[Result, ...], now: float) -> Pair:
    results = (*pair.results, *more)
    told = {result.test for result in results}
    faults = tuple(
        Result(test, START_ACTION, ActionOutcome.FAILED, fault)
        for test in run.tests
        if test not in told
        for fault in _list_faults(run, pair, test)
    )
    return replace(pair, results=results + faults, ended_at=now)


def _list_faults(run: Run, pair: Pair, test: str) -> list[str]:
    faults = [(stand.agent_key, stand.get_server(test).fault) for stand in list_ends(run, pair)]
    return [f"{key}: no {_NAMES[test]}: {fault}" for key, fault in faults if fault]
