"""Writes the part of the package's Marathon template that follows from the table of settings.

Values stand in triple braces, because Cosmos would put HTML entities into what stands in double ones; the patterns of
the options keep out what JSON could not carry.
"""

from __future__ import annotations

from collections.abc import Sequence

from calico_dcos.config.settings import Setting
from calico_dcos.config.table import SETTINGS

BEGIN = "{{! settings: written by `make docs` }}"
END = "{{! end of settings }}"
SECRETS_BEGIN = "{{! secrets: written by `make docs` }}"
SECRETS_END = "{{! end of secrets }}"


def fill_template(template: str) -> str:
    """Write the settings anew between their marks.

    Raises:
        ValueError: a mark is missing.
    """
    with_settings = _replace_between(template, BEGIN, END, [_build_line(setting) for setting in SETTINGS])
    vaulted = [setting for setting in SETTINGS if setting.vault_key]
    return _replace_between(with_settings, SECRETS_BEGIN, SECRETS_END, _build_secrets(vaulted))


def _replace_between(text: str, begin: str, end: str, lines: Sequence[str]) -> str:
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the template lacks {begin} or {end}")
    indent = before.rpartition("\n")[2]
    return "\n".join([before + begin, *(indent + line for line in lines), indent + end]) + after


def _build_line(setting: Setting) -> str:
    value = _build_value(setting)
    if setting.name == "port":
        # Marathon gives the port, and says so in PORT0.
        return f"{{{{! {setting.variable} is left to portDefinitions }}}}"
    if setting.packaged_variable:
        # Which of the two counts depends on another option, which a template cannot weigh.
        return f'"{setting.variable}": {value}, "{setting.packaged_variable}": "{_name_resource(setting)}",'
    if not setting.vault_key:
        return f'"{setting.variable}": {value},'
    vault = f"{setting.section}.{setting.vault_key}"
    reference = f'{{"secret": "{setting.vault_key}"}}'
    return _when(vault, f'"{setting.variable}": {reference},') + _unless(vault, f'"{setting.variable}": {value},')


def _build_value(setting: Setting) -> str:
    given = f"{{{{{{{setting.option}}}}}}}"
    if not setting.resource or setting.packaged_variable:
        return f'"{given}"'
    named = _name_resource(setting)
    return f'"{_when(setting.option, given)}{_unless(setting.option, named)}"'


def _name_resource(setting: Setting) -> str:
    return f"{{{{{{resource.{setting.resource}}}}}}}"


def _build_secrets(settings: Sequence[Setting]) -> list[str]:
    """Declare the secrets that options name; without any, not even an empty object, which plain Marathon refuses."""
    paths = [f"{setting.section}.{setting.vault_key}" for setting in settings]
    if not paths:
        return []
    lines = [_when_any(paths, '"secrets": { ')]
    for number, (setting, path) in enumerate(zip(settings, paths, strict=True)):
        entry = f'"{setting.vault_key}": {{"source": "{{{{{{{path}}}}}}}"}}'
        lines.append(_when(path, _when_any(paths[:number], ", ") + entry))
    return [*lines, _when_any(paths, "},")]


def _when_any(options: Sequence[str], text: str) -> str:
    """Write a text once if at least one of the options is given."""
    if not options:
        return ""
    return _when(options[0], text) + _unless(options[0], _when_any(options[1:], text))


def _when(option: str, text: str) -> str:
    return f"{{{{#{option}}}}}{text}{{{{/{option}}}}}" if text else ""


def _unless(option: str, text: str) -> str:
    return f"{{{{^{option}}}}}{text}{{{{/{option}}}}}" if text else ""
