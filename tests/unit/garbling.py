"""Documents of a real Mesos, garbled: fields dropped, of another type, unknown, doubled."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

RECORDINGS = Path(__file__).parent.parent / "contract" / "recordings"

ODDITIES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**400, float("nan"), float("inf"), "", "\0", "ä\ud800", "TASK_NO_SUCH", "SET"),
    *([], [[]], {}, {"value": {}}, [None], "x" * 5000, "several\nlines"),
)


def read_recorded_events() -> list[dict[str, Any]]:
    """All events that a real master sent a scheduler."""
    events = []
    for recording in sorted(RECORDINGS.glob("*.jsonl")):
        for line in recording.read_text().splitlines():
            event = json.loads(line).get("event", {})
            if event.get("type") in {"OFFERS", "UPDATE", "RESCIND", "FAILURE", "SUBSCRIBED", "ERROR"}:
                events.append(event)
    return events


def read_recorded_slaves() -> dict[str, Any]:
    """The answer of a real master to GET /slaves."""
    lines = (json.loads(line) for line in (RECORDINGS / "inventory.jsonl").read_text().splitlines())
    bodies = (line.get("http-response", {}).get("body") for line in lines)
    return next(body for body in bodies if isinstance(body, dict) and "slaves" in body)


def garble(document: dict[str, Any], random: Random, times: int) -> dict[str, Any]:
    """A copy of a document that is wrong in a few places; its type is left."""
    garbled = copy.deepcopy(document)
    for _ in range(times):
        places = [place for place in _list_places(garbled) if place[1] != "type" or place[0] is not garbled]
        if places:
            _garble_place(*random.choice(places), random)
    return garbled


def _list_places(node: Any) -> Iterator[tuple[Any, Any]]:
    children = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    for key, child in children:
        yield node, key
        yield from _list_places(child)


def _garble_place(parent: Any, key: Any, random: Random) -> None:
    match random.randrange(4):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        case 1:
            parent["no such field"] = copy.deepcopy(random.choice(ODDITIES))
        case _:
            parent[key] = copy.deepcopy(random.choice(ODDITIES))
