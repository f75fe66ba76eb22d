"""What Mesos says, as values, and what the framework says of itself: pure functions over the v1 API's dictionaries.

A dictionary that is not as it should be raises MalformedError and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from calico_dcos.core.events import RosterAgent, RosterRead, TaskUpdated
from calico_dcos.core.model import TaskState
from calico_dcos.core.resources import Maintenance, Offer, Resource, ResourceKind

from .reading import (
    MalformedError,
    check_object,
    read_flag,
    read_id,
    read_list,
    read_name,
    read_number,
    read_object,
    read_objects,
    read_text,
    read_whole,
)

PUBLIC_ROLE = "slave_public"
"""What DC/OS reserves all resources of a public agent to."""

_USUAL_PORT = 5051
_WEEK_S = 7 * 86_400.0
_LONGEST_MESSAGE = 1000

_STATES = {state.value: state for state in TaskState if state is not TaskState.LAUNCHED}
_KINDS = {kind.value: kind for kind in ResourceKind}

# The capabilities that we want, by the first Mesos that knows them: before 1.5, Mesos answers 400 to one that it does
# not know. GPU_RESOURCES and REGION_AWARE: without them, agents with GPUs or in remote regions are never offered.
_CAPABILITIES = (
    ("TASK_KILLING_STATE", (1, 0)),
    ("GPU_RESOURCES", (1, 0)),
    ("PARTITION_AWARE", (1, 1)),
    ("REGION_AWARE", (1, 4)),
)


@dataclass(frozen=True, slots=True)
class FrameworkSettings:
    """What the framework tells of itself.

    Attributes:
        role: PUBLIC_ROLE gets offers of public and of private agents.
        user: whom tasks run as.
        checkpoint: whether tasks outlive a restart of their agent; Mesos never lets it be changed later.
        failover_timeout_s: how long tasks live on without a scheduler; then Mesos kills them all.
        principal: who we are to a Mesos that authenticates, empty for nobody.
    """

    name: str
    webui_url: str
    role: str = PUBLIC_ROLE
    user: str = "root"
    checkpoint: bool = True
    failover_timeout_s: float = 4 * _WEEK_S
    principal: str = ""


def parse_version(text: str) -> tuple[int, ...]:
    """Read the numbers that a version begins with: "1.10.0-dev" is (1, 10, 0), and what is none is ()."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(number) for number in match.group().split(".")) if match else ()


def build_framework_info(settings: FrameworkSettings, *, version: str, framework_id: str | None) -> dict[str, Any]:
    """Write FrameworkInfo for a master of this version; one of unknown version is taken for 1.0."""
    known = parse_version(version) or (1, 0)
    framework: dict[str, Any] = {
        "name": settings.name,
        "user": settings.user,
        "role": settings.role,
        "checkpoint": settings.checkpoint,
        "failover_timeout": settings.failover_timeout_s,
        "webui_url": settings.webui_url,
        "capabilities": [{"type": name} for name, since in _CAPABILITIES if known >= since],
    }
    if settings.principal:
        framework["principal"] = settings.principal
    if framework_id:
        framework["id"] = {"value": framework_id}
    return framework


def parse_offer(offer: Mapping[str, Any], role: str = PUBLIC_ROLE) -> Offer:
    """Read an offer; of its resources those that any framework of our role may use.

    Raises:
        MalformedError: it lacks what it must have, or something is of another type.
    """
    resources = read_objects(offer, "resources")
    address = read_object(read_object(offer, "url"), "address")
    return Offer(
        id=read_id(offer, "id"),
        agent_id=read_id(offer, "agent_id"),
        hostname=read_name(offer, "hostname"),
        ip=read_name(address, "ip", ""),
        port=read_whole(address, "port", _USUAL_PORT),
        is_public=_has_public_attribute(offer) or any(_get_role(resource) == PUBLIC_ROLE for resource in resources),
        resources=tuple(_parse_resource(resource) for resource in resources if _is_usable(resource, role)),
        maintenance=_parse_maintenance(offer),
    )


def _parse_maintenance(offer: Mapping[str, Any]) -> Maintenance | None:
    """Read for when the host's maintenance is announced; one without a start has begun, one without length may last."""
    if offer.get("unavailability") is None:
        return None
    unavailability = read_object(offer, "unavailability")
    start = read_number(read_object(unavailability, "start"), "nanoseconds", 0.0) / 1e9
    if unavailability.get("duration") is None:
        return Maintenance(start)
    return Maintenance(start, start + read_number(read_object(unavailability, "duration"), "nanoseconds", 0.0) / 1e9)


def parse_update(update: Mapping[str, Any]) -> TaskUpdated:
    """Read the update of an UPDATE event.

    A state that a later Mesos brought counts as UNKNOWN: the update is acknowledged, since Mesos holds back the next
    ones until it is, and the task is asked after instead of being taken for dead.

    Raises:
        MalformedError: it lacks what it must have, or something is of another type.
    """
    status = read_object(update, "status")
    reason = read_text(status, "reason", "")
    state = read_text(status, "state")
    message = _explain(_shorten(read_text(status, "message", "")))
    is_known = state in _STATES
    return TaskUpdated(
        task_id=read_id(status, "task_id"),
        agent_id=read_id(status, "agent_id", ""),
        state=_STATES.get(state, TaskState.UNKNOWN),
        message=message if is_known else f"Mesos says {_shorten(state)}: {message}",
        reason=reason,
        uuid=read_text(status, "uuid", ""),
        is_healthy=read_flag(status, "healthy"),
        is_reconciliation=is_known and reason == "REASON_RECONCILIATION",
        container_id=read_id(read_object(status, "container_status"), "container_id", ""),
        address=_read_address(read_object(status, "container_status")),
    )


def _explain(message: str) -> str:
    """Say what may be in the way of Mesos' fetcher, whose message says nothing of it."""
    if "ailed to fetch" not in message:
        return message
    return (
        f"{message} (the agent's fetcher did not get the installer: see stderr of the sandbox; an HTTP proxy of the "
        "agent, as with use_proxy of DC/OS, takes an exception for a name: set advertised-name)"
    )


def _read_address(container: Mapping[str, Any]) -> str:
    """Read the IPv4 address of a container, empty if none is told; where it is on no network, its agent's is."""
    addresses = [
        address
        for network in read_objects(container, "network_infos")
        for address in read_objects(network, "ip_addresses")
    ]
    texts = [read_text(one, "ip_address", "") for one in addresses if read_text(one, "protocol", "IPv4") == "IPv4"]
    return _shorten(next((text for text in texts if text), ""))


def parse_roster(slaves: Mapping[str, Any]) -> RosterRead:
    """Read the master's answer to GET /slaves: its form is the same from Mesos 1.0 on.

    Raises:
        MalformedError: it is no such answer. An agent that is not as it should be costs that agent.
    """
    if not isinstance(check_object(slaves, "the answer").get("slaves"), list):
        raise MalformedError("it has no list of agents")
    agents: list[RosterAgent] = []
    listed = read_list(slaves, "slaves")
    for slave in listed:
        with suppress(MalformedError):
            agents.append(_parse_slave(check_object(slave, "an agent")))
    return RosterRead(tuple(agents), unread=len(listed) - len(agents))


def _parse_slave(slave: Mapping[str, Any]) -> RosterAgent:
    pid = read_name(slave, "pid")
    ip, _, port = pid.rpartition("@")[2].rpartition(":")
    if not (port.isascii() and port.isdecimal()):
        raise MalformedError(f"the pid of an agent has no port: {pid!r:.60}")
    is_public = read_object(slave, "attributes").get("public_ip") == "true"
    return RosterAgent(
        agent_id=read_name(slave, "id"),
        hostname=read_name(slave, "hostname"),
        ip=ip,
        port=int(port),
        is_public=is_public or PUBLIC_ROLE in read_object(slave, "reserved_resources"),
        mesos_version=read_name(slave, "version", ""),
        is_active=read_flag(slave, "active") is not False,
    )


def _shorten(text: str) -> str:
    """Make one line of bounded length: it is stored in the agent's history, and shown."""
    return " ".join(text[:_LONGEST_MESSAGE].split())


def _has_public_attribute(offer: Mapping[str, Any]) -> bool:
    return any(
        attribute.get("name") == "public_ip" and read_object(attribute, "text").get("value") == "true"
        for attribute in read_objects(offer, "attributes")
    )


def _is_usable(resource: Mapping[str, Any], role: str) -> bool:
    """Tell what is offered to any framework of the role from what somebody keeps for himself."""
    reservations = [read_object(resource, "reservation"), *read_objects(resource, "reservations")]
    is_dynamically_reserved = "reservation" in resource or any(one.get("type") == "DYNAMIC" for one in reservations)
    is_labelled = any("labels" in one for one in reservations)
    is_persistent = "persistence" in read_object(resource, "disk")
    # What a resource provider offers has to be echoed with its id; we need nothing of that kind.
    if "revocable" in resource or "provider_id" in resource or is_persistent or is_dynamically_reserved or is_labelled:
        return False
    return _get_role(resource) in {"*", role} and read_text(resource, "type", "") in _KINDS


def _get_role(resource: Mapping[str, Any]) -> str:
    """Read to whom a resource is reserved, in the older form or that of RESERVATION_REFINEMENT."""
    reservations = read_objects(resource, "reservations")
    return read_text(reservations[-1], "role") if reservations else read_text(resource, "role", "*")


def _parse_resource(resource: Mapping[str, Any]) -> Resource:
    ranges = read_objects(read_object(resource, "ranges"), "range")
    return Resource(
        name=read_name(resource, "name"),
        kind=_KINDS[read_text(resource, "type")],
        role=_get_role(resource),
        amount=read_number(read_object(resource, "scalar"), "value", 0.0),
        ranges=tuple((read_whole(one, "begin"), read_whole(one, "end")) for one in ranges),
    )
