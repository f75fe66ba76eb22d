"""The endpoints of the DC/OS SDK: what `dcos <service> ...`, the page of DC/OS and Cosmos ask a scheduler."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from http import HTTPStatus

from calico_dcos.core.model import StepName

from .board import Feed
from .endpoint import Endpoint
from .feed_endpoint import FeedEndpoint
from .offers import OfferBook
from .plan import PhaseView, PlanView
from .sdk_views import (
    Health,
    build_debug_plans,
    build_endpoint,
    build_health,
    build_task_statuses,
    judge_health,
)
from .views import DEPLOY, build_phase_document, build_plan_document, choose_plan_code
from .walk import Walk

# The one endpoint that the service has.
PAGE = "page"
# Strict clients take no body with these.
_BODILESS = (Health.DEPLOYING_PENDING, Health.RECOVERING_STARTING)


class PlanWriter:
    """Writes the plan as JSON; phases that did not change since the last time are not written again."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[PhaseView, str]] = {}

    def write(self, plan: PlanView, max_concurrent_agents: int) -> str:
        """Write the document that `build_plan_document` builds."""
        texts = {}
        for phase in plan.phases:
            known = self._texts.get(phase.name)
            is_same = known is not None and known[0] is phase
            texts[phase.name] = known if known and is_same else (phase, json.dumps(build_phase_document(phase)))
        self._texts = texts
        frame = build_plan_document(PlanView((), plan.status, plan.errors), max_concurrent_agents)
        del frame["phases"]
        phases = ",".join(text for _, text in texts.values())
        return f'{{"phases":[{phases}],{json.dumps(frame)[1:]}'


class Plans(Endpoint):
    """`/v1/plans`: the names of the plans."""

    def get(self) -> None:
        """Answer the names."""
        self.answer_json([DEPLOY])


class Plan(Endpoint):
    """`/v1/plans/<plan>`: 200 complete, 202 not yet, 417 with errors, and a body in all of them."""

    def initialize(self, *, feed: Feed, writer: PlanWriter) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
        self._writer = writer

    def get(self, name: str) -> None:
        """Answer the plan, whatever its state."""
        if name != DEPLOY:
            self.answer_text(f"Plan {name} not found", HTTPStatus.NOT_FOUND)
            return
        snapshot = self._feed.read().snapshot
        self.answer_json_text(
            self._writer.write(snapshot.plan, snapshot.max_concurrent_agents), choose_plan_code(snapshot.plan)
        )


class DeployPlan(Plan):
    """`/v1/plan`: the deploy plan, for clients of old."""

    def get(self, name: str = DEPLOY) -> None:
        """Answer the plan."""
        super().get(name)


class SdkHealth(Endpoint):
    """`/v1/health`: the SDK's code as the status and in the body; a browser is shown 200."""

    def initialize(self, *, feed: Feed, walk: Walk) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
        self._walk = walk

    def get(self) -> None:
        """Answer how the service is."""
        verdict = judge_health(self._feed.read().snapshot, self._walk.check_health())
        if "text/html" in self.request.headers.get("Accept", ""):
            self.answer_json(build_health(verdict))
        elif verdict.health in _BODILESS:
            self.set_status(verdict.health)
            self.finish()
        else:
            self.set_status(verdict.health, verdict.health.name)
            self.set_header("Content-Type", "application/json; charset=utf-8")
            self.finish(json.dumps(build_health(verdict)))


class Endpoints(Endpoint):
    """`/v1/endpoints`: the names of the endpoints."""

    def get(self) -> None:
        """Answer the names."""
        self.answer_json([PAGE])


class EndpointDetail(Endpoint):
    """`/v1/endpoints/<name>`: where an endpoint is."""

    def initialize(self, *, service: str) -> None:
        """Take what the endpoint needs."""
        self._service = service

    def get(self, name: str) -> None:
        """Answer the addresses."""
        if name == PAGE:
            self.answer_json(build_endpoint(self._service, self.request.host))
        else:
            self.answer_text(f"Endpoint {name} not found", HTTPStatus.NOT_FOUND)


class Offers(Endpoint):
    """`/v2/debug/offers`: what became of the newest offers, and why."""

    def initialize(self, *, offers: OfferBook) -> None:
        """Take what the endpoint needs."""
        self._offers = offers

    def get(self) -> None:
        """Answer the book."""
        self.answer_json(self._offers.build_document())


class DebugPlans(FeedEndpoint):
    """`/v1/debug/plans`: the plan in short; `?plan=`, `?phase=` and `?step=` for a part of it."""

    def get(self) -> None:
        """Answer the plan."""
        snapshot = self._feed.read().snapshot
        plan, phase, step = (self.get_query_argument(name, "") for name in ("plan", "phase", "step"))
        if plan not in ("", DEPLOY):
            self.answer_text(f"Plan {plan} not found", HTTPStatus.NOT_FOUND)
            return
        phases = [view for view in snapshot.plan.phases if phase in ("", view.name)]
        if phase and not phases:
            self.answer_text(f"Phase {phase} not found", HTTPStatus.NOT_FOUND)
            return
        if step and step not in {known.value for known in StepName}:
            self.answer_text(f"Step {step} not found", HTTPStatus.NOT_FOUND)
            return
        self.answer_json(build_debug_plans(snapshot, phases, step))


class TaskStatuses(FeedEndpoint):
    """`/v1/debug/taskStatuses`: the states of all services."""

    def get(self) -> None:
        """Answer the states."""
        self.answer_json(build_task_statuses(self._feed.read().snapshot.agents.values()))


class Reservations(Endpoint):
    """`/v1/debug/reservations`: this framework reserves nothing."""

    def get(self) -> None:
        """Answer that there are none."""
        self.answer_json({})


class Threads(Endpoint):
    """`/v1/debug/threads`: what each thread is doing, as text."""

    def get(self) -> None:
        """Answer a dump."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        # Function names and lines only: no values, which may be secret.
        dumps = [
            f"{names.get(ident, ident)}\n{''.join(traceback.format_stack(frame))}"
            for ident, frame in sys._current_frames().items()  # noqa: SLF001 - documented; there is no other way
        ]
        self.answer_text("\n".join(dumps))
