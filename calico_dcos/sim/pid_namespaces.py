"""Whether this machine's kernel lets a program have a PID namespace of its own, and how it gets one."""

from __future__ import annotations

import functools
import subprocess

_UNSHARE = ("/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation", "slave")
_USER = ("--user", "--map-root-user")  # for whoever is not root
_TIMEOUT_S = 10


class NamespaceError(Exception):
    """The kernel forbids it; the message is what unshare said."""


@functools.cache
def find_unshare() -> tuple[str, ...]:
    """Find the command that runs a program as the first process of a PID namespace, with a /proc to match.

    Raises:
        NamespaceError: none does.
    """
    said = ""
    for command in (_UNSHARE, (*_UNSHARE, *_USER)):
        try:
            done = subprocess.run(
                [*command, "/bin/true"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NamespaceError(str(error)) from error
        if done.returncode == 0:
            return command
        said = done.stderr.strip()
    raise NamespaceError(said)
