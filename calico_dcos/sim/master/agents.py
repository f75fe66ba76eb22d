"""Agents come and go: registration, disconnection, pings, and the way back from being unreachable."""

from __future__ import annotations

from typing import Any

from calico_dcos.sim.master.allocator import allocate, forget_filters_of_agent, rescind
from calico_dcos.sim.master.operator_json import agent_to_json
from calico_dcos.sim.master.state import Agent, Framework, Json, MasterState, Task, nanoseconds, value
from calico_dcos.sim.master.statuses import is_partition_aware, latest, send_update, state_for
from calico_dcos.sim.resources import resources_from_json
from calico_dcos.sim.versions import Feature


def register(state: MasterState, agent_id: str, description: Json) -> None:
    """Admit an agent that had no id, under a new one."""
    _remove_replaced(state, description)
    _welcome(state, _add(state, agent_id, description), "REGISTERED")


def reregister(state: MasterState, agent_id: str, message: Json) -> None:
    """Take back an agent that has an id, with its tasks."""
    agent = state.agents.get(agent_id)
    if agent is not None:
        _reactivate(state, agent, message)
    elif _was_lost_by_this_master(state, agent_id) and not state.version.has(Feature.TASK_RESURRECTION):
        state.send_to_agent(agent_id, "SHUTDOWN", message="Agent attempted to re-register after removal")
    else:
        _readmit(state, agent_id, message)


def disconnect(state: MasterState, agent: Agent) -> None:
    """Note that the connection to an agent broke: offers are rescinded, tasks without checkpoints are lost."""
    agent.is_connected = False
    rescind(state, state.offers_of(agent_id=agent.id))
    for task in list(agent.tasks.values()):
        framework = state.frameworks[task.framework_id]
        if not framework.is_checkpointing:
            _lose(state, agent, framework, task)


def ping(state: MasterState) -> None:
    """Ping every agent, and give up those that missed too many."""
    for agent in list(state.agents.values()):
        agent.missed_pings = agent.missed_pings + 1 if agent.awaits_pong else 0
        if agent.missed_pings >= state.options.max_agent_ping_timeouts:
            mark_unreachable(state, agent)
            continue
        agent.awaits_pong = True
        if agent.is_connected:
            state.send_to_agent(agent.id, "PING")


def pong(agent: Agent) -> None:
    """Note that an agent answered."""
    agent.awaits_pong = False


def mark_unreachable(state: MasterState, agent: Agent) -> None:
    """Remove an agent that does not answer; its tasks may still run."""
    state.unreachable_agents[agent.id] = state.now
    since = {"unreachable_time": nanoseconds(state.now)}
    for framework, task in _remove(state, agent, "TASK_UNREACHABLE", "health check timed out", **since):
        framework.unreachable_tasks[task.id] = task
    _tell_failure(state, agent)


def give_up_recovered(state: MasterState) -> None:
    """Count those agents as unreachable that an earlier master knew and that did not come in time."""
    if not state.version.has(Feature.UNREGISTERED_TIMEOUT):
        return
    if state.recovered_agents and state.started_at + state.options.agent_reregister_timeout_s <= state.now:
        state.unreachable_agents.update(dict.fromkeys(state.recovered_agents, state.now))
        state.recovered_agents.clear()
        state.is_registry_changed = True


def set_deactivated(state: MasterState, agent: Agent, *, is_deactivated: bool) -> None:
    """Stop or resume offering an agent (DEACTIVATE_AGENT, REACTIVATE_AGENT)."""
    agent.is_deactivated = is_deactivated
    if is_deactivated:
        rescind(state, state.offers_of(agent_id=agent.id))


def _add(state: MasterState, agent_id: str, description: Json) -> Agent:
    agent = Agent(agent_id, description, state.now, resources_from_json(description["resources"]))
    state.agents[agent_id] = agent
    state.is_registry_changed = True
    return agent


def _remove_replaced(state: MasterState, description: Json) -> None:
    """Remove the agent whose address a new one has taken: its tasks are gone."""
    for agent in list(state.agents.values()):
        if all(agent.description[name] == description[name] for name in ("ip", "port")):
            for framework, task in _remove(state, agent, "TASK_GONE", "a new agent registered at the same address"):
                framework.completed_tasks.append(task)
            _tell_failure(state, agent)
            state.publish("AGENT_REMOVED", {"agent_id": value(agent.id)})


def _remove(
    state: MasterState,
    agent: Agent,
    task_state: str,
    message: str,
    **more: Any,
) -> list[tuple[Framework, Task]]:
    """Remove an agent and tell the frameworks; return the tasks that had not ended."""
    rescind(state, state.offers_of(agent_id=agent.id))
    del state.agents[agent.id]
    state.is_registry_changed = True
    forget_filters_of_agent(state, agent.id)
    told = {"reason": "REASON_AGENT_REMOVED", "message": message, "agent_id": agent.id, **more}
    unended = []
    for task in agent.tasks.values():
        framework = state.frameworks[task.framework_id]
        del framework.tasks[task.id]
        if task.is_terminal:
            framework.completed_tasks.append(task)
            continue
        task.record(send_update(state, framework, task.id, task_state, **told))
        unended.append((framework, task))
    return unended


def _tell_failure(state: MasterState, agent: Agent) -> None:
    for framework in state.frameworks.values():
        state.send(framework, "FAILURE", {"agent_id": value(agent.id)})


def _welcome(state: MasterState, agent: Agent, message_type: str) -> None:
    """Announce an agent that was added, and offer it at once."""
    _send_welcome(state, agent, message_type)
    state.publish("AGENT_ADDED", {"agent": agent_to_json(state, agent, with_checkpoint=False)})
    allocate(state, [agent])


def _send_welcome(state: MasterState, agent: Agent, message_type: str) -> None:
    options = state.options
    ping_timeout_s = options.agent_ping_timeout_s * options.max_agent_ping_timeouts
    state.send_to_agent(
        agent.id,
        message_type,
        agent_id=agent.id,
        ping_timeout_s=ping_timeout_s,
        master_hostname=options.hostname,
    )


def _reactivate(state: MasterState, agent: Agent, message: Json) -> None:
    """Take an agent back that was only disconnected; it is offered at the next allocation."""
    agent.description = message["agent"]
    agent.resources = resources_from_json(agent.description["resources"])
    agent.is_connected = True
    agent.reregistered_at = state.now
    pong(agent)
    _send_welcome(state, agent, "REREGISTERED")
    for order in agent.kills_to_send.values():
        state.send_to_agent(agent.id, "KILL", **order)
    agent.kills_to_send.clear()
    known = {(told["framework_id"], told["info"]["task_id"]["value"]) for told in message["tasks"]}
    for framework_id, task_id in agent.tasks.keys() - known:
        state.send_to_agent(
            agent.id,
            "RECONCILE",
            framework_id=framework_id,
            task_ids=[task_id],
            state=state_for(state, state.frameworks[framework_id], "TASK_DROPPED"),
        )


def _readmit(state: MasterState, agent_id: str, message: Json) -> None:
    """Take an agent that is not registered (any more), with the tasks that it has."""
    was_lost_here = _was_lost_by_this_master(state, agent_id)
    greeting = _greeting_for(state, agent_id)
    state.unreachable_agents.pop(agent_id, None)
    state.recovered_agents.pop(agent_id, None)
    agent = _add(state, agent_id, message["agent"])
    agent.reregistered_at = state.now
    _recover_frameworks(state, message)
    for framework, task in _take_back(state, agent, message["tasks"]):
        if was_lost_here and _dies_on_return(state, framework):
            state.send_to_agent(agent.id, "KILL", framework_id=framework.id, task_id=task.id, kill_policy=None)
        elif greeting is not None:
            _tell_return(state, framework, task, greeting)
    _welcome(state, agent, "REREGISTERED")


def _was_lost_by_this_master(state: MasterState, agent_id: str) -> bool:
    """Whether an agent became unreachable in this master's time: old versions forgive those of an earlier one."""
    return state.unreachable_agents.get(agent_id, 0.0) >= state.started_at


def _greeting_for(state: MasterState, agent_id: str) -> str | None:
    """What frameworks are told of the tasks of an agent that comes back; None if nothing."""
    if agent_id in state.recovered_agents or not state.version.has(Feature.REREGISTERED_UPDATES):
        return None
    if agent_id in state.unreachable_agents:
        return "Unreachable agent re-reregistered"
    return "Unknown agent reregistered"


def _recover_frameworks(state: MasterState, message: Json) -> None:
    """Note the frameworks that an agent has tasks of and that have not subscribed with this master yet."""
    for info in message["frameworks"]:
        framework_id = info["id"]["value"]
        if framework_id not in state.frameworks and framework_id not in state.completed_frameworks:
            state.frameworks[framework_id] = Framework(framework_id, info, state.now, state.now, is_recovered=True)


def _take_back(state: MasterState, agent: Agent, told: list[Json]) -> list[tuple[Framework, Task]]:
    """Note the tasks that an agent tells of; those of removed frameworks are ended."""
    taken = []
    for item in told:
        framework = state.frameworks.get(item["framework_id"])
        if framework is None:
            state.send_to_agent(agent.id, "SHUTDOWN_FRAMEWORK", framework_id=item["framework_id"])
            continue
        task = Task(item["info"], framework.id, agent.id, item["state"], item["statuses"])
        framework.unreachable_tasks.pop(task.id, None)
        framework.tasks[task.id] = task
        agent.tasks[framework.id, task.id] = task
        taken.append((framework, task))
    return taken


def _tell_return(state: MasterState, framework: Framework, task: Task, message: str) -> None:
    send_update(
        state,
        framework,
        task.id,
        task.state,
        reason="REASON_AGENT_REREGISTERED",
        message=message,
        agent_id=task.agent_id,
        **latest(task),
    )


def _dies_on_return(state: MasterState, framework: Framework) -> bool:
    return not state.version.has(Feature.UNREACHABLE_TASKS_SURVIVE) and not is_partition_aware(state, framework)


def _lose(state: MasterState, agent: Agent, framework: Framework, task: Task) -> None:
    del agent.tasks[framework.id, task.id]
    del framework.tasks[task.id]
    framework.completed_tasks.append(task)
    if task.is_terminal:
        return
    task.state = "TASK_LOST"
    status = send_update(
        state,
        framework,
        task.id,
        "TASK_LOST",
        reason="REASON_AGENT_DISCONNECTED",
        message=f"Agent {agent.hostname} disconnected",
        agent_id=agent.id,
    )
    task.record(status)
