"""Options files: reading them, filling in defaults as Cosmos does, and saying what is wrong with them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft4Validator, ValidationError

from calico_dcos.config.table import SETTINGS
from calico_dcos.redaction import hide_secrets

from .files import PackageError
from .schema import Option, list_options

Json = dict[str, Any]
# A value that is nested deeper than this is none of an option.
OPTION_DEPTH = 2


def load_options(path: Path) -> Json:
    """Read an options file, YAML or JSON.

    Raises:
        PackageError: it cannot be read, or is no mapping.
    """
    try:
        # Every JSON file is a YAML file.
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PackageError(f"{path}: not UTF-8 ({error.reason})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        raise PackageError(
            f"{path}{place}: neither YAML nor JSON: {getattr(error, 'problem', None) or error}"
        ) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise PackageError(
            f"{path}: an options file has sections with options in them, this one is a {_name(document)}"
        )
    return document


def fill_in_defaults(options: Json, config: Json) -> Json:
    """Merge options into the defaults of config.json; what is given wins, also where it is wrong."""
    return merge(_extract_defaults(config), options)


def _extract_defaults(schema: Json) -> Json:
    defaults: Json = {}
    for name, described in schema.get("properties", {}).items():
        if "properties" in described:
            defaults[name] = _extract_defaults(described)
        elif "default" in described:
            defaults[name] = described["default"]
    return defaults


def merge(target: Json, fragment: Mapping[str, Any]) -> Json:
    """Lay one document over another: objects are merged, everything else is replaced."""
    merged = dict(target)
    for name, value in fragment.items():
        below = merged.get(name)
        merged[name] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def find_faults(options: Json, config: Json) -> list[str]:
    """Hold options with their defaults against config.json.

    Returns:
        One line for each mistake: section, key, value, and what is allowed.
    """
    known = {(option.section, option.key): option for option in list_options()}
    errors = Draft4Validator(config).iter_errors(options)
    return sorted({fault for error in errors for fault in _describe(error, known)})


def _describe(error: ValidationError, known: Mapping[tuple[str, str], Option]) -> Iterable[str]:
    path = [str(part) for part in error.absolute_path]
    schema = cast("Json", error.schema)
    if error.validator == "additionalProperties":
        allowed = schema["properties"]
        given = cast("Json", error.instance)
        return [_describe_unknown(path, name, allowed) for name in given if name not in allowed]
    if len(path) < OPTION_DEPTH:
        what = f"section {path[0]!r}" if path else "the options file"
        return [f"{what}: has to hold {'options' if path else 'sections'}, not {_show(error.instance)}"]
    section, key = path[:OPTION_DEPTH]
    option = known.get((section, key))
    allowed_text = _describe_allowed(schema, option)
    shown = "***" if option and is_secret(option) else hide_secrets(_show(error.instance))
    is_word = isinstance(error.instance, bool) and schema.get("type") == "string"
    hint = "; YAML reads off, on, yes and no as true or false, unless they are quoted" if is_word else ""
    return [f"{section}.{key}={shown} is wrong: it takes {allowed_text}{hint}"]


def _describe_unknown(path: list[str], name: str, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(allowed)}"
    if path:
        return f"{path[0]}.{name} is no option of this section{hint}"
    return f"{name!r} is no section of options{hint}"


def _describe_allowed(schema: Json, option: Option | None) -> str:
    words = {"boolean": "true or false", "string": "text", "integer": "a whole number", "number": "a number"}
    kind = words.get(schema.get("type", ""), "something else")
    if schema.get("type") == "boolean":
        return f"{kind}, without quotation marks"
    if option is None:
        return kind
    if option.default == "" and schema.get("type") == "string":
        return f"{option.kind.allowed}, or nothing"
    return option.kind.allowed


def is_secret(option: Option) -> bool:
    """Whether an option's value must not be shown."""
    return any(setting.is_secret and setting.variable == option.variable for setting in SETTINGS)


def _show(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _name(value: Any) -> str:
    return {list: "list", str: "text", bool: "truth value"}.get(type(value), "number")
