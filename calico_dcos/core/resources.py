"""What of an offer a task takes: resources are echoed exactly as offered, role by role."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Offer, Resource, ResourceKind
from .steps import StepSpec

_SMALLEST = 1e-6


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
