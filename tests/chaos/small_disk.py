"""A disk of its own for the scheduler's SQLite file, so small that it can be filled."""

from __future__ import annotations

import subprocess
from pathlib import Path

SIZE = "8m"
CHUNK_BYTES = 65_536


class SmallDisk:
    """A file system in memory; root alone can make one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._filler = directory / "filler"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(directory)], capture_output=True, check=True
        )

    def fill(self) -> None:
        """Leave not one byte."""
        with self._filler.open("ab", buffering=0) as filler:
            size = CHUNK_BYTES
            while size:
                try:
                    filler.write(b"x" * size)
                except OSError:
                    size //= 2

    def make_room(self) -> None:
        """Take away what filled it."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        # Lazily: a scheduler that was just killed may hold its file for a moment.
        subprocess.run(["umount", "--lazy", str(self.directory)], capture_output=True, check=True)
