"""Resources of Mesos as values: scalars in thousandths and ranges, each reserved to a role or not ("*")."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

UNRESERVED = "*"
Key = tuple[str, str]
Ranges = tuple[tuple[int, int], ...]
Quantity = int | Ranges


class Style(enum.Enum):
    """How JSON tells the role of a resource."""

    ROLE = enum.auto()
    RESERVATIONS = enum.auto()
    BOTH = enum.auto()


@dataclass(frozen=True, slots=True)
class Resources:
    """Quantities by (name, role), none of them empty."""

    quantities: Mapping[Key, Quantity] = field(default_factory=dict)

    def __add__(self, other: Resources) -> Resources:
        total = dict(self.quantities)
        for key, quantity in other.quantities.items():
            total[key] = _add(total[key], quantity) if key in total else quantity
        return Resources(total)

    def __sub__(self, other: Resources) -> Resources:
        rest = {key: _subtract(quantity, other.quantities.get(key)) for key, quantity in self.quantities.items()}
        return Resources({key: quantity for key, quantity in rest.items() if quantity})

    def contains(self, other: Resources) -> bool:
        """Whether all of the other's are among these."""
        return all(
            key in self.quantities and not _subtract(quantity, self.quantities[key])
            for key, quantity in other.quantities.items()
        )

    def allocatable_to(self, role: str) -> Resources:
        """What a framework of that role may be offered, in the order in which a master lists it."""
        reserved = {key: quantity for key, quantity in self.quantities.items() if key[1] == role != UNRESERVED}
        free = [(key, quantity) for key, quantity in self.quantities.items() if key[1] == UNRESERVED]
        free.sort(key=lambda item: isinstance(item[1], int))  # a master adds what cannot be shared first
        return Resources({**reserved, **dict(free)})

    def of_role(self, role: str) -> Resources:
        """What is reserved to exactly that role ("*": what is not reserved)."""
        return Resources({key: quantity for key, quantity in self.quantities.items() if key[1] == role})

    def roles(self) -> list[str]:
        """The roles that something is reserved to."""
        return sorted({role for _, role in self.quantities if role != UNRESERVED})

    def scalar(self, name: str) -> float:
        """The sum over all roles of a scalar; 0 if there is none."""
        return sum(q for (n, _), q in self.quantities.items() if n == name and isinstance(q, int)) / 1000


def total(parts: Iterable[Resources]) -> Resources:
    """The sum of resources."""
    result = Resources()
    for part in parts:
        result += part
    return result


def parse_resources(text: str, default_role: str = UNRESERVED) -> Resources:
    """Parse the notation of an agent's flag: 'cpus:2;mem(slave_public):1024;ports:[31000-32000]'."""
    quantities: dict[Key, Quantity] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        match = re.fullmatch(r"(\w+)(?:\(([^)]+)\))?:(.+)", part)
        if match is None:
            msg = f"not a resource: {part!r}"
            raise ValueError(msg)
        name, role, value = match.groups()
        quantities[name, role or default_role] = _parse_quantity(value)
    return Resources(quantities)


def resources_from_json(items: Iterable[Mapping[str, Any]]) -> Resources:
    """Resources as an API tells them, with `role` or with `reservations`."""
    return total(
        Resources({(item["name"], _role_of(item)): quantity}) for item in items if (quantity := _quantity_of(item))
    )


def resources_to_json(
    resources: Resources,
    style: Style,
    allocated_to: str | None = None,
) -> list[dict[str, Any]]:
    """Resources as an API tells them."""
    return [_item_to_json(key, quantity, style, allocated_to) for key, quantity in resources.quantities.items()]


def resources_to_text(resources: Resources, allocated_to: str | None) -> str:
    """Resources as a master prints them in messages; with an allocation as Mesos 1.4 and later, else as before."""
    return "; ".join(
        f"{name}{_decoration(role, allocated_to)}:{_quantity_to_text(quantity)}"
        for (name, role), quantity in resources.quantities.items()
    )


def summarize(resources: Resources) -> dict[str, Any]:
    """Resources as the v0 endpoints sum them up, roles taken together."""
    summary: dict[str, Any] = {name: resources.scalar(name) for name in ("disk", "mem", "gpus", "cpus")}
    for (name, _), quantity in resources.quantities.items():
        if isinstance(quantity, tuple):
            summary[name] = _quantity_to_text(quantity)
    return summary


def reservations_to_json(resources: Resources) -> dict[str, Any]:
    """What is reserved to whom, item by item, as the v0 endpoints tell it."""
    by_role = {role: resources_to_json(resources.of_role(role), Style.BOTH) for role in resources.roles()}
    return {
        "reserved_resources_full": by_role,
        "unreserved_resources_full": resources_to_json(resources.of_role(UNRESERVED), Style.BOTH),
    }


def _parse_quantity(text: str) -> Quantity:
    text = text.strip()
    if not text.startswith("["):
        return round(float(text) * 1000)
    pairs = [piece.partition("-") for piece in text.strip("[]").split(",")]
    return tuple((int(begin), int(end)) for begin, _, end in pairs)


def _role_of(item: Mapping[str, Any]) -> str:
    reservations = item.get("reservations")
    role: str = reservations[-1]["role"] if reservations else item.get("role", UNRESERVED)
    return role


def _quantity_of(item: Mapping[str, Any]) -> Quantity:
    if "scalar" in item:
        return round(float(item["scalar"]["value"]) * 1000)
    return tuple((r["begin"], r["end"]) for r in item.get("ranges", {}).get("range", []))


def _item_to_json(key: Key, quantity: Quantity, style: Style, allocated_to: str | None) -> dict[str, Any]:
    name, role = key
    item: dict[str, Any]
    if isinstance(quantity, int):
        item = {"name": name, "type": "SCALAR", "scalar": {"value": quantity / 1000}}
    else:
        ranges = [{"begin": begin, "end": end} for begin, end in quantity]
        item = {"name": name, "type": "RANGES", "ranges": {"range": ranges}}
    if style is not Style.RESERVATIONS:
        item["role"] = role
    if style is not Style.ROLE and role != UNRESERVED:
        item["reservations"] = [{"type": "STATIC", "role": role}]
    if allocated_to is not None:
        item["allocation_info"] = {"role": allocated_to}
    return item


def _decoration(role: str, allocated_to: str | None) -> str:
    if allocated_to is None:
        return f"({role})"
    reservations = f"(reservations: [(STATIC,{role})])" if role != UNRESERVED else ""
    return f"(allocated: {allocated_to}){reservations}"


def _quantity_to_text(quantity: Quantity) -> str:
    if isinstance(quantity, int):
        return f"{quantity / 1000:g}"
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in quantity) + "]"


def _add(left: Quantity, right: Quantity) -> Quantity:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    return _merged((*_as_ranges(left), *_as_ranges(right)))


def _subtract(left: Quantity, right: Quantity | None) -> Quantity | Literal[0]:
    if right is None:
        return left
    if isinstance(left, int) and isinstance(right, int):
        return max(0, left - right)
    rest = _as_ranges(left)
    for taken in _as_ranges(right):
        rest = tuple(piece for have in rest for piece in _without(have, taken))
    return rest


def _as_ranges(quantity: Quantity) -> Ranges:
    return quantity if isinstance(quantity, tuple) else ()


def _without(have: tuple[int, int], taken: tuple[int, int]) -> Iterable[tuple[int, int]]:
    if taken[0] > have[1] or taken[1] < have[0]:
        yield have
        return
    if have[0] < taken[0]:
        yield have[0], taken[0] - 1
    if taken[1] < have[1]:
        yield taken[1] + 1, have[1]


def _merged(ranges: Ranges) -> Ranges:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return tuple(merged)
