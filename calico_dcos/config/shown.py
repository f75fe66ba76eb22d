"""The effective settings as anybody may see them: without secrets, and without what may hold one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calico_dcos.redaction import HIDDEN, hide_secrets

from .kinds import format_value
from .table import SETTINGS, Config


def list_shown_settings(config: Config) -> dict[str, str]:
    """List the value of each variable; a secret is there only as such, and so are queries of URLs and mappings."""
    return {setting.variable: _show(getattr(config, setting.name), setting.is_secret) for setting in SETTINGS}


def _show(value: Any, is_secret: bool) -> str:  # noqa: FBT001 - what the table says of it
    if is_secret:
        return HIDDEN if value else ""
    if isinstance(value, Mapping):
        return format_value(dict.fromkeys(value, HIDDEN))
    return hide_secrets(format_value(value))
