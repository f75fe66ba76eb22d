"""RECONCILE: what the master knows about tasks, and what it admits not to know."""

from __future__ import annotations

from typing import Any

from calico_dcos.sim.master.state import Framework, Json, MasterState, Task, nanoseconds
from calico_dcos.sim.master.statuses import latest, send_update

REASON = "REASON_RECONCILIATION"


def reconcile(state: MasterState, framework: Framework, body: Json) -> None:
    """Answer a RECONCILE call: implicitly if it names no tasks."""
    asked = body.get("tasks", [])
    if asked:
        reconcile_explicitly(state, framework, asked)
    else:
        for task in framework.tasks.values():
            _tell_latest(state, framework, task)


def reconcile_explicitly(state: MasterState, framework: Framework, asked: list[Json]) -> None:
    """Answer for each task that is named, except where the answer may still arrive with an agent."""
    for item in asked:
        task_id, agent_id = item["task_id"]["value"], item.get("agent_id", {}).get("value")
        task = framework.tasks.get(task_id)
        if task is not None:
            _tell_latest(state, framework, task)
        elif not _may_still_arrive(state, agent_id):
            _tell_unknown(state, framework, task_id, agent_id)


def _tell_latest(state: MasterState, framework: Framework, task: Task) -> None:
    send_update(
        state,
        framework,
        task.id,
        task.update_state or task.state,
        reason=REASON,
        message="Reconciliation: Latest task state",
        agent_id=task.agent_id,
        **latest(task),
    )


def _may_still_arrive(state: MasterState, agent_id: str | None) -> bool:
    if agent_id is None:
        return bool(state.recovered_agents)
    return agent_id in state.recovered_agents


def _tell_unknown(state: MasterState, framework: Framework, task_id: str, agent_id: str | None) -> None:
    unreachable = framework.unreachable_tasks.get(task_id)
    known_agent_id = unreachable.agent_id if unreachable is not None and agent_id is None else agent_id
    task_state, message = "TASK_UNKNOWN", "Reconciliation: Task is unknown"
    more: dict[str, Any] = {}
    if known_agent_id in state.agents:
        task_state, message = "TASK_GONE", "Reconciliation: Task is unknown to the agent"
    elif known_agent_id in state.unreachable_agents:
        task_state, message = "TASK_UNREACHABLE", "Reconciliation: Task is unreachable"
        more["unreachable_time"] = nanoseconds(state.unreachable_agents[known_agent_id])
    send_update(
        state,
        framework,
        task_id,
        task_state,
        reason=REASON,
        message=message,
        agent_id=known_agent_id,
        **more,
    )
