"""What the walk would change on each agent, and in sum: for whoever decides whether it may begin.

It follows from what the last look at each host found, so it holds in preflight mode and at any other time.
"""

from __future__ import annotations

import csv
import io
from http import HTTPStatus

from calico_dcos.core.model import Agent

from .board import Feed
from .endpoint import Endpoint
from .outlook import (
    OUTLOOKS,
    build_node,
    build_outlook,
    is_outlook,
    list_changes,
    list_doubts,
    list_refusals,
    sum_up_outlooks,
)
from .plan import PhaseView
from .views import Json
from .walk import Snapshot

# Name and address are those that calico-node takes or has, the same on each line of an agent.
COLUMNS = ("agent", "step", "change", "reason", "impact", "restarts", "name", "address")
FORMATS = ("json", "csv")
_PARAMETERS = {"format", "outlook"}
# What spreadsheets take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def build_preflight(snapshot: Snapshot, word: str = "") -> Json:
    """Build what would change and restart: the sum of all agents, and each agent of which the word is said."""
    pairs = [(snapshot.agents[phase.name], phase) for phase in snapshot.plan.phases]
    outlooks = [build_outlook(agent, phase) for agent, phase in pairs]
    wanted = [pair for pair, outlook in zip(pairs, outlooks, strict=True) if is_outlook(outlook, word)]
    return {
        "now": snapshot.at,
        "is_preflight": snapshot.is_preflight,
        "total": {
            "agents": len(pairs),
            "changes": sum(sum(outlook["changes"].values()) for outlook in outlooks),
            **sum_up_outlooks(outlooks),
        },
        "agents": [_build_agent(agent, phase) for agent, phase in wanted],
    }


def _build_agent(agent: Agent, phase: PhaseView) -> Json:
    changes = list(list_changes(agent, phase))
    return {
        "key": agent.key,
        "is_inspected": agent.inspection is not None,
        "inspected_at": None if agent.inspection is None else agent.inspection.at,
        "node": build_node(agent),
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
        "restarts": build_outlook(agent, phase)["restarts"],
        "refusals": dict(list_refusals(agent, phase)),
        "doubts": dict(list_doubts(agent, phase)),
    }


def format_csv(snapshot: Snapshot, word: str = "") -> str:
    """Write one line for each change of each agent of which the word is said; without any, a line that says so."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for phase in snapshot.plan.phases:
        agent = snapshot.agents[phase.name]
        if not is_outlook(build_outlook(agent, phase), word):
            continue
        for row in _list_rows(agent, phase):
            writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in (agent.key, *row)])
    return text.getvalue()


def _list_rows(agent: Agent, phase: PhaseView) -> list[tuple[str, ...]]:
    shown = _build_agent(agent, phase)
    rows: list[tuple[str, ...]] = [
        (one["step"], one["message"], one["reason"], one["impact"], one["restarts"] or "") for one in shown["changes"]
    ]
    rows += [(step, "refused", reason, "", "") for step, reason in shown["refusals"].items()]
    rows += [(step, "unclear", reason, "", "") for step, reason in shown["doubts"].items()]
    rows = rows or [("", "nothing to do" if shown["is_inspected"] else "not inspected yet", "", "", "")]
    node = shown["node"] or {"name": "", "address": ""}
    return [(*row, node["name"], node["address"]) for row in rows]


class Preflight(Endpoint):
    """`/v1/preflight?format=&outlook=`: what would change and restart, as JSON or CSV."""

    def initialize(self, *, feed: Feed) -> None:
        """Take what the endpoint needs."""
        self._feed = feed

    def get(self) -> None:
        """Answer all agents, or those of which a word is said."""
        wanted = self.get_query_argument("format", FORMATS[0])
        word = self.get_query_argument("outlook", None)
        if wanted not in FORMATS or word not in (None, *OUTLOOKS) or set(self.request.query_arguments) - _PARAMETERS:
            told = f"format is one of {', '.join(FORMATS)}; outlook one of {', '.join(OUTLOOKS)}; nothing else is taken"
            self.answer_error(HTTPStatus.BAD_REQUEST, told)
            return
        snapshot = self._feed.read().snapshot
        if wanted == FORMATS[0]:
            self.answer_json(build_preflight(snapshot, word or ""))
            return
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="calico-preflight.csv"')
        self.finish(format_csv(snapshot, word or ""))
