"""Scheduler calls: what a master checks before it acts on one, and where each one goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from calico_dcos.sim.master import allocator, launches, reconciliation, subscriptions, updates
from calico_dcos.sim.master.state import Framework, Json, MasterState
from calico_dcos.sim.versions import FRAMEWORK_CAPABILITIES, Feature, MesosVersion

CALL_TYPES = frozenset(
    {
        "SUBSCRIBE",
        "TEARDOWN",
        "ACCEPT",
        "DECLINE",
        "REVIVE",
        "KILL",
        "SHUTDOWN",
        "ACKNOWLEDGE",
        "RECONCILE",
        "MESSAGE",
        "REQUEST",
        "SUPPRESS",
    },
)
CALLS_WITH_A_BODY = frozenset({"SUBSCRIBE", "ACCEPT", "DECLINE", "KILL", "ACKNOWLEDGE", "RECONCILE"})
REQUIRED_FIELDS = (
    "type",
    "subscribe.framework_info.user",
    "subscribe.framework_info.name",
    "kill.task_id",
    "acknowledge.agent_id",
    "acknowledge.task_id",
    "acknowledge.uuid",
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that is answered with an HTTP error."""

    status: int
    text: str


def parse_call(body: bytes, version: MesosVersion) -> Json | Refused:
    """Read a call from the body of a request; the texts of refusals are those of a real master."""
    try:
        call: Json = json.loads(body)
    except ValueError as error:
        return Refused(400, f"Failed to parse body into JSON: {_syntax_error(error, body)}")
    fault = _conversion_fault(call, version)
    if fault is not None:
        return Refused(400, f"Failed to convert JSON into Call protobuf: {fault}")
    missing = _missing_part(call)
    if missing is not None:
        return Refused(400, f"Failed to validate scheduler::Call: Expecting '{missing}' to be present")
    return call


def find_caller(state: MasterState, call: Json, stream_id: str | None) -> Framework | Refused:
    """The framework that makes a call which is no SUBSCRIBE."""
    framework_id = call["framework_id"]["value"]
    framework = state.frameworks.get(framework_id)
    if framework is None:
        return Refused(400, "Framework cannot be found")
    if framework.stream_id is None:
        return Refused(403, "Framework is not subscribed")
    if stream_id is None:
        return Refused(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
    if stream_id != framework.stream_id:
        return Refused(
            400,
            f"The stream ID '{stream_id}' included in this request didn't match the stream ID "
            f"currently associated with framework ID {framework_id}",
        )
    return framework


def act_on(state: MasterState, framework: Framework, call: Json) -> None:
    """Do what a valid call asks for; calls that the simulation has no use for are accepted and ignored."""
    action = _ACTIONS.get(call["type"])
    if action is not None:
        action(state, framework, call.get(call["type"].lower(), {}))


def _teardown(state: MasterState, framework: Framework, _body: Json) -> None:
    subscriptions.remove(state, framework)


def _revive(state: MasterState, framework: Framework, _body: Json) -> None:
    allocator.revive(state, framework)


def _suppress(_state: MasterState, framework: Framework, _body: Json) -> None:
    allocator.suppress(framework)


_ACTIONS: dict[str, Callable[[MasterState, Framework, Json], None]] = {
    "ACCEPT": launches.accept,
    "ACKNOWLEDGE": updates.acknowledge,
    "DECLINE": allocator.decline,
    "KILL": updates.kill,
    "RECONCILE": reconciliation.reconcile,
    "REVIVE": _revive,
    "SUPPRESS": _suppress,
    "TEARDOWN": _teardown,
}


def _syntax_error(error: ValueError, body: bytes) -> str:
    """The error as the JSON parser of a master tells it: the rest of the line where it stopped."""
    if not isinstance(error, json.JSONDecodeError):
        return "syntax error at line 1 near: " + body.decode(errors="replace")
    rest = error.doc[error.pos :].partition("\n")[0]
    return f"syntax error at line {error.lineno} near: {rest}"


def _conversion_fault(call: Json, version: MesosVersion) -> str | None:
    if not isinstance(call, dict):
        return "Expecting a JSON object"
    if not version.has(Feature.LENIENT_ENUMS):
        unknown = _unknown_enum(call, version)
        if unknown is not None:
            return f"Failed to find enum for '{unknown}'"
    missing = [path for path in REQUIRED_FIELDS if path != "type" and _lacks(call, path.split("."))]
    if missing:
        return f"Missing required fields: {', '.join(missing)}"
    return None


def _unknown_enum(call: Json, version: MesosVersion) -> str | None:
    if call.get("type") not in CALL_TYPES:
        return str(call.get("type"))
    known = version.known(FRAMEWORK_CAPABILITIES)
    capabilities = call.get("subscribe", {}).get("framework_info", {}).get("capabilities", [])
    unknown = [str(declared["type"]) for declared in capabilities if declared["type"] not in known]
    return unknown[0] if unknown else None


def _lacks(call: Json, path: list[str]) -> bool:
    """Whether the last part of a path is missing though all before it are there."""
    inner = call
    for name in path[:-1]:
        if name not in inner:
            return False
        inner = inner[name]
    return path[-1] not in inner


def _missing_part(call: Json) -> str | None:
    call_type = str(call.get("type"))
    if call_type not in CALL_TYPES:
        return "type"
    if call_type != "SUBSCRIBE" and "framework_id" not in call:
        return "framework_id"
    if call_type in CALLS_WITH_A_BODY and call_type.lower() not in call:
        return call_type.lower()
    return None
