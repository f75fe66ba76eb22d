"""The scheduler's loop: what it promises to its store and its driver."""

from __future__ import annotations

import threading

import pytest

from calico_dcos.core.actions import Acknowledge, Call, Launch
from calico_dcos.core.events import Event, OffersReceived, Rejected, RosterAgent, RosterRead, Subscribed, TaskUpdated
from calico_dcos.core.memory import Batch, Memory
from calico_dcos.core.model import Agent, TaskState
from calico_dcos.core.resources import Offer, Resource, ResourceKind
from calico_dcos.mailbox import Mailbox
from calico_dcos.scheduler import Scheduler, StoreError, StoreHeldError
from tests.unit.walking import build_policy

Story = list[tuple[str, object]]
AGENT = RosterAgent("S1", "agent1.test", "10.0.0.1", 5051, is_public=False, mesos_version="1.9.0")
BEGINNING = (Subscribed("F1", "master:5050"), RosterRead((AGENT,)))


class FakeStore:
    """A store in memory that tells the story of its calls, and can be away."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.memory = Memory()
        self.errors: list[StoreError] = []
        self.is_missed = threading.Event()

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Take the store for good."""

    def load(self) -> Memory:
        return self.memory

    def save(self, batch: Batch) -> None:
        if self.errors:
            self.is_missed.set()
            raise self.errors.pop()
        self._story.append(("save", batch))
        agents: dict[str, Agent] = {agent.key: agent for agent in (*self.memory.agents, *batch.agents)}
        self.memory = Memory(
            framework_id=batch.framework_id or self.memory.framework_id,
            secret=batch.secret or self.memory.secret,
            agents=tuple(agents.values()),
        )

    def close(self) -> None:
        """Give the store up."""


class FakeDriver:
    """A driver that tells the story of its calls."""

    def __init__(self, story: Story) -> None:
        self._story = story

    def start(self, framework_id: str | None) -> None:
        self._story.append(("start", framework_id))

    def send(self, call: Call) -> None:
        self._story.append(("send", call))

    def stop(self) -> None:
        self._story.append(("stop", None))


class OneByOne(Mailbox):
    """A queue that gives its events in batches of one."""

    def take(self, timeout_s: float, limit: int) -> list[Event]:
        """Pretend that the next event is not there yet."""
        return super().take(timeout_s, min(limit, 1))


def build_offer() -> Offer:
    resources = tuple(Resource(name, ResourceKind.SCALAR, "*", amount=1000.0) for name in ("cpus", "mem"))
    return Offer("O1", "S1", "agent1.test", "10.0.0.1", 5051, is_public=False, resources=resources)


def run(store: FakeStore, story: Story, *events: Event) -> str:
    # A clock that stands still, as the scheduler's does: a list of agents does not get older.
    queue = OneByOne(read_clock=lambda: 0.0)
    for event in (*events, Rejected("Framework failed over")):
        queue.put(event)
    scheduler = Scheduler(policy=build_policy(), store=store, queue=queue, read_clock=lambda: 1000.0)
    assert scheduler.take_store("a test")
    return scheduler.run(FakeDriver(story))


def find(story: Story, kind: type) -> int:
    return next(place for place, (verb, what) in enumerate(story) if verb == "send" and isinstance(what, kind))


def find_save(story: Story, text: str) -> int:
    return next(place for place, (verb, what) in enumerate(story) if verb == "save" and text in repr(what))


def test_launch_is_stored_before_it_is_sent() -> None:
    story: Story = []
    run(FakeStore(story), story, *BEGINNING, OffersReceived((build_offer(),)))

    launch = story[find(story, Launch)][1]
    assert isinstance(launch, Launch)
    assert find_save(story, launch.task_id) < find(story, Launch)


def test_update_is_stored_before_it_is_acknowledged() -> None:
    story: Story = []
    store = FakeStore(story)
    run(store, story, *BEGINNING, OffersReceived((build_offer(),)))
    task_id = next(step.task.id for step in store.memory.agents[0].steps.values() if step.task is not None)
    story.clear()

    run(store, story, TaskUpdated(task_id, "S1", TaskState.RUNNING, uuid="dXVpZA=="))

    assert find_save(story, "TASK_RUNNING") < find(story, Acknowledge)


def test_framework_id_is_stored_when_the_master_gives_it_and_used_again() -> None:
    story: Story = []
    store = FakeStore(story)
    run(store, story, Subscribed("F1", "master:5050"))
    run(store, story)

    assert [what for verb, what in story if verb == "start"] == [None, "F1"]


def test_store_that_is_away_keeps_everything_waiting_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calico_dcos.scheduler.RETRY_S", 0.01)
    story: Story = []
    store = FakeStore(story)
    store.memory = Memory(secret="s")
    store.errors = [StoreError("away")] * 3

    run(store, story, *BEGINNING, OffersReceived((build_offer(),)))

    assert store.is_missed.is_set()
    assert story[1][0] == "save", "nothing is sent before the store is back"
    assert find(story, Launch)


def test_scheduler_that_lost_its_store_ends_without_sending_anything() -> None:
    story: Story = []
    store = FakeStore(story)
    store.memory = Memory(secret="s")
    store.errors = [StoreHeldError("held by another")]

    with pytest.raises(StoreHeldError):
        run(store, story, *BEGINNING, OffersReceived((build_offer(),)))

    assert [verb for verb, _ in story] == ["start", "stop"]


def test_rejected_subscription_ends_the_loop_and_stops_the_driver() -> None:
    story: Story = []
    reason = run(FakeStore(story), story)

    assert reason == "the master ended the subscription: Framework failed over"
    assert story[-1] == ("stop", None)


def test_secret_is_made_once_and_stored_before_anything_starts() -> None:
    story: Story = []
    store = FakeStore(story)
    run(store, story)
    first = store.memory.secret
    run(store, story)

    assert first is not None
    assert len(first) == 64
    assert store.memory.secret == first
    assert story[0][0] == "save"
