"""Rows filtered, sorted and cut into pages, and how long the walk still takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from immutables import Map

from calico_dcos.core.model import Agent, Status, Step, StepName, Task
from calico_dcos.web.board import Board, build_board, build_delta, build_listing, build_whole
from calico_dcos.web.forecast import estimate_left_s, measure_walk_s
from calico_dcos.web.listing import Query, QueryError, parse_query, select_view, split_name
from calico_dcos.web.plan import PhaseView, PlanView, StepView
from calico_dcos.web.walk import Snapshot

STATUSES = {
    "a2": Status.COMPLETE,
    "a10": Status.ERROR,
    "a1": Status.PENDING,
    "b1": Status.IN_PROGRESS,
    "b2": Status.DELAYED,
}


def build(statuses: dict[str, Status] = STATUSES, before: Board | None = None, **agents: Any) -> Board:
    steps = tuple(StepView(name, Status.PENDING, "") for name in StepName)
    phases = tuple(PhaseView(key, status, f"{key} says <hello>", steps) for key, status in statuses.items())
    known = {
        key: replace(Agent(key=key, agent_id=f"id-{key}", hostname=key, is_public=key.startswith("b")), **agents)
        for key in statuses
    }
    return build_board("calico", Snapshot(1, 100.0, Map(known), PlanView(phases, Status.IN_PROGRESS, ())), before)


def select(**arguments: str) -> list[str]:
    return list(select_view(build(), parse_query(arguments)).rows)


def test_without_parameters_all_rows_are_told_in_the_order_of_their_names() -> None:
    view = select_view(build(), parse_query({}))
    assert list(view.rows) == ["a1", "a2", "a10", "b1", "b2"]
    assert "order" not in build_listing(build_whole(view))


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ({"q": "a1"}, ["a1", "a10"]),
        ({"q": "HELLO b2"}, ["b2"]),
        ({"q": "id-a2"}, ["a2"]),
        ({"q": "public"}, ["b1", "b2"]),
        ({"q": "delayed"}, ["b2"]),
        ({"q": "nothing"}, []),
        ({"group": "waiting"}, ["a1", "b2"]),
        ({"group": "failed,complete"}, ["a2", "a10"]),
        ({"kind": "public"}, ["b1", "b2"]),
        ({"kind": "private", "group": "failed"}, ["a10"]),
        ({"sort": "attention"}, ["a10", "b1", "a1", "b2", "a2"]),
        ({"sort": "name", "order": "desc"}, ["b2", "b1", "a10", "a2", "a1"]),
        ({"sort": "kind", "order": "desc"}, ["b1", "b2", "a1", "a2", "a10"]),
        ({"limit": "2", "offset": "1"}, ["a2", "a10"]),
        ({"limit": "2", "offset": "9"}, []),
    ],
)
def test_rows_are_those_that_were_asked_for(arguments: dict[str, str], keys: list[str]) -> None:
    assert select(**arguments) == keys


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "٣"),
        ("limit", ""),
        ("limit", "9" * 5000),
        ("offset", "x"),
        ("group", "broken"),
        ("group", ""),
        ("kind", "both"),
        ("sort", "random"),
        ("order", "up"),
        ("q", "x" * 201),
    ],
)
def test_a_parameter_that_means_nothing_is_named(name: str, value: str) -> None:
    with pytest.raises(QueryError, match=f"^{name}: "):
        parse_query({name: value})


def test_a_page_tells_how_many_rows_there_are_in_all_and_their_order() -> None:
    listing = build_listing(build_whole(select_view(build(), Query(limit=2))))
    assert (listing["matching"], listing["order"]) == (5, ["a1", "a2"])


def test_a_row_that_leaves_a_page_is_told_with_the_one_that_comes() -> None:
    query = Query(limit=1, sort="attention")
    first = build()
    second = build({**STATUSES, "a10": Status.COMPLETE}, first)
    delta = build_delta(select_view(first, query), select_view(second, query))
    assert delta is not None
    assert ([row["key"] for row in delta.rows], delta.gone, delta.order) == (["b1"], ("a10",), ("b1",))


def test_names_are_sorted_as_people_count() -> None:
    assert sorted(["n10.x", "n9.x", "n", "10", "9"], key=split_name) == ["9", "10", "n", "n9.x", "n10.x"]


# How long


def task(launched_at: float) -> Step:
    return Step(Task("t", "S", launched_at, "s"))


def test_a_walk_is_measured_from_the_first_change_to_its_end() -> None:
    steps = {StepName.INSPECT: task(1.0), StepName.CNI: task(20.0), StepName.CALICO_NODE: task(30.0)}
    assert measure_walk_s(Agent("a", "S", "a", steps=steps, settled_at=50.0)) == 30.0


def test_a_service_that_was_started_again_tells_nothing_of_the_walk() -> None:
    assert measure_walk_s(Agent("a", "S", "a", steps={StepName.CALICO_NODE: task(90.0)}, settled_at=50.0)) is None
    assert measure_walk_s(Agent("a", "S", "a", steps={StepName.CALICO_NODE: task(90.0)})) is None


def row(group: str, walk_s: float | None = None, slot_since: float | None = None) -> dict[str, Any]:
    return {"group": group, "walk_s": walk_s, "slot_since": slot_since}


@pytest.mark.parametrize(
    ("rows", "concurrency", "left_s"),
    [
        ([], 1, 0.0),
        ([row("complete", 60.0)], 1, 0.0),
        ([row("waiting")], 1, None),
        ([row("complete", 60.0), row("waiting"), row("waiting")], 1, 120.0),
        ([row("complete", 60.0), row("waiting"), row("waiting")], 2, 60.0),
        ([row("complete", 60.0), row("working", None, 70.0)], 1, 30.0),
        ([row("complete", 60.0), row("working", None, 10.0)], 1, 10.0),
        ([row("complete", 60.0), row("failed", None, 10.0)], 1, 0.0),
        ([row("complete", 600.0), *[row("waiting")] * 3], 1, 1800.0),
    ],
)
def test_the_time_left_follows_from_the_times_measured(
    rows: list[dict[str, Any]], concurrency: int, left_s: float | None
) -> None:
    assert estimate_left_s(rows, concurrency, 100.0) == left_s


def test_reasons_that_differ_in_time_alone_are_counted_together() -> None:
    steps = tuple(StepView(name, Status.PENDING, "") for name in StepName)
    reasons = ["cni waits for an offer: none for 7 s", "cni waits for an offer: none for 9 s", "waits for a slot"]
    phases = tuple(PhaseView(f"a{i}", Status.WAITING, reason, steps) for i, reason in enumerate(reasons))
    agents = Map({phase.name: Agent(phase.name, "S", phase.name) for phase in phases})
    board = build_board("calico", Snapshot(1, 100.0, agents, PlanView(phases, Status.WAITING, ())))
    assert board.summary["reasons"] == [
        {"reason": "cni waits for an offer", "agents": 2},
        {"reason": "waits for a slot", "agents": 1},
    ]
