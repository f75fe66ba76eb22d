"""The journalctl stand-in: prints the last lines of a unit's log, in the one format that the journal is kept in."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator

_STAMP = "%Y-%m-%dT%H:%M:%S+0000"  # as in journal.py, which takes too long to import
_WITH_VALUE = {
    "-u": "unit", "--unit": "unit",
    "-n": "lines", "--lines": "lines",
    "-o": "format", "--output": "format",
    "-S": "since", "--since": "since",
}  # fmt: skip
_IGNORED = frozenset({"-b", "--boot", "--no-pager", "-q", "--quiet", "--no-hostname", "--utc", "-x", "-e"})


def main(root: str) -> int:
    """Carry out the command line of this process on the host with this root."""
    options: dict[str, str] = {}
    rest = iter(sys.argv[1:])
    for argument in rest:
        option, has_value, value = argument.partition("=")
        if option == "_PID":
            options["pid"] = value
        elif option in _WITH_VALUE:
            options[_WITH_VALUE[option]] = value if has_value else next(rest, "")
        elif argument not in _IGNORED:
            print(f"journalctl: unrecognized option '{argument}'", file=sys.stderr)
            return 1
    lines = _read_lines(root, options.get("unit", "").removesuffix(".service"), options.get("since", "@0"))
    if "pid" in options:
        lines = (line for line in lines if f"[{options['pid']}]: " in line)
    last = list(deque(lines, maxlen=int(options["lines"]) if "lines" in options else None))
    sys.stdout.writelines(last or ["-- No entries --\n"])
    return 0


def _read_lines(root: str, unit: str, since: str) -> Iterator[str]:
    """Read the lines that are not older than `@<epoch s>`; their stamps are in the order of the alphabet."""
    oldest = time.strftime(_STAMP, time.gmtime(float(since.removeprefix("@"))))
    path = os.path.join(root, "var/log", f"{unit}.log")  # noqa: PTH118 - pathlib doubles the start-up time
    try:
        with open(path, encoding="utf-8") as log:  # noqa: PTH123 - pathlib doubles the start-up time
            yield from (line for line in log if line >= oldest)
    except FileNotFoundError:
        return
