"""A task's way after its launch: updates of its agent, acknowledgements and kills."""

from __future__ import annotations

from calico_dcos.sim.master.reconciliation import reconcile_explicitly
from calico_dcos.sim.master.state import Framework, Json, MasterState, Task, value

COMPLETED_TASKS_KEPT = 1000


def update(state: MasterState, agent_id: str, message: Json) -> None:
    """Take an agent's update and forward it; unless its framework is away, then the agent will retry."""
    framework = state.frameworks.get(message["framework_id"])
    if framework is None:
        return
    status: Json = message["status"]
    task = framework.tasks.get(status["task_id"]["value"])
    if task is not None and task.agent_id == agent_id:
        _record(state, framework, task, status, message["latest_state"])
    state.send(framework, "UPDATE", {"status": status})


def acknowledge(state: MasterState, framework: Framework, body: Json) -> None:
    """Pass an acknowledgement on to the agent; a task is forgotten when its end is acknowledged."""
    agent_id, task_id = body["agent_id"]["value"], body["task_id"]["value"]
    agent = state.agents.get(agent_id)
    if agent is None or not agent.is_connected:
        return
    task = framework.tasks.get(task_id)
    if task is not None and task.update_state == task.state and task.is_terminal and task.update_uuid == body["uuid"]:
        del framework.tasks[task_id]
        agent.tasks.pop((framework.id, task_id), None)
        framework.completed_tasks.append(task)
        del framework.completed_tasks[:-COMPLETED_TASKS_KEPT]
    state.send_to_agent(agent_id, "ACKNOWLEDGE", framework_id=framework.id, task_id=task_id, uuid=body["uuid"])


def kill(state: MasterState, framework: Framework, body: Json) -> None:
    """Have a task killed; of a task that is not known, say what is known, as reconciliation does."""
    task = framework.tasks.get(body["task_id"]["value"])
    if task is None:
        return reconcile_explicitly(state, framework, [body])
    agent = state.agents[task.agent_id]
    order = {"framework_id": framework.id, "task_id": task.id, "kill_policy": body.get("kill_policy")}
    if agent.is_connected:
        state.send_to_agent(agent.id, "KILL", **order)
    else:
        agent.kills_to_send[framework.id, task.id] = order
    return None


def _record(state: MasterState, framework: Framework, task: Task, status: Json, latest_state: str) -> None:
    task.record(status)
    task.update_state = status["state"]
    task.update_uuid = status["uuid"]
    task.state = latest_state
    state.publish(
        "TASK_UPDATED",
        {"framework_id": value(framework.id), "status": status, "state": latest_state},
    )
