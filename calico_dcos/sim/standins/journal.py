"""The journal of a simulated host: one file for each unit, lines as `journalctl -o short-iso` prints them, in UTC."""

import os
import time
from pathlib import Path

LOG_DIRECTORY = "var/log"
STAMP = "%Y-%m-%dT%H:%M:%S+0000"


class Journal:
    """Writes what units and systemd say."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, unit: str, source: str, message: str) -> None:
        """Append one line to a unit's log; `source` is the program and its process id: `systemd[1]`."""
        stamp = time.strftime(STAMP, time.gmtime())
        path = self._root / LOG_DIRECTORY / f"{unit.removesuffix('.service')}.log"
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{stamp} {self._root.name} {source}: {message}\n")

    def copy(self, unit: str, source: str, descriptor: int) -> None:
        """Append what comes out of a pipe until all its writers have closed it; closes it."""
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self.write(unit, source, line.rstrip("\n"))
