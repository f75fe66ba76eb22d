"""What an agent tells of itself at /state, and of what it measures the part that somebody here asks for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from calico_dcos.sim.agent.options import AgentOptions
from calico_dcos.sim.agent.task import Task
from calico_dcos.sim.resources import (
    UNRESERVED,
    Resources,
    parse_resources,
    reservations_to_json,
    resources_from_json,
    summarize,
    total,
)
from calico_dcos.sim.versions import AGENT_CAPABILITIES

Json = dict[str, Any]
EXECUTOR_RESOURCES = parse_resources("cpus:0.1;mem:32")
LONGEST_COMMAND = 15


def state_json(options: AgentOptions, agent_id: str, started_at: float, tasks: list[Task]) -> Json:
    """The answer to /state of an agent that has recovered."""
    resources = options.resources
    allocated = total(_with_executor(task) for task in tasks if not task.is_terminal)
    capabilities = options.version.known(AGENT_CAPABILITIES)
    return {
        **options.version.to_json(),
        "start_time": started_at,
        "id": agent_id,
        "pid": options.pid,
        "hostname": options.hostname,
        **({"capabilities": capabilities} if capabilities else {}),
        "resources": summarize(resources),
        "reserved_resources": {role: summarize(resources.of_role(role)) for role in resources.roles()},
        "unreserved_resources": summarize(resources.of_role(UNRESERVED)),
        **reservations_to_json(resources),
        "reserved_resources_allocated": {role: summarize(allocated.of_role(role)) for role in allocated.roles()},
        "unreserved_resources_allocated": summarize(allocated.of_role(UNRESERVED)),
        "resource_providers": [],
        "attributes": dict(options.attributes),
        "flags": options.flags,
        "frameworks": _frameworks(agent_id, tasks),
        "completed_frameworks": [],
    }


def metrics_json(started_at: float, tasks: Iterable[Task]) -> Json:
    """The answer to /metrics/snapshot."""
    return {
        "slave/uptime_secs": time.time() - started_at,
        "slave/tasks_running": float(sum(task.state == "TASK_RUNNING" for task in tasks)),
    }


def _with_executor(task: Task) -> Resources:
    """What an agent counts for a command task: itself and as much again as its executor is allowed."""
    role = next(iter(_resources(task).roles()), UNRESERVED)
    overhead = Resources({(name, role): quantity for (name, _), quantity in EXECUTOR_RESOURCES.quantities.items()})
    return _resources(task) + overhead


def _resources(task: Task) -> Resources:
    return resources_from_json(task.info.get("resources", []))


def _frameworks(agent_id: str, tasks: Iterable[Task]) -> list[Json]:
    by_framework: dict[str, list[Task]] = {}
    for task in tasks:
        by_framework.setdefault(task.framework_id, []).append(task)
    return [_framework(agent_id, group) for group in by_framework.values()]


def _framework(agent_id: str, tasks: list[Task]) -> Json:
    info = tasks[0].framework
    return {
        "id": info["id"]["value"],
        "name": info["name"],
        "user": info["user"],
        "failover_timeout": info.get("failover_timeout", 0.0),
        "checkpoint": info.get("checkpoint", False),
        "hostname": info.get("hostname", ""),
        "role": info.get("role", UNRESERVED),
        "executors": [_executor(agent_id, task) for task in tasks],
        "completed_executors": [],
    }


def _executor(agent_id: str, task: Task) -> Json:
    command = task.info["command"].get("value", "")
    shown = command if len(command) <= LONGEST_COMMAND else command[: LONGEST_COMMAND - 3] + "..."
    role = task.framework.get("role", UNRESERVED)
    return {
        "id": task.id,
        "name": f"Command Executor (Task: {task.id}) (Command: sh -c '{shown}')",
        "source": task.id,
        "container": task.container_id,
        "directory": task.sandbox,
        "resources": summarize(_with_executor(task)),
        "role": role,
        "tasks": [_task(agent_id, task, role)],
        "queued_tasks": [],
        "completed_tasks": [],
    }


def _task(agent_id: str, task: Task, role: str) -> Json:
    return {
        "id": task.id,
        "name": task.info["name"],
        "framework_id": task.framework_id,
        "executor_id": "",
        "slave_id": agent_id,
        "state": task.state,
        "resources": summarize(_resources(task)),
        "role": role,
        "statuses": [_status(status) for status in task.statuses],
    }


def _status(status: Json) -> Json:
    shown: Json = {name: status[name] for name in ("state", "timestamp", "healthy") if name in status}
    if "container_status" in status:
        container_status = {name: part for name, part in status["container_status"].items() if name != "executor_pid"}
        shown["container_status"] = container_status
    return shown
