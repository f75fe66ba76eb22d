"""What a plan never does, whatever the facts: states of several cases at once, which nobody wrote down together."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from calico_dcos.installer.facts.docker import Engine
from calico_dcos.installer.facts.dockerd_flags import find_cluster_flags
from calico_dcos.installer.facts.mesos_agent import AgentState
from calico_dcos.installer.plans import find_native_calico, plan_changes
from calico_dcos.installer.plans.changes import Action
from calico_dcos.installer.versions import parse_version
from calico_dcos.installer.wanted import STEPS, parse_wanted
from tests.unit.installer.cases import run_cases

CASES = [case for case in run_cases.load_cases() if "outputs" not in case]
FACTS = [(place, value) for case in CASES for place, value in case.get("facts", {}).items()]
WANTED = [(place, value) for case in CASES for place, value in case.get("wanted", {}).items()]
DOCKER = (Action.WRITE_STORE, Action.RELOAD_DOCKER, Action.RESTART_DOCKER)


def set_what_fits(document: Any, values: list[tuple[str, Any]]) -> Any:
    """Set values one after another; one whose place is gone by then (its fact has become unknown) is left out."""
    for place, value in values:
        try:
            run_cases._set(document, place, value)
        except (KeyError, IndexError, TypeError, ValueError):
            continue
    return document


@given(facts=st.lists(st.sampled_from(FACTS), max_size=12), wanted=st.lists(st.sampled_from(WANTED), max_size=3))
def test_no_state_makes_a_plan_do_harm(facts: list[tuple[str, Any]], wanted: list[tuple[str, Any]]) -> None:
    wanted_state = parse_wanted(json.dumps(set_what_fits(run_cases._load("wanted.json"), wanted)))
    places = dict(set_what_fits(run_cases._load("host.json"), facts))
    host = run_cases.build_facts({"facts": {place: places[place] for place in places}}, wanted_state)
    plan = plan_changes(host, wanted_state)
    actions = [change.action for step in STEPS for change in plan[step].changes]
    for step in STEPS:
        decision = plan[step]
        refusal = decision.refusal
        said = [bool(decision.changes), *(text is not None for text in decision[1:5])]
        assert said.count(True) == 1, "a step is to be changed, refused, unknown, at fault, or proven"
        assert decision.fault is None or ": " in decision.fault, "a fault says what an operator can do"
        assert refusal is None or ": " in refusal, "a refusal says what an operator can do"
        assert all(change.reason and change.impact for change in plan[step].changes)
    if find_native_calico(host):
        assert actions == []
    engine = host.docker.engine
    if any(action in DOCKER for action in actions):
        assert isinstance(engine, Engine)
        assert (1, 10) <= (parse_version(engine.version) or (0, 0)) < (23, 0)
    if isinstance(engine, Engine) and Action.RELOAD_DOCKER in actions:
        assert engine.cluster_store is None, "a reload never changes a store in effect"
        assert engine.swarm == "inactive"
        assert isinstance(host.docker.flags, list) is False or find_cluster_flags(list(host.docker.flags)) == []
    if Action.RESTART_AGENT in actions:
        state = host.mesos_agent.state
        assert isinstance(state, AgentState)
        assert (parse_version(state.version) or (9, 9)) < (1, 2)
        assert isinstance(engine, Engine), "an agent does not recover without Docker"
    restarts = {Action.RESTART_DOCKER: "docker", Action.RESTART_AGENT: "mesos-agent"}
    for change in (change for step in STEPS for change in plan[step].changes):
        assert change.restarts == restarts.get(change.action)
