"""Which endpoint is at which path."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from tornado.routing import URLSpec
from tornado.web import Application, RequestHandler

from . import sdk, sdk_pods, sdk_state
from .api import AgentDetail, Agents, Health, Metrics, OpenApi, PrometheusMetrics, Unknown
from .board import Feed
from .commands import AgentCommands, Audit, PlanCommands
from .connectivity import Connectivity
from .events import HEARTBEAT_S, SLOW_S, Audience, Events
from .files import Files, list_artifacts, list_assets
from .inbox import Inbox, Reports
from .metrics import Meter
from .offers import OfferBook
from .operator import Hands
from .pins import Pins
from .preflight import Preflight
from .sdk_commands import COMMANDS, SdkCommands
from .walk import Walk

logger = logging.getLogger(__name__)


def build_application(  # noqa: PLR0913 - what is served has many parts
    *,
    service: str,
    walk: Walk,
    inbox: Inbox,
    hands: Hands,
    artifacts: Mapping[str, Path],
    offers: OfferBook | None = None,
    meter: Meter | None = None,
    settings: Mapping[str, str] | None = None,
    heartbeat_s: float = HEARTBEAT_S,
    slow_s: float = SLOW_S,
) -> Application:
    """Put the endpoints at their paths.

    Args:
        service: name of the framework, for people.
        walk: what is shown.
        inbox: where reports go.
        hands: where commands go.
        artifacts: files by `<sha256>/<name>`.
        offers: what became of offers.
        meter: what was counted.
        settings: the effective settings, by variable, without secrets.
        heartbeat_s: a live connection on which nothing happens shows so often that it lives.
        slow_s: how long a client may take to read what it was sent of the events.
    """
    feed = Feed(service=service, walk=walk, read_clock=time.monotonic)
    timing = {"heartbeat_s": heartbeat_s, "slow_s": slow_s}
    files = list_assets() | list_artifacts(artifacts)
    measured = {"feed": feed, "meter": meter or Meter()}
    return Application(
        [
            URLSpec(r"/()", Files, {"files": files}),
            URLSpec(r"/((?:static|artifacts)/.*)", Files, {"files": files}),
            URLSpec(r"/health", Health, {"walk": walk}),
            URLSpec(r"/v1/agents", Agents, {"feed": feed}),
            URLSpec(r"/v1/agents/([^/]+)", AgentDetail, {"feed": feed}),
            URLSpec(r"/v1/events", Events, {"feed": feed, "audience": Audience(), **timing}),
            URLSpec(r"/v1/openapi\.json", OpenApi),
            URLSpec(r"/v1/metrics", Metrics, measured),
            URLSpec(r"/v1/metrics/prometheus", PrometheusMetrics, measured),
            URLSpec(r"/v1/reports/([^/]+)", Reports, {"inbox": inbox}),
            *_list_sdk_endpoints(service, feed, walk, offers or OfferBook()),
            *_list_sdk_state(service, feed, hands, settings or {}),
            *_list_commands(feed, hands),
        ],
        default_handler_class=Unknown,
        log_function=_log_request,
    )


def _list_commands(feed: Feed, hands: Hands) -> list[URLSpec]:
    commanding = {"feed": feed, "hands": hands}
    own = [
        URLSpec(r"/v1/agents/([^/]+)/commands", AgentCommands, commanding),
        URLSpec(r"/v1/plans/([^/]+)/commands", PlanCommands, commanding),
        URLSpec(r"/v1/connectivity", Connectivity, commanding),
        URLSpec(r"/v1/pins", Pins, commanding),
        URLSpec(r"/v1/audit", Audit, {"hands": hands}),
        URLSpec(r"/v1/preflight", Preflight, {"feed": feed}),
    ]
    of_plans = [URLSpec(rf"/v1/plans/([^/]+)/{word}", SdkCommands, {**commanding, "word": word}) for word in COMMANDS]
    of_the_plan = [URLSpec(rf"/v1/plan/{word}", SdkCommands, {**commanding, "word": word}) for word in COMMANDS]
    return [*own, *of_plans, *of_the_plan]


def _list_sdk_endpoints(service: str, feed: Feed, walk: Walk, offers: OfferBook) -> list[URLSpec]:
    shown = {"feed": feed}
    writer = sdk.PlanWriter()
    return [
        URLSpec(r"/v1/health", sdk.SdkHealth, {"feed": feed, "walk": walk}),
        URLSpec(r"/v1/plans", sdk.Plans),
        URLSpec(r"/v1/plans/([^/]+)", sdk.Plan, {"feed": feed, "writer": writer}),
        # The SDK's name for the only plan of old services.
        URLSpec(r"/v1/plan", sdk.DeployPlan, {"feed": feed, "writer": writer}),
        URLSpec(r"/v1/endpoints", sdk.Endpoints),
        URLSpec(r"/v1/endpoints/([^/]+)", sdk.EndpointDetail, {"service": service}),
        URLSpec(r"/v1/debug/plans", sdk.DebugPlans, shown),
        URLSpec(r"/v1/debug/taskStatuses", sdk.TaskStatuses, shown),
        URLSpec(r"/v1/debug/reservations", sdk.Reservations),
        URLSpec(r"/v1/debug/threads", sdk.Threads),
        URLSpec(r"/v2/debug/offers", sdk.Offers, {"offers": offers}),
    ]


def _list_sdk_state(service: str, feed: Feed, hands: Hands, settings: Mapping[str, str]) -> list[URLSpec]:
    shown = {"feed": feed}
    configured = {"feed": feed, "settings": settings}
    commanding = {"feed": feed, "hands": hands}
    return [
        URLSpec(r"/v1/state/frameworkId", sdk_state.FrameworkId, shown),
        URLSpec(r"/v1/state/properties", sdk_state.Properties, shown),
        URLSpec(r"/v1/state/properties/([^/]+)", sdk_state.Property, shown),
        URLSpec(r"/v1/state/files", sdk_state.StoredFiles),
        URLSpec(r"/v1/configurations", sdk_state.Configurations, shown),
        URLSpec(r"/v1/configurations/targetId", sdk_state.Configurations, shown),
        URLSpec(r"/v1/configurations/([^/]+)", sdk_state.Configuration, configured),
        URLSpec(r"/v1/pod", sdk_pods.Pods, shown),
        URLSpec(r"/v1/pod/status", sdk_pods.PodStatuses, {"feed": feed, "service": service}),
        URLSpec(r"/v1/pod/([^/]+)/status", sdk_pods.PodStatus, shown),
        URLSpec(r"/v1/pod/([^/]+)/info", sdk_pods.PodInfo, shown),
        *(
            URLSpec(rf"/v1/pod/([^/]+)/{word}", sdk_pods.PodCommands, {**commanding, "word": word})
            for word in sdk_pods.POD_COMMANDS
        ),
    ]


def _log_request(endpoint: RequestHandler) -> None:
    # Neither headers nor the query: they may hold secrets.
    request = endpoint.request
    took_ms = 1000 * request.request_time()
    logger.debug("%s %r: %d in %.0f ms", request.method, request.path, endpoint.get_status(), took_ms)
