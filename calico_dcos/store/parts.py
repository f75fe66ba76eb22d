"""Batches that are larger than what a backend writes at once, in parts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """What one write of a backend may hold."""

    records: int = sys.maxsize
    bytes: int = sys.maxsize


def split(batch: Mapping[str, bytes | None], limit: Limit) -> Iterator[dict[str, bytes | None]]:
    """Cut a batch into parts within the limit, in its order; a record above it is left for the backend to refuse."""
    part: dict[str, bytes | None] = {}
    size = 0
    for key, value in batch.items():
        size_of_record = len(key) + len(value or b"")
        if part and (len(part) == limit.records or size + size_of_record > limit.bytes):
            yield part
            part, size = {}, 0
        part[key] = value
        size += size_of_record
    if part:
        yield part
