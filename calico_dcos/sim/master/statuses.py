"""Updates that the master itself makes: they have no uuid and are never acknowledged."""

from __future__ import annotations

from typing import Any

from calico_dcos.sim.master.state import Framework, Json, MasterState, Task, value
from calico_dcos.sim.versions import FRAMEWORK_CAPABILITIES

PARTITION_STATES = frozenset(
    {"TASK_UNREACHABLE", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN"},
)


def send_update(
    state: MasterState,
    framework: Framework,
    task_id: str,
    task_state: str,
    **fields: Any,
) -> Json:
    """Send an update, built as by `build_status`, and return its status."""
    status = build_status(state, framework, task_id, task_state, **fields)
    state.send(framework, "UPDATE", {"status": status})
    return status


def build_status(
    state: MasterState,
    framework: Framework,
    task_id: str,
    task_state: str,
    *,
    reason: str,
    message: str,
    agent_id: str | None = None,
    **more: Any,
) -> Json:
    """A status; a framework that is not partition-aware gets TASK_LOST for every partition state."""
    return {
        "task_id": value(task_id),
        "state": state_for(state, framework, task_state),
        "message": message,
        "source": "SOURCE_MASTER",
        "reason": reason,
        "timestamp": state.now,
        **({"agent_id": value(agent_id)} if agent_id is not None else {}),
        **more,
    }


def state_for(state: MasterState, framework: Framework, task_state: str) -> str:
    """The name by which a framework is told of a state."""
    if task_state in PARTITION_STATES and not is_partition_aware(state, framework):
        return "TASK_LOST"
    return task_state


def is_partition_aware(state: MasterState, framework: Framework) -> bool:
    """Whether framework and master both know of partitions."""
    return framework.has("PARTITION_AWARE") and "PARTITION_AWARE" in state.version.known(FRAMEWORK_CAPABILITIES)


def latest(task: Task) -> Json:
    """What a master's update repeats of the newest status of a task."""
    container_status = task.last_with("container_status")
    repeated: Json = {"container_status": container_status} if container_status is not None else {}
    if task.statuses and "healthy" in task.statuses[-1]:
        repeated["healthy"] = task.statuses[-1]["healthy"]
    return repeated
