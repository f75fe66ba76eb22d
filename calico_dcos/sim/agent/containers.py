"""Starting executors: sandbox, URIs, environment, process, cgroup."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from calico_dcos.sim.agent import cni
from calico_dcos.sim.agent.fetcher import FetchError, fetch_all
from calico_dcos.sim.agent.options import AgentOptions
from calico_dcos.sim.agent.task import Task
from calico_dcos.sim.versions import Feature

KILL_GRACE_S = 3.0
EXECUTOR = Path(__file__).with_name("executor.py")

# Executors come to be in the cgroup that their first process was moved to: nothing is forked before.
_AWAIT_START = ("/bin/sh", "-c", 'read -r start && exec "$@"', "sh")
_START = b"start\n"


class LaunchError(Exception):
    """Why a container could not be launched, in the words of an agent."""


class Containers:
    """Starts the executors of an agent, and tidies up after them."""

    def __init__(self, options: AgentOptions, networks_at_start: frozenset[str]) -> None:
        self._options = options
        self._networks_at_start = networks_at_start

    async def start(self, task: Task, agent_id: str) -> subprocess.Popen[bytes]:
        """Start the executor of a task; raises LaunchError."""
        sandbox = _make_sandbox(task)
        network = cni.unknown_network(task.info, self._options, self._networks_at_start)
        if network is not None:
            msg = f"Unknown CNI network '{network}'"
            raise LaunchError(msg)
        try:
            await asyncio.to_thread(fetch_all, task.info["command"].get("uris", []), sandbox)
        except FetchError as error:
            (sandbox / "stderr").write_text(f"{error}\n")
            msg = f"Failed to fetch all URIs for container '{task.container_id}': exited with status 1"
            raise LaunchError(msg) from error
        await asyncio.to_thread(self._attach, task)
        return self._start_executor(task, sandbox, agent_id)

    def _attach(self, task: Task) -> None:
        """Give a container its networks, in a namespace that its executor is started in."""
        for network in cni.list_networks(task.info):
            try:
                address = cni.attach(self._options, task.container_id, network)
            except cni.NetworkError as error:
                raise LaunchError(str(error)) from error
            task.networks = [*task.networks, {**network, "address": address}]

    def tidy(self, task: Task) -> None:
        """Remove the networks and the cgroup of a container that is gone."""
        for network in task.networks:
            cni.detach(self._options, task.container_id, network)
        task.networks = []
        cgroup = self._cgroup_of(task)
        if cgroup is not None and self._options.version.has(Feature.EXECUTORS_IN_OWN_CGROUP):
            with contextlib.suppress(OSError):  # it was never made, or something that left our session lives in it
                cgroup.rmdir()

    def _start_executor(self, task: Task, sandbox: Path, agent_id: str) -> subprocess.Popen[bytes]:
        with (sandbox / "stdout").open("ab") as output, (sandbox / "stderr").open("ab") as errors:
            network = cni.build_entry(self._options, task.container_id) if task.networks else ()
            namespaces = (*network, *self._options.unshare)
            process = subprocess.Popen(
                [*_AWAIT_START, *namespaces, sys.executable, "-I", "-S", str(EXECUTOR)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                cwd=sandbox,
                env=self._environment(task, agent_id),
                start_new_session=True,
            )
        self._leave_unit(task, process.pid)
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(_START + json.dumps(self._orders(task)).encode())
        process.stdin.close()
        return process

    def _orders(self, task: Task) -> dict[str, Any]:
        version = self._options.version
        reason = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED" if version.has(Feature.HEALTH_CHECK_REASON) else None
        check = task.info.get("health_check")
        if check is not None and not version.has(Feature.HEALTH_CHECK_TYPES):
            check = {name: content for name, content in check.items() if name != "type"}
        return {
            "agent_ip": self._options.ip,
            "agent_port": self._options.port,
            "framework_id": task.framework_id,
            "task_id": task.id,
            "container_id": task.container_id,
            "command": task.info["command"],
            "health_check": check,
            "health_reason": reason,
            "is_checkpointed": task.is_checkpointed,
            "recovery_timeout_s": self._options.recovery_timeout_s,
            "kill_grace_s": kill_grace_s(task.info.get("kill_policy")),
            "tells_starting": version.has(Feature.STARTING_STATE),
            "tells_killing": task.can("TASK_KILLING_STATE"),
        }

    def _environment(self, task: Task, agent_id: str) -> dict[str, str]:
        """The clean environment of executors, what Mesos adds, and what the task asks for, in this order."""
        options = self._options
        variables = task.info["command"].get("environment", {}).get("variables", [])
        return {
            **options.executor_environment,
            "LIBPROCESS_IP": options.ip,
            "LIBPROCESS_PORT": "0",
            "MESOS_AGENT_ENDPOINT": f"{options.ip}:{options.port}",
            "MESOS_CHECKPOINT": "1" if task.is_checkpointed else "0",
            "MESOS_DIRECTORY": task.sandbox,
            "MESOS_EXECUTOR_ID": task.id,
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
            "MESOS_FRAMEWORK_ID": task.framework_id,
            "MESOS_HTTP_COMMAND_EXECUTOR": "0",
            "MESOS_RECOVERY_TIMEOUT": options.flags["recovery_timeout"],
            "MESOS_SANDBOX": task.sandbox,
            "MESOS_SLAVE_ID": agent_id,
            "MESOS_SLAVE_PID": options.pid,
            **{variable["name"]: variable.get("value", "") for variable in variables},
            **(cni.read_namespace(options, task.container_id) if task.networks else {}),
        }

    def _leave_unit(self, task: Task, pid: int) -> None:
        """Move an executor out of the cgroup of the agent's unit in name=systemd, so that it outlives the unit.

        Where systemd tracks units in the unified hierarchy this does not help, as with a real agent.
        """
        cgroup = self._cgroup_of(task)
        if cgroup is None:
            return
        try:
            cgroup.mkdir(parents=True, exist_ok=True)
            (cgroup / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            print(f"Executor {pid} stays in the cgroup of the agent: {error}", flush=True)

    def _cgroup_of(self, task: Task) -> Path | None:
        if self._options.launcher != "linux":
            return None
        systemd = self._options.cgroups_hierarchy / "systemd"
        if self._options.version.has(Feature.EXECUTORS_IN_OWN_CGROUP):
            return systemd / "mesos" / task.container_id
        return systemd / "mesos_executors.slice"


def kill_grace_s(kill_policy: dict[str, Any] | None) -> float:
    """The grace period of a KillPolicy, in seconds."""
    nanoseconds = (kill_policy or {}).get("grace_period", {}).get("nanoseconds")
    return KILL_GRACE_S if nanoseconds is None else nanoseconds / 1e9


def inherited_environment() -> dict[str, str]:
    """What executors inherit from an agent that has no --executor-environment."""
    return {name: content for name, content in os.environ.items() if not name.startswith(("MESOS_", "LIBPROCESS_"))}


def _make_sandbox(task: Task) -> Path:
    sandbox = Path(task.sandbox)
    sandbox.mkdir(parents=True, exist_ok=True)
    latest = sandbox.parent / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(sandbox.name)
    return sandbox
