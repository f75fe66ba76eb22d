"""Frameworks come and go: subscribe, fail over, disconnect, teardown, and the failover timeout."""

from __future__ import annotations

import ipaddress

from calico_dcos.sim.master.allocator import allocate
from calico_dcos.sim.master.operator_json import framework_to_json
from calico_dcos.sim.master.state import (
    EndStream,
    Framework,
    Json,
    MasterState,
    Task,
    ToFramework,
    build_event,
    value,
)
from calico_dcos.sim.master.statuses import build_status
from calico_dcos.sim.versions import MASTER_CAPABILITIES

IMMUTABLE_FIELDS = ("user", "checkpoint", "principal")
COMPLETED_FRAMEWORKS_KEPT = 50


def subscribe(state: MasterState, info: Json, stream_id: str) -> None:
    """Subscribe a scheduler on a new stream, or end that stream with an ERROR event."""
    framework_id = info.get("id", {}).get("value")
    if framework_id in state.completed_frameworks:
        return reject(state, stream_id, "Framework has been removed")
    if info.get("roles") and not _is_multi_role(info):
        return reject(
            state,
            stream_id,
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        )
    if framework_id in state.frameworks:
        _subscribe_again(state, state.frameworks[framework_id], info, stream_id)
    else:
        _subscribe_new(state, framework_id, info, stream_id)
    allocate(state)
    return None


def reject(state: MasterState, stream_id: str, message: str) -> None:
    """End a stream with an ERROR event."""
    state.outgoing.append(ToFramework(stream_id, build_event("ERROR", {"message": message})))
    state.outgoing.append(EndStream(stream_id))


def disconnect(state: MasterState, framework: Framework) -> None:
    """Note that a scheduler's stream broke; its tasks go on until the failover timeout."""
    framework.stream_id = None
    framework.refusals.clear()
    _remove_offers(state, framework)
    framework.removal_due = state.now + max(0.0, float(framework.info.get("failover_timeout", 0.0)))


def remove_overdue(state: MasterState) -> None:
    """Remove the frameworks that stayed away for longer than their failover timeout."""
    for framework in list(state.frameworks.values()):
        if framework.removal_due is not None and framework.removal_due <= state.now:
            remove(state, framework)


def remove(state: MasterState, framework: Framework) -> None:
    """Remove a framework and kill its tasks; its id cannot be used again."""
    _remove_offers(state, framework)
    for task in framework.tasks.values():
        _complete_killed(state, framework, task)
    framework.tasks.clear()
    _tell_removal(state, framework)
    del state.frameworks[framework.id]
    state.completed_frameworks[framework.id] = framework
    while len(state.completed_frameworks) > COMPLETED_FRAMEWORKS_KEPT:
        state.completed_frameworks.pop(next(iter(state.completed_frameworks)))


def master_info(state: MasterState) -> Json:
    """The master as it introduces itself; `ip` is the address in network byte order, read as little-endian."""
    options = state.options
    capabilities = [{"type": name} for name in options.version.known(MASTER_CAPABILITIES)]
    return {
        "id": state.master_id,
        "ip": int.from_bytes(ipaddress.IPv4Address(options.ip).packed, "little"),
        "port": options.port,
        "pid": f"master@{options.ip}:{options.port}",
        "hostname": options.hostname,
        "version": options.version.text,
        "address": {"hostname": options.hostname, "ip": options.ip, "port": options.port},
        **({"capabilities": capabilities} if capabilities else {}),
    }


def _subscribe_new(state: MasterState, framework_id: str | None, info: Json, stream_id: str) -> None:
    if framework_id is None:
        framework_id = f"{state.master_id}-{state.framework_count:04}"
        state.framework_count += 1
    framework = Framework(framework_id, {**info, "id": value(framework_id)}, state.now, state.now, stream_id)
    state.frameworks[framework_id] = framework
    _welcome(state, framework)
    state.publish("FRAMEWORK_ADDED", {"framework": framework_to_json(framework)})


def _subscribe_again(state: MasterState, framework: Framework, info: Json, stream_id: str) -> None:
    """Let the newest subscriber of an id win."""
    if framework.stream_id is not None:
        reject(state, framework.stream_id, "Framework failed over")
        _remove_offers(state, framework)
    kept = {name: framework.info[name] for name in IMMUTABLE_FIELDS if name in framework.info}
    new = {name: content for name, content in info.items() if name not in IMMUTABLE_FIELDS}
    framework.info = {**new, **kept}
    framework.stream_id = stream_id
    framework.reregistered_at = state.now
    framework.removal_due = None
    framework.is_recovered = False
    framework.is_suppressed = False
    _welcome(state, framework)
    state.publish("FRAMEWORK_UPDATED", {"framework": framework_to_json(framework)})


def _welcome(state: MasterState, framework: Framework) -> None:
    state.send(
        framework,
        "SUBSCRIBED",
        {
            "framework_id": value(framework.id),
            "heartbeat_interval_seconds": state.options.heartbeat_interval_s,
            "master_info": master_info(state),
        },
    )
    state.send(framework, "HEARTBEAT")


def _is_multi_role(info: Json) -> bool:
    return any(capability.get("type") == "MULTI_ROLE" for capability in info.get("capabilities", []))


def _remove_offers(state: MasterState, framework: Framework) -> None:
    for offer in state.offers_of(framework_id=framework.id):
        del state.offers[offer.id]


def _complete_killed(state: MasterState, framework: Framework, task: Task) -> None:
    """Note the end of a removed framework's task; nobody is told any more."""
    task.record(
        build_status(
            state,
            framework,
            task.id,
            "TASK_KILLED",
            reason="REASON_FRAMEWORK_REMOVED",
            message=f"Framework {framework.id} removed",
            agent_id=task.agent_id,
        ),
    )
    if not task.is_terminal:
        task.state = "TASK_KILLED"
    framework.completed_tasks.append(task)
    state.agents[task.agent_id].tasks.pop((framework.id, task.id), None)


def _tell_removal(state: MasterState, framework: Framework) -> None:
    if framework.stream_id is not None:
        state.outgoing.append(EndStream(framework.stream_id))
    framework.stream_id = None
    framework.unregistered_at = state.now
    for agent in state.agents.values():
        if agent.is_connected:
            state.send_to_agent(agent.id, "SHUTDOWN_FRAMEWORK", framework_id=framework.id)
    state.publish("FRAMEWORK_REMOVED", {"framework_info": framework.info})
