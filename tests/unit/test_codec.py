"""Stored values survive the way to JSON and back, and what other releases wrote."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from calico_dcos.core.model import Agent, Backoff, Step, StepName
from calico_dcos.store.codec import VERSION, DecodeError, decode, encode
from calico_dcos.store.staging import COMMITTED, STAGED, Limit, finish, overlay, split, write
from tests.unit.typed_values import build_values

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
        (b'{"version": 3, "value": {}}', "a newer release wrote it, in format 3; this one reads up to 2: run that"),
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


class RecordsInMemory:
    """Records that keep to a limit, and can fail at a write that is counted down to."""

    def __init__(self, limit: Limit, writes_left: int) -> None:
        self.limit = limit
        self.writes_left = writes_left
        self.kept: dict[str, bytes] = {}

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Take no lock."""

    def read(self) -> dict[str, bytes]:
        return dict(self.kept)

    def write(self, changes: Any) -> None:
        if self.writes_left == 0:
            raise ConnectionError
        self.writes_left -= 1
        assert len(changes) <= self.limit.records
        for key, value in changes.items():
            if value is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = value

    def close(self) -> None:
        """Have nothing to close."""


_keys = st.text("abcdef", min_size=1, max_size=3)
_values = st.binary(min_size=1, max_size=9)
_found = st.dictionaries(_keys, _values, min_size=1, max_size=30)
_batches = st.dictionaries(_keys, st.none() | _values, min_size=1, max_size=30)


@given(_found, _batches, st.integers(2, 6), st.integers(0, 40))
def test_a_batch_of_any_size_is_written_whole_or_not_at_all_wherever_it_stops(
    before: dict[str, bytes], batch: dict[str, bytes | None], limit: int, writes: int
) -> None:
    records = RecordsInMemory(Limit(records=limit), writes)
    records.kept = dict(before)
    try:
        write(records, batch)
        was_written = True
    except ConnectionError:
        was_written = False

    seen = overlay(records.read())
    records.writes_left = -1
    finish(records)

    after = {key: value for key, value in (before | batch).items() if value is not None}
    assert seen in (before, after)
    assert seen == after or not was_written
    assert records.kept == seen


def test_what_is_staged_counts_only_when_it_is_committed() -> None:
    found = {"a": b"1", STAGED + "a": b"2", STAGED + "b": b"3"}

    assert overlay(found) == {"a": b"1"}
    assert overlay({**found, COMMITTED: b"1"}) == {"a": b"2", "b": b"3"}


def test_a_batch_is_cut_by_number_and_by_size() -> None:
    batch = dict.fromkeys("abcde", b"x" * 40)

    assert [len(part) for part in split(batch, Limit(records=2))] == [2, 2, 1]
    assert [len(part) for part in split(batch, Limit(bytes=100))] == [2, 2, 1]
    assert [len(part) for part in split(batch, Limit(bytes=1))] == [1] * 5
    assert list(split({}, Limit())) == []
