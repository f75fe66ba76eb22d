"""A store in memory: what it was given to save is there, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calico_dcos.core.command import AuditEntry
from calico_dcos.core.memory import Batch, Memory
from calico_dcos.core.model import Agent


class Kept:
    """What a store holds, at a cost in proportion to what is saved."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._agents: dict[str, Agent] = {agent.key: agent for agent in memory.agents}
        self._audit: dict[int, AuditEntry] = {entry.place: entry for entry in memory.audit}
        self._pins = dict(memory.pins)

    def save(self, batch: Batch, agent_count: int | None = None) -> None:
        """Take a batch in, or of its agents only as many as were written before the scheduler was killed."""
        named: dict[str, Any] = {
            "framework_id": batch.framework_id,
            "secret": batch.secret,
            "controls": batch.controls,
            "words": batch.words,
            "connectivity": batch.connectivity,
        }
        self._memory = replace(self._memory, **{name: value for name, value in named.items() if value is not None})
        for url in batch.unpinned:
            self._pins.pop(url, None)
        self._pins |= batch.pins
        self._audit |= {entry.place: entry for entry in batch.audit}
        for key in batch.forgotten:
            self._agents.pop(key, None)
        self._agents |= {agent.key: agent for agent in batch.agents[:agent_count]}

    def load(self) -> Memory:
        """Read everything."""
        agents = tuple(self._agents[key] for key in sorted(self._agents))
        return replace(self._memory, agents=agents, pins=dict(self._pins), audit=tuple(self._audit.values()))
