"""Makes calls to the master one after another in a thread of its own: one that hangs holds up those behind it alone."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from calico_dcos.outbound import JOIN_S

log = logging.getLogger(__name__)

# A master that is well takes thousands a second; a turn of the loop makes a few hundred.
MAX_WAITING = 2000


class Sender:
    """A bounded queue of calls, and who makes them.

    Args:
        read_stream: names the subscription of now, None without one: a call counts for the one it was made in.
        overflow: hears that more wait than may; all that waited was dropped.
    """

    def __init__(
        self,
        *,
        read_stream: Callable[[], str | None],
        overflow: Callable[[], None],
    ) -> None:
        self._read_stream = read_stream
        self._overflow = overflow
        self._waiting: deque[tuple[str, str, Callable[[], object]]] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._make_for_ever, name="calls", daemon=True)

    def start(self) -> None:
        """Make calls until stopped."""
        self._thread.start()

    def put(self, kind: str, make: Callable[[], object]) -> None:
        """Have a call made once those before it were; at once.

        Args:
            kind: what it is, for the log.
            make: makes it; may take as long as a call may take.
        """
        stream = self._read_stream()
        if stream is None:
            log.info("Drops %s: not subscribed", kind)
            return
        with self._changed:
            self._waiting.append((stream, kind, make))
            is_too_long = len(self._waiting) > MAX_WAITING
            if is_too_long:
                self._waiting.clear()
            self._changed.notify()
        if is_too_long:
            self._overflow()

    def stop(self) -> None:
        """Make what waits, unless the master is slow, and end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _make_for_ever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_stopping)
                if not self._waiting:
                    return
                stream, kind, make = self._waiting.popleft()
            if stream == self._read_stream():
                make()
            else:
                log.info("Drops %s: it was made for a subscription that has ended", kind)
