"""Writes what follows from the table of settings: the package's files, and the pages that list options and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calico_dcos.config.table import SECTIONS, SETTINGS

from .options import Json
from .schema import build_config_schema
from .template import fill_template

OPTIONS_HEAD = """# Options of the package

Written by `make docs` from `universe/config.json`. An options file is YAML or JSON: sections, and options in them. Give
only what differs from the defaults, and see what it does with `calico-dcos check --options FILE`. Where a default is
empty, nothing is given, and the text says what counts then.
"""
SETTINGS_HEAD = """# Settings of the scheduler

Written by `make docs` from `calico_dcos/config`. The scheduler reads environment variables, which the package sets from
its [options](options.md); without the package, set them yourself. `calico-dcos settings` prints the same list. A wrong
or misspelt variable ends the scheduler at once, with a line for each.
"""


def build_documents(template: str) -> dict[str, str]:
    """Build the content of every file that is written from the table.

    Args:
        template: the package's Marathon template as it is.

    Returns:
        Contents by path, from the top of the source tree.
    """
    config = build_config_schema()
    return {
        "universe/config.json": f"{json.dumps(config, indent=2)}\n",
        "universe/marathon.json.mustache": fill_template(template),
        "docs/options.md": build_options_page(config),
        "docs/settings.md": build_settings_page(),
    }


def write_documents(top: Path) -> list[str]:
    """Write the files that are not current.

    Returns:
        Their paths.
    """
    template = (top / "universe/marathon.json.mustache").read_text(encoding="utf-8")
    written = []
    for name, content in build_documents(template).items():
        path = top / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            written.append(name)
    return written


def build_options_page(config: Json) -> str:
    """List the options of config.json, section by section."""
    parts = [OPTIONS_HEAD]
    for name, section in config["properties"].items():
        parts.append(f"\n## {name}\n\n{section['description']}\n\n| Option | Default | Takes | |\n|---|---|---|---|\n")
        parts += [_build_row(key, option) for key, option in section["properties"].items()]
    return "".join(parts)


def _build_row(key: str, option: Json) -> str:
    default = json.dumps(option["default"]) if option["default"] != "" else ""
    return f"| `{key}` | {_code(default)} | {_describe(option)} | {_escape(option['description'])} |\n"


def _describe(option: Json) -> str:
    if "enum" in option:
        return "one of " + ", ".join(_code(word) if word else "nothing" for word in option["enum"])
    if option["type"] in {"integer", "number"}:
        word = "whole number" if option["type"] == "integer" else "number"
        return f"{word}, {option['minimum']} to {option['maximum']}"
    return "`true` or `false`" if option["type"] == "boolean" else "text"


def build_settings_page() -> str:
    """List the environment variables, in the sections of their options."""
    parts = [SETTINGS_HEAD]
    for section in SECTIONS:
        parts.append(f"\n## {section}\n\n| Variable | Default | Takes | Option of the package |\n|---|---|---|---|\n")
        for setting in SETTINGS:
            if setting.section == section:
                default = _escape(setting.default_text)
                takes = _escape(setting.kind.allowed)
                parts.append(f"| `{setting.variable}` | {default} | {takes} | {setting.key} |\n")
    return "".join(parts)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _escape(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
