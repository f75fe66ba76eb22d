"""Keeps secrets out of what is shown and logged: a URL may carry one in its login and in its query."""

from __future__ import annotations

import re

HIDDEN = "***"


def hide_secrets(text: str) -> str:
    """Cut user, password and query out of the URLs in a text, also out of one that is not well formed."""
    return re.sub(r"(://[^\s?'\"]*)\?[^\s'\"]*", rf"\1?{HIDDEN}", re.sub(r"//\S*@", f"//{HIDDEN}@", text))


def join_host_port(host: str, port: int) -> str:
    """Write the host and port of a URL: an IPv6 address goes in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
