"""The agent itself: recovery, its place with the master, and its HTTP face."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from calico_dcos.sim.agent import state_json
from calico_dcos.sim.agent.book import TaskBook, agent_status
from calico_dcos.sim.agent.checkpoint import Checkpoint
from calico_dcos.sim.agent.containers import Containers
from calico_dcos.sim.agent.deeds import Deeds
from calico_dcos.sim.agent.executors import Executors
from calico_dcos.sim.agent.files import answer_files
from calico_dcos.sim.agent.options import AgentOptions
from calico_dcos.sim.agent.task import Task
from calico_dcos.sim.resources import Style, resources_from_json, resources_to_json
from calico_dcos.sim.versions import Feature
from calico_dcos.sim.wire import Answer, Channel, Message, Request, Response, Upgrade, json_response, open_channel

Json = dict[str, Any]
FIRST_DETECTION_S = 0.2
MASTER_DETECTION_S = 2.0  # what real agents took, in the recordings, to notice that their master had been restarted


class IncompatibleError(Exception):
    """The agent is not what it was before its restart."""


class Agent:
    """Runs the master's tasks; everything happens on one event loop."""

    def __init__(self, options: AgentOptions, containers: Containers) -> None:
        self._options = options
        self._started_at = time.time()
        self._agent_id: str | None = None
        self._is_recovered = False
        self._master: Channel | None = None
        self._master_hostname: str | None = None
        self._checkpoint = Checkpoint(options.work_dir)
        self._deeds = Deeds(options.work_dir / "deeds.jsonl")
        self._book = TaskBook(checkpoint=self._checkpoint, deeds=self._deeds, forward=self._forward)
        self._executors = Executors(options, self._book, containers)

    async def run(self) -> None:
        """Recover, then serve the master, for ever; raises IncompatibleError if recovery is not possible."""
        self._deeds.write("agent started", version=self._options.version.text)
        await self._recover()
        self._is_recovered = True
        await asyncio.sleep(self._options.registration_backoff_s if self._agent_id is not None else 0)
        delay_s = FIRST_DETECTION_S
        while True:
            try:
                channel = await open_channel(self._options.master_ip, self._options.master_port, "/sim/agent")
            except OSError:
                await asyncio.sleep(delay_s)
                continue
            await self._serve_master(channel)
            delay_s = MASTER_DETECTION_S
            await asyncio.sleep(delay_s)

    def handle(self, request: Request) -> Answer:
        """Answer a request."""
        path = request.path.removeprefix("/slave(1)")
        if path == "/sim/executor":
            return Upgrade(self._executors.serve)
        if path == "/state":
            return self._state() if self._is_recovered else Response(503, b"Agent has not finished recovery")
        if path == "/flags":
            return json_response({"flags": self._options.flags})
        if path == "/metrics/snapshot":
            return json_response(state_json.metrics_json(self._started_at, self._list_tasks()))
        if path == "/version":
            return json_response(self._options.version.to_json())
        if path == "/health":
            return Response(200)
        return answer_files(path, request.query, self._options.work_dir / "slaves")

    def shut_down(self) -> None:
        """Kill all tasks and forget who this agent is, as SIGUSR1 and a master's SHUTDOWN do."""
        for task in self._book:
            self._book.abandon(task)
            self._executors.kill(task, None)
        self._checkpoint.forget_agent()

    def _list_tasks(self) -> list[Task]:
        return [task for task in self._book if not task.is_abandoned]

    def _state(self) -> Response:
        told = state_json.state_json(self._options, self._agent_id or "", self._started_at, self._list_tasks())
        if self._master_hostname is not None:
            told["master_hostname"] = self._master_hostname
        return json_response(told)

    async def _recover(self) -> None:
        """Become the agent of before the restart, and wait for its executors to come back."""
        known = self._checkpoint.load_agent()
        if known is None:
            return
        is_rebooted = known["boot_id"] != self._options.boot_id
        if is_rebooted and not self._options.version.has(Feature.REBOOT_KEEPS_AGENT_ID):
            self._checkpoint.forget_agent()
            return
        if not self._is_compatible_with(known["description"]):
            raise IncompatibleError("Incompatible agent info detected")
        self._agent_id = self._executors.agent_id = known["id"]
        tasks = self._checkpoint.load_tasks()
        for task in tasks:
            if is_rebooted:
                self._checkpoint.forget_task(task)
            else:
                self._book.add(task)
                self._executors.recover(task)
        if tasks and not is_rebooted:
            await asyncio.sleep(self._options.executor_reregistration_timeout_s)
            self._executors.end_missing()

    def _is_compatible_with(self, earlier: Json) -> bool:
        now = self._describe()
        if self._options.reconfiguration_policy == "equal" or earlier["hostname"] != now["hostname"]:
            same = ("hostname", "port", "resources", "attributes")
            return all(earlier[name] == now[name] for name in same)
        has_resources = resources_from_json(now["resources"]).contains(resources_from_json(earlier["resources"]))
        return has_resources and all(item in now["attributes"] for item in earlier["attributes"])

    def _describe(self) -> Json:
        options = self._options
        return {
            "hostname": options.hostname,
            "ip": options.ip,
            "port": options.port,
            "version": options.version.text,
            "resources": resources_to_json(options.resources, Style.BOTH),
            "attributes": options.attribute_items,
            "attribute_values": dict(options.attributes),
        }

    async def _serve_master(self, channel: Channel) -> None:
        """Register, and do what the master says until it is gone or has not pinged for too long."""
        channel.send(self._introduction())
        ping_timeout_s: float | None = None
        try:
            while (message := await asyncio.wait_for(channel.receive(), ping_timeout_s)) is not None:
                if message["type"] in {"REGISTERED", "REREGISTERED"}:
                    ping_timeout_s = message["ping_timeout_s"]
                    self._registered(channel, message)
                else:
                    self._obey(channel, message)
        except TimeoutError:
            print("No pings from the master", flush=True)
        self._master = None
        channel.close()

    def _introduction(self) -> Message:
        if self._agent_id is None:
            return {"type": "REGISTER", "agent": self._describe()}
        tasks = [task for task in self._book if not task.is_abandoned]
        return {
            "type": "REREGISTER",
            "agent_id": self._agent_id,
            "agent": self._describe(),
            "tasks": [
                {"framework_id": task.framework_id, "info": task.info, "state": task.state, "statuses": task.statuses}
                for task in tasks
            ],
            "frameworks": list({task.framework_id: task.framework for task in tasks}.values()),
        }

    def _registered(self, channel: Channel, message: Message) -> None:
        """Note the id, and deliver what waited: twice, as real agents were seen to do."""
        agent_id: str = message["agent_id"]
        self._agent_id = self._executors.agent_id = agent_id
        self._master_hostname = message["master_hostname"]
        self._deeds.write("agent registered", agent_id=agent_id)
        self._checkpoint.save_agent(agent_id, self._options.boot_id, self._describe())
        self._master = channel
        self._book.resend()
        self._book.resend()

    def _obey(self, channel: Channel, message: Message) -> None:
        match message["type"]:
            case "PING":
                channel.send({"type": "PONG"})
            case "LAUNCH":
                self._executors.launch(message["framework"], message["task"])
            case "KILL":
                self._kill(message["framework_id"], message["task_id"], message["kill_policy"])
            case "ACKNOWLEDGE":
                self._book.acknowledge(message["framework_id"], message["task_id"], message["uuid"])
            case "RECONCILE":
                self._reconcile(channel, message)
            case "SHUTDOWN_FRAMEWORK":
                self._shut_down_framework(message["framework_id"])
            case "SHUTDOWN":
                self.shut_down()
                raise SystemExit(message["message"])

    def _kill(self, framework_id: str, task_id: str, kill_policy: Json | None) -> None:
        task = self._book.find(framework_id, task_id)
        if task is not None:
            self._executors.kill(task, kill_policy)

    def _reconcile(self, channel: Channel, message: Message) -> None:
        """Tell of tasks that the master believes to be here that they are not."""
        for task_id in message["task_ids"]:
            if self._book.find(message["framework_id"], task_id) is None:
                status = agent_status(
                    self._agent_id or "",
                    task_id,
                    message["state"],
                    reason="REASON_RECONCILIATION",
                    message="Reconciliation: Task is unknown to the agent",
                )
                channel.send(_update(message["framework_id"], status, message["state"]))

    def _shut_down_framework(self, framework_id: str) -> None:
        for task in self._book:
            if task.framework_id == framework_id:
                self._book.abandon(task)
                self._executors.kill(task, None)

    def _forward(self, task: Task, status: Json) -> None:
        """Send an update to the master; while there is none it waits."""
        if self._master is not None:
            self._master.send(_update(task.framework_id, status, task.state))


def _update(framework_id: str, status: Json, latest_state: str) -> Message:
    return {"type": "UPDATE", "framework_id": framework_id, "status": status, "latest_state": latest_state}
