"""Runs the installer, as a package and in the archive, where the package has another name."""

import sys

from .command_line import run


def main() -> int:
    """Run the command of this process, and return its exit status."""
    # A task of Mesos has no locale, and up to Python 3.6 its output is ASCII: what a tool said may hold other letters,
    # and must not end this run. stderr escapes them by itself.
    encoding = sys.stdout.encoding
    with open(sys.stdout.fileno(), "w", 1, encoding, "backslashreplace", closefd=False) as out:
        return run(sys.argv[1:], out, sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
