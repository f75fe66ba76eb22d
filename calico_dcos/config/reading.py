"""Reads the settings from environment variables, and collects everything that is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from calico_dcos.redaction import hide_secrets

from .contradictions import find_contradictions
from .settings import PREFIX, Derived, Known, Setting
from .table import SETTINGS, Config


class ConfigError(Exception):
    """The environment does not make a configuration.

    Attributes:
        faults: one line each, naming the variable, its value and what is allowed.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def read_config(environment: Mapping[str, str]) -> Config:
    """Read the configuration from environment variables that begin with CALICO_DCOS_.

    Args:
        environment: all variables; Marathon's PORT0, HOST and LIBPROCESS_IP are defaults for what they imply.

    Raises:
        ConfigError: with every fault that was found.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        values[setting.name] = _read(setting, Known(environment, values), faults)
    faults += _find_misspelt(environment)
    if faults:
        raise ConfigError(faults)
    config = Config(**values)
    contradictions = find_contradictions(config)
    if contradictions:
        raise ConfigError(contradictions)
    return config


def _read(setting: Setting, known: Known, faults: list[str]) -> Any:
    text = known.environment.get(setting.variable, "").strip()
    if text:
        try:
            return setting.kind.parse(text)
        except ValueError:
            shown = "***" if setting.is_secret else hide_secrets(repr(text))
            faults.append(f"{setting.variable}={shown} is wrong: it takes {setting.kind.allowed}")
    default = setting.default.compute(known) if isinstance(setting.default, Derived) else setting.default
    if default is None and not text:
        faults.append(f"{setting.variable} is not set, and has to be here")
    return default


def _find_misspelt(environment: Mapping[str, str]) -> list[str]:
    variables = [setting.variable for setting in SETTINGS]
    packaged = [setting.packaged_variable for setting in SETTINGS]
    faults = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in variables + packaged:
            near = difflib.get_close_matches(name, variables, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            faults.append(f"{name} is no setting of calico-dcos{hint}")
    return faults
