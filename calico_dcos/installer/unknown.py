"""A fact that could not be read, and the form in which facts leave this program."""

from typing import Any, NamedTuple

Unknown = NamedTuple("Unknown", [("reason", str)])


def to_json(value: Any) -> Any:
    """Build the JSON form of a fact: values become objects, what is not known becomes ``{"unknown": reason}``."""
    if isinstance(value, Unknown):
        return {"unknown": value.reason}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: to_json(field) for name, field in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {name: to_json(member) for name, member in value.items()}
    return value
