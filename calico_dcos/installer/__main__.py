"""Runs the installer, as a package and in the archive, where the package has another name."""

import sys

from .command_line import run


def main() -> int:
    """Run the command of this process, and return its exit status."""
    return run(sys.argv[1:], sys.stdout, sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
