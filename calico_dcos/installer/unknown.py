"""A fact that could not be read, and the form in which facts leave this program."""

from typing import Any, NamedTuple

from .redaction import hide_all, hide_secrets

Unknown = NamedTuple("Unknown", [("reason", str)])


def to_json(value: Any) -> Any:
    """Build the JSON form of a fact: values become objects, what is not known becomes ``{"unknown": reason}``.

    Secrets in texts are hidden here, where every fact passes, whatever it is.
    """
    if isinstance(value, Unknown):
        return {"unknown": hide_secrets(value.reason)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: to_json(field) for name, field in value._asdict().items()}
    if isinstance(value, (list, tuple)) and not all(isinstance(item, str) for item in value):
        return [to_json(item) for item in value]
    return hide_all(value)
