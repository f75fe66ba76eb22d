"""What the installer's plans say of a host, told to the core as a task tells it: each case through report and walk."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from calico_dcos.core.events import Inspected
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent, Finding, Status, Step, StepName, Task, TaskState
from calico_dcos.core.phase import Rest, Start, Wait, choose_move
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from calico_dcos.core.steps import SERVICES
from calico_dcos.installer.inspection import Inspection
from calico_dcos.installer.plans import plan_changes
from calico_dcos.installer.plans.changes import Decision
from calico_dcos.installer.report import build_inspection
from calico_dcos.installer.wanted import parse_wanted
from calico_dcos.web.plan import Badge
from calico_dcos.web.reports import parse_report
from tests.plans import build_phase, build_plan
from tests.unit.installer.cases import run_cases
from tests.unit.walking import STEPS, build_policy

CASES = run_cases.load_cases()
POLICY = build_policy()
NOW = 1000.0


def plan_case(case: dict[str, Any]) -> tuple[dict[str, Decision], bytes]:
    """Plan a case, and write its report as the installer does."""
    document = run_cases._set_all(run_cases._load("wanted.json"), case.get("wanted", {}))
    wanted = parse_wanted(json.dumps(document))
    facts = run_cases.build_facts(case, wanted)
    plan = plan_changes(facts, wanted)
    return plan, json.dumps(build_inspection(Inspection(facts, plan, 0.0), 0.1)).encode()


def inspect(report: bytes) -> State:
    """A walk of one agent that was looked at, and told so."""
    task = Task("inspect.1", "S1", NOW - 2, POLICY.settings, TaskState.RUNNING, configuration=POLICY.settings)
    agent = Agent("a1", "S1", "a1", steps={StepName.INSPECT: Step(task=task)})
    state = replace(restore(POLICY, Memory("F1", "s", (agent,)), NOW), is_subscribed=True)
    event = parse_report("inspect.1", report)
    assert isinstance(event, Inspected)
    state, _ = fold(state, event, NOW)
    looked = state.agents["a1"]
    over = replace(task, state=TaskState.FINISHED, since=NOW)
    return state.with_agent(looked.with_step(StepName.INSPECT, Step(task=over)))


def name_finding(decision: Decision) -> Finding:
    """What a plan says of a step, in the core's words."""
    if decision.changes:
        return Finding.TO_DO
    said = {
        Finding.REFUSED: decision.refusal,
        Finding.UNKNOWN: decision.unknown,
        Finding.AT_FAULT: decision.fault,
        Finding.PROVEN: decision.proof,
    }
    return next(finding for finding, words in said.items() if words is not None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_the_plan_says_of_each_step_arrives_in_the_core(case: dict[str, Any]) -> None:
    plan, report = plan_case(case)
    inspection = inspect(report).agents["a1"].inspection
    assert inspection is not None
    assert {step: inspection.find(step) for step in STEPS} == {step: name_finding(plan[step.value]) for step in STEPS}
    assert all(inspection.explain(step) for step in STEPS)


BADGES = {Finding.UNKNOWN: Badge.UNKNOWN, Finding.AT_FAULT: Badge.AT_FAULT}


def is_for_a_look(step: StepName, finding: Finding) -> bool:
    """Whether another look alone can settle it: a service that is at fault is for its supervisor."""
    return finding is Finding.UNKNOWN or (finding is Finding.AT_FAULT and step not in SERVICES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_no_agent_is_complete_or_begun_that_is_refused_or_could_not_be_looked_at(case: dict[str, Any]) -> None:
    plan, report = plan_case(case)
    state = inspect(report)
    agent = state.agents["a1"]
    move = choose_move(agent, POLICY, NOW)
    phase = build_phase(state, agent, NOW)
    found = {step: name_finding(plan[step.value]) for step in STEPS}
    refused = [step for step in STEPS if found[step] is Finding.REFUSED]
    open_to_looks = [step for step, finding in found.items() if is_for_a_look(step, finding)]
    assert phase.status is not Status.COMPLETE, "nobody has seen its services run"
    assert not isinstance(move, Rest)
    if refused:
        assert isinstance(move, Wait)
        assert f"{refused[0].value} refused: " in move.reason
        assert phase.status is Status.ERROR
        assert [step.name for step in phase.steps if step.badge is Badge.REFUSED] == refused[:1]
        assert build_plan(state, NOW).errors == (f"a1: {phase.message}",)
        assert not state.is_stopped, "an agent that was never changed does not stop the others"
    elif open_to_looks:
        first, badge = open_to_looks[0], BADGES[found[open_to_looks[0]]]
        assert isinstance(move, Wait)
        assert move.reason.endswith("; looks again")
        assert str(plan[first.value].unknown or plan[first.value].fault) in move.reason
        assert [step.name for step in phase.steps if step.badge is badge] == [first]
    else:
        first = next(step for step in STEPS if found[step] is not Finding.PROVEN or step is StepName.ETCD_PROXY)
        assert isinstance(move, Start)
        assert move.step is first
