"""Hosts whose systemd does not answer, as one trouble of all: none of them can be looked at, and for one reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from calico_dcos.core.events import Inspected, RosterRead
from calico_dcos.core.model import NAMED, Agent
from calico_dcos.scheduler import Turn
from calico_dcos.troubles import Source, Troubles

_REMEDY = (
    "see systemctl status dbus there; where a systemd older than 236 does not answer to tasks, run the installer by "
    "hand (docs/custom-install.md)"
)


class BusWatch:
    """Tells of the hosts on which the last look found no way to systemd; a turn costs as much as what it brought."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        # Why, by agent key. Those that were found first stay the first, and are the ones that are named.
        self._faults: dict[str, str] = {}
        self._is_begun = False

    def observe(self, turn: Turn) -> None:
        """Take in what one turn of the scheduler brought, and at the first one what is known already."""
        agents = turn.state.agents
        news = list(_list_touched(turn)) if self._is_begun else sorted(agents)
        if any(isinstance(event, RosterRead) for event in turn.events) or len(agents) != len(turn.before.agents):
            news.extend(self._faults)
        self._is_begun = True
        found = {key: "" if key not in agents else find_bus_fault(agents[key]) for key in news}
        if all(self._faults.get(key, "") == fault for key, fault in found.items()):
            return
        for key, fault in found.items():
            if fault:
                self._faults[key] = fault
            else:
                self._faults.pop(key, None)
        self._tell()

    def _tell(self) -> None:
        if not self._faults:
            self._troubles.end(Source.BUS)
            return
        count = len(self._faults)
        names = ", ".join(islice(self._faults, NAMED)) + (f" and {count - NAMED} more" if count > NAMED else "")
        reason = next(iter(self._faults.values()))
        hosts = "1 host does" if count == 1 else f"{count} hosts do"
        self._troubles.tell(Source.BUS, f"systemd of {hosts} not answer ({names}): {reason}", _REMEDY)


def _list_touched(turn: Turn) -> Iterator[str]:
    """List the agents on which somebody looked."""
    for event in turn.events:
        place = turn.state.get_task(event.task_id) if isinstance(event, Inspected) else None
        if place is not None:
            yield place[0].key


def find_bus_fault(agent: Agent) -> str:
    """Find why the last look got no answer from a host's systemd, empty if it did; who has left is not told of.

    One unit alone that is not known may have a reason of its own: only where neither Docker's nor the agent's is, it is
    systemd that does not answer.
    """
    if agent.inspection is None or agent.absent_since is not None:
        return ""
    facts = agent.inspection.facts
    if _read(facts, "system", "init") != "systemd":
        return ""
    docker, mesos = (_read(facts, part, "unit", "unknown") for part in ("docker", "mesos_agent"))
    return docker if docker and mesos else ""


def _read(facts: Mapping[str, Any], *place: str) -> str:
    part: Any = facts
    for name in place:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part if isinstance(part, str) else ""
