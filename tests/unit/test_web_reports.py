"""Reports of tasks: what is taken, what is refused, and that the refusal names the field."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_dcos.core.connectivity import Outcome, Result
from calico_dcos.core.events import Downloaded, Failed, Inspected, Probed, Progressed, Report, Served
from calico_dcos.core.model import Change, Inspection
from calico_dcos.web.reports import (
    MAX_DETAIL_LENGTH,
    MAX_MESSAGE_LENGTH,
    MalformedReportError,
    parse_report,
)

TASK = "cni-1"
CHANGE = {"message": "writes calico.conf", "reason": "it is missing", "restarts": None, "impact": "none"}
NO_CHANGES: dict[str, list[Any]] = {
    "etcd-proxy": [],
    "docker-cluster-store": [],
    "cni": [],
    "agent-restart": [],
    "calico-node": [],
}


def parse(**fields: Any) -> Report:
    return parse_report(TASK, json.dumps(fields).encode())


def inspection(**fields: Any) -> dict[str, Any]:
    return {"kind": "inspection", "facts": {}, "changes": NO_CHANGES, "refusals": {}, **fields}


def test_an_inspection_becomes_an_event_with_changes_refusals_and_facts() -> None:
    changes = {**NO_CHANGES, "cni": [CHANGE, {**CHANGE, "restarts": "mesos-agent"}]}
    report = parse(
        **inspection(facts={"docker": {"version": "20.10"}}, changes=changes, refusals={"cni": "no"}, took_s=1.5),
        warnings={"calico-node": ["its clock is off"]},
    )
    change = Change(message="writes calico.conf", reason="it is missing", impact="none")
    restart = Change(message="writes calico.conf", reason="it is missing", impact="none", restarts="mesos-agent")
    expected = Inspection(
        at=0.0,
        settings="",
        changes={**dict.fromkeys(NO_CHANGES, ()), "cni": (change, restart)},
        refusals={"cni": "no"},
        facts={"docker": {"version": "20.10"}},
        warnings={"calico-node": ("its clock is off",)},
    )
    assert report == Inspected(task_id=TASK, inspection=expected, took_s=1.5)


def test_progress_becomes_an_event_with_or_without_sizes() -> None:
    assert parse(kind="progress", message="fetches") == Progressed(TASK, "fetches")
    assert parse(kind="progress", message="fetches", done_bytes=1, total_bytes=2) == Progressed(TASK, "fetches", 1, 2)


def test_a_failure_becomes_an_event_with_or_without_detail() -> None:
    assert parse(kind="failure", reason="no disk") == Failed(TASK, "no disk")
    assert parse(kind="failure", reason="no disk", detail="a\nb") == Failed(TASK, "no disk", "a\nb")


def test_a_download_becomes_an_event() -> None:
    sha256 = "0f" * 32
    assert parse(kind="downloaded", url="http://a/b", sha256=sha256) == Downloaded(TASK, "http://a/b", sha256)


def test_fields_of_other_versions_are_ignored() -> None:
    assert parse(kind="progress", message="fetches", mood="good") == Progressed(TASK, "fetches")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, "kind: None"),
        ({"kind": ["inspection"]}, "kind: ['inspection']"),
        ({"kind": "gossip"}, "kind: 'gossip'"),
        ({"kind": "progress"}, "message:"),
        ({"kind": "progress", "message": 1}, "message: 1 is no text"),
        ({"kind": "progress", "message": "\n "}, "message: is empty"),
        ({"kind": "progress", "message": "a", "done_bytes": -1}, "done_bytes:"),
        ({"kind": "progress", "message": "a", "done_bytes": True}, "done_bytes:"),
        ({"kind": "progress", "message": "a", "total_bytes": 1.5}, "total_bytes:"),
        ({"kind": "progress", "message": "a", "total_bytes": 2**64}, "total_bytes:"),
        ({"kind": "failure"}, "reason:"),
        ({"kind": "failure", "reason": "a", "detail": 1}, "detail:"),
        ({"kind": "downloaded", "sha256": "0f" * 32}, "url:"),
        ({"kind": "downloaded", "url": "http://a/\n", "sha256": "0f" * 32}, "url:"),
        ({"kind": "downloaded", "url": "a" * 2001, "sha256": "0f" * 32}, "url:"),
        ({"kind": "downloaded", "url": "http://a", "sha256": "0F" * 32}, "sha256:"),
        (inspection(facts=None), "facts:"),
        (inspection(facts=[1]), "facts:"),
        (inspection(changes=None), "changes:"),
        (inspection(changes={"cni": []}), "changes.etcd-proxy: None is no list"),
        (inspection(changes={**NO_CHANGES, "inspect": []}), "changes.inspect: is none of etcd-proxy"),
        (inspection(changes={**NO_CHANGES, "cni": {}}), "changes.cni:"),
        (inspection(changes={**NO_CHANGES, "cni": [1]}), "changes.cni[0]: 1 is no object"),
        (inspection(changes={**NO_CHANGES, "cni": [{**CHANGE, "impact": 1}]}), "changes.cni[0].impact: 1 is no text"),
        (inspection(changes={**NO_CHANGES, "cni": [{**CHANGE, "restarts": "moon"}]}), "changes.cni[0].restarts:"),
        (inspection(changes={**NO_CHANGES, "cni": [{**CHANGE, "restarts": ["docker"]}]}), "changes.cni[0].restarts:"),
        (inspection(refusals=None), "refusals:"),
        (inspection(refusals={"cni": None}), "refusals.cni:"),
        (inspection(refusals={"inspect\n": "a"}), "refusals.inspect: is none of"),
        (inspection(warnings={"cni": "no list"}), "warnings.cni: 'no list' is no list"),
        (inspection(warnings={"cni": [1]}), "warnings.cni[0]: 1 is no text"),
        (inspection(warnings={"inspect": []}), "warnings.inspect: is none of"),
        (inspection(took_s=-1), "took_s:"),
        (inspection(took_s="1"), "took_s:"),
    ],
)
def test_what_is_not_of_the_agreed_form_is_refused_in_one_line_that_names_the_field(
    fields: dict[str, Any],
    place: str,
) -> None:
    with pytest.raises(MalformedReportError) as caught:
        parse(**fields)
    assert str(caught.value).startswith(place)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"kind": "progress", "message": "a", "n": NaN}',
        b'{"kind": "progress", "message": "a", "n": 1e999}',
        b'{"kind": "progress", "message": "a", "n": ' + b"9" * 5000 + b"}",
        b'{"kind": "progress", "message": "a", "n": ' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 100_000,
    ],
)
def test_what_is_no_decent_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedReportError, match=r"^body: "):
        parse_report(TASK, body)


def test_messages_become_one_printable_line_of_bounded_length() -> None:
    report = parse(kind="progress", message="red \x1b[31m\r\nalert\t" + "x" * 1000)
    assert isinstance(report, Progressed)
    assert report.message.startswith("red [31m alert xxx")
    assert len(report.message) == MAX_MESSAGE_LENGTH
    assert report.message.endswith("…")


def test_the_end_of_a_long_detail_is_kept() -> None:
    report = parse(kind="failure", reason="a", detail="begin\n" + "x" * 5000 + "\n\x1b[0mend")
    assert isinstance(report, Failed)
    assert len(report.detail) == MAX_DETAIL_LENGTH
    assert report.detail.endswith("x\n [0mend")


def test_halves_of_characters_are_replaced_wherever_they_are() -> None:
    report = parse(**inspection(facts={"file\udcff": ["a\ud800b"]}))
    assert isinstance(report, Inspected)
    assert report.inspection.facts == {"file?": ["a?b"]}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["inspection", "progress", "failure", "downloaded"])},
    optional={
        "message": JSON_VALUES,
        "reason": JSON_VALUES,
        "detail": JSON_VALUES,
        "done_bytes": JSON_VALUES,
        "facts": JSON_VALUES,
        "changes": JSON_VALUES | st.just(NO_CHANGES),
        "refusals": JSON_VALUES | st.dictionaries(st.sampled_from(sorted(NO_CHANGES)), JSON_VALUES),
        "took_s": JSON_VALUES,
    },
)


@given(FIELDS)
def test_whatever_a_report_holds_it_is_refused_in_one_line_or_can_be_stored(fields: dict[str, Any]) -> None:
    refusal = ""
    try:
        report = parse(**fields)
    except MalformedReportError as error:
        refusal = str(error)
    else:
        json.dumps(dataclasses.asdict(report), ensure_ascii=False, allow_nan=False).encode()
    assert refusal.isprintable()


@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_are_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(MalformedReportError) as caught:
        parse_report(TASK, body)
    assert str(caught.value).isprintable()


RESULT = {"test": "mesos", "action": "tcp", "outcome": "passed", "message": "answers", "rtt_ms": 0.5, "mtu": None}


def test_results_of_a_probe_are_read() -> None:
    body = json.dumps({"kind": "probed", "results": [RESULT, {**RESULT, "rtt_ms": None, "mtu": 1480}], "is_last": True})
    told = parse_report("t", body.encode())
    assert told == Probed(
        "t",
        (
            Result("mesos", "tcp", Outcome.PASSED, "answers", rtt_ms=0.5),
            Result("mesos", "tcp", Outcome.PASSED, "answers", mtu=1480),
        ),
        is_last=True,
    )
    assert parse_report("t", b'{"kind": "served", "address": "192.168.1.4"}') == Served("t", "192.168.1.4")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"results": [{**RESULT, "outcome": "fine"}]},
            "results[0].outcome: 'fine' is none of passed, failed, not tested",
        ),
        ({"results": [{**RESULT, "test": "rkt"}]}, "results[0].test: 'rkt' is none of mesos, docker"),
        ({"results": [{**RESULT, "action": "<b>"}]}, "results[0].action: '<b>' is no name of an action"),
        ({"results": [{**RESULT, "rtt_ms": -1}]}, "results[0].rtt_ms: -1 is no number of milliseconds"),
        ({"results": [RESULT] * 41}, "results: 41 are more than 40"),
        ({"is_last": 1}, "is_last: 1 is neither true nor false"),
        ({"kind": "served", "address": "a b"}, "address: 'a b' is no address"),
    ],
)
def test_what_is_wrong_with_the_report_of_a_probe_is_named(change: dict[str, object], fault: str) -> None:
    body = json.dumps({"kind": "probed", "results": [RESULT], "is_last": False, **change}).encode()
    with pytest.raises(MalformedReportError) as caught:
        parse_report("t", body)
    assert str(caught.value) == fault
