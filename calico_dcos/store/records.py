"""A store over records by key: turns records into a Memory and a Batch into records."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from itertools import starmap
from typing import Protocol, TypeVar
from urllib.parse import quote

from calico_dcos.core.command import AuditEntry, Controls
from calico_dcos.core.connectivity import Run
from calico_dcos.core.memory import Batch, Memory
from calico_dcos.core.model import Agent
from calico_dcos.scheduler import StoreError, StoreRefusedError
from calico_dcos.troubles import Source, Troubles

from . import staging
from .codec import DecodeError, Pin, decode, encode
from .fitting import fit_agent, fit_run

log = logging.getLogger(__name__)
_Value = TypeVar("_Value")

FRAMEWORK_ID = "framework-id"
SECRET = "secret"  # noqa: S105 - the name of a key, not a secret
AGENTS = "agents/"
PINS = "pins/"
CONTROLS = "controls"
AUDIT = "audit/"
CONNECTIVITY = "connectivity"
# No store takes less; what decisions follow from fits into a quarter of it.
MIN_BYTES = 64 * 1024
_REMEDY = "decisions go on; see what makes this agent's facts so large, and calico-dcos agent"


class Records(Protocol):
    """What a backend does. Each method raises StoreError if it cannot, with one line that names the store's URL.

    Attributes:
        limit: what one write may hold.
    """

    limit: staging.Limit

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
        self._has_unfinished_batch = False

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Become the only writer, and bring to its end what the last one left staged."""
        self._records.acquire(holder, timeout_s)
        staging.finish(self._records)
        log.info("Acquired store %s as %s", self._label, holder)

    def load(self) -> Memory:
        """Read everything; agents come sorted by key."""
        records = staging.overlay(self._records.read())
        agents = [self._decode(key, record, Agent) for key, record in sorted(records.items()) if key.startswith(AGENTS)]
        pins = [self._decode(key, record, Pin) for key, record in records.items() if key.startswith(PINS)]
        audit = [self._decode(key, record, AuditEntry) for key, record in records.items() if key.startswith(AUDIT)]
        return Memory(
            framework_id=self._decode(FRAMEWORK_ID, records[FRAMEWORK_ID], str) if FRAMEWORK_ID in records else None,
            secret=self._decode(SECRET, records[SECRET], str) if SECRET in records else None,
            agents=tuple(agents),
            pins={pin.url: pin.sha256 for pin in pins},
            controls=self._decode(CONTROLS, records[CONTROLS], Controls) if CONTROLS in records else Controls(),
            audit=tuple(audit),
            connectivity=self._load_run(records),
        )

    def save(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing; a record that is larger than the store takes is cut down."""
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
                self._tell_cuts()
                return

    def _fit(self, batch: Batch) -> dict[str, bytes | None]:
        records = build_records(replace(batch, agents=(), connectivity=None))
        # Beside a record, a write has the lock, and its key twice.
        max_bytes = self._records.limit.bytes // 2
        fitted = {_name_agent(agent.key): fit_agent(agent, max_bytes) for agent in batch.agents}
        if batch.connectivity is not None:
            fitted[CONNECTIVITY] = fit_run(batch.connectivity, max_bytes)
        records |= {key: one.content for key, one in fitted.items()}
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
        if self._has_unfinished_batch:
            staging.finish(self._records)
        self._has_unfinished_batch = True
        staging.write(self._records, records)
        self._has_unfinished_batch = False

    def close(self) -> None:
        """Give the store up; another scheduler may acquire it at once."""
        self._records.close()

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
            raise StoreError(
                f"store {self._label}: cannot read record {key}: {error}; "
                "run the release that wrote it, or remove this one record to have it found out anew"
            ) from error


def _name_agent(key: str) -> str:
    return f"{AGENTS}{quote(key, safe=':')}"


def build_records(batch: Batch) -> dict[str, bytes | None]:
    """Turn a batch into records, None for those to remove; names and URLs are quoted: a key has no further slash."""
    records: dict[str, bytes | None] = {_name_agent(agent.key): encode(agent) for agent in batch.agents}
    records |= {_name_agent(key): None for key in batch.forgotten}
    records |= {f"{PINS}{quote(pin.url, safe='')}": encode(pin) for pin in starmap(Pin, batch.pins.items())}
    records |= {f"{PINS}{quote(url, safe='')}": None for url in batch.unpinned}
    # An entry that is too old gives its place up, so that the log never grows without bound.
    records |= {f"{AUDIT}{entry.place}": encode(entry) for entry in batch.audit}
    if batch.connectivity is not None:
        records[CONNECTIVITY] = encode(batch.connectivity)
    if batch.controls is not None:
        records[CONTROLS] = encode(batch.controls)
    if batch.framework_id is not None:
        records[FRAMEWORK_ID] = encode(batch.framework_id)
    if batch.secret is not None:
        records[SECRET] = encode(batch.secret)
    return records
