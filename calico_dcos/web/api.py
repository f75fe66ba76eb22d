"""The endpoints that show the walk as JSON."""

from __future__ import annotations

from http import HTTPStatus

from .board import Feed, build_listing, build_whole
from .endpoint import Endpoint
from .views import DEPLOY, build_detail, build_plan_document, choose_plan_code, find_keys
from .walk import Walk


class Health(Endpoint):
    """`/health`: 200 while the scheduler works, 503 with the reason where it does not."""

    def initialize(self, *, walk: Walk) -> None:
        """Take what the endpoint needs."""
        self._walk = walk

    def get(self) -> None:
        """Answer whether the scheduler is healthy."""
        reason = self._walk.check_health()
        if reason is None:
            # A standby, or a scheduler whose store is away, is healthy: killing it would not help.
            notice = self._walk.read_notice()
            self.answer_json({"is_healthy": True, **({"notice": notice} if notice else {})})
        else:
            self.answer_json({"is_healthy": False, "reason": reason}, HTTPStatus.SERVICE_UNAVAILABLE)


class Agents(Endpoint):
    """`/v1/agents`: a row for each agent, and the summary."""

    def initialize(self, *, feed: Feed) -> None:
        """Take what the endpoint needs."""
        self._feed = feed

    def get(self) -> None:
        """Answer all rows: the first message of the live events, for whom those do not reach."""
        self.answer_json(build_listing(build_whole(self._feed.read())))


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


class Plans(Endpoint):
    """`/v1/plans`: the names of the plans, as the DC/OS SDK gives them."""

    def get(self) -> None:
        """Answer the names."""
        self.answer_json([DEPLOY])


class Plan(Endpoint):
    """`/v1/plans/<plan>`: 200 complete, 202 not yet, 417 with errors, as the DC/OS SDK does."""

    def initialize(self, *, feed: Feed) -> None:
        """Take what the endpoint needs."""
        self._feed = feed

    def get(self, name: str) -> None:
        """Answer the plan, whatever its state."""
        if name != DEPLOY:
            self.answer_text(f"Plan {name} not found", HTTPStatus.NOT_FOUND)
            return
        snapshot = self._feed.read().snapshot
        document = build_plan_document(snapshot.plan, snapshot.max_concurrent_agents)
        self.answer_json(document, choose_plan_code(snapshot.plan))


class Unknown(Endpoint):
    """Every other path."""

    def prepare(self) -> None:
        """Refuse, whatever the method."""
        self.answer_error(HTTPStatus.NOT_FOUND, "nothing is here")
