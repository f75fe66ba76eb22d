"""What a real Mesos said, told to our own core: the recorded service is taken for a calico-node that was complete."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.core.actions import Acknowledge, Action, Kill, Launch, Reconcile
from calico_dcos.core.decide import decide
from calico_dcos.core.events import (
    Disconnected,
    Event,
    OfferRescinded,
    OffersReceived,
    RosterAgent,
    RosterRead,
    Subscribed,
    TaskUpdated,
)
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent, Inspection, Step, StepName, Task, TaskState, build_agent_key
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from calico_dcos.mesos.translate import parse_offer, parse_update
from tests.unit.walking import STEPS, build_policy

RECORDINGS = Path(__file__).parent / "recordings"
NODE = StepName.CALICO_NODE
POLICY = build_policy(
    disabled=tuple(step for step in StepName if step not in (NODE, StepName.INSPECT)), stability_s=0.0
)
BEGIN = 1_000_000.0


@dataclass
class Retelling:
    """A recording, and what the core decided while it was told.

    Attributes:
        acknowledged: uuids that the client of the recording acknowledged.
        seen: every state of the service, in the order in which Mesos told them.
    """

    state: State
    task_id: str
    agent_key: str
    actions: list[Action] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    seen: list[TaskState] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def feed(self, event: Event, now: float) -> list[Action]:
        state, answers = fold(self.state, event, now)
        decision = decide(state, now, lambda step: f"{step.value}.{next(self.numbers)}")
        self.state = decision.state.saved()
        actions = [*answers, *decision.actions]
        self.actions += actions
        return actions

    def list_launches(self) -> list[str]:
        """Ours of calico-node on the agent of the recorded one."""
        launches = [action for action in self.actions if isinstance(action, Launch)]
        return [one.task_id for one in launches if (one.step, one.agent_key) == (NODE, self.agent_key)]

    @property
    def task(self) -> Task:
        task = self.state.agents[self.agent_key].get_step(NODE).task
        assert task is not None
        return task


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines()]


def retell(name: str, service: str) -> Retelling:
    """Tell the core a recording, of which a task is taken for calico-node."""
    lines = read(name)
    retelling = begin(lines, service)
    for line in lines:
        now = BEGIN + line["t"]
        call = line.get("call", {})
        if call.get("type") == "TEARDOWN":
            break
        if call.get("type") == "ACKNOWLEDGE":
            retelling.acknowledged.add(call["acknowledge"]["uuid"])
        for event in translate(line):
            retelling.feed(event, now)
            if isinstance(event, Subscribed):
                # What the poller reads as soon as decisions wait for it; recordings are of the scheduler API alone.
                retelling.feed(list_agent(retelling), now)
            known = retelling.state.agents[retelling.agent_key].get_step(NODE).task
            if known is not None and known.id == retelling.task_id:
                retelling.seen.append(known.state)
    return retelling


def list_agent(retelling: Retelling) -> RosterRead:
    known = retelling.state.agents[retelling.agent_key]
    there = RosterAgent(known.agent_id, known.hostname, known.ip, known.port, is_public=False, mesos_version="1.9.0")
    return RosterRead((there,))


def begin(lines: list[dict[str, Any]], service: str) -> Retelling:
    """A scheduler that has just started again, after the launch that is recorded."""
    accepts = [line["call"]["accept"] for line in lines if line.get("call", {}).get("type") == "ACCEPT"]
    launched = [info for accept in accepts for one in accept["operations"] for info in one["launch"]["task_infos"]]
    info = next(one for one in launched if one["name"] == service)
    offers = [
        offer
        for line in lines
        for event in translate(line)
        if isinstance(event, OffersReceived)
        for offer in event.offers
    ]
    offer = next(one for one in offers if one.agent_id == info["agent_id"]["value"])
    spec = POLICY.by_name[NODE]
    task = Task(
        info["task_id"]["value"], offer.agent_id, launched_at=BEGIN, settings=spec.settings, healthy_since=BEGIN
    )
    agent = Agent(
        key=build_agent_key(offer.hostname, offer.port),
        agent_id=offer.agent_id,
        hostname=offer.hostname,
        port=offer.port,
        steps={NODE: Step(task=task, completed_as=spec.settings)},
        inspection=Inspection(at=BEGIN, settings=POLICY.settings, proofs={name.value: "seen" for name in STEPS}),
        settled_as=POLICY.settings,
        settled_at=BEGIN,
    )
    return Retelling(restore(POLICY, Memory("F1", "s", (agent,)), BEGIN), task.id, agent.key)


def translate(line: dict[str, Any]) -> Iterator[Event]:
    if "stream-end" in line:
        yield Disconnected()
    event = line.get("event", {})
    match event.get("type"):
        case "SUBSCRIBED":
            # One framework id for all: what a removed one means is told elsewhere.
            yield Subscribed("F1", "master:5050")
        case "OFFERS":
            yield OffersReceived(tuple(parse_offer(offer) for offer in event["offers"]["offers"]))
        case "RESCIND":
            yield OfferRescinded(event["rescind"]["offer_id"]["value"])
        case "UPDATE":
            yield parse_update(event["update"])
        case _:
            pass


def list_events(name: str) -> list[Event]:
    return [event for line in read(name) for event in translate(line)]


LIVES_ON = [
    ("master-restart", "service", {TaskState.UNKNOWN}),
    ("agent-unreachable-and-back", "service", {TaskState.UNREACHABLE}),
    ("agent-restart-with-checkpoint", "service", set()),
    ("scheduler-failover-and-duplicate-subscription", "service", set()),
    ("reconcile-explicit-implicit", "service", set()),
]


@pytest.mark.parametrize(("name", "service", "doubts"), LIVES_ON, ids=[case[0] for case in LIVES_ON])
def test_service_that_lived_on_is_neither_replaced_nor_killed(name: str, service: str, doubts: set[TaskState]) -> None:
    retelling = retell(name, service)

    assert retelling.list_launches() == []
    assert not [action for action in retelling.actions if isinstance(action, Kill)]
    assert {state for state in retelling.seen if state.is_in_doubt} == doubts
    assert (retelling.task.id, retelling.task.state) == (retelling.task_id, TaskState.RUNNING)


DIED = [
    ("agent-restart-kills-its-tasks", "bystander", TaskState.FAILED),
    ("task-ends-while-its-agent-is-down", "ends", TaskState.FAILED),
]


@pytest.mark.parametrize(("name", "service", "end"), DIED, ids=[case[0] for case in DIED])
def test_service_that_died_is_replaced_once_when_its_agent_is_back(name: str, service: str, end: TaskState) -> None:
    retelling = retell(name, service)

    assert retelling.seen[-1] is end
    assert retelling.list_launches() == [retelling.task.id]
    assert retelling.task.state is TaskState.LAUNCHED


def test_lost_service_is_asked_after_with_its_agents_next_offer_and_replaced_only_then() -> None:
    retelling = retell("agent-restart-without-checkpoint", "service")
    assert retelling.task.state is TaskState.LOST
    assert retelling.list_launches() == []
    asked = [action.tasks for action in retelling.actions if isinstance(action, Reconcile) and action.tasks]
    # Once for the subscription, and once for the offer after it was lost.
    assert [[ref.task_id for ref in refs] for refs in asked] == [[retelling.task_id]] * 2

    updates = [event for event in list_events("agent-restart-without-checkpoint") if isinstance(event, TaskUpdated)]
    offers = [event for event in list_events("agent-restart-without-checkpoint") if isinstance(event, OffersReceived)]
    (lost,) = [update for update in updates if update.state is TaskState.LOST]
    retelling.feed(replace(lost, is_reconciliation=True), BEGIN + 10)
    again = OffersReceived(tuple(replace(offer, id=f"{offer.id}-again") for offer in offers[-1].offers))
    retelling.feed(again, BEGIN + 20)

    assert retelling.list_launches() == [retelling.task.id]


@pytest.mark.parametrize(
    ("name", "service"),
    [
        *[case[:2] for case in LIVES_ON],
        *[case[:2] for case in DIED],
        ("agent-restart-without-checkpoint", "service"),
        ("health-checks", "service"),
        ("subscribe-offers-launch-finish-fail-kill", "service"),
        ("agent-restarted-by-its-own-task", "bystander"),
        ("fetch-failure-and-missing-command", "no-command"),
    ],
)
def test_exactly_what_an_agent_sends_is_acknowledged(name: str, service: str) -> None:
    retelling = retell(name, service)

    ours = {action.uuid for action in retelling.actions if isinstance(action, Acknowledge)}
    assert ours == retelling.acknowledged
    assert ours


def test_service_that_its_executor_ends_for_its_health_counts_as_ended() -> None:
    retelling = retell("health-checks", "service")

    assert TaskState.KILLING in retelling.seen
    assert retelling.task.state is TaskState.KILLED
    assert retelling.list_launches() == []
