"""Runs the installer, as a package and in the archive, where the package has another name."""

import sys
import traceback

from .command_line import run
from .redaction import hide_secrets


def main() -> int:
    """Run the command of this process, and return its exit status."""
    # A task of Mesos has no locale, and up to Python 3.6 its output is ASCII: what a tool said may hold other letters,
    # and must not end this run. stderr escapes them by itself.
    encoding = sys.stdout.encoding
    with open(sys.stdout.fileno(), "w", 1, encoding, "backslashreplace", closefd=False) as out:
        try:
            return run(sys.argv[1:], out, sys.stderr)
        except Exception:  # noqa: BLE001  (it is told, and ends this run)
            # A fault of this program ends it, and what it tells of it may hold what it was reading.
            sys.stderr.write(hide_secrets(traceback.format_exc()))
            return 1


if __name__ == "__main__":
    sys.exit(main())
