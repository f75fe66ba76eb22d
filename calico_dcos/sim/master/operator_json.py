"""The operator's views: GET_AGENTS, GET_STATE and the like, and the endpoints of before the v1 API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from calico_dcos.sim.master.state import Agent, Framework, Json, MasterState, Task, nanoseconds, value
from calico_dcos.sim.resources import (
    UNRESERVED,
    Resources,
    Style,
    reservations_to_json,
    resources_from_json,
    resources_to_json,
    summarize,
    total,
)
from calico_dcos.sim.versions import AGENT_CAPABILITIES, Feature, MesosVersion

COUNTED_STATES = (
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
)
HEALTH_CHECK_DEFAULTS: Json = {
    "delay_seconds": 15.0,
    "interval_seconds": 10.0,
    "timeout_seconds": 20.0,
    "consecutive_failures": 3,
    "grace_period_seconds": 10.0,
}


def agent_to_json(state: MasterState, agent: Agent, *, with_checkpoint: bool = True) -> Json:
    """An agent as the v1 operator API tells it."""
    described = agent.description
    attributes = {"attributes": described["attributes"]} if described["attributes"] else {}
    rereg = {} if agent.reregistered_at is None else {"reregistered_time": nanoseconds(agent.reregistered_at)}
    return {
        "agent_info": {
            "hostname": agent.hostname,
            "port": described["port"],
            "resources": resources_to_json(agent.resources, Style.RESERVATIONS),
            **attributes,
            "id": value(agent.id),
            **({"checkpoint": True} if with_checkpoint else {}),
        },
        "active": agent.is_connected,
        **({"deactivated": agent.is_deactivated} if state.version.has(Feature.AGENT_DEACTIVATION) else {}),
        "version": described["version"],
        "pid": _pid(agent),
        "registered_time": nanoseconds(agent.registered_at),
        **rereg,
        "total_resources": resources_to_json(agent.resources, Style.BOTH),
        **_held_resources(state, agent),
        "capabilities": [{"type": name} for name in _capabilities(agent)],
    }


def task_to_json(task: Task, role: str) -> Json:
    """A task as the v1 operator API tells it."""
    updated: Json = {}
    if task.update_state is not None:
        updated = {"status_update_state": task.update_state, "status_update_uuid": task.update_uuid}
    health_check = task.info.get("health_check")
    return {
        "name": task.info["name"],
        "task_id": value(task.id),
        "framework_id": value(task.framework_id),
        "agent_id": value(task.agent_id),
        "state": task.state,
        "resources": resources_to_json(task.resources, Style.RESERVATIONS, role),
        **({"statuses": task.statuses} if task.statuses else {}),
        **updated,
        **({"health_check": _health_check_to_json(health_check)} if health_check else {}),
    }


def framework_to_json(framework: Framework) -> Json:
    """A framework as the v1 operator API tells it."""
    is_connected = framework.stream_id is not None
    return {
        "framework_info": framework.info,
        "active": is_connected,
        "connected": is_connected,
        "recovered": framework.is_recovered,
        "registered_time": nanoseconds(framework.registered_at),
        "reregistered_time": nanoseconds(framework.reregistered_at),
        "unregistered_time": nanoseconds(framework.unregistered_at),
    }


def agents_view(state: MasterState) -> Json:
    """GET_AGENTS."""
    return {
        "agents": [agent_to_json(state, agent) for agent in state.agents.values()],
        "recovered_agents": [_recovered_to_json(*item) for item in state.recovered_agents.items()],
    }


def frameworks_view(state: MasterState) -> Json:
    """GET_FRAMEWORKS."""
    completed = [framework_to_json(framework) | {"offer_constraints": {}} for framework in _completed(state)]
    return {
        "frameworks": [framework_to_json(framework) for framework in state.frameworks.values()],
        "completed_frameworks": completed,
    }


def tasks_view(state: MasterState) -> Json:
    """GET_TASKS."""
    current = list(state.frameworks.values())
    everything = [*current, *_completed(state)]
    return {
        "tasks": _tasks_to_json((framework, framework.tasks.values()) for framework in current),
        "unreachable_tasks": _tasks_to_json((framework, framework.unreachable_tasks.values()) for framework in current),
        "completed_tasks": _tasks_to_json((framework, framework.completed_tasks) for framework in everything),
    }


def state_view(state: MasterState) -> Json:
    """GET_STATE."""
    return {
        "get_tasks": tasks_view(state),
        "get_executors": {"executors": []},
        "get_frameworks": frameworks_view(state),
        "get_agents": agents_view(state),
    }


def slaves_view(state: MasterState) -> Json:
    """/slaves."""
    return {
        "slaves": [_slave(state, agent) | _slave_in_full(state, agent) for agent in state.agents.values()],
        "recovered_slaves": [_recovered_to_json(*item)["agent_info"] for item in state.recovered_agents.items()],
    }


def summary_view(state: MasterState) -> Json:
    """/state-summary."""
    return {
        "hostname": state.options.hostname,
        "slaves": [_slave(state, agent) | _task_counts(state, agent) for agent in state.agents.values()],
        "frameworks": [_framework_summary(state, framework) for framework in state.frameworks.values()],
    }


def _completed(state: MasterState) -> list[Framework]:
    return list(state.completed_frameworks.values())


def _tasks_to_json(tasks_of: Iterable[tuple[Framework, Iterable[Task]]]) -> list[Json]:
    return [task_to_json(task, framework.roles[0]) for framework, tasks in tasks_of for task in tasks]


def _health_check_to_json(health_check: Json) -> Json:
    """A health check with its defaults, its times as the floating point numbers that they are."""
    told = HEALTH_CHECK_DEFAULTS | health_check
    for name, default in HEALTH_CHECK_DEFAULTS.items():
        told[name] = type(default)(told[name])
    if "command" in told:
        told["command"] = {"shell": True, **told["command"]}
    return told


def _pid(agent: Agent) -> str:
    return f"slave(1)@{agent.description['ip']}:{agent.description['port']}"


def _capabilities(agent: Agent) -> list[str]:
    return MesosVersion(agent.description["version"]).known(AGENT_CAPABILITIES)


def _recovered_to_json(agent_id: str, description: Json) -> Json:
    return {
        "agent_info": {
            "hostname": description["hostname"],
            "port": description["port"],
            "resources": resources_to_json(resources_from_json(description["resources"]), Style.RESERVATIONS),
            "attributes": description["attributes"],
            "id": value(agent_id),
        },
    }


def _held_resources(state: MasterState, agent: Agent) -> Json:
    """What is allocated and offered of an agent, each absent when it is nothing."""
    allocated = [
        item
        for task in agent.tasks.values()
        if not task.is_terminal
        for item in resources_to_json(task.resources, Style.BOTH, state.frameworks[task.framework_id].roles[0])
    ]
    offered = [
        item
        for offer in state.offers_of(agent_id=agent.id)
        for item in resources_to_json(offer.resources, Style.BOTH, offer.role)
    ]
    held = {"allocated_resources": allocated, "offered_resources": offered}
    return {name: items for name, items in held.items() if items}


def _offered(state: MasterState, agent: Agent) -> Resources:
    return total(offer.resources for offer in state.offers_of(agent_id=agent.id))


def _slave(state: MasterState, agent: Agent) -> Json:
    described = agent.description
    rereg = {} if agent.reregistered_at is None else {"reregistered_time": agent.reregistered_at}
    return {
        "id": agent.id,
        "hostname": agent.hostname,
        "port": described["port"],
        "attributes": described["attribute_values"],
        "pid": _pid(agent),
        "registered_time": agent.registered_at,
        **rereg,
        "resources": summarize(agent.resources),
        "used_resources": summarize(agent.used),
        "offered_resources": summarize(_offered(state, agent)),
        "reserved_resources": {role: summarize(agent.resources.of_role(role)) for role in agent.resources.roles()},
        "unreserved_resources": summarize(agent.resources.of_role(UNRESERVED)),
        "active": agent.is_connected,
        **({"deactivated": agent.is_deactivated} if state.version.has(Feature.AGENT_DEACTIVATION) else {}),
        "version": described["version"],
        **({"capabilities": capabilities} if (capabilities := _capabilities(agent)) else {}),
    }


def _slave_in_full(state: MasterState, agent: Agent) -> Json:
    return {
        **reservations_to_json(agent.resources),
        "used_resources_full": resources_to_json(agent.used, Style.BOTH),
        "offered_resources_full": resources_to_json(_offered(state, agent), Style.BOTH),
    }


def _task_counts(state: MasterState, agent: Agent) -> Json:
    everything = [*state.frameworks.values(), *_completed(state)]
    finished = [task for framework in everything for task in framework.completed_tasks if task.agent_id == agent.id]
    counts = Counter(task.state for task in [*agent.tasks.values(), *finished])
    return {
        **{name: counts[name] for name in COUNTED_STATES},
        "framework_ids": sorted({framework_id for framework_id, _ in agent.tasks}),
    }


def _framework_summary(state: MasterState, framework: Framework) -> Json:
    counts = Counter(task.state for task in [*framework.tasks.values(), *framework.completed_tasks])
    counts["TASK_UNREACHABLE"] += len(framework.unreachable_tasks)
    used = total(task.resources for task in framework.tasks.values() if not task.is_terminal)
    is_connected = framework.stream_id is not None
    return {
        "id": framework.id,
        "name": framework.info["name"],
        "used_resources": summarize(used),
        "offered_resources": summarize(total(o.resources for o in state.offers_of(framework_id=framework.id))),
        "capabilities": [capability["type"] for capability in framework.info.get("capabilities", [])],
        "hostname": framework.info.get("hostname", ""),
        "webui_url": framework.info.get("webui_url", ""),
        "active": is_connected,
        "connected": is_connected,
        "recovered": framework.is_recovered,
        **{name: counts[name] for name in COUNTED_STATES},
        "slave_ids": sorted({task.agent_id for task in framework.tasks.values()}),
    }
