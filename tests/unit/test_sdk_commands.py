"""Which commands of the SDK have nothing to do, by what is shown: pure."""

from __future__ import annotations

import pytest

from calico_dcos.core.model import Status, StepName
from calico_dcos.web.plan import PhaseView, PlanView, StepView
from calico_dcos.web.sdk_commands import find_phase, find_step, is_done_already, parse_parameters
from calico_dcos.web.views import build_id

AN_ID = "0b7c1ad4-6c4e-5b9c-9d4a-1f2e3d4c5b6a"


def build_step(status: Status, attempts: int = 0) -> StepView:
    return StepView(StepName.CNI, status, "", attempts=attempts)


def build_phase(status: Status, attempts: int = 0, name: str = "a1") -> PhaseView:
    return PhaseView(name, status, "", (build_step(status, attempts),))


def build_plan(status: Status, attempts: int = 0) -> PlanView:
    return PlanView((build_phase(status, attempts),), status, ())


@pytest.mark.parametrize("build", [build_step, build_phase, build_plan])
@pytest.mark.parametrize(
    ("word", "status", "attempts", "is_done"),
    [
        ("restart", Status.PENDING, 0, True),
        ("restart", Status.PENDING, 3, False),
        ("restart", Status.COMPLETE, 0, False),
        ("restart", Status.WAITING, 0, False),
        ("restart", Status.ERROR, 5, False),
        ("forceComplete", Status.COMPLETE, 0, True),
        ("forceComplete", Status.PENDING, 0, False),
        ("interrupt", Status.COMPLETE, 0, True),
        ("interrupt", Status.IN_PROGRESS, 0, False),
        ("continue", Status.COMPLETE, 0, True),
        ("continue", Status.WAITING, 0, False),
        ("start", Status.COMPLETE, 0, False),
        ("stop", Status.COMPLETE, 0, False),
    ],
)
def test_what_has_nothing_to_do(build: object, word: str, status: Status, attempts: int, *, is_done: bool) -> None:
    assert callable(build)
    assert is_done_already(word, build(status, attempts)) is is_done


def test_a_phase_or_step_is_meant_by_name_or_id_and_what_looks_like_an_id_is_no_name() -> None:
    phase = build_phase(Status.PENDING)
    odd = build_phase(Status.PENDING, name=AN_ID)
    assert find_phase([odd, phase], "a1") is phase
    assert find_phase([odd, phase], build_id("deploy", "a1").upper()) is phase
    assert find_phase([odd, phase], AN_ID) is None
    assert find_step(phase, "cni") is phase.steps[0]
    assert find_step(phase, build_id("deploy", "a1", "cni")) is phase.steps[0]
    assert find_step(phase, build_id("deploy", "a2", "cni")) is None
    assert find_step(phase, "CNI") is None


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (b"", {}),
        (b" {} ", {}),
        (b'{"A_1": "x"}', {"A_1": "x"}),
        (b'{"1A": "x"}', None),
        (b'{"A": ', None),
        (b'"A"', None),
    ],
)
def test_parameters_are_an_object_of_variables(body: bytes, parameters: dict[str, str] | None) -> None:
    assert parse_parameters(body) == parameters
