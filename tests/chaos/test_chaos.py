"""A minute of chaos, the same faults each time; `make chaos` has longer ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import report, run_chaos


@pytest.mark.timeout(1500)
def test_a_walk_through_chaos_keeps_every_promise_and_completes(tmp_path: Path) -> None:
    outcome = run_chaos(seed=1, agents=4, seconds=60.0, kills=0, directory=tmp_path)

    assert report(outcome, tmp_path), outcome.sum_up()
    assert len(outcome.faults) >= 5
