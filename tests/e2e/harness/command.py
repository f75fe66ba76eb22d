"""One command run to its end, and waiting for what takes a while."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}
"""What commands see, inside hosts and outside: nothing of the environment that the tests were started in."""


class CommandError(Exception):
    """A command ended with a status that was not expected; the text holds what it said."""


def run(argv: Sequence[str], *, stdin: bytes = b"", statuses: Sequence[int] = (0,), timeout_s: float = 60) -> str:
    """Run a command to its end and return what it wrote to its standard output.

    Raises:
        CommandError: its exit status is not one of `statuses`, or it took longer than `timeout_s`.
    """
    try:
        ended = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=timeout_s, env=dict(ENVIRONMENT), check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(argv)}: not done after {timeout_s} s") from error
    if ended.returncode not in statuses:
        said = (ended.stderr or ended.stdout).decode(errors="replace").strip()
        raise CommandError(f"{' '.join(argv)}: status {ended.returncode}: {said}")
    return ended.stdout.decode(errors="replace")


def wait_until(claim: Callable[[], bool], *, what: str, timeout_s: float, poll_s: float = 0.1) -> None:
    """Ask again and again until the claim holds.

    Raises:
        TimeoutError: it does not hold after `timeout_s`; names `what`.
    """
    deadline = time.monotonic() + timeout_s
    while not claim():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not so after {timeout_s} s")
        time.sleep(poll_s)
