"""What the core costs in clusters of 100, 1,000 and 10,000 agents: events folded, decisions, and the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from immutables import Map

from calico_dcos.core.decide import decide
from calico_dcos.core.events import OffersReceived, Subscribed, TaskUpdated
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from tests.bench.clusters import (
    NOW,
    POLICY,
    SIZES,
    Build,
    build_agents,
    build_complete,
    build_failed,
    build_offer,
    build_open,
    build_refused,
    build_state,
    build_task_id,
    make_task_id,
)
from tests.bench.figures import Prepare, Work, build_heading, measure_each, measure_events

UPDATES = 100


def build_offers(state: State) -> OffersReceived:
    return OffersReceived(tuple(map(build_offer, state.agents.values())))


def with_offers(size: int, build: Build, first: int) -> State:
    """A cluster each of whose agents is offered."""
    state = build_state(size, build, first)
    return fold(state, build_offers(state), NOW)[0].saved()


def with_questions(size: int, first: int = 0) -> State:
    """A complete cluster that has just subscribed: the master is to be asked after every task."""
    state = build_state(size, build_complete, first)
    state, _ = fold(state, Subscribed("F1", "10.0.0.2:5050"), NOW)
    return replace(state, has_roster=True, revived_at=NOW)


def ask(state: State) -> State:
    """The state in which the questions were put, and nobody has answered."""
    return decide(state, NOW, make_task_id).state.saved()


def build_update(number: int) -> TaskUpdated:
    agent = build_open(number)
    return TaskUpdated(
        build_task_id(StepName.CALICO_NODE, number),
        agent.agent_id,
        TaskState.RUNNING,
        uuid="dXVpZA==",
        is_healthy=number % 2 == 0,
    )


def update(state: State, size: int) -> None:
    """Take status updates one after another, each with a turn of its own, as far as the core goes."""
    for number in range(UPDATES):
        state, _ = fold(state, build_update(number % size), NOW + 1)
        state = decide(state, NOW + 1, make_task_id).state
        state.build_batch()
        state = state.saved()


def fold_updates(state: State, numbers: range) -> None:
    for number in numbers:
        state, _ = fold(state, build_update(number), NOW + 1)


def prepare_decide(build: Build) -> Prepare:
    def prepare(size: int, first: int) -> Work:
        state = with_offers(size, build, first)
        return lambda: decide(state, NOW, make_task_id)

    return prepare


def prepare_questions(size: int, first: int) -> Work:
    state = with_questions(size, first)
    return lambda: decide(state, NOW, make_task_id)


def prepare_finding(size: int, first: int) -> Work:
    """What no answer to the same questions can do without: each one's task looked up, and a map made of them."""
    state = with_questions(size, first)
    return lambda: Map({task_id: state.find_ref(task_id) for task_id in state.questions})


def prepare_fold_offers(size: int, first: int) -> Work:
    state = build_state(size, build_open, first)
    event = build_offers(state)
    return lambda: fold(state, event, NOW)


def prepare_fold_updates(size: int, first: int) -> Work:
    state = build_state(size, build_complete, first)
    return lambda: fold_updates(state, range(first, first + size))


def prepare_restore(size: int, first: int) -> Work:
    memory = Memory(framework_id="F1", agents=build_agents(size, build_complete, first))
    return lambda: restore(POLICY, memory, NOW)


def prepare_updates(build_state_of: Callable[[int], State]) -> Callable[[int], Work]:
    def prepare(size: int) -> Work:
        state = build_state_of(size)
        return lambda: update(state, size)

    return prepare


EACH: tuple[tuple[str, Prepare], ...] = (
    ("decide, an offer of each", prepare_decide(build_open)),
    ("decide, half of them refused", prepare_decide(build_refused)),
    ("decide, half of them failed half-way", prepare_decide(build_failed)),
    ("decide, all questions to the master open", prepare_questions),
    ("fold, an offer of each", prepare_fold_offers),
    ("fold, a status update of each", prepare_fold_updates),
    ("restore", prepare_restore),
)
"""What is done for all agents at once."""

UPDATE: tuple[tuple[str, Callable[[int], Work]], ...] = (
    (
        "status update, all agents complete",
        prepare_updates(lambda size: build_state(size, build_complete)),
    ),
    ("status update, all questions open", prepare_updates(lambda size: ask(with_questions(size)))),
)
"""What is done for one event, with its decision."""


def print_core_figures() -> None:
    """Measure and print."""
    print(build_heading("us for each agent in a cluster of"))
    for name, prepare in EACH:
        print(measure_each(name, prepare).describe(), flush=True)
        if prepare is prepare_questions:
            print(measure_each("  of which finding their tasks", prepare_finding, None).describe(), flush=True)
    print(build_heading("us for each event in a cluster of"))
    for name, prepare_events in UPDATE:
        works = {size: prepare_events(size) for size in SIZES}
        print(measure_events(name, works, UPDATES).describe(), flush=True)
