"""A store over records by key: turns records into a Memory and a Batch into records.

Of each agent there are two: what decisions follow from, and the facts of its host, which are large, for display alone,
and written only when they changed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import starmap
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from calico_dcos.core.command import AuditEntry, Controls
from calico_dcos.core.connectivity import Run
from calico_dcos.core.memory import Batch, Memory
from calico_dcos.core.model import Agent
from calico_dcos.scheduler import StoreError, StoreRefusedError
from calico_dcos.troubles import Source, Troubles

from .codec import DecodeError, Pin, Words, decode, decode_facts, encode
from .fitting import Fitted, fit_agent, fit_facts, fit_run
from .parts import Limit, split
from .upgrades import list_unstaged

log = logging.getLogger(__name__)
_Value = TypeVar("_Value")

FRAMEWORK_ID = "framework-id"
SECRET = "secret"  # noqa: S105 - the name of a key, not a secret
AGENTS = "agents/"
FACTS = "facts/"
PINS = "pins/"
CONTROLS = "controls"
WORDS = "words"
AUDIT = "audit/"
CONNECTIVITY = "connectivity"
# No store takes less; what decisions follow from fits into a quarter of it.
MIN_BYTES = 64 * 1024
# A ZooKeeper that serves the masters, too, has their calls to answer between two parts of a large batch.
PAUSE_S = 0.05
_REMEDY = "decisions go on; see what makes this agent's facts so large, and calico-dcos agent"


class Records(Protocol):
    """What a backend does. Each method raises StoreError if it cannot, with one line that names the store's URL.

    Attributes:
        limit: what one write may hold.
    """

    limit: Limit

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Become the only writer, or raise StoreHeldError after timeout_s."""

    def read(self) -> Mapping[str, bytes]:
        """Read all records, as of one moment."""

    def write(self, changes: Mapping[str, bytes | None]) -> None:
        """Put records, and remove those that are None: all or nothing, durably, and only as the only writer.

        Raises:
            StoreHeldError: this process is not the only writer any more; nothing was written.
        """

    def close(self) -> None:
        """Give up the lock and all connections."""


class RecordStore:
    """The Store that the scheduler uses, whatever keeps its records.

    Args:
        label: the store's URL without secrets, for messages.
        records: the backend.
        troubles: where it is told that a record was cut down.
    """

    def __init__(self, *, label: str, records: Records, troubles: Troubles | None = None) -> None:
        self._label = label
        self._records = records
        self._troubles = troubles or Troubles()
        self._cut: dict[str, str] = {}
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._is_writer = False

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Become the only writer."""
        self._records.acquire(holder, timeout_s)
        self._is_writer = True
        log.info("Acquired store %s as %s", self._label, holder)

    def load(self) -> Memory:
        """Read everything, agents sorted by key; the only writer tidies up what a release before left staged."""
        found = self._records.read()
        moved = list_unstaged(found)
        if self._is_writer:
            self._write(moved)
        records = {key: record for key, record in {**found, **moved}.items() if record is not None}
        pins = [self._decode(key, record, Pin) for key, record in records.items() if key.startswith(PINS)]
        audit = [self._decode(key, record, AuditEntry) for key, record in records.items() if key.startswith(AUDIT)]
        return Memory(
            framework_id=self._decode(FRAMEWORK_ID, records[FRAMEWORK_ID], str) if FRAMEWORK_ID in records else None,
            secret=self._decode(SECRET, records[SECRET], str) if SECRET in records else None,
            agents=tuple(self._load_agent(records, key) for key in sorted(records) if key.startswith(AGENTS)),
            pins={pin.url: pin.sha256 for pin in pins},
            controls=self._decode(CONTROLS, records[CONTROLS], Controls) if CONTROLS in records else Controls(),
            audit=tuple(audit),
            connectivity=self._load_run(records),
            words=self._decode(WORDS, records[WORDS], Words).words if WORDS in records else (),
        )

    def save(self, batch: Batch) -> None:
        """Write a batch; a record that is larger than the store takes is cut down."""
        if batch.is_empty:
            return
        while True:
            try:
                self._write(self._fit(batch))
            except StoreRefusedError:
                limit = self._records.limit
                if limit.bytes <= MIN_BYTES:
                    raise
                # It takes less than is known of its kind.
                self._records.limit = replace(limit, bytes=max(MIN_BYTES, limit.bytes // 2))
                log.info("Store %s refuses a write: makes writes of %d bytes", self._label, self._records.limit.bytes)
            else:
                self._facts |= {agent.key: _get_facts(agent) for agent in batch.agents}
                for key in batch.forgotten:
                    self._facts.pop(key, None)
                self._tell_cuts()
                return

    def _fit(self, batch: Batch) -> dict[str, bytes | None]:
        # Beside a record, a write has the lock, and its key twice.
        max_bytes = self._records.limit.bytes // 2
        fitted: dict[str, Fitted] = {}
        if batch.connectivity is not None:
            fitted[CONNECTIVITY] = fit_run(batch.connectivity, max_bytes)
        for agent in batch.agents:
            facts = _get_facts(agent)
            fitted[name_record(AGENTS, agent.key)] = fit_agent(_without_facts(agent), max_bytes)
            if self._facts.get(agent.key) != facts:
                fitted[name_record(FACTS, agent.key)] = fit_facts(facts, max_bytes) if facts else Fitted(None)
        records = build_records(batch) | {key: one.content for key, one in fitted.items()}
        for key in records:
            self._cut.pop(key, None)
        self._cut |= {key: one.cut for key, one in fitted.items() if one.cut}
        return records

    def _tell_cuts(self) -> None:
        if not self._cut:
            self._troubles.end(Source.RECORDS)
            return
        key, cut = next(iter(self._cut.items()))
        more = f", and {len(self._cut) - 1} more" if len(self._cut) > 1 else ""
        self._troubles.tell(Source.RECORDS, f"record {key} is cut down: {cut}{more}", _REMEDY)

    def _write(self, records: Mapping[str, bytes | None]) -> None:
        """Write records in their order, in as many parts as it takes, with a pause for others after each."""
        for number, part in enumerate(split(records, self._records.limit)):
            if number:
                time.sleep(PAUSE_S)
            self._records.write(part)

    def close(self) -> None:
        """Give the store up; another scheduler may acquire it at once."""
        self._records.close()

    def _load_agent(self, records: Mapping[str, bytes], key: str) -> Agent:
        agent = self._decode(key, records[key], Agent)
        facts = records.get(FACTS + key.removeprefix(AGENTS))
        if facts is None or agent.inspection is None:
            return agent
        try:
            found = self._facts[agent.key] = decode_facts(facts)
        except DecodeError as error:
            log.warning("Store %s: the facts of %s are dropped: %s", self._label, agent.key, error)
            return agent
        return replace(agent, inspection=replace(agent.inspection, facts=found))

    def _load_run(self, records: Mapping[str, bytes]) -> Run | None:
        """Read the newest connectivity test; one that this release cannot read is as good as none."""
        if CONNECTIVITY not in records:
            return None
        try:
            return decode(records[CONNECTIVITY], Run)
        except DecodeError as error:
            log.warning("Store %s: the last connectivity test is dropped: %s", self._label, error)
            return None

    def _decode(self, key: str, record: bytes, expected: type[_Value]) -> _Value:
        try:
            return decode(record, expected)
        except DecodeError as error:
            told = f"store {self._label}: cannot read record {key}: {error}"
            raise StoreError(f"{told}; {error.remedy}") from error


def name_record(folder: str, key: str) -> str:
    """Name a record; names and URLs are quoted, so that a key has no further slash."""
    return f"{folder}{quote(key, safe=':')}"


def _get_facts(agent: Agent) -> Mapping[str, Any]:
    return {} if agent.inspection is None else agent.inspection.facts


def _without_facts(agent: Agent) -> Agent:
    return agent if agent.inspection is None else replace(agent, inspection=replace(agent.inspection, facts={}))


def build_records(batch: Batch) -> dict[str, bytes | None]:
    """Turn all of a batch but what has to be fitted into records, None for those to remove.

    They come in the order in which they may be there in part: what was said to all agents before any agent.
    """
    records: dict[str, bytes | None] = {}
    if batch.framework_id is not None:
        records[FRAMEWORK_ID] = encode(batch.framework_id)
    if batch.secret is not None:
        records[SECRET] = encode(batch.secret)
    if batch.words is not None:
        records[WORDS] = encode(Words(batch.words))
    if batch.controls is not None:
        records[CONTROLS] = encode(batch.controls)
    # An entry that is too old gives its place up, so that the log never grows without bound.
    records |= {f"{AUDIT}{entry.place}": encode(entry) for entry in batch.audit}
    records |= {f"{PINS}{quote(pin.url, safe='')}": encode(pin) for pin in starmap(Pin, batch.pins.items())}
    records |= {f"{PINS}{quote(url, safe='')}": None for url in batch.unpinned}
    return records | {name_record(folder, key): None for key in batch.forgotten for folder in (AGENTS, FACTS)}
