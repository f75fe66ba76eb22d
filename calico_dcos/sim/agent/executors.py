"""The executors of an agent, from their launch, or their return after a restart of the agent, to their end."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from typing import Any

from calico_dcos.sim.agent.book import TaskBook, agent_status
from calico_dcos.sim.agent.containers import Containers, LaunchError, kill_grace_s
from calico_dcos.sim.agent.options import AgentOptions
from calico_dcos.sim.agent.processes import identify, is_alive, kill_session, watch_end
from calico_dcos.sim.agent.task import Task
from calico_dcos.sim.wire import Channel, Message

Json = dict[str, Any]
ENDED_MESSAGE = {
    "linux": "Abnormal executor termination: unknown container",
    "posix": "Executor terminated",
}


class Executors:
    """Launches tasks, passes kills on, and takes what executors tell."""

    def __init__(self, options: AgentOptions, book: TaskBook, containers: Containers) -> None:
        self.agent_id = ""
        self._options = options
        self._book = book
        self._containers = containers
        self._channels: dict[str, Channel] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starting: set[asyncio.Task[None]] = set()

    def launch(self, framework: Json, info: Json) -> None:
        """Launch a task that the master sent."""
        container_id = str(uuid.uuid4())
        directory = self._options.work_dir / "slaves" / self.agent_id / "frameworks" / framework["id"]["value"]
        sandbox = directory / "executors" / info["task_id"]["value"] / "runs" / container_id
        task = Task(info, framework, container_id, str(sandbox))
        self._book.add(task)
        self._book.note("launched", task, container_id=container_id, sandbox=task.sandbox)
        starting = asyncio.ensure_future(self._start(task))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    def kill(self, task: Task, kill_policy: Json | None) -> None:
        """Kill a task; one whose executor is not there yet, as soon as it is."""
        if task.is_terminal:
            return
        self._book.note("killed", task)
        task.is_kill_wanted = True
        channel = self._channels.get(task.container_id)
        if channel is not None:
            _send_kill(channel, kill_policy or task.info.get("kill_policy"))

    async def serve(self, channel: Channel) -> None:
        """Take the messages of an executor until it is gone."""
        first = await channel.receive()
        if first is None:
            return
        task = self._book.find(first["framework_id"], first["task_id"])
        if task is None or task.container_id != first["container_id"]:
            _send_kill(channel, None)
            return
        self._channels[task.container_id] = channel
        if task.is_kill_wanted:
            _send_kill(channel, task.info.get("kill_policy"))
        for status in first["unacknowledged"]:
            self._take(task, channel, status)
        while (message := await channel.receive()) is not None:
            self._take(task, channel, message["status"])
        if self._channels.get(task.container_id) is channel:
            del self._channels[task.container_id]

    def recover(self, task: Task) -> None:
        """Watch the executor of a task from before a restart, or note that it is gone."""
        if task.executor is not None and is_alive(task.executor):
            watch_end(task.executor, lambda: self._ended(task, "Executor terminated"))
        else:
            self._ended(task, ENDED_MESSAGE[self._options.launcher])

    def end_missing(self) -> None:
        """End the executors that have not come back in time after a restart."""
        timeout = self._options.flags["executor_reregistration_timeout"]
        for task in self._book:
            if task.container_id not in self._channels and not task.is_executor_gone and task.executor is not None:
                kill_session(task.executor)
                self._end(
                    task,
                    "TASK_GONE" if task.can("PARTITION_AWARE") else "TASK_LOST",
                    reason="REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
                    message=f"Executor did not reregister within {timeout}",
                )

    async def _start(self, task: Task) -> None:
        try:
            process = await self._containers.start(task, self.agent_id)
        except LaunchError as error:
            self._failed(task, error)
            return
        self._processes[task.container_id] = process
        task.executor = identify(process.pid)
        self._book.save(task)
        if task.executor is not None:
            watch_end(task.executor, lambda: self._ended(task, "Executor terminated"))

    def _failed(self, task: Task, error: LaunchError) -> None:
        task.is_executor_gone = True
        self._end(
            task,
            "TASK_FAILED",
            message=f"Failed to launch container: {error}",
            reason="REASON_CONTAINER_LAUNCH_FAILED",
        )

    def _take(self, task: Task, channel: Channel, status: Message) -> None:
        """Take a status from an executor, write it down, and tell the executor so."""
        self._book.update(task, self._complete(task, status))
        channel.send({"type": "ACKNOWLEDGE", "uuid": status["uuid"]})

    def _ended(self, task: Task, message: str) -> None:
        """Note that an executor is gone; a task that had not ended has failed with it."""
        process = self._processes.pop(task.container_id, None)
        if process is not None:
            process.wait()
        if task.executor is not None:
            kill_session(task.executor)
        task.is_executor_gone = True
        self._containers.tidy(task)
        self._end(task, "TASK_FAILED", message=message, reason="REASON_EXECUTOR_TERMINATED")
        self._book.save(task)

    def _end(self, task: Task, state: str, **fields: Any) -> None:
        self._book.update(task, agent_status(self.agent_id, task.id, state, **fields))

    def _complete(self, task: Task, status: Message) -> Json:
        own = [{"address": self._options.ip}]
        container_status = {
            "container_id": {"value": task.container_id},
            "network_infos": [_tell_network(network) for network in task.networks or own],
            **({"executor_pid": task.executor.pid} if task.executor is not None else {}),
        }
        return {
            "task_id": {"value": task.id},
            "agent_id": {"value": self.agent_id},
            "executor_id": {"value": task.id},
            "container_status": container_status,
            **status,
        }


def _tell_network(network: Json) -> Json:
    name = {"name": network["name"]} if "name" in network else {}
    return {"ip_addresses": [{"protocol": "IPv4", "ip_address": network["address"]}], **name}


def _send_kill(channel: Channel, kill_policy: Json | None) -> None:
    channel.send({"type": "KILL", "grace_s": kill_grace_s(kill_policy)})
