"""How a wish of the framework becomes a call of Mesos' v1 scheduler API: pure."""

from __future__ import annotations

from typing import Any, assert_never

from calico_dcos.core.actions import Acknowledge, Decline, Kill, Launch, LaunchTrial, Reconcile, Revive, SchedulerCall
from calico_dcos.core.model import TaskRef

from .tasks import TaskTemplate, build_task_info
from .trials import build_trial_info


def build_call(call: SchedulerCall, *, template: TaskTemplate, master_version: str) -> dict[str, Any]:
    """Write the body of a call, but for the framework's id."""
    match call:
        case Launch():
            return _build_accept(call.offer_id, build_task_info(call, template, master_version=master_version))
        case LaunchTrial():
            return _build_accept(call.offer_id, build_trial_info(call, template))
        case Decline():
            offer_ids = [{"value": offer_id} for offer_id in call.offer_ids]
            filters = {"refuse_seconds": call.refuse_s}
            return {"type": "DECLINE", "decline": {"offer_ids": offer_ids, "filters": filters}}
        case Acknowledge():
            task = _build_ref(TaskRef(call.task_id, call.agent_id))
            return {"type": "ACKNOWLEDGE", "acknowledge": {**task, "uuid": call.uuid}}
        case Kill():
            return {"type": "KILL", "kill": _build_ref(call.task)}
        case Reconcile():
            return {"type": "RECONCILE", "reconcile": {"tasks": [_build_ref(task) for task in call.tasks]}}
        case Revive():
            return {"type": "REVIVE"}
        case _:
            assert_never(call)


def _build_accept(offer_id: str, task: dict[str, Any]) -> dict[str, Any]:
    """Write an ACCEPT; what it leaves of the offer is not filtered, so that it is offered again at once."""
    return {
        "type": "ACCEPT",
        "accept": {
            "offer_ids": [{"value": offer_id}],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
            "filters": {"refuse_seconds": 0.0},
        },
    }


def _build_ref(task: TaskRef) -> dict[str, Any]:
    """Name a task; the agent's id, where it is known, tells GONE and UNREACHABLE apart, and makes a kill quick."""
    agent = {"agent_id": {"value": task.agent_id}} if task.agent_id else {}
    return {"task_id": {"value": task.task_id}, **agent}
