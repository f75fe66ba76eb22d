"""What decisions cost grows with the cluster and no faster: counted in lines of our code that are run, not in time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from immutables import Map

from calico_dcos.core.decide import decide
from calico_dcos.core.events import OffersReceived, Subscribed, TaskUpdated
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent, Change, Inspection, Step, StepName, Task, TaskState
from calico_dcos.core.resources import Offer, Resource, ResourceKind
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from calico_dcos.core.steps import SERVICES
from tests.unit.walking import build_policy

NOW = 1000.0
FEW, MANY = 60, 180
POLICY = build_policy()


def count_lines(work: Callable[[], object]) -> int:
    """Count the lines that are run."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(outer)
    return count


def build_agent(number: int, *, is_refused: bool = False, is_complete: bool = False) -> Agent:
    look = Task(f"inspect.{number}", f"S{number}", NOW - 9, POLICY.settings, TaskState.FINISHED, number=1)
    running = {
        name: Step(
            Task(
                id=f"{name.value}.{number}",
                agent_id=f"S{number}",
                launched_at=NOW - 99,
                settings=POLICY.by_name[name].settings,
                state=TaskState.RUNNING,
                healthy_since=NOW - 98,
            ),
            completed_as=POLICY.by_name[name].settings,
        )
        for name in SERVICES
    }
    steps = {StepName.INSPECT: Step(look), **(running if is_complete else {})}
    seen = Inspection(at=NOW - 8, settings=POLICY.settings, number=1)
    if is_complete:
        seen = replace(seen, proofs={name.value: "seen" for name in StepName})
    elif is_refused:
        seen = replace(seen, refusals={name.value: "no" for name in StepName})
    else:
        seen = replace(seen, changes={name.value: (Change("does it", "it lacks", "none"),) for name in StepName})
    settled = POLICY.settings if is_complete else ""
    return Agent(
        key=f"agent{number}",
        agent_id=f"S{number}",
        hostname=f"agent{number}",
        steps=steps,
        inspection=seen,
        settled_as=settled,
        settled_at=NOW - 50 if is_complete else None,
        number=1,
    )


def build_state(agents: list[Agent]) -> State:
    state = restore(POLICY, Memory(framework_id="F1", agents=tuple(agents)), NOW)
    state, _ = fold(state, Subscribed("F1", "master"), NOW)
    return replace(state, questions=Map(), reconciled_at=NOW, revived_at=NOW, has_roster=True)


def build_offer(number: int) -> Offer:
    resources = (
        Resource("cpus", ResourceKind.SCALAR, "*", amount=4.0),
        Resource("mem", ResourceKind.SCALAR, "*", amount=4096.0),
    )
    name = f"agent{number}"
    return Offer(f"O{number}", f"S{number}", name, "10.0.0.1", 5051, is_public=False, resources=resources)


def turn(state: State, *events: object) -> State:
    for event in events:
        state, _ = fold(state, event, NOW)  # type: ignore[arg-type]  # events of several kinds
    return decide(state, NOW, lambda step: f"{step.value}.new").state.saved()


def offer_all_with_half_refused(agents: int) -> int:
    state = build_state([build_agent(number, is_refused=number % 2 == 0) for number in range(agents)])
    offers = OffersReceived(tuple(build_offer(number) for number in range(agents)))
    return count_lines(lambda: turn(state, offers))


def decide_with_half_refused(agents: int) -> int:
    state = build_state([build_agent(number, is_refused=number % 2 == 0) for number in range(agents)])
    state = turn(state, OffersReceived(tuple(build_offer(number) for number in range(agents))))
    return count_lines(lambda: turn(state))


def decide_with_all_questions_open(agents: int) -> int:
    state = build_state([build_agent(number, is_complete=True) for number in range(agents)])
    state = state.with_questions([task_id for task_id, _ in state.list_tasks()], NOW - 1)
    return count_lines(lambda: turn(state))


@pytest.mark.parametrize(
    "measure", [offer_all_with_half_refused, decide_with_half_refused, decide_with_all_questions_open]
)
def test_a_turn_about_everybody_grows_no_faster_than_the_cluster(measure: Callable[[int], int]) -> None:
    few, some, many = measure(FEW), measure((FEW + MANY) // 2), measure(MANY)

    # The next sixty agents cost as much as those before them; a line more for each of them is chance.
    assert (many - some) - (some - few) <= FEW


def test_a_status_update_costs_as_much_in_a_large_cluster_as_in_a_small_one() -> None:
    def measure(agents: int) -> int:
        state = build_state([build_agent(number, is_complete=True) for number in range(agents)])
        update = TaskUpdated("calico-node.1", "S1", TaskState.RUNNING, uuid="dXVpZA==", is_healthy=False)
        return count_lines(lambda: turn(state, update))

    assert measure(MANY) <= 1.3 * measure(FEW)
