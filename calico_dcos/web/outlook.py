"""What is still to be changed on agents, by what the last look at each host found: in short, to count and to filter.

Disabled and skipped steps have nothing left, and neither has an agent that is complete. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from calico_dcos.core.model import Agent, Change, Status

from .plan import PhaseView

Json = dict[str, Any]

_OPEN = ("changes", "refused", "unclear")
# By which words agents are chosen. One agent may be meant by several: what restarts is a change, too.
_CLAIMS: dict[str, Callable[[Json], bool]] = {
    "change": lambda outlook: bool(outlook["changes"]),
    "restart": lambda outlook: bool(outlook["restarts"]),
    "docker": lambda outlook: "docker" in outlook["restarts"],
    "mesos-agent": lambda outlook: "mesos-agent" in outlook["restarts"],
    "refused": lambda outlook: bool(outlook["refused"]),
    "unclear": lambda outlook: bool(outlook["unclear"]),
    "nothing": lambda outlook: outlook["is_inspected"] and not any(outlook[part] for part in _OPEN),
    "unseen": lambda outlook: not outlook["is_inspected"],
}
OUTLOOKS = tuple(_CLAIMS)


def list_changes(agent: Agent, phase: PhaseView) -> Iterator[tuple[str, Change]]:
    """List what steps that are not complete have still to do on a host."""
    if agent.inspection is None:
        return
    for step in phase.steps:
        if step.status is not Status.COMPLETE:
            for change in agent.inspection.get_changes(step.name):
                yield step.name.value, change


def list_refusals(agent: Agent, phase: PhaseView) -> Iterator[tuple[str, str]]:
    """List the steps that must not be done on a host, each with the reason."""
    if agent.inspection is not None:
        yield from _list_open(agent.inspection.refusals, phase)


def list_doubts(agent: Agent, phase: PhaseView) -> Iterator[tuple[str, str]]:
    """List the steps that could not be looked at, or are of no use although they are in place, each with the reason."""
    if agent.inspection is not None:
        yield from ((step, f"could not look: {why}") for step, why in _list_open(agent.inspection.unknowns, phase))
        yield from _list_open(agent.inspection.faults, phase)


def _list_open(told: Mapping[str, str], phase: PhaseView) -> Iterator[tuple[str, str]]:
    if told:
        open_steps = {step.name.value for step in phase.steps if step.status is not Status.COMPLETE}
        yield from ((step, reason) for step, reason in told.items() if step in open_steps)


def build_outlook(agent: Agent, phase: PhaseView) -> Json:
    """Build what a row tells of the changes that are left: how many in which step, what restarts, what is refused."""
    changes = list(list_changes(agent, phase))
    return {
        "is_inspected": agent.inspection is not None,
        "node": build_node(agent),
        "changes": dict(Counter(step for step, _ in changes)),
        # A service that several changes would restart is restarted once.
        "restarts": sorted({change.restarts for _, change in changes if change.restarts is not None}),
        "refused": [step for step, _ in list_refusals(agent, phase)],
        "unclear": [step for step, _ in list_doubts(agent, phase)],
    }


def build_node(agent: Agent) -> Json | None:
    """Build what Calico knows the host as, or would; None where that is not known."""
    node = None if agent.inspection is None else agent.inspection.node
    return None if node is None else {"name": node.name, "address": node.address}


def is_outlook(outlook: Json, word: str) -> bool:
    """Whether one of `OUTLOOKS` is said of an agent with reason; no word is said of all."""
    return not word or _CLAIMS[word](outlook)


def sum_up_outlooks(outlooks: Iterable[Json]) -> Json:
    """Count the agents of which each word is said, and those that were inspected."""
    counts = dict.fromkeys(OUTLOOKS, 0)
    inspected = 0
    for outlook in outlooks:
        if not outlook["is_inspected"]:
            counts["unseen"] += 1
            continue
        inspected += 1
        for word, claim in _CLAIMS.items():
            counts[word] += claim(outlook)
    return {"inspected": inspected, **counts}
