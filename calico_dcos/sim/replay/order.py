"""Which events of a stream have no order: those that nothing but chance puts before one another.

A master tells what agents said when it arrives, and offers resources in its allocator's rhythm. What the master itself
decides has an order: the end of a task before the offer that it makes possible, an agent's loss after its tasks'.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def are_concurrent(one: Json, other: Json) -> bool:
    """Whether two events may come in either order."""
    types = {one["type"], other["type"]}
    if types == {"UPDATE"}:
        return _are_updates_concurrent(_status(one), _status(other))
    if types == {"OFFERS", "UPDATE"}:
        offers, update = (one, other) if one["type"] == "OFFERS" else (other, one)
        return _is_made_by_agent(_status(update)) or not _agents_of(offers) & _agents_of(update)
    return types == {"OFFERS"} and not _agents_of(one) & _agents_of(other)


def _are_updates_concurrent(one: Json, other: Json) -> bool:
    """Updates of different tasks, if agents made them, or if they answer the same reconciliation."""
    if one["task_id"] == other["task_id"]:
        return False
    are_answers = one.get("reason") == other.get("reason") == "REASON_RECONCILIATION"
    return are_answers or _is_made_by_agent(one) or _is_made_by_agent(other)


def _status(event: Json) -> Json:
    status: Json = event["update"]["status"]
    return status


def _is_made_by_agent(status: Json) -> bool:
    return "uuid" in status


def _agents_of(event: Json) -> set[str]:
    if event["type"] == "UPDATE":
        return {_status(event).get("agent_id", {}).get("value", "")}
    return {offer["agent_id"]["value"] for offer in event["offers"]["offers"]}
