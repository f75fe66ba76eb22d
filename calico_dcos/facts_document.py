"""The published form of an inspection: its JSON Schema and its page, both made from the installer's own types.

The types say what there is and ``MEANINGS`` what it means; a test holds the two against each other, and the page in
``docs`` against what is made here. Write the page anew with ``python -m calico_dcos.facts_document > docs/facts.md``.
"""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass
from typing import Any, TextIO, Union, get_args, get_origin, get_type_hints

from calico_dcos.facts_meanings import MEANINGS
from calico_dcos.installer.facts import Facts
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import STEPS

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}
_UNKNOWN = {
    "type": "object",
    "properties": {"unknown": {"type": "string", "minLength": 1}},
    "required": ["unknown"],
    "additionalProperties": False,
}
_HEAD = """# The facts of a host

What `installer.pyz inspect` reports, and what the page and `GET` of an agent show: one JSON document, made by reading
alone. Whatever cannot be read is `{"unknown": "the reason"}` in its place; it is never guessed. Secrets are hidden: the
user and password in a URL, and the value of whatever is named like a secret (`..._TOKEN`, `..._PASSWORD`, `..._KEY`).

The report around the facts is `{"kind": "inspection", "took_s": ..., "facts": ..., "node": {"name": ..., "address":
...} or null, "changes": ..., "refusals": ..., "unknowns": ..., "faults": ..., "proofs": ..., "warnings": ...}`: the
last six by step, as `installer.pyz apply STEP --dry-run` tells them.

This page is made from the program (`calico_dcos/facts_document.py`); a test sees that it is right.
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the page.

    Attributes:
        place: where it stands, ``docker.engine.version``; with ``[]`` for each of a list.
        form: its JSON types, in words.
        key: its name in MEANINGS.
    """

    place: str
    form: str
    key: str


def build_schema() -> dict[str, Any]:
    """Build the JSON Schema of the report of an inspection."""
    change = {name: {"type": "string", "minLength": 1} for name in ("message", "reason", "impact")}
    change["restarts"] = {"enum": ["docker", "mesos-agent", None]}
    changes = {"type": "array", "items": _build_object(change)}
    text = {"type": "string", "minLength": 1}
    texts = {"type": "array", "items": text}
    report = {
        "kind": {"const": "inspection"},
        "took_s": {"type": "number", "minimum": 0},
        "facts": _build_type(Facts),
        "changes": _build_object(dict.fromkeys(STEPS, changes)),
        "refusals": _build_object(dict.fromkeys(STEPS, text), required=[]),
        **{name: _build_object(dict.fromkeys(STEPS, text), required=[]) for name in ("unknowns", "faults", "proofs")},
        "node": {"anyOf": [_build_object(dict.fromkeys(("name", "address"), text)), {"type": "null"}]},
        "warnings": _build_object(dict.fromkeys(STEPS, texts), required=[]),
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "The inspection of a host"}
    return head | _build_object(report)


def _build_object(properties: dict[str, Any], *, required: list[str] | None = None) -> dict[str, Any]:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _build_type(kind: Any) -> dict[str, Any]:
    if kind is Unknown:
        return _UNKNOWN
    if kind in _SCALARS:
        return _SCALARS[kind]
    if get_origin(kind) in (Union, types.UnionType):
        return {"anyOf": [_build_type(member) for member in get_args(kind)]}
    if get_origin(kind) is list:
        return {"type": "array", "items": _build_type(get_args(kind)[0])}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _build_type(get_args(kind)[1])}
    return _build_object({name: _build_type(field) for name, field in get_type_hints(kind).items()})


def list_fields() -> list[Fact]:
    """List every fact of a host."""
    return _list_fields(Facts, "")


def _list_fields(kind: Any, place: str) -> list[Fact]:
    found = []
    for name, field in get_type_hints(kind).items():
        here = f"{place}{name}"
        found.append(Fact(here, _describe(field), f"{kind.__name__}.{name}"))
        for value in _find_values(field):
            found += _list_fields(value, f"{here}{'[]' if _is_list(field) else ''}.")
    return found


def _find_values(kind: Any) -> list[Any]:
    """Find the types of values of our own in a type, those of what is not known left out."""
    if get_args(kind):
        return [value for member in get_args(kind) for value in _find_values(member)]
    return [kind] if hasattr(kind, "_fields") and kind is not Unknown else []


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list or any(_is_list(member) for member in get_args(kind))


def _describe(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_describe(member) for member in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {_describe(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return f"object of {_describe(get_args(kind)[1])}"
    if kind is Unknown:
        return "unknown"
    return str(_SCALARS[kind]["type"]) if kind in _SCALARS else "object"


def build_page() -> str:
    """Build the page: every fact, and the schema."""
    lines = [_HEAD, "| Fact | Form | What it is |", "|---|---|---|"]
    lines += [f"| `{fact.place}` | {fact.form} | {MEANINGS[fact.key]} |" for fact in list_fields()]
    schema = json.dumps(build_schema(), indent=1)
    return "\n".join([*lines, "", "## JSON Schema", "", "```json", schema, "```", ""])


def write_page(out: TextIO) -> None:
    """Write the page."""
    out.write(build_page())


if __name__ == "__main__":
    write_page(sys.stdout)
