"""What the DC/OS SDK's API tells, as documents: pure. Paths, codes and shapes are those of a service of the SDK."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from calico_dcos.core.model import Agent, Status, StepName, Task
from calico_dcos.core.steps import SERVICES

from .plan import PhaseView
from .views import DEPLOY, Json, build_id
from .walk import Snapshot


class Health(IntEnum):
    """What the SDK's health check says, in codes that Mesos takes for healthy but for the last two."""

    RUNNING = 200
    DEPLOYING_STARTING = 202
    RECOVERING_PENDING = 203
    DEPLOYING_PENDING = 204
    RECOVERING_STARTING = 205
    DEPLOYING_WAITING_USER = 207
    DELAYED = 208
    INITIALIZING = 318
    ERROR_CREATING_SERVICE = 500
    SERVICE_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Verdict:
    """The health of the service, and why it is what it is."""

    health: Health
    reasons: tuple[str, ...]


def judge_health(snapshot: Snapshot, trouble: str | None) -> Verdict:
    """Judge the service as the SDK does.

    Args:
        snapshot: the walk.
        trouble: what keeps the scheduler from working, None if nothing does.
    """
    plan = snapshot.plan
    if trouble is not None:
        return Verdict(Health.SERVICE_UNAVAILABLE, (trouble,))
    if plan.errors:
        return Verdict(Health.ERROR_CREATING_SERVICE, plan.errors)
    if not snapshot.framework_id or not snapshot.agents:
        return Verdict(Health.INITIALIZING, ("no agent is known yet",))
    if plan.status is Status.COMPLETE:
        return Verdict(Health.RUNNING, ())
    if plan.message:
        # Paused, in preflight, or after the first agents: it goes on when an operator says so.
        return Verdict(Health.DEPLOYING_WAITING_USER, (plan.message,))
    open_phases = [phase for phase in plan.phases if phase.status is not Status.COMPLETE]
    reasons = (f"{len(open_phases)} of {len(plan.phases)} agents are not complete",)
    if plan.status is Status.DELAYED:
        return Verdict(Health.DELAYED, reasons)
    is_at_work = any(phase.status in _AT_WORK for phase in open_phases)
    if all(snapshot.agents[phase.name].settled_at is not None for phase in open_phases):
        return Verdict(Health.RECOVERING_STARTING if is_at_work else Health.RECOVERING_PENDING, reasons)
    return Verdict(Health.DEPLOYING_STARTING if is_at_work else Health.DEPLOYING_PENDING, reasons)


_AT_WORK = frozenset({Status.STARTING, Status.STARTED, Status.IN_PROGRESS})


def build_health(verdict: Verdict) -> Json:
    """Build the body of a health check."""
    return {"value": int(verdict.health), "reasons": list(verdict.reasons)}


def build_endpoint(service: str, host: str) -> Json:
    """Build what is told of the one endpoint, the page: where this very request reached us."""
    # Marathon's name in DNS: the parts of a path, the innermost first.
    parts = reversed([part for part in service.split("/") if part])
    _, _, port = host.rpartition(":")
    name = "-".join(parts)
    return {
        "dns": [f"{name}.marathon.mesos:{port}" if port.isdecimal() else f"{name}.marathon.mesos"],
        "address": [host],
    }


def build_pod(agent: Agent) -> Json:
    """Build an agent as a pod of one instance: its services are the pod's tasks."""
    tasks = [
        {"id": task.id, "name": build_task_name(agent, name), "status": task.state.value}
        for name, task in list_services(agent)
    ]
    return {"name": agent.key, "instances": [{"name": agent.key, "tasks": tasks}]}


def build_task_name(agent: Agent, step: StepName) -> str:
    """Name a service of an agent: unique."""
    return f"{agent.key}-{step.value}"


def list_services(agent: Agent) -> list[tuple[StepName, Task]]:
    """List the newest tasks of an agent's services."""
    found = ((name, agent.get_step(name).task) for name in StepName if name in SERVICES)
    return [(name, task) for name, task in found if task is not None]


def build_task_infos(agent: Agent) -> list[Json]:
    """Build what Mesos was told of an agent's services, and what it told us."""
    return [
        {
            "info": {
                "name": build_task_name(agent, name),
                "taskId": {"value": task.id},
                "slaveId": {"value": task.agent_id},
            },
            "status": {
                "taskId": {"value": task.id},
                "slaveId": {"value": task.agent_id},
                "state": task.state.value,
                "timestamp": task.since,
            },
        }
        for name, task in list_services(agent)
    ]


def build_task_statuses(agents: Iterable[Agent]) -> Json:
    """Build the states of all services, as they are stored: the store is never behind what is shown."""
    statuses = {
        build_task_name(agent, name): {"taskId": task.id, "state": task.state.value, "timestamp": task.since}
        for agent in agents
        for name, task in list_services(agent)
    }
    return {"stored": statuses, "lastSeen": statuses}


def build_properties(snapshot: Snapshot) -> Json:
    """Build the properties that a service of the SDK would have stored."""
    is_complete = snapshot.plan.status is Status.COMPLETE
    return {"last-completed-update-type": "DEPLOY"} if is_complete else {}


def build_debug_plans(snapshot: Snapshot, phases: Iterable[PhaseView], only: str = "") -> Json:
    """Build the short form of the plan: how many of its steps are complete, phase by phase, or those of one name."""
    listed = [
        {
            "name": phase.name,
            "status": phase.status.value,
            "strategy": "serial",
            "totalSteps": len(phase.steps),
            "completedSteps": sum(step.status is Status.COMPLETE for step in phase.steps),
            "steps": [
                {"name": step.name.value, "status": step.status.value}
                for step in phase.steps
                if only in ("", step.name.value)
            ],
        }
        for phase in phases
    ]
    plan = {
        "name": DEPLOY,
        "status": snapshot.plan.status.value,
        "strategy": "serial" if snapshot.max_concurrent_agents == 1 else "parallel",
        "errors": list(snapshot.plan.errors),
        "totalSteps": sum(len(phase.steps) for phase in snapshot.plan.phases),
        "completedSteps": sum(step.status is Status.COMPLETE for phase in snapshot.plan.phases for step in phase.steps),
        "phases": listed,
    }
    is_complete = snapshot.plan.status is Status.COMPLETE
    return {
        "schedulerState": "DEPLOYED" if is_complete else "DEPLOYING",
        "activePlans": [] if is_complete else [DEPLOY],
        "serviceTopology": [plan],
    }


def build_configuration_id(snapshot: Snapshot) -> str:
    """Name the wanted configuration by a UUID that changes with it."""
    return build_id("configuration", snapshot.settings)
