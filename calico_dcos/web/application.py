"""Which endpoint is at which path."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from tornado.routing import URLSpec
from tornado.web import Application, RequestHandler

from .api import AgentDetail, Agents, Health, Plan, Plans, Unknown
from .board import Feed
from .commands import AgentCommands, Audit, PlanCommands
from .events import HEARTBEAT_S, Audience, Events
from .files import Files, list_artifacts, list_assets
from .inbox import Inbox, Reports
from .operator import Hands
from .sdk_commands import COMMANDS, SdkCommands
from .walk import Walk

logger = logging.getLogger(__name__)


def build_application(
    *,
    service: str,
    walk: Walk,
    inbox: Inbox,
    hands: Hands,
    artifacts: Mapping[str, Path],
    heartbeat_s: float = HEARTBEAT_S,
) -> Application:
    """Put the endpoints at their paths.

    Args:
        service: name of the framework, for people.
        walk: what is shown.
        inbox: where reports go.
        hands: where commands go.
        artifacts: files by `<sha256>/<name>`.
        heartbeat_s: a live connection on which nothing happens shows so often that it lives.
    """
    feed = Feed(service=service, walk=walk, read_clock=time.monotonic)
    files = list_assets() | list_artifacts(artifacts)
    commanding = {"feed": feed, "hands": hands}
    sdk_words = "|".join(COMMANDS)
    return Application(
        [
            URLSpec(r"/()", Files, {"files": files}),
            URLSpec(r"/((?:static|artifacts)/.*)", Files, {"files": files}),
            URLSpec(r"/health", Health, {"walk": walk}),
            URLSpec(r"/v1/agents", Agents, {"feed": feed}),
            URLSpec(r"/v1/agents/([^/]+)", AgentDetail, {"feed": feed}),
            URLSpec(r"/v1/agents/([^/]+)/commands", AgentCommands, commanding),
            URLSpec(r"/v1/audit", Audit, {"hands": hands}),
            URLSpec(r"/v1/events", Events, {"feed": feed, "audience": Audience(), "heartbeat_s": heartbeat_s}),
            URLSpec(r"/v1/plans", Plans),
            URLSpec(r"/v1/plans/([^/]+)", Plan, {"feed": feed}),
            URLSpec(r"/v1/plans/([^/]+)/commands", PlanCommands, commanding),
            URLSpec(rf"/v1/plans/([^/]+)/({sdk_words})", SdkCommands, commanding),
            URLSpec(rf"/v1/plan()/({sdk_words})", SdkCommands, commanding),
            URLSpec(r"/v1/reports/([^/]+)", Reports, {"inbox": inbox}),
        ],
        default_handler_class=Unknown,
        log_function=_log_request,
    )


def _log_request(endpoint: RequestHandler) -> None:
    # Neither headers nor the query: they may hold secrets.
    request = endpoint.request
    took_ms = 1000 * request.request_time()
    logger.debug("%s %r: %d in %.0f ms", request.method, request.path, endpoint.get_status(), took_ms)
