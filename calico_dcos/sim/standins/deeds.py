"""The record of what was done to a simulated host: one JSON line for each deed."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RECORD = "var/log/stand-in.jsonl"


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that was done: when (seconds since the epoch), by which tool, told how, and to what effect."""

    t: float
    tool: str
    argv: tuple[str, ...]
    effect: str


def record_deed(root: Path, *, tool: str, argv: Sequence[str], effect: str) -> None:
    """Append a deed; one short write to a file opened for appending, so that writers do not mix their lines."""
    deed = {"t": round(time.time(), 3), "tool": tool, "argv": list(argv), "effect": effect}
    with (root / RECORD).open("a", encoding="utf-8") as record:
        record.write(json.dumps(deed) + "\n")


def read_deeds(root: Path) -> Iterator[Deed]:
    """Read the deeds of a host, oldest first; none if nothing was done to it yet."""
    try:
        text = (root / RECORD).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        entry = json.loads(line)
        yield Deed(t=entry["t"], tool=entry["tool"], argv=tuple(entry["argv"]), effect=entry["effect"])
