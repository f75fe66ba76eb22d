"""Locks of a host: two runs that change it never overlap, nor do two supervisors of one service."""

import fcntl
import os
import time
from contextlib import contextmanager
from typing import BinaryIO, Callable, Iterator, Optional

from .host import STATE_DIR, Host

LOCK_DIR = STATE_DIR + "/lock"
CHANGES = "changes"
RETRY_S = 0.2


class LockedError(Exception):
    """Another run holds the lock."""


@contextmanager
def hold_lock(host: Host, name: str, timeout_s: float, tell: Optional[Callable[[str], None]] = None) -> Iterator[None]:
    """Hold a lock for a ``with`` block; the kernel gives it back when this process ends, however it ends.

    Args:
        host: whose lock it is.
        name: of the lock.
        timeout_s: how long it is waited for.
        tell: hears, once, that it has to be waited for.

    Raises:
        LockedError: it is not free within timeout_s.
    """
    path = os.path.join(host.path(LOCK_DIR), name)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            opened = open(path, "ab")  # noqa: SIM115
        except (FileNotFoundError, FileExistsError):
            # A removal took the directory away in this very moment, after it was seen or before.
            if time.monotonic() >= deadline or os.path.isfile(os.path.dirname(path)):
                raise
            continue
        with opened as file:
            if not _try_lock(file):
                if tell is not None:
                    tell("waits: {}".format(describe_holder(name, path)))
                    tell = None
                _wait_for(file, deadline, describe_holder(name, path))
            # A removal takes the locks away too, while others wait for them.
            if _is_same(file, path):
                yield
                return


def _is_same(file: BinaryIO, path: str) -> bool:
    """Whether an open file is still the one at path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def describe_holder(name: str, path: str) -> str:
    """Say who holds a lock."""
    holder = "another run changes this host" if name == CHANGES else "a supervisor of {} runs here".format(name)
    return "{} ({} is held)".format(holder, path)


def _wait_for(file: BinaryIO, deadline: float, held: str) -> None:
    while not _try_lock(file):
        if time.monotonic() >= deadline:
            raise LockedError(held)
        time.sleep(RETRY_S)


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
