"""Stored values as JSON and back: pure, strict in types, tolerant of what other releases add or leave out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cattrs import ClassValidationError, Converter, transform_error

from calico_dcos.core.command import AuditEntry, Controls, Word
from calico_dcos.core.connectivity import Run
from calico_dcos.core.model import Agent, Step, StepName

from .upgrades import upgrade_agent

VERSION = 2
"""The version of the format: raised when an older release could not make sense of what this one writes."""
MAX_FACTS_BYTES = 4 * 1024 * 1024
"""More than any report that is taken has, however it is written."""

_Value = TypeVar("_Value")


class DecodeError(ValueError):
    """A record is not what this release can read; the text says in one line why."""

    remedy = "run the release that wrote it, or remove this one record to have it found out anew"


class NewerError(DecodeError):
    """A newer release wrote the record."""

    remedy = "run that release, which alone knows how the agents are"


@dataclass(frozen=True, slots=True)
class Words:
    """What all agents were told, the oldest first."""

    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Pin:
    """The sum that every download of a URL must have."""

    url: str
    sha256: str


def encode(value: Agent | Pin | Controls | AuditEntry | Run | Words | str) -> bytes:
    """Write a value as JSON; equal values give equal bytes."""
    document = {"version": VERSION, "value": _CONVERTER.unstructure(value)}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """Write a facts document, compressed: it is the largest thing by far that is known of a host."""
    document = {"version": VERSION, "value": facts}
    return zlib.compress(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def decode_facts(record: bytes) -> Mapping[str, Any]:
    """Read a facts document back.

    Raises:
        DecodeError: it is none, of a newer version, or larger than any that was ever written.
    """
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(record, MAX_FACTS_BYTES)
    except zlib.error as error:
        raise DecodeError(f"it is not compressed: {error}") from error
    if not reader.eof:
        raise DecodeError(f"it is cut off, or more than {MAX_FACTS_BYTES} bytes")
    return decode(text, dict)


def decode(record: bytes, expected: type[_Value]) -> _Value:
    """Read a value back; what this release does not know is dropped, what is missing takes its default.

    Raises:
        DecodeError: the record is no JSON, of a newer version, or lacks something that has no default.
    """
    try:
        document = json.loads(record)
    except ValueError as error:
        raise DecodeError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("version"), int) or "value" not in document:
        raise DecodeError("it is not a record of calico-dcos")
    if document["version"] > VERSION:
        raise NewerError(f"a newer release wrote it, in format {document['version']}; this one reads up to {VERSION}")
    value = document["value"]
    try:
        if expected is Agent and document["version"] == 1:
            value = upgrade_agent(value)
        return _CONVERTER.structure(value, expected)
    except (AttributeError, KeyError) as error:
        raise DecodeError(f"it is no agent of format 1: {error!r}") from error
    except (ClassValidationError, ValueError, TypeError) as error:
        raise DecodeError("; ".join(transform_error(error, path="value"))) from error


def _structure_str(value: Any, _: type) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _structure_int(value: Any, _: type) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _structure_float(value: Any, _: type) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _structure_bool(value: Any, _: type) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _structure_steps(value: Any, _: Any) -> dict[StepName, Step]:
    """Read the steps that this release knows: another release may have had more."""
    known = {name.value: name for name in StepName}
    return {known[key]: _CONVERTER.structure(step, Step) for key, step in value.items() if key in known}


def _build_converter() -> Converter:
    """Build a converter that takes no value for another: by itself, cattrs reads null as the text "None"."""
    converter = Converter()
    converter.register_structure_hook(str, _structure_str)
    converter.register_structure_hook(int, _structure_int)
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(bool, _structure_bool)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[StepName, Step], _structure_steps)
    return converter


_CONVERTER = _build_converter()
