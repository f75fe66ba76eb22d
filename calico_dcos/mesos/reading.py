"""Reads fields of Mesos' dictionaries with the types that its API gives them: pure.

A field that is null counts as not there, as in protobuf's JSON. Unknown fields are never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_SHOWN = 60
# Names of hosts have 253 characters at most, and Mesos' ids about 60.
MAX_NAME_LENGTH = 255


class MalformedError(Exception):
    """What Mesos said is not as its API has it; the text is one line."""


def read_object(parent: Any, name: str) -> Mapping[str, Any]:
    """Read a field that holds an object; an empty one if it is not there.

    Raises:
        MalformedError: it is something else, or the parent is no object.
    """
    value = _read(parent, name)
    if value is None:
        return {}
    return check_object(value, name)


def check_object(value: Any, name: str) -> Mapping[str, Any]:
    """Take what has to be an object.

    Raises:
        MalformedError: it is something else.
    """
    if not isinstance(value, dict):
        raise MalformedError(f"{name} is no object but {_show(value)}")
    return value


def read_objects(parent: Any, name: str) -> tuple[Mapping[str, Any], ...]:
    """Read a field that holds objects; none if it is not there.

    Raises:
        MalformedError: it is no list, or something else is in it.
    """
    return tuple(check_object(one, name) for one in read_list(parent, name))


def read_list(parent: Any, name: str) -> list[Any]:
    """Read a field that holds a list; an empty one if it is not there.

    Raises:
        MalformedError: it is something else.
    """
    value = _read(parent, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{name} is no list but {_show(value)}")
    return value


def read_text(parent: Any, name: str, default: str | None = None) -> str:
    """Read a text; one that has no default must not be empty.

    Raises:
        MalformedError: it is something else, or it is not there and has no default.
    """
    value = _read(parent, name)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise MalformedError(f"{name} is no text but {_show(value)}")
    if not value and default is None:
        raise MalformedError(f"{name} is empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        # Half a character, which JSON can hold: nothing that is stored or shown can.
        raise MalformedError(f"{name} is no text but {value[:_SHOWN]!a}") from error
    return value


def read_name(parent: Any, name: str, default: str | None = None) -> str:
    """Read a text that names something, which is stored, shown and sent again: a short one.

    Raises:
        MalformedError: it is something else or too long, or it is not there and has no default.
    """
    value = read_text(parent, name, default)
    if len(value) > MAX_NAME_LENGTH:
        raise MalformedError(f"{name} has {len(value)} characters, more than {MAX_NAME_LENGTH}: {_show(value)}")
    return value


def read_number(parent: Any, name: str, default: float | None = None) -> float:
    """Read a finite number.

    Raises:
        MalformedError: it is something else, or it is not there and has no default.
    """
    value = _read(parent, name)
    if value is None:
        value = default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MalformedError(f"{name} is no number but {_show(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise MalformedError(f"{name} is no finite number")
    return number


def read_whole(parent: Any, name: str, default: int | None = None) -> int:
    """Read a whole number.

    Raises:
        MalformedError: it is something else, or it is not there and has no default.
    """
    number = read_number(parent, name, default)
    if not number.is_integer():
        raise MalformedError(f"{name} is no whole number but {_show(number)}")
    return int(number)


def read_flag(parent: Any, name: str) -> bool | None:
    """Read true or false; None if it is not there.

    Raises:
        MalformedError: it is something else.
    """
    value = _read(parent, name)
    if value is not None and not isinstance(value, bool):
        raise MalformedError(f"{name} is neither true nor false but {_show(value)}")
    return value


def read_id(parent: Any, name: str, default: str | None = None) -> str:
    """Read one of Mesos' ids, which are objects with a value.

    Raises:
        MalformedError: it is something else, or it is not there and has no default.
    """
    return read_name(read_object(parent, name), "value", default)


def _read(parent: Any, name: str) -> Any:
    return check_object(parent, f"what holds {name}").get(name)


def _show(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
