"""Renders the Marathon app that Cosmos would make of the package and an options file, and checks the result.

Follows Cosmos' own order: defaults of config.json, options over them, validation, resource.json beside them, the
template, labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, cast

import pystache
from jsonschema import Draft4Validator

from calico_dcos.config import SETTINGS, Config, ConfigError, read_config

from .files import Package
from .options import Json, fill_in_defaults, find_faults, merge

# What Java's HTML escaping of mustache.java does to a value in double braces.
ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
    "`": "&#96;",
    "=": "&#61;",
    "\n": "&#10;",
}
# Stands in for what Marathon puts in the place of a secret.
# Whatever kind of secret it stands for has to take it: a long word, or a URL.
SECRET_PLACEHOLDER = "https://a-secret-of-dcos"  # noqa: S105
# A port as Marathon might choose it.
CHOSEN_PORT = 10_101


class RenderError(Exception):
    """The options do not make an app.

    Attributes:
        faults: one line each.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Rendered:
    """What Marathon gets, what the scheduler makes of it, and the options with all defaults."""

    options: Json
    app: Json
    config: Config


class _JavaRenderer(pystache.Renderer):  # type: ignore[misc] # pystache has no types
    """Writes values as mustache.java does where Python has other words for them."""

    def __init__(self) -> None:
        super().__init__(escape=_escape_html, missing_tags="ignore")

    def str_coerce(self, val: Any) -> str:
        """Write true and false in small letters."""
        return str(val).lower() if isinstance(val, bool) else str(val)


def render(package: Package, options: Json) -> Rendered:
    """Render the app.

    Raises:
        RenderError: the options are not valid, or what comes out of them is not.
    """
    filled = fill_in_defaults(options, package.config)
    faults = find_faults(filled, package.config)
    if faults:
        raise RenderError(faults)
    text = _JavaRenderer().render(package.template, merge(filled, {"resource": package.resource}))
    try:
        app = json.loads(text)
    except ValueError as error:
        raise RenderError([f"the template did not make JSON of these options: {error}"]) from error
    app["labels"] = {**app["labels"], **_build_labels(package)}
    faults = check_app(app)
    if faults:
        raise RenderError(faults)
    return Rendered(options=filled, app=app, config=_read_config(app))


def _build_labels(package: Package) -> dict[str, str]:
    """Label the app as Cosmos does; its labels of the repository and of the whole description are left out."""
    description = package.description
    return {
        "DCOS_PACKAGE_NAME": description["name"],
        "DCOS_PACKAGE_VERSION": description["version"],
        "DCOS_PACKAGE_IS_FRAMEWORK": json.dumps(description.get("framework", False)),
        "DCOS_PACKAGE_REGISTRY_VERSION": description["packagingVersion"],
    }


def check_app(app: Json) -> list[str]:
    """Hold an app against Marathon's rules."""
    return find_schema_faults(app, "marathon-app.json", "the Marathon app")


def find_schema_faults(document: Json, schema_name: str, what: str) -> list[str]:
    """Hold a document against one of the schemas beside this module; one line for each fault."""
    schema = load_schema(schema_name)
    errors = Draft4Validator(schema).iter_errors(document)
    return [f"{what}: {'.'.join(map(str, error.absolute_path)) or 'top'}: {error.message}" for error in errors]


def load_schema(name: str) -> Json:
    """Read a schema beside this module."""
    return cast("Json", json.loads((files(__package__) / "schemas" / name).read_text(encoding="utf-8")))


def build_environment(app: Json) -> dict[str, str]:
    """Build the environment that Marathon would give the scheduler, secrets and chosen port made up."""
    environment = {name: _resolve(value) for name, value in app["env"].items()}
    return {**environment, "PORT0": str(app["portDefinitions"][0]["port"] or CHOSEN_PORT)}


def build_update(app: Json) -> Json:
    """Build what Marathon is told of an app that runs; what is left out stays: Cosmos knows the app by its labels."""
    return {name: value for name, value in app.items() if name not in {"id", "labels"}}


def _resolve(value: str | Mapping[str, str]) -> str:
    return value if isinstance(value, str) else SECRET_PLACEHOLDER


def _read_config(app: Json) -> Config:
    try:
        return read_config(build_environment(app))
    except ConfigError as error:
        raise RenderError([_name_option(fault) for fault in error.faults]) from error


def _name_option(fault: str) -> str:
    """Name the option, where a fault of the configuration names a variable."""
    for setting in SETTINGS:
        variable, _, rest = fault.partition("=" if f"{setting.variable}=" in fault else " ")
        if variable == setting.variable:
            return f"{setting.option}{'=' if '=' in fault.partition(' ')[0] else ' '}{rest}"
    return fault


def _escape_html(text: str) -> str:
    return "".join(ENTITIES.get(character, character) for character in text)
