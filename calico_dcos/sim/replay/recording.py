"""A recording as lines, and what is left of a message when all is taken out that differs from run to run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
REAL_WORK_DIR = "/var/lib/mesos"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RUN_SPECIFIC = {
    "build_date": "<build>",
    "build_time": "<build>",
    "build_user": "<build>",
    "elected_time": "<time>",
    "executor_pid": "<pid>",
    "nanoseconds": "<time>",
    "registered_time": "<time>",
    "reregistered_time": "<time>",
    "start_time": "<time>",
    "timestamp": "<time>",
    "uuid": "<uuid>",
}
# An agent's last update and a TEARDOWN race each other: whether the master had it then is chance.
NOT_COMPARED = {"status_update_state", "status_update_uuid"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when, what kind of thing, and its content."""

    t: float
    kind: str
    content: Any


def load_recording(path: Path) -> list[Line]:
    """Read a recording."""
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    return [Line(line.pop("t"), *next(iter(line.items()))) for line in lines]


class Comparison:
    """Turns messages of one run into what must be equal in every run."""

    def __init__(self, hostname_by_agent: dict[str, str], work_dir: str) -> None:
        self._hostname_by_agent = hostname_by_agent
        self._work_dir = work_dir

    def canonical(self, value: Any) -> Any:
        """The same value with lists whose order is free sorted, work directories named as in the recordings."""
        if isinstance(value, dict):
            return {name: self.canonical(content) for name, content in value.items()}
        if isinstance(value, list):
            return sorted((self.canonical(item) for item in value), key=_sort_key)
        if isinstance(value, str):
            return value.replace(self._work_dir, REAL_WORK_DIR)
        return value

    def comparable(self, value: Any) -> Any:
        """What is left of a canonical value without times, ids and addresses."""
        if isinstance(value, dict):
            return {name: self._field(name, content) for name, content in value.items() if name not in NOT_COMPARED}
        if isinstance(value, list):
            return [self.comparable(item) for item in value]
        if isinstance(value, str):
            return self._text(value)
        return value

    def _field(self, name: str, content: Any) -> Any:
        if name == "ip" and isinstance(content, int):
            return "<ip>"
        if name in RUN_SPECIFIC and not isinstance(content, dict):
            return RUN_SPECIFIC[name]
        return self.comparable(content)

    def _text(self, text: str) -> str:
        text = re.sub(rf"{UUID}-S\d+", lambda match: f"<{self._hostname_by_agent.get(match.group(), 'agent')}>", text)
        text = re.sub(rf"{UUID}-O\d+", "<offer>", text)
        text = re.sub(rf"{UUID}-\d{{4}}\b", "<framework>", text)
        text = re.sub(UUID, "<uuid>", text)
        return re.sub(r"\b\d+\.\d+\.\d+\.\d+\b", "<ip>", text)


def differences(wanted: Any, found: Any) -> str:
    """Where two comparable values differ, a line for each place."""
    return "\n".join(_differences("", wanted, found))


def hostnames_of_agents(content: Any) -> dict[str, str]:
    """The host name of every agent that offers, agent infos or agent states in some content tell of."""
    found: dict[str, str] = {}
    for item in _dicts(content):
        if "hostname" in item and "agent_id" in item:
            found[item["agent_id"]["value"]] = item["hostname"]
        elif "hostname" in item and isinstance(item.get("id"), dict):
            found[item["id"]["value"]] = item["hostname"]
    return found


def _differences(path: str, wanted: Any, found: Any) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in sorted(wanted.keys() | found.keys()):
            yield from _differences(f"{path}.{name}", wanted.get(name, "nothing"), found.get(name, "nothing"))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif wanted != found:
        yield f"{path}: expected {wanted!r}, got {found!r}"


def _dicts(content: Any) -> Iterator[Json]:
    if isinstance(content, dict):
        yield content
    for inner in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _dicts(inner)


def _sort_key(item: Any) -> tuple[str, ...]:
    """Agents and offers by host name, tasks by name; everything else keeps its order."""
    if not isinstance(item, dict):
        return ()
    hostname = item.get("hostname") or item.get("agent_info", {}).get("hostname")
    task = item.get("task_id", {}).get("value") if "statuses" in item or "info" in item else None
    return (str(hostname or task or ""),)
