"""What is shown: documents of the walk's values, and what changed between two of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from immutables import Map

from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent, Backoff, Change, Inspection, Note, Status, Step, StepName, Task, TaskState
from calico_dcos.core.restoring import restore
from calico_dcos.core.steps import Policy, StepSpec
from calico_dcos.web.board import (
    MAX_AGE_S,
    REST_FACTOR,
    ROWS_PER_MESSAGE,
    Feed,
    build_board,
    build_delta,
    format_messages,
    view_all,
)
from calico_dcos.web.plan import PhaseView, PlanView, StepView
from calico_dcos.web.views import (
    build_detail,
    build_plan_document,
    build_row,
    choose_plan_code,
    find_keys,
)
from calico_dcos.web.walk import Snapshot, Walk, take_snapshot

DONE = tuple(StepView(name, Status.COMPLETE, "") for name in StepName)
WORKING = (*DONE[:3], StepView(StepName.CNI, Status.STARTED, "writes", task_id="cni-1", since=50.0), *DONE[4:])


def agent(key: str, **fields: Any) -> Agent:
    return replace(Agent(key=key, agent_id=f"{key}-S1", hostname=key.partition(":")[0]), **fields)


def phase(key: str, status: Status = Status.COMPLETE, steps: tuple[StepView, ...] = DONE) -> PhaseView:
    return PhaseView(key, status, f"{key} is {status.value}", steps)


def snapshot(*phases: PhaseView, revision: int = 1, **fields: Any) -> Snapshot:
    plan = PlanView(phases, fields.pop("status", Status.IN_PROGRESS), fields.pop("errors", ()))
    agents = Map({phase.name: agent(phase.name) for phase in phases})
    return replace(Snapshot(revision=revision, at=100.0, agents=agents, plan=plan), **fields)


@pytest.mark.parametrize("status", list(Status))
def test_every_agent_is_in_one_counter_of_the_summary(status: Status) -> None:
    summary = build_board("calico", snapshot(phase("a", status))).summary
    assert summary["total"] == 1
    assert sum(summary[name] for name in ("complete", "working", "waiting", "failed")) == 1


def test_the_summary_counts_agents_by_what_they_do() -> None:
    statuses = [Status.COMPLETE, Status.STARTED, Status.PENDING, Status.DELAYED, Status.ERROR]
    phases = [phase(f"a{i}", status) for i, status in enumerate(statuses)]
    summary = build_board("calico", snapshot(*phases)).summary
    assert (summary["complete"], summary["working"], summary["waiting"], summary["failed"]) == (1, 1, 2, 1)


@pytest.mark.parametrize(
    ("facts", "versions"),
    [
        ({"docker": {"engine": {"version": "18.09.2"}}, "dcos": {"version": "1.12.3"}}, ("18.09.2", "1.12.3")),
        ({"docker": {"engine": {"unknown": "Connection refused"}}, "dcos": {"version": None}}, ("", "")),
        ({"docker": None}, ("", "")),
        ({}, ("", "")),
    ],
)
def test_a_row_tells_the_versions_that_facts_know(facts: dict[str, Any], versions: tuple[str, str]) -> None:
    known = agent("a1", inspection=Inspection(at=1.0, settings="s", facts=facts))
    row = build_row(known, phase("a1", Status.PENDING))
    assert (row["docker_version"], row["dcos_version"]) == versions


def test_a_row_tells_who_what_why_and_since_when() -> None:
    known = agent("a1", is_public=True, mesos_version="1.4.0", slot_since=40.0)
    row = build_row(known, phase("a1", Status.IN_PROGRESS, WORKING))
    assert (row["hostname"], row["is_public"], row["mesos_version"]) == ("a1", True, "1.4.0")
    assert (row["status"], row["message"], row["since"], row["slot_since"]) == (
        "IN_PROGRESS",
        "a1 is IN_PROGRESS",
        50.0,
        40.0,
    )
    assert [step["name"] for step in row["steps"]] == [name.value for name in StepName]
    assert row["steps"][3]["task_id"] == "cni-1"


def test_a_complete_row_is_so_since_the_phase_was_complete() -> None:
    assert build_row(agent("a1", settled_at=70.0), phase("a1"))["since"] == 70.0


def test_the_detail_of_an_agent_that_was_not_looked_at_yet_is_empty_but_there() -> None:
    detail = build_detail(agent("a1"), phase("a1"))
    assert (detail["inspected_at"], detail["facts"], detail["changes"], detail["history"]) == (None, {}, {}, [])
    assert detail["steps"][0]["task"] is None


def test_the_detail_tells_facts_changes_refusals_history_and_attempts() -> None:
    change = Change("writes calico.conf", "it is missing", "none", "docker")
    known = agent(
        "a1",
        inspection=Inspection(
            at=90.0,
            settings="s",
            changes={"cni": (change,)},
            refusals={"calico-node": "no"},
            facts={"docker": {"version": "20.10"}},
            warnings={"cni": ("old.conf configures network calico too",)},
        ),
        history=(Note(80.0, "first seen"),),
        steps={
            StepName.CNI: Step(
                Task("cni-1", "a1-S1", 60.0, "s", TaskState.RUNNING), backoff=Backoff(2, reason="no disk")
            )
        },
    )
    detail = build_detail(known, phase("a1", Status.IN_PROGRESS, WORKING))
    assert detail["facts"] == {"docker": {"version": "20.10"}}
    assert detail["changes"]["cni"][0]["restarts"] == "docker"
    assert detail["refusals"] == {"calico-node": "no"}
    assert detail["warnings"] == {"cni": ["old.conf configures network calico too"]}
    assert detail["history"] == [{"at": 80.0, "text": "first seen"}]
    assert detail["steps"][3]["reason"] == "no disk"
    assert detail["steps"][3]["task"]["state"] == "TASK_RUNNING"
    json.dumps(detail)


def test_the_plan_has_the_shape_of_the_dcos_sdk() -> None:
    plan = PlanView((phase("a1"),), Status.COMPLETE, ())
    document = build_plan_document(plan, max_concurrent_agents=1)
    assert set(document) == {"phases", "errors", "strategy", "status"}
    assert set(document["phases"][0]) == {"id", "name", "steps", "strategy", "status"}
    assert set(document["phases"][0]["steps"][0]) == {"id", "status", "name", "message"}
    assert document["strategy"] == "serial"
    assert build_plan_document(plan, max_concurrent_agents=2)["strategy"] == "parallel"


def test_ids_in_the_plan_are_the_same_for_ever_and_all_different() -> None:
    plan = PlanView((phase("a1"), phase("a2")), Status.COMPLETE, ())
    phases = build_plan_document(plan, 1)["phases"]
    ids = [part["id"] for shown in phases for part in (shown, *shown["steps"])]
    assert len(set(ids)) == 14
    assert ids[0] == "0cac9355-971d-5604-b5ae-b2b9da50f1f1"


@pytest.mark.parametrize(
    ("status", "errors", "code"),
    [
        (Status.COMPLETE, (), 200),
        (Status.IN_PROGRESS, (), 202),
        (Status.PENDING, (), 202),
        (Status.ERROR, ("a1: no disk",), 417),
        (Status.COMPLETE, ("a1: no disk",), 417),
    ],
)
def test_the_code_of_the_plan_is_the_sdks(status: Status, errors: tuple[str, ...], code: int) -> None:
    assert choose_plan_code(PlanView((), status, errors)) == code


def test_an_agent_is_found_by_key_mesos_id_and_hostname() -> None:
    seen = snapshot(phase("a1"), phase("a2:5052"), phase("a3"), phase("a3:5052"), phase("a4:1"), phase("a4:2"))
    assert find_keys(seen, "a1") == ["a1"]
    assert find_keys(seen, "a1-S1") == ["a1"]
    assert find_keys(seen, "a2") == ["a2:5052"]
    assert find_keys(seen, "a3") == ["a3"]
    assert find_keys(seen, "a4") == ["a4:1", "a4:2"]
    assert find_keys(seen, "a5") == []


def test_a_snapshot_of_the_state_has_a_phase_for_each_agent() -> None:
    policy = Policy(
        steps=tuple(StepSpec(name, settings=f"{name.value}:1", cpus=0.1, mem_mb=32.0) for name in StepName),
        max_concurrent_agents=3,
    )
    state = restore(policy, Memory(framework_id="f1", agents=(agent("a2"), agent("a1"))), 1000.0)
    taken = take_snapshot(state, now=100.0)
    assert [shown.name for shown in taken.plan.phases] == ["a1", "a2"]
    assert (taken.framework_id, taken.is_connected, taken.max_concurrent_agents) == ("f1", False, 3)
    assert list(build_board("calico", taken).rows) == ["a1", "a2"]


def test_who_saw_nothing_yet_is_told_everything() -> None:
    delta = build_delta(None, view_all(build_board("calico", snapshot(phase("a1"), phase("a2")))))
    assert delta is not None
    assert delta.is_whole
    assert [row["key"] for row in delta.rows] == ["a1", "a2"]


def test_who_saw_the_same_is_told_nothing() -> None:
    before = build_board("calico", snapshot(phase("a1")))
    after = build_board("calico", snapshot(phase("a1"), revision=2), before)
    assert build_delta(view_all(before), view_all(after)) is None


def test_who_saw_an_older_board_is_told_what_changed_since() -> None:
    boards = [build_board("calico", snapshot(phase("a1"), phase("a2"), phase("a3")))]
    boards.append(build_board("calico", snapshot(phase("a1"), phase("a2", Status.ERROR), phase("a3")), boards[-1]))
    boards.append(build_board("calico", snapshot(phase("a1"), phase("a2", Status.ERROR), phase("a4")), boards[-1]))
    delta = build_delta(view_all(boards[0]), view_all(boards[-1]))
    assert delta is not None
    assert not delta.is_whole
    assert [row["key"] for row in delta.rows] == ["a2", "a4"]
    assert delta.gone == ("a3",)


def test_a_change_of_the_summary_alone_is_told() -> None:
    before = build_board("calico", snapshot(phase("a1")))
    after = build_board("calico", snapshot(phase("a1"), is_connected=True), before)
    delta = build_delta(view_all(before), view_all(after))
    assert delta is not None
    assert delta.rows == ()
    assert delta.summary["is_connected"]


def test_a_large_snapshot_is_told_in_parts_of_which_only_the_first_starts_anew() -> None:
    board = build_board("calico", snapshot(*(phase(f"a{i}") for i in range(ROWS_PER_MESSAGE * 2 + 1))))
    delta = build_delta(None, view_all(board))
    assert delta is not None
    messages = [message.splitlines() for message in format_messages(delta)]
    assert [lines[0] for lines in messages] == ["event: snapshot", "event: agents", "event: agents"]
    documents = [json.loads(lines[1].removeprefix("data: ")) for lines in messages]
    assert [row["key"] for document in documents for row in document["agents"]] == list(board.rows)
    assert all(lines[2:] == [""] for lines in messages)


def test_an_empty_snapshot_is_told_too() -> None:
    delta = build_delta(None, view_all(build_board("calico", snapshot())))
    assert delta is not None
    assert len(list(format_messages(delta))) == 1


@dataclass
class Bench:
    """A walk and a clock that do as they are told."""

    revision: int = 1
    now: float = 0.0
    build_s: float = 0.0
    built: list[int] = field(default_factory=list)

    def read_snapshot(self) -> Snapshot:
        self.now += self.build_s
        self.built.append(self.revision)
        return snapshot(phase("a1"), revision=self.revision)

    def build_feed(self) -> Feed:
        walk = Walk(
            read_revision=lambda: self.revision,
            read_snapshot=self.read_snapshot,
            check_health=lambda: None,
        )
        return Feed(service="calico", walk=walk, read_clock=lambda: self.now)


def test_a_board_is_built_once_for_all_who_look() -> None:
    bench = Bench()
    feed = bench.build_feed()
    assert feed.read() is feed.read()
    assert bench.built == [1]


def test_a_board_is_built_anew_when_the_state_changed() -> None:
    bench = Bench()
    feed = bench.build_feed()
    feed.read()
    bench.revision = 2
    assert feed.read().snapshot.revision == 2


def test_a_board_is_built_anew_after_a_while_because_messages_tell_the_time() -> None:
    bench = Bench()
    feed = bench.build_feed()
    feed.read()
    bench.now += MAX_AGE_S
    feed.read()
    assert bench.built == [1, 1]


def test_boards_that_take_long_to_build_are_built_less_often() -> None:
    bench = Bench(build_s=2.0)
    feed = bench.build_feed()
    feed.read()
    bench.revision = 2
    # The first was built from nothing: it keeps nobody waiting.
    assert feed.read().snapshot.revision == 2
    bench.revision = 3
    bench.now += 2.0 * REST_FACTOR - 0.1
    assert feed.read().snapshot.revision == 2
    bench.now += 0.2
    assert feed.read().snapshot.revision == 3


def test_what_an_operator_says_is_judged_by_the_newest_state() -> None:
    bench = Bench(build_s=2.0)
    feed = bench.build_feed()
    for revision in (1, 2, 3):
        bench.revision = revision
        assert feed.read_now().snapshot.revision == revision
    assert feed.read_now() is feed.read()
    assert bench.built == [1, 2, 3]
