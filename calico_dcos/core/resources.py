"""Offers, and what of one a task takes: resources are echoed exactly as offered, role by role."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .steps import StepSpec

_SMALLEST = 1e-6


class ResourceKind(Enum):
    """The two kinds of resources that this framework uses."""

    SCALAR = "SCALAR"
    RANGES = "RANGES"


@dataclass(frozen=True, slots=True)
class Resource:
    """A part of an offer that any framework of our role may use.

    Attributes:
        amount: of a SCALAR.
        ranges: of RANGES, both ends included.
        role: "*" or the role that the agent reserves it to; a task must echo it.
    """

    name: str
    kind: ResourceKind
    role: str
    amount: float = 0.0
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A time for which an operator told Mesos that a host will not be available.

    Attributes:
        end: None where nobody knows.
    """

    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Resources of one agent that wait for our answer."""

    id: str
    agent_id: str
    hostname: str
    ip: str
    port: int
    is_public: bool
    resources: tuple[Resource, ...]
    maintenance: Maintenance | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why an offer is too small, in words that follow "no offer with"."""

    text: str


def take(offer: Offer, spec: StepSpec) -> tuple[Resource, ...] | Shortfall:
    """Pick what a step's task needs from an offer, from several roles where one has not enough.

    Ports are claimed where they are offered; where they are not, the task does without: an agent whose operator
    offers other port ranges must still get its service.
    """
    taken: list[Resource] = []
    for name, wanted in (("cpus", spec.cpus), ("mem", spec.mem_mb)):
        found = _take_scalar(offer, name, wanted)
        if found is None:
            return Shortfall(f"{spec.cpus:g} cpus and {spec.mem_mb:g} MB of memory")
        taken.extend(found)
    for port in spec.ports:
        taken.extend(_take_port(offer, port))
    return tuple(taken)


def _take_scalar(offer: Offer, name: str, wanted: float) -> list[Resource] | None:
    taken: list[Resource] = []
    missing = wanted
    for resource in offer.resources:
        if resource.name != name or resource.kind is not ResourceKind.SCALAR or missing <= _SMALLEST:
            continue
        amount = min(missing, resource.amount)
        if amount > _SMALLEST:
            # Mesos keeps three decimals of a scalar.
            taken.append(Resource(name, ResourceKind.SCALAR, resource.role, amount=round(amount, 3)))
            missing -= amount
    return None if missing > _SMALLEST else taken


def _take_port(offer: Offer, port: int) -> list[Resource]:
    for resource in offer.resources:
        if resource.name == "ports" and any(begin <= port <= end for begin, end in resource.ranges):
            return [Resource("ports", ResourceKind.RANGES, resource.role, ranges=((port, port),))]
    return []
