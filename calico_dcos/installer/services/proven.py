"""Notes that a service was proven by the supervisor that runs: until then, its health check has nothing to hold on to.

Once proven, what could not be looked at is no failure at once, nor is a BGP session that somebody else lost.
"""

import os

from ..files import remove_file, write_file
from ..host import STATE_DIR, Host

DIRECTORY = STATE_DIR + "/proven"


def note_proven(host: Host, service: str) -> None:
    """Note it; FileError if that is not possible."""
    path = _path(host, service)
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_file(host, path, b"")


def forget_proven(host: Host, service: str) -> None:
    """Take the note away, where there is one; FileError if that is not possible."""
    if os.path.exists(_path(host, service)):
        remove_file(_path(host, service))


def was_proven(host: Host, service: str) -> bool:
    """Whether the supervisor of this service has proven it."""
    return os.path.exists(_path(host, service))


def _path(host: Host, service: str) -> str:
    return os.path.join(host.path(DIRECTORY), service)
