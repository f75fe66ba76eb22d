"""SIGTERM and SIGINT as something to wait for."""

import os
import select
import signal
from typing import Any


class StopSignal:
    """Waits, and wakes at once when this process is asked to end; made in the main thread, once."""

    def __init__(self) -> None:
        self._read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        # The wakeup descriptor: an Event set in a signal handler could wait for its own lock.
        signal.set_wakeup_fd(write_end)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _ignore)

    def wait(self, seconds: float) -> bool:
        """Wait, and say whether this process was asked to end; once it was, it is for good."""
        ready, _, _ = select.select([self._read_end], [], [], seconds)
        return bool(ready)


def _ignore(number: int, frame: Any) -> None:
    """Take the signal; the wakeup descriptor tells of it."""
