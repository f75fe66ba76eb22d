"""What Mesos says, as values, and what the framework says of itself: pure functions over the v1 API's dictionaries.

A dictionary that lacks what it must have raises KeyError, TypeError or ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calico_dcos.core.events import RosterAgent, RosterRead, TaskUpdated
from calico_dcos.core.model import Offer, Resource, ResourceKind, TaskState

PUBLIC_ROLE = "slave_public"
"""What DC/OS reserves all resources of a public agent to."""

_USUAL_PORT = 5051
_WEEK_S = 7 * 86_400.0

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
    """Read an offer; of its resources those that any framework of our role may use."""
    resources = offer.get("resources", ())
    address = offer.get("url", {}).get("address", {})
    unavailability = offer.get("unavailability")
    return Offer(
        id=offer["id"]["value"],
        agent_id=offer["agent_id"]["value"],
        hostname=offer["hostname"],
        ip=address.get("ip", ""),
        port=address.get("port", _USUAL_PORT),
        is_public=_has_public_attribute(offer) or any(_get_role(resource) == PUBLIC_ROLE for resource in resources),
        resources=tuple(_parse_resource(resource) for resource in resources if _is_usable(resource, role)),
        unavailable_from=unavailability["start"]["nanoseconds"] / 1e9 if unavailability else None,
    )


def parse_update(update: Mapping[str, Any]) -> TaskUpdated:
    """Read the update of an UPDATE event."""
    status = update["status"]
    reason = status.get("reason", "")
    return TaskUpdated(
        task_id=status["task_id"]["value"],
        agent_id=status.get("agent_id", {}).get("value", ""),
        state=TaskState(status["state"]),
        message=status.get("message", ""),
        reason=reason,
        uuid=status.get("uuid", ""),
        is_healthy=status.get("healthy"),
        is_reconciliation=reason == "REASON_RECONCILIATION",
        container_id=status.get("container_status", {}).get("container_id", {}).get("value", ""),
    )


def parse_roster(slaves: Mapping[str, Any]) -> RosterRead:
    """Read the master's answer to GET /slaves: its form is the same from Mesos 1.0 on."""
    return RosterRead(tuple(_parse_slave(slave) for slave in slaves["slaves"]))


def _parse_slave(slave: Mapping[str, Any]) -> RosterAgent:
    address = slave["pid"].rpartition("@")[2]
    ip, _, port = address.rpartition(":")
    is_public = slave.get("attributes", {}).get("public_ip") == "true"
    return RosterAgent(
        agent_id=slave["id"],
        hostname=slave["hostname"],
        ip=ip,
        port=int(port),
        is_public=is_public or PUBLIC_ROLE in slave.get("reserved_resources", {}),
        mesos_version=slave.get("version", ""),
    )


def _has_public_attribute(offer: Mapping[str, Any]) -> bool:
    return any(
        attribute.get("name") == "public_ip" and attribute.get("text", {}).get("value") == "true"
        for attribute in offer.get("attributes", ())
    )


def _is_usable(resource: Mapping[str, Any], role: str) -> bool:
    """Tell what is offered to any framework of the role from what somebody keeps for himself."""
    is_revocable = "revocable" in resource
    is_persistent = "persistence" in resource.get("disk", {})
    reservations = [resource.get("reservation", {}), *resource.get("reservations", ())]
    is_dynamically_reserved = "reservation" in resource or any(one.get("type") == "DYNAMIC" for one in reservations)
    is_labelled = any("labels" in one for one in reservations)
    if is_revocable or is_persistent or is_dynamically_reserved or is_labelled:
        return False
    return _get_role(resource) in {"*", role} and resource["type"] in ResourceKind.__members__


def _get_role(resource: Mapping[str, Any]) -> str:
    """Read to whom a resource is reserved, in the older form or that of RESERVATION_REFINEMENT."""
    reservations = resource.get("reservations")
    role: str = reservations[-1]["role"] if reservations else resource.get("role", "*")
    return role


def _parse_resource(resource: Mapping[str, Any]) -> Resource:
    return Resource(
        name=resource["name"],
        kind=ResourceKind(resource["type"]),
        role=_get_role(resource),
        amount=float(resource.get("scalar", {}).get("value", 0.0)),
        ranges=tuple((one["begin"], one["end"]) for one in resource.get("ranges", {}).get("range", ())),
    )
