"""Atomic batches that are larger than what a backend writes at once.

A large batch is first put beside the records, under staged/, in as many writes as it takes; then one record says that
it is all there: from then on it counts. Moving it to its place can stop anywhere: whoever writes next goes on with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records import Records

STAGED = "staged/"
# What stands there for a record that is to be removed: no record is empty.
REMOVAL = b""
COMMITTED = "staged-is-committed"


@dataclass(frozen=True, slots=True)
class Limit:
    """What one write of a backend may hold."""

    records: int = sys.maxsize
    bytes: int = sys.maxsize


def write(records: Records, batch: Mapping[str, bytes | None]) -> None:
    """Write a batch of any size, all or nothing; what is None is removed."""
    parts = list(split(batch, records.limit))
    if len(parts) <= 1:
        records.write(batch)
        return
    for part in parts:
        records.write({STAGED + key: REMOVAL if value is None else value for key, value in part.items()})
    records.write({COMMITTED: b"1"})
    _move(records, batch)


def finish(records: Records) -> None:
    """Bring a batch that was left staged to its place if it is committed, away if it is not."""
    found = records.read()
    staged = _select_staged(found)
    if COMMITTED in found:
        _move(records, staged)
        return
    for part in split(staged, records.limit):
        records.write({STAGED + key: None for key in part})


def overlay(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """What stored records mean: with the staged batch if it is committed, without it if it is not."""
    plain: dict[str, bytes | None] = {
        key: value for key, value in found.items() if key != COMMITTED and not key.startswith(STAGED)
    }
    staged = _select_staged(found) if COMMITTED in found else {}
    return {key: value for key, value in (plain | staged).items() if value is not None}


def split(batch: Mapping[str, bytes | None], limit: Limit) -> Iterator[dict[str, bytes | None]]:
    """Cut a batch into parts within the limit; a single record above it is left for the backend to refuse."""
    part: dict[str, bytes | None] = {}
    size = 0
    for key, value in batch.items():
        size_of_record = len(STAGED) + len(key) + len(value or REMOVAL)
        if part and (len(part) == limit.records or size + size_of_record > limit.bytes):
            yield part
            part, size = {}, 0
        part[key] = value
        size += size_of_record
    if part:
        yield part


def _move(records: Records, batch: Mapping[str, bytes | None]) -> None:
    """Move a committed batch to its place; each record takes two changes."""
    halved = Limit(records=records.limit.records // 2, bytes=records.limit.bytes // 2)
    for part in split(batch, halved):
        removed: dict[str, bytes | None] = {STAGED + key: None for key in part}
        records.write(removed | part)
    records.write({COMMITTED: None})


def _select_staged(found: Mapping[str, bytes]) -> dict[str, bytes | None]:
    staged = {key.removeprefix(STAGED): value for key, value in found.items() if key.startswith(STAGED)}
    return {key: None if value == REMOVAL else value for key, value in staged.items()}
