"""The live events: each client is told what changed since it was told last, however slowly it reads."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from tornado.iostream import StreamClosedError

from .board import Feed, View, build_delta, format_messages
from .endpoint import ListingEndpoint
from .listing import Query, select_view

log = logging.getLogger(__name__)

# Clients at a time; the page of one more asks for the rows every few seconds instead.
MAX_CLIENTS = 100
POLL_S = 0.25
HEARTBEAT_S = 15.0
# How long a browser waits before it connects again.
RETRY_MS = 3000
# A client that has not read what was sent after this long is dropped: it keeps a place that others want.
SLOW_S = 30.0


class Audience:
    """How many clients follow the events."""

    def __init__(self, limit: int = MAX_CLIENTS) -> None:
        self.limit = limit
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether one more would be too many."""
        return self.size >= self.limit


class Events(ListingEndpoint):
    """`/v1/events`: server-sent events. `snapshot` comes first, then `agents` with what changed.

    The parameters are those of `/v1/agents`: a client is told of the rows that it asked for. Nothing is queued for it:
    what is sent is the difference between what it was shown and the newest board, and nothing is sent before it has
    read the last.
    """

    def initialize(self, *, feed: Feed, audience: Audience, heartbeat_s: float, slow_s: float = SLOW_S) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
        self._audience = audience
        self._heartbeat_s = heartbeat_s
        self._slow_s = slow_s
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        """Notice that the client went away."""
        self._gone.set()

    async def get(self) -> None:
        """Send events until the client goes away."""
        if self._audience.is_full:
            self.answer_error(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._audience.limit} clients follow already")
            return
        query = self.read_query()
        if query is None:
            return
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        # The proxy of DC/OS keeps events back without this.
        self.set_header("X-Accel-Buffering", "no")
        self._audience.size += 1
        try:
            await self._send(f"retry: {RETRY_MS}\n\n")
            await self._follow(query)
        except StreamClosedError:
            return
        except TimeoutError:
            log.info("drops a reader of the events: it has not read for %.0f s", self._slow_s)
            self.detach().close()
        finally:
            self._audience.size -= 1

    async def _follow(self, query: Query) -> None:
        shown: View | None = None
        quiet_s = 0.0
        while not self._gone.is_set():
            board = self._feed.read()
            delta = None
            if shown is None or shown.board is not board:
                view = select_view(board, query)
                delta = build_delta(shown, view)
                shown = view
            if delta is not None:
                for message in format_messages(delta):
                    await self._send(message)
                quiet_s = 0.0
            elif quiet_s >= self._heartbeat_s:
                await self._send(": still here\n\n")
                quiet_s = 0.0
            await self._pause()
            quiet_s += POLL_S

    async def _send(self, text: str) -> None:
        self.write(text)
        await asyncio.wait_for(self.flush(), self._slow_s)

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._gone.wait(), POLL_S)
        except TimeoutError:
            return
