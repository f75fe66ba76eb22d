"""Watches our threads: a bug in one of them is to end the process, as a bug in the scheduler's loop does.

A scheduler whose list of agents is never read again, or whose calls are never made, would go on to look well. Marathon
starts the process again, and it goes on where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

# What libraries run in threads of their own is theirs to mend.
OURS = frozenset(
    {"roster", "cordons", "master detector", "blockers", "notices", "calls", "etcd lease", "web", "own name"}
)


def watch_threads(stop: Callable[[str], None]) -> None:
    """Have the process end with the first of our threads that a bug ends.

    Args:
        stop: takes the reason; called from the thread that ends.
    """

    def take(ended: Any) -> None:
        name = "unknown" if ended.thread is None else ended.thread.name
        log.critical("a bug ended the thread %s", name, exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback))
        if name in OURS:
            stop(f"a bug ended the thread {name}: {ended.exc_value!r}")

    threading.excepthook = take
