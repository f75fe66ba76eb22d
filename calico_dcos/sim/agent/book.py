"""The tasks of an agent: what happens to them is written down, then delivered."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from calico_dcos.sim.agent.checkpoint import Checkpoint
from calico_dcos.sim.agent.deeds import Deeds
from calico_dcos.sim.agent.status_updates import UpdateStream
from calico_dcos.sim.agent.task import Task

Json = dict[str, Any]
SEEN_KEPT = 100


class TaskBook:
    """All tasks that are not complete, each with its stream of updates."""

    def __init__(self, *, checkpoint: Checkpoint, deeds: Deeds, forward: Callable[[Task, Json], None]) -> None:
        self._checkpoint = checkpoint
        self._deeds = deeds
        self._forward = forward
        self._tasks: dict[tuple[str, str], Task] = {}
        self._streams: dict[tuple[str, str], UpdateStream] = {}

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.values()))

    def add(self, task: Task) -> None:
        """Enter a task that was launched now or before a restart."""
        key = (task.framework_id, task.id)
        self._tasks[key] = task
        self._streams[key] = UpdateStream(
            forward=lambda status: self._forward(task, status),
            later=lambda delay_s, act: asyncio.get_running_loop().call_later(delay_s, act),
            pending=task.pending,
        )
        self.save(task)

    def find(self, framework_id: str, task_id: str) -> Task | None:
        """A task that is not complete, or None."""
        return self._tasks.get((framework_id, task_id))

    def save(self, task: Task) -> None:
        """Write a task down, or forget it when it is complete."""
        if not task.is_complete:
            self._checkpoint.save_task(task)
            return
        self._checkpoint.forget_task(task)
        self._tasks.pop((task.framework_id, task.id), None)
        self._streams.pop((task.framework_id, task.id)).stop()

    def update(self, task: Task, status: Json) -> None:
        """Take a new status; one that was taken before, or that comes after the end, changes nothing."""
        if status["uuid"] in task.seen or task.is_terminal:
            return
        task.seen = [*task.seen[-SEEN_KEPT:], status["uuid"]]
        task.record(status)
        if task.is_terminal:
            self.note("ended", task, state=status["state"], message=status.get("message", ""))
        if not task.is_abandoned:
            self._streams[task.framework_id, task.id].add(status)
        self.save(task)

    def acknowledge(self, framework_id: str, task_id: str, update_uuid: str) -> None:
        """Take a framework's acknowledgement."""
        task = self.find(framework_id, task_id)
        if task is not None:
            self._streams[framework_id, task_id].acknowledge(update_uuid)
            self.save(task)

    def abandon(self, task: Task) -> None:
        """Deliver nothing of this task any more."""
        task.is_abandoned = True
        self._streams[task.framework_id, task.id].stop()
        task.pending.clear()
        self.save(task)

    def resend(self) -> None:
        """Deliver what is not acknowledged now, without waiting for the next retry."""
        for stream in list(self._streams.values()):
            stream.resend()

    def note(self, event: str, task: Task, **fields: Any) -> None:
        """Log what happened to a task."""
        ids = {"task_id": task.id, "framework_id": task.framework_id, "name": task.info["name"]}
        self._deeds.write(event, **ids, **fields)


def agent_status(agent_id: str, task_id: str, state: str, **fields: Any) -> Json:
    """A status of which the agent is the source."""
    return {
        "task_id": {"value": task_id},
        "state": state,
        "source": "SOURCE_AGENT",
        "agent_id": {"value": agent_id},
        "executor_id": {"value": task_id},
        "timestamp": time.time(),
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
        **fields,
    }
