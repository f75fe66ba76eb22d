"""Reads JSON that others wrote: whatever is wrong with it is one kind of error."""

import json
from typing import Any


def load_json(text: str, **hooks: Any) -> Any:
    """Read a document; ValueError where it is none, or is nested deeper than Python can follow."""
    try:
        return json.loads(text, **hooks)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
