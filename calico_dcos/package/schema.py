"""Builds the package's config.json out of the table of settings: the schema against which Cosmos holds options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calico_dcos.config.framework import SECTION as FRAMEWORK_SECTION
from calico_dcos.config.kinds import WORD, Kind, Number, Text
from calico_dcos.config.settings import Derived, Setting
from calico_dcos.config.table import SECTIONS, SETTINGS

# A path in the secret store of DC/OS Enterprise.
VAULT_PATH = r"^[A-Za-z0-9_./-]*$"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the package.

    Attributes:
        default: what it is where an options file does not give it.
        variable: the environment variable that it sets; "" for what concerns Marathon alone.
    """

    section: str
    key: str
    kind: Kind
    default: Any
    help: str
    variable: str


MARATHON_OPTIONS = (
    Option(FRAMEWORK_SECTION, "cpu-limit", Number(0.01, 64), 0.5, "CPUs of the scheduler.", ""),
    Option(FRAMEWORK_SECTION, "mem-limit", Number(128, 65_536), 512, "Memory in MB of the scheduler.", ""),
    Option(
        FRAMEWORK_SECTION,
        "override-framework-image",
        Text("a Docker image", WORD),
        "",
        "Docker image of the scheduler. Empty: the one that this package names.",
        "",
    ),
)


def list_options() -> tuple[Option, ...]:
    """List all options of the package, section by section."""
    options = [*MARATHON_OPTIONS]
    for setting in SETTINGS:
        options.append(build_option(setting))
        if setting.vault_key:
            options.append(_build_vault_option(setting))
    order = list(SECTIONS)
    return tuple(sorted(options, key=lambda option: order.index(option.section)))


def build_option(setting: Setting) -> Option:
    """Build the option that a setting has."""
    default = setting.default if setting.package_default is None else setting.package_default
    if isinstance(default, Derived):
        raise TypeError(f"{setting.option} needs a package_default: its own default is derived")
    return Option(setting.section, setting.key, setting.kind, default, setting.help, setting.variable)


def _build_vault_option(setting: Setting) -> Option:
    help_text = f"Path of a secret of DC/OS Enterprise that holds what {setting.key} would say. Empty: none."
    return Option(setting.section, setting.vault_key, Text("a path", VAULT_PATH), "", help_text, "")


def build_config_schema() -> dict[str, Any]:
    """Build config.json: every option with its description, default and bounds, and nothing else allowed."""
    sections: dict[str, dict[str, Any]] = {
        name: {"type": "object", "description": text, "additionalProperties": False, "properties": {}}
        for name, text in SECTIONS.items()
    }
    for option in list_options():
        properties = sections[option.section]["properties"]
        properties[option.key] = {"description": option.help, **_simplify(option.kind.describe())}
        properties[option.key]["default"] = _simplify_number(option.default)
    return {
        "$schema": "http://json-schema.org/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }


def _simplify(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _simplify_number(value) for name, value in described.items()}


def _simplify_number(value: Any) -> Any:
    """Write 30.0 as 30, as a person would: both are the same number to a schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
