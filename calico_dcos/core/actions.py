"""What the framework wants done: each value is one call to Mesos, with the reason for the log, or an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .command import Verdict
from .connectivity import TrialKind
from .model import Node, StepName, TaskRef
from .resources import Resource


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a step's task on an offer; what the task does not use is offered again at once.

    Attributes:
        may_restart: whether the task has leave to restart Docker or the Mesos agent.
        retry_word: an operator's last word that the agent's failed steps are tried again.
        reach: the master's address, by which a host finds its own; empty if it is not known.
        complete_nodes: some nodes that are complete, for the host to see whether it reaches them.
    """

    offer_id: str
    task_id: str
    agent_id: str
    agent_key: str
    step: StepName
    may_restart: bool
    resources: tuple[Resource, ...]
    reason: str
    retry_word: str = "0.000"
    reach: str = ""
    complete_nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchTrial:
    """Start a task of the connectivity test on an offer.

    Attributes:
        order: what the installer in it is to do, as it reads it.
        is_on_network: whether it is put on the CNI network, instead of the host's own.
        labels: of its place on the network, by which policies know it.
    """

    offer_id: str
    task_id: str
    agent_id: str
    agent_key: str
    kind: TrialKind
    resources: tuple[Resource, ...]
    order: Mapping[str, Any]
    reason: str
    is_on_network: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decline:
    """Give offers back, not to be offered again for some seconds."""

    offer_ids: tuple[str, ...]
    refuse_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell the agent that an update is stored."""

    task_id: str
    agent_id: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a task."""

    task: TaskRef
    reason: str


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Ask the master for the state of these tasks; of all tasks that it knows if there are none."""

    tasks: tuple[TaskRef, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Revive:
    """Ask for offers of all agents again, whatever was declined before."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    """End the process, without a teardown."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a command of an operator."""

    ticket: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Have an agent offered to nobody while it restarts something; its tasks go on."""

    agent_id: str
    agent_key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reactivate:
    """Have an agent offered again that we deactivated."""

    agent_id: str
    agent_key: str
    reason: str


SchedulerCall = Launch | LaunchTrial | Decline | Acknowledge | Kill | Reconcile | Revive
OperatorCall = Deactivate | Reactivate
Call = SchedulerCall | OperatorCall
Action = Call | Exit | Reply


def merge_declines(calls: Iterable[Call]) -> list[Call]:
    """Give back with one call what is declined for the same time: in a large cluster there are thousands of offers.

    The order of all other calls stays; one that is not valid any more does no harm to the others, by Mesos' word.
    """
    merged: list[Call] = []
    places: dict[float, int] = {}
    offers: dict[float, list[str]] = {}
    for call in calls:
        if not isinstance(call, Decline):
            merged.append(call)
            continue
        if call.refuse_s not in places:
            places[call.refuse_s] = len(merged)
            merged.append(call)
        offers.setdefault(call.refuse_s, []).extend(call.offer_ids)
    for refuse_s, place in places.items():
        first = merged[place]
        if isinstance(first, Decline) and len(offers[refuse_s]) > len(first.offer_ids):
            merged[place] = Decline(
                tuple(offers[refuse_s]), refuse_s, f"{len(offers[refuse_s])} offers, each for its reason"
            )
    return merged
