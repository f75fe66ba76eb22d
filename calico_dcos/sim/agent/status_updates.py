"""Reliable delivery of a task's updates: one at a time, repeated until the framework acknowledges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Json = dict[str, Any]
FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 600.0


class Timer(Protocol):
    """Something that was scheduled and can be called off."""

    def cancel(self) -> None:
        """Call it off."""


class UpdateStream:
    """The updates of one task that are not acknowledged yet, oldest first; later ones wait for it."""

    def __init__(
        self,
        *,
        forward: Callable[[Json], None],
        later: Callable[[float, Callable[[], None]], Timer],
        pending: list[Json],
    ) -> None:
        self.pending = pending
        self._forward = forward
        self._later = later
        self._timer: Timer | None = None

    def add(self, status: Json) -> None:
        """Deliver a new update, after those before it."""
        self.pending.append(status)
        if len(self.pending) == 1:
            self.resend()

    def resend(self) -> None:
        """Send the oldest now, and again until it is acknowledged, after 10 s and then twice as long each time."""
        self._send(FIRST_RETRY_S)

    def acknowledge(self, uuid: str) -> Json | None:
        """Take an acknowledgement; return the update that it is for, or None if that is not the one awaited."""
        if not self.pending or self.pending[0]["uuid"] != uuid:
            return None
        acknowledged = self.pending.pop(0)
        self.resend()
        return acknowledged

    def stop(self) -> None:
        """Send nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, retry_s: float) -> None:
        self.stop()
        if self.pending:
            self._forward(self.pending[0])
            self._timer = self._later(retry_s, lambda: self._send(min(2 * retry_s, LONGEST_RETRY_S)))
