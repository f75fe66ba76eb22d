"""Runs the installer, as a package and in the archive, where the package has another name."""

import sys
import traceback
from typing import TextIO, cast

from .command_line import run
from .redaction import HidingStream


def main() -> int:
    """Run the program and return its exit status; whatever it writes has its secrets hidden."""
    # Python 3.5 and 3.6 write in ASCII where the environment names no locale: words from others hold other characters,
    # and must not end this run. stderr escapes them by itself.
    encoding = sys.stdout.encoding
    err = cast(TextIO, HidingStream(sys.stderr))
    # The threads of this program write what ends them there, too.
    sys.stderr = err
    with open(sys.stdout.fileno(), "w", 1, encoding, "backslashreplace", closefd=False) as stdout:
        out = cast(TextIO, HidingStream(stdout))
        try:
            return run(sys.argv[1:], out, err)
        except Exception:  # noqa: BLE001  (it is told, and ends this run)
            err.write(traceback.format_exc())
            return 1


if __name__ == "__main__":
    sys.exit(main())
