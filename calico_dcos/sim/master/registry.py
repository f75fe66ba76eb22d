"""What outlives the master's process: which agents were admitted, and which were given up."""

from __future__ import annotations

import json
from pathlib import Path

from calico_dcos.sim.master.state import Json, MasterState


class Registry:
    """A file in the work directory; with `--registry in_memory` there is none, and a new master knows no agents."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self, state: MasterState) -> None:
        """Take over what an earlier master of this work directory knew."""
        if self._path is None or not self._path.exists():
            return
        content: Json = json.loads(self._path.read_text())
        state.recovered_agents.update(content["admitted"])
        state.unreachable_agents.update(content["unreachable"])

    def save(self, state: MasterState) -> None:
        """Write what the master knows now, if that changed."""
        if self._path is None or not state.is_registry_changed:
            return
        admitted = {agent.id: agent.description for agent in state.agents.values()}
        content = {"admitted": state.recovered_agents | admitted, "unreachable": state.unreachable_agents}
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content))
        temporary.replace(self._path)
        state.is_registry_changed = False
