"""What an agent writes down to find its id and its tasks again after a restart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from calico_dcos.sim.agent.task import Task

Json = dict[str, Any]


class Checkpoint:
    """The directory meta/ of the work directory.

    `meta/slaves/latest` points to the agent's own directory; who removes that link makes the next start a new agent.
    """

    def __init__(self, work_dir: Path) -> None:
        self._meta = work_dir / "meta"
        self._latest = self._meta / "slaves" / "latest"

    def load_agent(self) -> Json | None:
        """What was saved of the agent: its `id`, `boot_id` and `description`."""
        path = self._latest / "slave.info"
        return json.loads(path.read_text()) if path.exists() else None

    def save_agent(self, agent_id: str, boot_id: str, description: Json) -> None:
        """Remember who this agent is."""
        directory = self._meta / "slaves" / agent_id
        directory.mkdir(parents=True, exist_ok=True)
        _write(directory / "slave.info", {"id": agent_id, "boot_id": boot_id, "description": description})
        if self._latest.is_symlink():
            self._latest.unlink()
        self._latest.symlink_to(agent_id)

    def forget_agent(self) -> None:
        """Have the next start register as a new agent."""
        self._latest.unlink(missing_ok=True)

    def load_tasks(self) -> list[Task]:
        """The tasks that were saved, in the order of their launch."""
        paths = sorted(self._latest.glob("frameworks/*/*/task.json"), key=lambda path: path.parent.stat().st_ctime_ns)
        return [Task.from_storage(json.loads(path.read_text())) for path in paths]

    def save_task(self, task: Task) -> None:
        """Remember a task, if its framework wants that."""
        if task.is_checkpointed:
            directory = self._directory_of(task)
            directory.mkdir(parents=True, exist_ok=True)
            _write(directory / "task.json", task.for_storage())

    def forget_task(self, task: Task) -> None:
        """Forget a task that is complete."""
        shutil.rmtree(self._directory_of(task), ignore_errors=True)

    def _directory_of(self, task: Task) -> Path:
        return self._latest / "frameworks" / task.framework_id / task.id


def _write(path: Path, content: Json) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)
