"""What all endpoints that show the board have in common."""

from __future__ import annotations

from .board import Feed
from .endpoint import Endpoint


class FeedEndpoint(Endpoint):
    """An endpoint that shows the board."""

    def initialize(self, *, feed: Feed) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
