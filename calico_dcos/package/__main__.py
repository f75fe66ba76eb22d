"""Writes anew what follows from the table of settings (`make docs`), in the source tree that this runs from."""

from __future__ import annotations

import sys
from pathlib import Path

from .documents import write_documents


def main() -> None:
    """Write, and say what was written."""
    written = write_documents(Path(__file__).resolve().parents[2])
    sys.stdout.writelines(f"{name}\n" for name in written or ["everything is current"])


if __name__ == "__main__":
    main()
