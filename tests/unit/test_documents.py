"""What follows from the table of settings is current, and says the same everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.config import SETTINGS, read_config
from calico_dcos.config.settings import Derived
from calico_dcos.package.documents import build_documents
from calico_dcos.package.schema import build_config_schema, build_option, list_options

TOP = Path(__file__).parents[2]
TEMPLATE = (TOP / "universe/marathon.json.mustache").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", build_documents(TEMPLATE))
def test_file_that_follows_from_the_table_is_current(name: str) -> None:
    assert (TOP / name).read_text(encoding="utf-8") == build_documents(TEMPLATE)[name], "run `make docs`"


def test_no_two_settings_share_an_option() -> None:
    places = [(option.section, option.key) for option in list_options()]

    assert len(places) == len(set(places))


def test_every_option_has_description_default_and_bounds() -> None:
    for name, section in build_config_schema()["properties"].items():
        for key, option in section["properties"].items():
            assert option["description"].endswith("."), (name, key)
            assert "default" in option, (name, key)
            assert is_bounded(option), (name, key)


def test_only_numbers_stand_where_cosmos_puts_html_entities() -> None:
    schema = build_config_schema()["properties"]
    escaped = re.findall(r"(?<!\{)\{\{([^{}#^/!][^{}]*)\}\}(?!\})", TEMPLATE)

    assert escaped
    for name in escaped:
        section, _, key = name.rpartition(".")
        assert schema[section]["properties"][key]["type"] in {"integer", "number"}, name


def test_no_option_takes_what_the_template_cannot_carry() -> None:
    for name, section in build_config_schema()["properties"].items():
        for key, option in section["properties"].items():
            for mark in ('"', "\\"):
                for text in (
                    mark,
                    mark * 20,
                    f"http://a.example:1/{mark}",
                    f"/{mark}",
                    f"zk://a:1/{mark}",
                    f"A={mark}",
                ):
                    assert "pattern" not in option or not re.search(option["pattern"], text), (name, key, text)


def is_bounded(option: dict[str, Any]) -> bool:
    match option["type"]:
        case "string":
            return "pattern" in option or "enum" in option
        case "boolean":
            return True
        case _:
            return {"minimum", "maximum"} <= option.keys()


def test_option_is_by_default_what_its_setting_is() -> None:
    for setting in SETTINGS:
        option = build_option(setting)
        is_left_to_the_setting = option.default in {"", 0} if isinstance(option.default, str | int) else False
        assert is_left_to_the_setting or option.default == setting.default, setting.option
        assert isinstance(setting.default, Derived) or setting.help, setting.option


def test_downloads_and_images_are_pinned_and_the_same_in_program_and_package() -> None:
    resource = json.loads((TOP / "universe/resource.json").read_text(encoding="utf-8"))
    description = json.loads((TOP / "universe/package.json").read_text(encoding="utf-8"))
    assets = resource["assets"]

    for setting in SETTINGS:
        if setting.resource:
            named: Any = resource
            for part in setting.resource.split("."):
                named = named[part]
            default = getattr(read_config({}), setting.name)
            assert named == default, setting.resource
    assert "latest" not in json.dumps(resource)
    assert all(":" in image for image in assets["container"]["docker"].values())
    assert assets["container"]["docker"]["calico-dcos"].endswith(f":{description['version']}")
