"""The driver against events that are garbled, huge, or cut into pieces at any byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from calico_dcos.core.events import OfferRescinded, OffersReceived, Rejected, Subscribed, TaskUpdated
from tests.contract.driver_harness import run_driver, run_subscribed_driver
from tests.contract.scripted_master import ScriptedMaster, Stream, serve_master
from tests.unit.garbling import garble, read_recorded_events

RESCIND = {"type": "RESCIND", "rescind": {"offer_id": {"value": "o-1"}}}
EVENTS = [event for event in read_recorded_events() if event["type"] not in {"ERROR", "SUBSCRIBED"}]


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with serve_master() as master:
        yield master


def read_offer(name: str) -> dict[str, Any]:
    offer: dict[str, Any] = next(event for event in EVENTS if event["type"] == "OFFERS")["offers"]["offers"][0]
    return {**offer, "id": {"value": name}}


def send_in_pieces(stream: Stream, data: bytes, random: Random) -> None:
    """Send bytes in chunks of 1 to 700: of some, a multibyte character or the length of a record is in two."""
    at = 0
    while at < len(data):
        size = random.choice([1, 2, 3, 50, 700])
        stream.send_bytes(data[at : at + size])
        at += size


def test_garbled_events_neither_end_the_subscription_nor_the_thread(master: ScriptedMaster) -> None:
    random = Random(20)  # noqa: S311 - the same at each run
    with run_subscribed_driver(master.address) as harness:
        for _ in range(300):
            record = json.dumps(garble(random.choice(EVENTS), random, random.randint(1, 3))).encode()
            master.stream.send_record(record)
        master.stream.send(RESCIND)

        harness.wait_for(lambda: OfferRescinded("o-1") in harness.events)
        assert len(master.streams) == 1
        assert sum(isinstance(event, Subscribed) for event in harness.events) == 1


def test_an_offer_that_makes_no_sense_is_declined_and_the_others_are_passed_on(master: ScriptedMaster) -> None:
    offers = [read_offer("o-1"), {**read_offer("o-2"), "hostname": 7}, {"id": None}, "offer", read_offer("o-3")]
    with run_subscribed_driver(master.address) as harness:
        master.stream.send({"type": "OFFERS", "offers": {"offers": offers}})

        passed = harness.wait_for_event(OffersReceived).offers
        decline = master.wait_for_call("DECLINE")

    assert [offer.id for offer in passed] == ["o-1", "o-3"]
    assert decline["decline"]["offer_ids"] == [{"value": "o-2"}]
    assert len(master.calls) == 1


@pytest.mark.parametrize("event", [{"type": "ERROR"}, {"type": "ERROR", "error": {}}])
def test_an_error_without_a_reason_is_told_too(master: ScriptedMaster, event: dict[str, Any]) -> None:
    with run_subscribed_driver(master.address) as harness:
        master.stream.send(event)

        assert harness.wait_for_event(Rejected) == Rejected("it gives no reason")


@pytest.mark.parametrize("subscribed", [None, {}, {"framework_id": "f-1"}])
def test_a_subscription_without_an_id_is_tried_again(master: ScriptedMaster, subscribed: Any) -> None:
    master.greets = False
    with run_driver(master.address) as harness:
        stream = master.wait_for_streams(1)
        master.greets = True
        stream.send({"type": "SUBSCRIBED", "subscribed": subscribed})

        harness.wait_for_event(Subscribed)
        assert len(master.streams) == 2


@pytest.mark.parametrize("interval", [0, -1, None, 15])
def test_an_interval_of_heartbeats_that_is_none_is_taken_for_the_usual_one(
    master: ScriptedMaster, interval: float | None
) -> None:
    master.greets = False
    subscribed = {"framework_id": {"value": "f-1"}, "heartbeat_interval_seconds": interval}
    with run_driver(master.address) as harness:
        master.wait_for_streams(1).send({"type": "SUBSCRIBED", "subscribed": subscribed})
        harness.wait_for_event(Subscribed)
        master.stream.send(RESCIND)

        harness.wait_for_event(OfferRescinded)
        assert harness.subscription._heartbeat_s == 15.0
        assert len(master.streams) == 1


def test_events_arrive_whole_wherever_their_bytes_are_cut(master: ScriptedMaster) -> None:
    random = Random(21)  # noqa: S311 - the same at each run
    updates = [event for event in EVENTS if event["type"] == "UPDATE"]
    records = []
    for number, event in enumerate(updates):
        status = {**event["update"]["status"], "message": f"größer {number} \N{SNOWMAN}"}
        records.append(json.dumps({**event, "update": {"status": status}}, ensure_ascii=False).encode())
    data = b"".join(b"%d\n%s" % (len(record), record) for record in records)
    with run_subscribed_driver(master.address) as harness:
        send_in_pieces(master.stream, data, random)
        master.stream.send(RESCIND)
        harness.wait_for(lambda: OfferRescinded("o-1") in harness.events)

    messages = [event.message for event in harness.events if isinstance(event, TaskUpdated)]
    assert messages == [f"größer {number} \N{SNOWMAN}" for number in range(len(updates))]
