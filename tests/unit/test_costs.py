"""What a turn costs follows from what happened, not from how large the cluster is: calls are counted, not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.bench.core import EACH, UPDATE
from tests.bench.figures import MAX_GROWTH, Prepare, Work

SMALL, LARGE = 20, 1200


def count_calls(work: Work) -> int:
    """How many functions work calls, and how often their generators go on."""
    count = 0

    def see(_frame: object, event: str, _about: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(("name", "prepare"), EACH, ids=[name for name, _ in EACH])
def test_what_is_done_for_each_agent_costs_no_more_in_a_larger_cluster(name: str, prepare: Prepare) -> None:
    small, large = (count_calls(prepare(size, 0)) / size for size in (SMALL, LARGE))
    assert large <= small * MAX_GROWTH, name


@pytest.mark.parametrize(("name", "prepare"), UPDATE, ids=[name for name, _ in UPDATE])
def test_a_status_update_costs_no_more_in_a_larger_cluster(name: str, prepare: Callable[[int], Work]) -> None:
    small, large = (count_calls(prepare(size)) for size in (SMALL, LARGE))
    assert large <= small * MAX_GROWTH, name
