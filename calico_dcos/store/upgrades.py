"""What the release before this one stored, in the form of today: pure.

Format 1 ordered what happened by time. Format 2 numbers it: the launches of each agent are numbered in the order of
their times, and what answered which of them is read off the times once more, for the last time.

Format 1 put a large batch beside the records, under staged/, before it moved it to its place; a record said that it was
all there, and from then on it counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STAGED = "staged/"
COMMITTED = "staged-is-committed"


def upgrade_agent(agent: Mapping[str, Any]) -> dict[str, Any]:
    """Number what happened on an agent of format 1.

    Raises:
        KeyError, TypeError, AttributeError: it is no such agent.
    """
    steps = {name: _upgrade_step(step) for name, step in agent.get("steps", {}).items()}
    launches = [(step["task"]["launched_at"], name) for name, step in steps.items() if step.get("task") is not None]
    numbers = {name: number for number, (_, name) in enumerate(sorted(launches), 1)}
    for name, number in numbers.items():
        steps[name]["task"] = {**steps[name]["task"], "number": number}
    changed = max((number for name, number in numbers.items() if name != "inspect"), default=0)
    newest, retried, inspection = len(numbers), 0, agent.get("inspection")
    if inspection:
        at = inspection["at"]
        answered = sum(launched_at <= at for launched_at, _ in launches)
        retried_at = agent.get("retried_at", 0.0)
        is_changed_later = at < agent.get("changed_at", 0.0)
        # What came after the last look counts as the newest of all: the host is looked at again.
        newest += 1
        inspection = {**inspection, "number": answered}
        changed = newest if is_changed_later else min(changed, answered)
        retried = newest if retried_at and at <= retried_at else 0
    return {
        **agent,
        "steps": steps,
        "inspection": inspection,
        "number": newest,
        "changed": changed,
        "retried": retried,
        "looks": {"tries": agent.get("open_looks", 0), "until": agent.get("look_at", 0.0)},
        "retry_word": f"{agent.get('retried_at', 0.0):.3f}",
    }


def _upgrade_step(step: Mapping[str, Any]) -> dict[str, Any]:
    names = {"tries": "attempts", "until": "retry_at", "reason": "reason"}
    return {**step, "backoff": {name: step[old] for name, old in names.items() if old in step}}


def list_unstaged(found: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """The changes, in their order, that bring a batch which a killed scheduler left staged to where it belongs.

    Args:
        found: all records; of those under staged/, an empty one stands for a removal.
    """
    staged = {key.removeprefix(STAGED): value for key, value in found.items() if key.startswith(STAGED)}
    moved = {key: value or None for key, value in staged.items()} if COMMITTED in found else {}
    removed = dict.fromkeys((STAGED + key for key in staged), None)
    return moved | removed | ({COMMITTED: None} if COMMITTED in found else {})
