"""What is shown, as JSON documents: pure functions of the walk's values.

Times are seconds since the epoch, null where there is none.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from calico_dcos.core.model import Agent, Change, Mark, Status, Step, Task
from calico_dcos.troubles import Trouble

from .forecast import estimate_left_s, measure_walk_s
from .outlook import build_node, build_outlook, sum_up_outlooks
from .plan import Badge, PhaseView, PlanView, StepView
from .walk import Snapshot

Json = dict[str, Any]

DEPLOY = "deploy"
# The four counters of the summary: every agent is in exactly one.
GROUPS = ("complete", "working", "waiting", "failed")
# Of the agents in a slot, and of the reasons why others wait, so many are told in the summary.
MAX_ACTIVE = 20
MAX_REASONS = 5

_GROUPS = {
    Status.COMPLETE: "complete",
    Status.ERROR: "failed",
    Status.IN_PROGRESS: "working",
    Status.STARTING: "working",
    Status.STARTED: "working",
    Status.PENDING: "waiting",
    Status.WAITING: "waiting",
    Status.DELAYED: "waiting",
}
_DURATION = re.compile(r"(?:: none)? for [0-9]+ (?:s|min|h)$| \([0-9]+ s to go\)$")


def build_summary(service: str, snapshot: Snapshot, rows: Collection[Json]) -> Json:
    """Build what one look at the walk should tell: how far, what now, why not, how long."""
    plan = snapshot.plan
    counts = Counter(row["group"] for row in rows)
    # Whoever waits for a slot waits for one of these.
    active = sorted((row for row in rows if row["slot_since"] is not None), key=lambda row: float(row["slot_since"]))
    return {
        "service": service,
        "framework_id": snapshot.framework_id,
        "master": snapshot.master,
        "is_connected": snapshot.is_connected,
        "troubles": [build_trouble(trouble) for trouble in snapshot.troubles],
        "status": plan.status.value,
        "errors": list(plan.errors),
        "message": plan.message,
        "pause": build_mark(plan.pause),
        "total": len(rows),
        **{group: counts[group] for group in GROUPS},
        "left_s": estimate_left_s(rows, snapshot.max_concurrent_agents, snapshot.at),
        "off": _list_off(rows),
        "is_preflight": snapshot.is_preflight,
        "outlook": sum_up_outlooks(row["outlook"] for row in rows),
        "slots": snapshot.max_concurrent_agents,
        "slots_held": len(active),
        "active": active[:MAX_ACTIVE],
        "next": list(plan.line),
        "reasons": _count_reasons(rows),
    }


def build_trouble(trouble: Trouble) -> Json:
    """Build one thing that is wrong with what the scheduler depends on."""
    return {
        "source": trouble.source.value,
        "words": trouble.words,
        "remedy": trouble.remedy,
        "since": trouble.since,
        "stops_all": trouble.stops_all,
    }


def _list_off(rows: Iterable[Json]) -> list[str]:
    """List the steps that are off, which is the same on every agent."""
    first = next(iter(rows), None)
    return [] if first is None else [step["name"] for step in first["steps"] if step["badge"] == Badge.OFF.value]


def _count_reasons(rows: Iterable[Json]) -> list[Json]:
    reasons = Counter(row["message"] for row in rows if row["group"] == "waiting")
    alike: Counter[str] = Counter()
    for reason, agents in reasons.items():
        # Agents that wait for the same thing for different times wait for the same thing.
        alike[_DURATION.sub("", reason)] += agents
    return [{"reason": reason, "agents": agents} for reason, agents in alike.most_common(MAX_REASONS)]


def build_row(agent: Agent, phase: PhaseView) -> Json:
    """Build an agent's row of the table."""
    return {
        "key": agent.key,
        "agent_id": agent.agent_id,
        "hostname": agent.hostname,
        "ip": agent.ip,
        "port": agent.port,
        "is_public": agent.is_public,
        "mesos_version": agent.mesos_version,
        "docker_version": _get_version(agent, "docker", "engine"),
        "dcos_version": _get_version(agent, "dcos"),
        "status": phase.status.value,
        "group": _GROUPS[phase.status],
        "message": phase.message,
        "since": _find_since(agent, phase),
        "slot_since": agent.slot_since,
        "pause": build_mark(agent.pause),
        "walk_s": measure_walk_s(agent),
        "outlook": build_outlook(agent, phase),
        "steps": [_build_step(step) for step in phase.steps],
    }


def _get_version(agent: Agent, *place: str) -> str:
    """The version that facts tell at a place; empty where they do not, or where it is unknown to the installer."""
    part: Any = {} if agent.inspection is None else agent.inspection.facts
    for name in (*place, "version"):
        part = part.get(name) if isinstance(part, Mapping) else None
    return part if isinstance(part, str) else ""


def build_detail(agent: Agent, phase: PhaseView) -> Json:
    """Build all that is known of an agent."""
    inspection = agent.inspection
    return {
        **build_row(agent, phase),
        "steps": [{**_build_step(view), **_build_attempt(agent.get_step(view.name))} for view in phase.steps],
        "first_seen_at": agent.first_seen_at,
        "restart_since": agent.restart_since,
        "complete_since": agent.settled_at,
        "absent_since": agent.absent_since,
        "released": build_mark(agent.release),
        "inspected_at": None if inspection is None else inspection.at,
        "facts": {} if inspection is None else dict(inspection.facts),
        "changes": {} if inspection is None else _build_changes(inspection.changes.items()),
        "refusals": {} if inspection is None else dict(inspection.refusals),
        "unknowns": {} if inspection is None else dict(inspection.unknowns),
        "faults": {} if inspection is None else dict(inspection.faults),
        "proofs": {} if inspection is None else dict(inspection.proofs),
        "node": build_node(agent),
        "warnings": {} if inspection is None else {step: list(texts) for step, texts in inspection.warnings.items()},
        "history": [{"at": note.at, "text": note.text} for note in agent.history],
    }


def build_mark(mark: Mark | None) -> Json | None:
    """Build an operator's word that is in force, null where there is none."""
    return None if mark is None else {"at": mark.at, "who": mark.who, "reason": mark.reason}


def build_plan_document(plan: PlanView, max_concurrent_agents: int) -> Json:
    """Build the plan in the shape of the DC/OS SDK, so that its command line and page understand it."""
    return {
        "phases": [build_phase_document(phase) for phase in plan.phases],
        "errors": list(plan.errors),
        "strategy": "serial" if max_concurrent_agents == 1 else "parallel",
        "status": plan.status.value,
    }


def choose_plan_code(plan: PlanView) -> int:
    """Choose the HTTP status that the SDK gives a plan with."""
    if plan.errors:
        return 417
    return 200 if plan.status is Status.COMPLETE else 202


@lru_cache(maxsize=131_072)
def build_id(*names: str) -> str:
    """Name a part of a plan by a UUID which is the same after a restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "calico-dcos:" + "/".join(names)))


def find_keys(snapshot: Snapshot, name: str) -> list[str]:
    """Find the agents that somebody means by a key, a Mesos agent id or a hostname; several may share a hostname."""
    if name in snapshot.agents:
        return [name]
    return sorted(agent.key for agent in snapshot.agents.values() if name in (agent.agent_id, agent.hostname))


def _find_since(agent: Agent, phase: PhaseView) -> float | None:
    if phase.status is Status.COMPLETE:
        return agent.settled_at
    current = next((step for step in phase.steps if step.status is not Status.COMPLETE), None)
    return None if current is None else current.since


def _build_step(step: StepView) -> Json:
    return {
        "name": step.name.value,
        "status": step.status.value,
        "badge": step.badge.value,
        "message": step.message,
        "since": step.since,
        "attempts": step.attempts,
        "task_id": step.task_id,
        "done_bytes": step.done_bytes,
        "total_bytes": step.total_bytes,
    }


def _build_attempt(step: Step) -> Json:
    return {
        "reason": step.backoff.reason,
        "retry_at": step.backoff.until or None,
        "task": None if step.task is None else _build_task(step.task),
    }


def _build_task(task: Task) -> Json:
    return {
        "id": task.id,
        "agent_id": task.agent_id,
        "container_id": task.container_id,
        "state": task.state.value,
        "launched_at": task.launched_at,
        "since": task.since,
        "healthy_since": task.healthy_since,
        "may_restart": task.may_restart,
        "reason": task.reason,
    }


def _build_changes(changes: Iterable[tuple[str, tuple[Change, ...]]]) -> Json:
    return {
        step: [
            {
                "message": change.message,
                "reason": change.reason,
                "impact": change.impact,
                "restarts": change.restarts,
            }
            for change in listed
        ]
        for step, listed in changes
    }


def _word(step: StepView) -> str:
    """Say a step's message to those who know no badges."""
    return f"refused: {step.message}" if step.badge is Badge.REFUSED else step.message


def build_phase_document(phase: PhaseView) -> Json:
    """Build a phase in the shape of the DC/OS SDK."""
    return {
        "id": build_id(DEPLOY, phase.name),
        "name": phase.name,
        "steps": [
            {
                "id": build_id(DEPLOY, phase.name, step.name.value),
                "status": step.status.value,
                "name": step.name.value,
                "message": _word(step),
            }
            for step in phase.steps
        ],
        # The steps of one agent always run one after another.
        "strategy": "serial",
        "status": phase.status.value,
    }
