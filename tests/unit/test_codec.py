"""Stored values survive the way to JSON and back, and what other releases wrote."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from calico_dcos.core.model import Agent, Backoff, Step, StepName
from calico_dcos.store.codec import MAX_FACTS_BYTES, VERSION, DecodeError, decode, decode_facts, encode, encode_facts
from calico_dcos.store.parts import Limit, split
from calico_dcos.store.upgrades import COMMITTED, STAGED, list_unstaged
from tests.unit.typed_values import JSON, TEXTS, build_values

# Whatever the codec writes, as it says itself. What does not come back shows the field that is lost: making it smaller
# takes minutes and tells no more.
STORED = get_args(get_type_hints(encode)["value"])


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.__name__)
@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.data())
def test_whatever_is_stored_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(build_values(kind))

    assert decode(encode(value), kind) == value


def build_record(version: int = VERSION, **changes: Any) -> bytes:
    value = {"key": "h", "agent_id": "S1", "hostname": "h", **changes}
    written = {name: one for name, one in value.items() if one is not ...}
    return json.dumps({"version": version, "value": written}).encode()


def test_what_an_older_release_did_not_write_takes_its_default() -> None:
    assert decode(build_record(), Agent) == Agent(key="h", agent_id="S1", hostname="h")


_moments = st.integers(1, 12).map(float)
_old_launches = st.dictionaries(st.sampled_from([name.value for name in StepName]), _moments, max_size=5)


@given(_old_launches, _moments, _moments, st.just(0.0) | _moments)
def test_an_agent_that_was_ordered_by_time_is_in_the_same_order_by_number(
    launches: dict[str, float], seen_at: float, ended_at: float, retried_at: float
) -> None:
    steps = {
        name: {"task": {"id": name, "agent_id": "S1", "launched_at": at, "settings": "s"}}
        for name, at in launches.items()
    }
    changed_at = max([*(at for name, at in launches.items() if name != "inspect"), ended_at])
    record = build_record(
        1,
        steps=steps,
        inspection={"at": seen_at, "settings": "s"},
        changed_at=changed_at,
        retried_at=retried_at,
    )

    agent = decode(record, Agent)

    assert agent.inspection is not None
    for name, launched_at in launches.items():
        task = agent.get_step(StepName(name)).task
        assert task is not None
        assert 0 < task.number <= agent.number
        assert (agent.inspection.number >= task.number) == (seen_at >= launched_at)
    assert (agent.inspection.number < agent.retried) == (retried_at > 0 and seen_at <= retried_at)
    assert (agent.inspection.number >= agent.changed) == (seen_at >= changed_at)
    assert agent.retry_word == f"{retried_at:.3f}"
    assert decode(encode(agent), Agent) == agent
    assert b'"version":2' in encode(agent)


def test_waits_of_an_older_release_go_on() -> None:
    step = {"attempts": 3, "retry_at": 7.0, "reason": "no disk", "completed_as": "s"}

    agent = decode(build_record(1, steps={"cni": step}, open_looks=2, look_at=9.0), Agent)

    assert agent.get_step(StepName.CNI) == Step(backoff=Backoff(3, 7.0, "no disk"), completed_as="s")
    assert agent.looks == Backoff(2, 9.0)


def test_what_another_release_added_is_dropped() -> None:
    steps = {"inspect": {"backoff": {"tries": 1}, "colour": "red"}, "libnetwork": {"backoff": {}}}

    agent = decode(build_record(colour="red", steps=steps), Agent)

    assert agent.steps == {StepName.INSPECT: Step(backoff=Backoff(1))}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a record of calico-dcos"),
        (b"{}", "not a record of calico-dcos"),
        (b'{"version": "1", "value": {}}', "not a record of calico-dcos"),
        (b'{"version": 3, "value": {}}', "a newer release wrote it, in format 3; this one reads up to 2"),
        (build_record(1, steps=[]), "no agent of format 1"),
        (build_record(1, steps={"cni": {"task": {}}}), "no agent of format 1: KeyError('launched_at')"),
        (build_record(key=...), "value.key"),
        (build_record(hostname=None), "value.hostname"),
        (build_record(port="5051"), "value.port"),
        (build_record(port=True), "value.port"),
        (build_record(is_public=1), "value.is_public"),
        (build_record(restarted_at="now"), "value.restarted_at"),
        (build_record(steps=[]), "value.steps"),
        (build_record(steps={"cni": {"task": {"state": "TASK_NO_SUCH"}}}), "value.steps"),
        (build_record(history=[{"at": 1}]), "value.history"),
    ],
)
def test_a_record_that_cannot_be_read_says_why_in_one_line(record: bytes, said: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(record, Agent)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_facts_come_back_as_they_were(facts: dict[str, Any]) -> None:
    assert decode_facts(encode_facts(facts)) == facts


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"{}", "not compressed"),
        (encode_facts({"a": 1})[:-1], "cut off"),
        (zlib.compress(b" " * (MAX_FACTS_BYTES + 1)), "more than"),
        (zlib.compress(b"[]"), "not a record of calico-dcos"),
        (zlib.compress(b'{"version": 3, "value": {}}'), "a newer release wrote it"),
    ],
)
def test_facts_that_cannot_be_read_say_why_in_one_line(record: bytes, said: str) -> None:
    with pytest.raises(DecodeError, match=said) as caught:
        decode_facts(record)

    assert "\n" not in str(caught.value)


_keys = st.text("abcdef", min_size=1, max_size=3)
_values = st.binary(min_size=1, max_size=9)
_found = st.dictionaries(_keys, _values, max_size=30)


@given(
    _found,
    st.dictionaries(_keys, st.just(b"") | _values, max_size=30),
    st.sampled_from([{}, {COMMITTED: b"1"}]),
    st.integers(0, 70),
)
def test_a_batch_that_a_former_release_left_staged_counts_if_it_was_all_there_wherever_its_move_stops(
    before: dict[str, bytes], staged: dict[str, bytes], committed: dict[str, bytes], stops_after: int
) -> None:
    records = before | {STAGED + key: value for key, value in staged.items()} | committed
    meant = {key: value for key, value in (before | (staged if committed else {})).items() if value}

    partly = apply(records, list(list_unstaged(records).items())[:stops_after])
    wholly = apply(partly, list_unstaged(partly).items())

    assert wholly == meant
    assert list_unstaged(wholly) == {}


def apply(records: dict[str, bytes], changes: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    return {key: value for key, value in {**records, **dict(changes)}.items() if value is not None}


def test_a_batch_is_cut_by_number_and_by_size() -> None:
    batch = dict.fromkeys("abcde", b"x" * 40)

    assert [len(part) for part in split(batch, Limit(records=2))] == [2, 2, 1]
    assert [len(part) for part in split(batch, Limit(bytes=100))] == [2, 2, 1]
    assert [len(part) for part in split(batch, Limit(bytes=1))] == [1] * 5
    assert list(split({}, Limit())) == []
