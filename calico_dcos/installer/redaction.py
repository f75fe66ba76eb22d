"""Hides secrets in what leaves this program: the password in a URL, and the value of a name that tells of a secret."""

import re

HIDDEN = "(hidden)"
SECRET_NAME = re.compile(r"token|secret|passw|credential|private|api_?key|_key$", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(\w+://)[^/\s@]+@")
_ASSIGNMENT = re.compile(r"([\w.-]+)=(\S+)")


def is_secret_name(name: str) -> bool:
    """Whether a variable or option of this name may hold a secret; hiding too much costs less than too little."""
    return SECRET_NAME.search(name) is not None


def hide_secrets(text: str) -> str:
    """Hide the secrets in a text: ``http://user:password@proxy``, ``splunk-token=...``."""
    return _ASSIGNMENT.sub(_hide_value, _USER_IN_URL.sub(r"\1" + HIDDEN + "@", text))


def _hide_value(match: "re.Match[str]") -> str:
    return "{}={}".format(match.group(1), HIDDEN) if is_secret_name(match.group(1)) else match.group(0)
