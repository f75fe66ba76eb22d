"""ACCEPT: offers become tasks, or updates that say why not."""

from __future__ import annotations

import re
from collections.abc import Iterable

from calico_dcos.sim.master.allocator import refuse
from calico_dcos.sim.master.operator_json import task_to_json
from calico_dcos.sim.master.state import Agent, Framework, Json, MasterState, Offer, Task
from calico_dcos.sim.master.statuses import send_update
from calico_dcos.sim.resources import Resources, resources_from_json, resources_to_text, total
from calico_dcos.sim.versions import Feature

LONGEST_TASK_ID = 255


def accept(state: MasterState, framework: Framework, body: Json) -> None:
    """Use offers to launch tasks; what is left over is filtered as the call says."""
    offers, fault = _take_offers(state, framework, [offer_id["value"] for offer_id in body.get("offer_ids", [])])
    tasks = list(_tasks_of(body))
    if fault is not None:
        for info in tasks:
            _drop(state, framework, info, "REASON_INVALID_OFFERS", f"Task launched with invalid offers: {fault}")
        return
    agent = state.agents[offers[0].agent_id]
    left = total(offer.resources for offer in offers)
    for info in tasks:
        left -= _launch(state, framework, agent, info, left, offers[0].role)
    refuse(state, framework, offers[0], left, body)


def _take_offers(state: MasterState, framework: Framework, ids: list[str]) -> tuple[list[Offer], str | None]:
    """Remove offers from those outstanding; the fault says why they cannot be used together."""
    offers = [state.offers[offer_id] for offer_id in ids if offer_id in state.offers]
    for offer in offers:
        if offer.framework_id == framework.id:
            del state.offers[offer.id]
    return offers, _fault_of(framework, ids, offers)


def _fault_of(framework: Framework, ids: list[str], offers: list[Offer]) -> str | None:
    if not ids:
        return "No offers specified"
    held = {offer.id for offer in offers}
    for offer_id in ids:
        if offer_id not in held:
            return f"Offer {offer_id} is no longer valid"
    for offer in offers:
        if offer.framework_id != framework.id:
            expected = f"while framework {framework.id} is expected"
            return f"Offer {offer.id} has invalid framework {offer.framework_id} {expected}"
    if len({offer.agent_id for offer in offers}) > 1:
        return "Aggregated offers must belong to one single agent"
    return None


def _tasks_of(body: Json) -> Iterable[Json]:
    for operation in body.get("operations", []):
        if operation.get("type") == "LAUNCH":
            yield from operation.get("launch", {}).get("task_infos", [])


def _launch(
    state: MasterState,
    framework: Framework,
    agent: Agent,
    info: Json,
    left: Resources,
    role: str,
) -> Resources:
    """Launch a task if it is valid; return what it takes."""
    fault = _task_fault(state, framework, agent, info, left, role)
    if fault is not None:
        send_update(
            state,
            framework,
            info["task_id"]["value"],
            "TASK_ERROR",
            reason="REASON_TASK_INVALID",
            message=fault,
            agent_id=agent.id,
        )
        return Resources()
    task = Task(info, framework.id, agent.id)
    framework.tasks[task.id] = task
    agent.tasks[framework.id, task.id] = task
    state.publish("TASK_ADDED", {"task": task_to_json(task, role)})
    state.send_to_agent(agent.id, "LAUNCH", framework=framework.info, task=info)
    return task.resources


def _drop(state: MasterState, framework: Framework, info: Json, reason: str, message: str) -> None:
    agent_id = info.get("agent_id", {}).get("value")
    send_update(
        state,
        framework,
        info["task_id"]["value"],
        "TASK_DROPPED",
        reason=reason,
        message=message,
        agent_id=agent_id,
    )


def _task_fault(
    state: MasterState,
    framework: Framework,
    agent: Agent,
    info: Json,
    left: Resources,
    role: str,
) -> str | None:
    """Why a task cannot be launched, in the words of a master; None if it can."""
    task_id = info["task_id"]["value"]
    wanted = resources_from_json(info.get("resources", []))
    if (fault := _id_fault(state, framework, task_id)) is not None:
        return fault
    if info.get("agent_id", {}).get("value") != agent.id:
        return f"Task uses invalid agent {info.get('agent_id', {}).get('value')} while agent {agent.id} is expected"
    if ("command" in info) == ("executor" in info):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    if not wanted.quantities:
        return "Task uses no resources"
    if not left.contains(wanted):
        return _too_much(state, wanted, left, role)
    return None


def _id_fault(state: MasterState, framework: Framework, task_id: str) -> str | None:
    if re.search(r"[/\\\x00-\x1f\x7f]", task_id):
        return f"TaskID '{task_id}' contains invalid characters"
    if state.version.has(Feature.TASK_ID_RULES):
        if not task_id:
            return "ID must not be empty"
        if len(task_id) > LONGEST_TASK_ID:
            return f"ID must not be greater than {LONGEST_TASK_ID} characters"
        if task_id in {".", ".."}:
            return f"'{task_id}' is disallowed"
    if task_id in framework.tasks:
        return f"Task has duplicate ID: {task_id}"
    if task_id in framework.unreachable_tasks:
        return f"Task reuses the ID of an unreachable task: {task_id}"
    return None


def _too_much(state: MasterState, wanted: Resources, left: Resources, role: str) -> str:
    allocated_to = role if state.version.has(Feature.RESERVATIONS_IN_TEXT) else None
    return (
        f"Total resources {resources_to_text(wanted, allocated_to)} required by task and its executor "
        f"is more than available {resources_to_text(left, allocated_to)}"
    )
