"""What the walk would change on each agent, and in sum: for whoever decides whether it may begin.

It follows from what the last look at each host found, so it holds in preflight mode and at any other time.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from calico_dcos.core.model import Agent, Change, Status
from calico_dcos.core.plan import PhaseView

from .board import Feed
from .endpoint import Endpoint
from .views import Json
from .walk import Snapshot

COLUMNS = ("agent", "step", "change", "reason", "impact", "restarts")
FORMATS = ("json", "csv")
# What spreadsheets take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def list_changes(agent: Agent, phase: PhaseView) -> Iterator[tuple[str, Change]]:
    """List what steps that are not complete have still to do on a host; disabled and skipped ones have nothing."""
    if agent.inspection is None:
        return
    for step in phase.steps:
        if step.status is not Status.COMPLETE:
            for change in agent.inspection.get_changes(step.name):
                yield step.name.value, change


def build_preflight(snapshot: Snapshot) -> Json:
    """Build what would change and restart, per agent and in sum."""
    agents = [_build_agent(snapshot.agents[phase.name], phase) for phase in snapshot.plan.phases]
    restarts = Counter(service for agent in agents for service in agent["restarts"])
    return {
        "now": snapshot.at,
        "total": {
            "agents": len(agents),
            "inspected": sum(agent["is_inspected"] for agent in agents),
            "to_change": sum(bool(agent["changes"]) for agent in agents),
            "refused": sum(bool(agent["refusals"]) for agent in agents),
            "changes": sum(len(agent["changes"]) for agent in agents),
            "restarts": dict(sorted(restarts.items())),
        },
        "agents": agents,
    }


def _build_agent(agent: Agent, phase: PhaseView) -> Json:
    changes = list(list_changes(agent, phase))
    open_steps = {step.name.value for step in phase.steps if step.status is not Status.COMPLETE}
    refusals = {} if agent.inspection is None else agent.inspection.refusals
    return {
        "key": agent.key,
        "is_inspected": agent.inspection is not None,
        "inspected_at": None if agent.inspection is None else agent.inspection.at,
        "changes": [
            {
                "step": step,
                "message": change.message,
                "reason": change.reason,
                "impact": change.impact,
                "restarts": change.restarts,
            }
            for step, change in changes
        ],
        # A service that several changes would restart is restarted once.
        "restarts": sorted({change.restarts for _, change in changes if change.restarts is not None}),
        "refusals": {step: reason for step, reason in refusals.items() if step in open_steps},
    }


def format_csv(snapshot: Snapshot) -> str:
    """Write one line for each change; an agent without any has one line that says so."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for phase in snapshot.plan.phases:
        agent = snapshot.agents[phase.name]
        for row in _list_rows(agent, phase):
            writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in (agent.key, *row)])
    return text.getvalue()


def _list_rows(agent: Agent, phase: PhaseView) -> list[tuple[str, ...]]:
    shown = _build_agent(agent, phase)
    rows: list[tuple[str, ...]] = [
        (one["step"], one["message"], one["reason"], one["impact"], one["restarts"] or "") for one in shown["changes"]
    ]
    rows += [(step, "refused", reason, "", "") for step, reason in shown["refusals"].items()]
    return rows or [("", "nothing to do" if shown["is_inspected"] else "not inspected yet", "", "", "")]


class Preflight(Endpoint):
    """`/v1/preflight?format=`: what would change and restart, as JSON or CSV."""

    def initialize(self, *, feed: Feed) -> None:
        """Take what the endpoint needs."""
        self._feed = feed

    def get(self) -> None:
        """Answer the whole of it."""
        wanted = self.get_query_argument("format", FORMATS[0])
        if wanted not in FORMATS or set(self.request.query_arguments) - {"format"}:
            self.answer_error(HTTPStatus.BAD_REQUEST, f"format is one of {', '.join(FORMATS)}; nothing else is taken")
            return
        snapshot = self._feed.read().snapshot
        if wanted == FORMATS[0]:
            self.answer_json(build_preflight(snapshot))
            return
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="calico-preflight.csv"')
        self.finish(format_csv(snapshot))
