"""A line of JSON for each thing that happened to a task, for those who judge what was done to an agent."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class Deeds:
    """The log of an agent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str, **fields: Any) -> None:
        """Append a line, in one write."""
        with self._path.open("a") as log:
            log.write(json.dumps({"t": time.time(), "event": event, **fields}) + "\n")
