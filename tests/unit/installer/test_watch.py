"""How long a service may go without proof: pure decisions, looks as data."""

from __future__ import annotations

import pytest

from calico_dcos.installer.plans.changes import Decision, could_not_look, find_at_fault, prove
from calico_dcos.installer.services.calico_node import STEADY_LOOK_S, WHOLE_LOOK_S, choose_pause_s
from calico_dcos.installer.services.health import find_lack
from calico_dcos.installer.services.watch import (
    AWAY_LIMIT_S,
    DOWN_LIMIT_S,
    SESSIONS_LIMIT_S,
    UNSEEN,
    Lack,
    Standing,
    begin_anew,
    find_end,
    note,
)

WELL = prove("it works")
DOWN = find_at_fault("Felix does not run", "see its log")
AWAY = could_not_look("etcd is away")


def watch(*looks: tuple[float, Decision, bool], begun: Standing = UNSEEN) -> tuple[Standing, str | None]:
    """Note looks at some times, and return what is known and whether it ends at the last."""
    standing, now_s = begin_anew(begun, 0.0), 0.0
    for now_s, decision, is_local in looks:
        standing = note(standing, decision, now_s, is_local=is_local)
    return standing, find_end(standing, now_s)


@pytest.mark.parametrize(
    ("decision", "is_local", "limit_s"),
    [
        (DOWN, True, DOWN_LIMIT_S),
        (DOWN, False, SESSIONS_LIMIT_S),
        (AWAY, True, AWAY_LIMIT_S),
    ],
)
def test_each_lack_has_its_time(decision: Decision, *, is_local: bool, limit_s: float) -> None:
    assert watch((0.0, decision, is_local), (limit_s, decision, is_local))[1] is None
    assert watch((0.0, decision, is_local), (limit_s + 1, decision, is_local))[1] is not None


def test_the_reason_of_an_end_is_what_the_proof_lacks() -> None:
    assert watch((0.0, DOWN, True), (100.0, DOWN, True))[1] == "Felix does not run: see its log"
    assert watch((0.0, AWAY, True), (400.0, AWAY, True))[1] == "could not look: etcd is away"


def test_what_works_again_has_its_whole_time_once_more() -> None:
    standing, end = watch((0.0, DOWN, True), (50.0, WELL, True), (60.0, DOWN, True), (110.0, DOWN, True))
    assert (standing.is_proven, standing.lack, end) == (True, Lack.WORK, None)


def test_a_service_that_lacks_one_thing_after_the_other_is_given_up() -> None:
    looks = [(float(second), DOWN if second % 20 else AWAY, True) for second in range(0, 320, 10)]
    assert watch(*looks)[1] is not None
    assert watch(*looks[:20])[1] is None


def test_another_start_has_the_whole_time_and_keeps_that_it_was_proven() -> None:
    proven = watch((0.0, WELL, False))[0]
    anew = begin_anew(proven, 500.0)
    assert (anew.is_proven, find_end(note(anew, DOWN, 550.0, is_local=True), 550.0)) == (True, None)


def test_looks_are_seldom_once_all_is_well_and_those_at_all_nodes_are_never_hasty() -> None:
    well, down = watch((0.0, WELL, False))[0], watch((0.0, DOWN, True))[0]
    assert choose_pause_s(well, is_local=True) == STEADY_LOOK_S
    assert choose_pause_s(down, is_local=True) == 0
    assert choose_pause_s(watch((0.0, DOWN, False))[0], is_local=False) == WHOLE_LOOK_S


def test_what_could_not_be_looked_at_is_no_fault_of_the_service() -> None:
    assert find_lack(AWAY) is None
    assert find_lack(WELL) is None
    assert find_lack(DOWN) == "Felix does not run: see its log"
