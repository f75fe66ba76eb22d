"""Edits of the text of Docker's daemon.json: our keys in and out, every other key in its place; no I/O."""

import json
import re
from collections import OrderedDict
from typing import Any, Dict, List, Optional

from .facts.daemon_json import ADVERTISE_KEY, STORE_KEY, parse_daemon_json


def merge_store(text: str, store: str) -> str:
    """Merge the two keys into the file's text; every other key keeps its place, a cluster-advertise its value.

    This and the others raise ValueError for a text that is not valid.
    """
    content = parse_daemon_json(text)
    content[STORE_KEY] = store
    content.setdefault(ADVERTISE_KEY, "")
    return _render(content, text)


def settle_store(text: str, store: str) -> str:
    """Set the store and take an empty cluster-advertise out of the file's text."""
    content = parse_daemon_json(text)
    content[STORE_KEY] = store
    if content.get(ADVERTISE_KEY) == "":
        del content[ADVERTISE_KEY]
    return _render(content, text)


def take_out(text: str, settings: List[Dict[str, str]], original: Optional[str]) -> Optional[str]:
    """Take our settings, of one writing or of several, out of a text that somebody else edited since.

    What the original had of them comes back. A setting that has another value by now is not ours any more, and stays.
    None: nothing is left of a file that was not there before us.
    """
    content = parse_daemon_json(text)
    before = parse_daemon_json(original) if original is not None else OrderedDict()
    ours = {key for one in settings for key, value in one.items() if content.get(key) == value}
    if not ours:
        return text
    for key in ours:
        if key in before:
            content[key] = before[key]
        else:
            del content[key]
    if not content and original is None:
        return None
    return _render(content, text)


def _render(content: "OrderedDict[str, Any]", old_text: str) -> str:
    """Build the file's text, indented as it was."""
    indent = re.search(r"\n([ \t]+)\S", old_text)
    return json.dumps(content, indent=indent.group(1) if indent else 4, ensure_ascii=False) + "\n"
