"""Whatever Mesos says, it becomes values of ours that can be worked with and stored, or is refused in one line."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from random import Random
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_dcos.core.events import Event, OffersReceived, RosterRead, TaskUpdated
from calico_dcos.core.model import Agent, TaskState
from calico_dcos.mesos.reading import MalformedError
from calico_dcos.mesos.translate import parse_offer, parse_roster, parse_update
from calico_dcos.store.codec import decode, encode
from calico_dcos.store.records import AGENTS, name_record
from tests.unit.garbling import garble, read_recorded_events, read_recorded_slaves
from tests.unit.walking import FakeCluster, build_host, build_policy

OFFERS = [offer for event in read_recorded_events() for offer in event.get("offers", {}).get("offers", [])]
UPDATES = [event["update"] for event in read_recorded_events() if event["type"] == "UPDATE"]
SLAVES = read_recorded_slaves()
TIMES = st.integers(1, 4)
SCALARS = (str, int, float, bool)


def parse(document: dict[str, Any], kind: str) -> Event | None:
    """Read a document; None where it is refused."""
    try:
        match kind:
            case "offer":
                return OffersReceived((parse_offer(document),))
            case "update":
                return parse_update(document)
            case _:
                return parse_roster(document)
    except MalformedError as refusal:
        error = refusal
    assert "\n" not in str(error)
    assert len(str(error)) < 300
    return None


def launch_first_task() -> FakeCluster:
    """A cluster in which a task was launched of which nothing was heard yet."""
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    return cluster


def check_types(value: Any) -> None:
    """Every field holds what its annotation says, as far as those are plain."""
    assert is_dataclass(value)
    hints = get_type_hints(type(value))
    for field in fields(value):
        found = getattr(value, field.name)
        if hints[field.name] in SCALARS:
            assert isinstance(found, hints[field.name]), (field.name, found)
        if isinstance(found, tuple):
            for one in found:
                if is_dataclass(one):
                    check_types(one)


@pytest.mark.parametrize(("documents", "kind"), [(OFFERS, "offer"), (UPDATES, "update"), ([SLAVES], "roster")])
@given(random=st.randoms(use_true_random=False), times=TIMES)
def test_what_is_garbled_is_read_with_the_right_types_or_refused(
    documents: list[dict[str, Any]], kind: str, random: Random, times: int
) -> None:
    event = parse(garble(random.choice(documents), random, times), kind)

    if event is not None:
        check_types(event)


@given(random=st.randoms(use_true_random=False), times=TIMES)
def test_what_was_read_of_garbled_documents_can_be_worked_with_and_stored(random: Random, times: int) -> None:
    cluster = launch_first_task()
    (task_id,) = cluster.state.tasks
    offer = parse(garble(random.choice(OFFERS), random, times), "offer")
    roster = parse(garble(SLAVES, random, times), "roster")
    update = parse(garble(random.choice(UPDATES), random, times), "update")
    if isinstance(update, TaskUpdated) and random.random() < 0.8:
        update = replace(update, task_id=task_id)

    cluster.feed(*(event for event in (offer, roster, update) if event is not None))
    cluster.step()

    agents = tuple(cluster.state.agents.values())
    assert len({name_record(AGENTS, agent.key) for agent in agents}) == len(agents)
    for agent in agents:
        assert decode(encode(agent), Agent) == agent


@pytest.mark.parametrize("document", [None, [], "offer", 1, {}, {"status": []}, {"slaves": None}, {"id": {"value": 1}}])
def test_what_is_no_such_document_at_all_is_refused(document: Any) -> None:
    for kind in ("offer", "update", "roster"):
        assert parse(document, kind) is None


def test_an_update_of_a_state_that_a_later_mesos_brought_is_acknowledged_and_asked_after() -> None:
    cluster = launch_first_task()
    (task_id,) = cluster.state.tasks
    status = {"task_id": {"value": task_id}, "agent_id": {"value": "S1"}, "state": "TASK_HIBERNATING", "uuid": "dQ=="}

    update = parse_update({"status": {**status, "message": "by frost\nand snow", "reason": "REASON_FROST"}})
    actions = cluster.feed(update)

    assert update.state is TaskState.UNKNOWN
    assert update.message == "Mesos says TASK_HIBERNATING: by frost and snow"
    assert [type(action).__name__ for action in actions][:1] == ["Acknowledge"]
    assert "TASK_HIBERNATING" in cluster.state.agents["agent1.test"].history[-1].text


def test_a_state_that_is_not_known_is_no_proof_of_death_even_as_an_answer() -> None:
    status = {"task_id": {"value": "t"}, "state": "TASK_HIBERNATING", "reason": "REASON_RECONCILIATION"}

    assert not parse_update({"status": status}).is_reconciliation


def test_a_long_message_is_cut_to_one_line() -> None:
    status = {"task_id": {"value": "t"}, "state": "TASK_FAILED", "message": "no\nspace\tleft " * 1000}

    message = parse_update({"status": status}).message

    assert message.startswith("no space left no space")
    assert len(message) <= 1000


def test_an_agent_that_makes_no_sense_is_counted_and_costs_no_other() -> None:
    assert isinstance(parse(SLAVES, "roster"), RosterRead)
    roster = parse({"slaves": [*SLAVES["slaves"], {"id": "S9"}]}, "roster")
    assert isinstance(roster, RosterRead)
    assert (len(roster.agents), roster.unread) == (2, 1)
