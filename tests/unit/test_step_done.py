"""The table "Is this step done?" of docs/architecture.md, row by row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calico_dcos.core.model import Agent, Inspection, Mark, Step, StepName, Task, TaskState
from calico_dcos.core.standing import is_step_done
from tests.unit.walking import build_policy

POLICY = build_policy()
OFF = build_policy(disabled=(StepName.CNI, StepName.CALICO_NODE))
NODE, CNI = StepName.CALICO_NODE, StepName.CNI
PAGE = Path(__file__).parents[2] / "docs/architecture.md"


def look(number: int, *proofs: StepName, settings: str = POLICY.settings) -> Inspection:
    return Inspection(at=0.0, settings=settings, number=number, proofs={name.value: "seen" for name in proofs})


def work(name: StepName, state: TaskState, *, number: int = 5, healthy: bool = True, settings: str = "") -> Task:
    return Task(
        f"{name.value}.1",
        "S1",
        launched_at=0.0,
        settings=settings or f"{name.value}-1",
        state=state,
        number=number,
        healthy_since=1.0 if healthy else None,
    )


def is_done(name: StepName, seen: Inspection | None, step: Step, *, is_off: bool = False) -> bool:
    policy = OFF if is_off else POLICY
    if seen is not None and is_off:
        seen = replace(seen, settings=policy.settings)
    return is_step_done(Agent("a", "S1", "a", steps={name: step}, inspection=seen), name, policy)


RUNS = work(NODE, TaskState.RUNNING)
DONE = work(CNI, TaskState.FINISHED)
MARK = Mark(0.0, "ann", settings="cni-1")


@pytest.mark.parametrize(
    ("name", "seen", "step", "expected"),
    [
        (StepName.INSPECT, look(1), Step(), True),
        (StepName.INSPECT, look(1, settings="old"), Step(), False),
        (StepName.INSPECT, None, Step(), False),
        (CNI, None, Step(skip=MARK), True),
        (CNI, None, Step(forced=MARK), True),
        (CNI, None, Step(forced=replace(MARK, settings="old")), False),
        (NODE, None, Step(RUNS), True),
        (NODE, look(4), Step(RUNS), True),
        (NODE, look(5), Step(RUNS), False),
        (NODE, look(5, NODE), Step(RUNS), True),
        (NODE, look(5, NODE), Step(work(NODE, TaskState.RUNNING, healthy=False)), False),
        (NODE, look(5, NODE), Step(work(NODE, TaskState.RUNNING, settings="old")), False),
        (NODE, look(5, NODE), Step(work(NODE, TaskState.LOST)), False),
        (NODE, look(5, NODE), Step(), False),
        (CNI, None, Step(DONE), False),
        (CNI, look(9, CNI, settings="old"), Step(DONE), False),
        (CNI, look(9, CNI), Step(work(CNI, TaskState.RUNNING)), False),
        (CNI, look(9, CNI), Step(work(CNI, TaskState.LOST)), False),
        (CNI, look(0, CNI), Step(), True),
        (CNI, look(5, CNI), Step(work(CNI, TaskState.FAILED)), True),
        (CNI, look(4, CNI), Step(work(CNI, TaskState.FAILED)), False),
        (CNI, look(4), Step(DONE), True),
        (CNI, look(5), Step(DONE), True),
        (CNI, look(6), Step(DONE), False),
        (CNI, look(4), Step(work(CNI, TaskState.FINISHED, settings="old")), False),
        (CNI, look(9), Step(), False),
    ],
)
def test_step_is_done_as_the_table_says(name: StepName, seen: Inspection | None, step: Step, *, expected: bool) -> None:
    assert is_done(name, seen, step) is expected


@pytest.mark.parametrize("name", [CNI, NODE])
def test_step_that_is_off_needs_no_task(name: StepName) -> None:
    assert is_done(name, look(1), Step(), is_off=True)


def test_the_table_is_in_the_docs() -> None:
    assert "## Is this step done?" in PAGE.read_text(encoding="utf-8")
