"""The sums of downloads: who may set one, and how it is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from immutables import Map

from calico_dcos.config import build_policy, build_wanted, read_config
from calico_dcos.core.command import Outcome, Unpin
from calico_dcos.core.events import Commanded, Downloaded
from calico_dcos.core.fold import fold
from calico_dcos.core.model import Agent, Step, StepName, Task, TaskState
from calico_dcos.core.pins import obey_unpin
from calico_dcos.core.state import State
from tests.unit.walking import build_policy as build_short_policy

URL, SUM = "https://example.com/calico", "ab" * 32


def build_state() -> State:
    policy = build_short_policy()
    steps = tuple(
        replace(spec, downloads=frozenset({URL}) if spec.name is StepName.CNI else frozenset()) for spec in policy.steps
    )
    tasks = {
        name: Step(Task(f"{name.value}-1", "S1", 1.0, "s", TaskState.RUNNING))
        for name in (StepName.CNI, StepName.INSPECT)
    }
    state = State(policy=replace(policy, steps=steps))
    return state.with_agent(Agent(key="a", agent_id="S1", hostname="a", steps=tasks)).saved()


def report(state: State, task_id: str, url: str = URL, sha256: str = SUM) -> State:
    return fold(state, Downloaded(task_id, url, sha256), 2.0)[0]


def test_the_first_sum_that_the_step_reports_is_pinned() -> None:
    state = report(build_state(), "cni-1")
    assert state.pins == Map({URL: SUM})
    assert state.build_batch().pins == {URL: SUM}
    assert report(state, "cni-1", sha256="cd" * 32).pins == Map({URL: SUM})


@pytest.mark.parametrize(
    ("task_id", "url"), [("cni-1", "https://example.com/other"), ("inspect-1", URL), ("nobody's-1", URL)]
)
def test_no_other_url_and_no_other_task_pins_anything(task_id: str, url: str) -> None:
    state = report(build_state(), task_id, url)
    assert state.pins == Map()
    assert state.build_batch().is_empty


@pytest.mark.parametrize("named", [URL, SUM])
def test_a_sum_is_taken_back_by_either_name_and_the_next_one_counts(named: str) -> None:
    state = report(build_state(), "cni-1")
    state, replies = fold(state.saved(), Commanded(Unpin(named, "ann", "it moved"), "T"), 3.0)

    assert state.pins == Map()
    assert state.build_batch().unpinned == (URL,)
    assert [entry.command for entry in state.audit.values()] == ["unpin"]
    assert len(replies) == 1
    state = report(state, "cni-1", sha256="cd" * 32)
    assert state.build_batch().pins == {URL: "cd" * 32}
    assert state.build_batch().unpinned == ()


def test_a_sum_that_is_not_there_is_not_taken_back() -> None:
    state, verdict = obey_unpin(build_state(), Unpin("https://example.com/other"), 3.0)
    assert verdict.outcome is Outcome.UNKNOWN
    assert state.build_batch().is_empty


def test_the_steps_that_fetch_something_may_pin_that_and_nothing_else() -> None:
    config = read_config({"CALICO_DCOS_CNI_CALICO_URL": "http://mirror/calico"})
    policy = build_policy(config, build_wanted(config))
    assert "http://mirror/calico" in policy.by_name[StepName.CNI].downloads
    assert {spec.name for spec in policy.steps if spec.downloads} <= {StepName.CNI, StepName.ETCD_PROXY}
