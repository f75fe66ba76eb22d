"""Keeps logins out of what is shown: a URL may carry one."""

from __future__ import annotations

import re


def hide_login(text: str) -> str:
    """Cut user and password out of the URLs in a text, also out of one that is not well formed."""
    return re.sub(r"//\S*@", "//***@", text)
