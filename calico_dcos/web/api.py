"""The endpoints that show the walk as JSON."""

from __future__ import annotations

from http import HTTPStatus

from .board import Feed, build_listing, build_whole
from .endpoint import Endpoint, ListingEndpoint
from .listing import select_view
from .metrics import PROMETHEUS, Meter, build_metrics_document, write_metrics
from .openapi import build_openapi
from .views import build_detail, build_trouble, find_keys
from .walk import Walk


class Health(Endpoint):
    """`/health`: 200 while the scheduler works, 503 with the reason where it does not."""

    def initialize(self, *, walk: Walk) -> None:
        """Take what the endpoint needs."""
        self._walk = walk

    def get(self) -> None:
        """Answer whether the scheduler is healthy."""
        reason = self._walk.check_health()
        # A standby, or a scheduler whose store is away, is healthy: killing it would not help.
        document = {
            "is_healthy": reason is None,
            "troubles": [build_trouble(one) for one in self._walk.read_troubles()],
        }
        if reason is None:
            self.answer_json(document)
        else:
            self.answer_json({**document, "reason": reason}, HTTPStatus.SERVICE_UNAVAILABLE)


class Agents(ListingEndpoint):
    """`/v1/agents`: a row for each agent, and the summary; filtered, sorted and paged as asked."""

    def initialize(self, *, feed: Feed) -> None:
        """Take what the endpoint needs."""
        self._feed = feed

    def get(self) -> None:
        """Answer rows: the first message of the live events, for whom those do not reach."""
        query = self.read_query()
        if query is not None:
            self.answer_json(build_listing(build_whole(select_view(self._feed.read(), query))))


class AgentDetail(Endpoint):
    """`/v1/agents/<key, Mesos agent id or hostname>`: all that is known of one agent."""

    def initialize(self, *, feed: Feed) -> None:
        """Take what the endpoint needs."""
        self._feed = feed

    def get(self, name: str) -> None:
        """Answer the one agent of that name."""
        board = self._feed.read()
        keys = find_keys(board.snapshot, name)
        if not keys:
            self.answer_error(HTTPStatus.NOT_FOUND, f"no agent {name}")
        elif len(keys) > 1:
            self.answer_error(HTTPStatus.NOT_FOUND, f"{name} means several agents: {', '.join(keys)}")
        else:
            self.answer_json(build_detail(board.snapshot.agents[keys[0]], board.phases[keys[0]]))


class Metrics(Endpoint):
    """`/v1/metrics`: the SDK's counters and gauges, as JSON."""

    def initialize(self, *, feed: Feed, meter: Meter) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
        self._meter = meter

    def get(self) -> None:
        """Answer the metrics."""
        self.answer_json(build_metrics_document(self._meter, self._feed.read()))


class PrometheusMetrics(Metrics):
    """`/v1/metrics/prometheus`: everything that is measured, as Prometheus reads it."""

    def get(self) -> None:
        """Answer the metrics."""
        self.set_header("Content-Type", PROMETHEUS)
        self.finish(write_metrics(self._meter, self._feed.read()))


class OpenApi(Endpoint):
    """`/v1/openapi.json`: what there is to ask for, for machines."""

    def get(self) -> None:
        """Answer the document."""
        self.answer_json(build_openapi())


class Unknown(Endpoint):
    """Every other path."""

    def prepare(self) -> None:
        """Refuse, whatever the method."""
        self.answer_error(HTTPStatus.NOT_FOUND, "nothing is here")
