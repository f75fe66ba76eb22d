"""A minute of chaos, the same faults each time; `make chaos` has longer ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.run import report, run_chaos


@pytest.mark.timeout(1500)
def test_a_walk_through_chaos_keeps_every_promise_and_completes(tmp_path: Path) -> None:
    outcome = run_chaos(seed=1, agents=4, seconds=60.0, kills=0, directory=tmp_path)

    assert report(outcome, tmp_path), outcome.sum_up()
    assert len(outcome.faults) >= 5


@pytest.mark.timeout(1500)
def test_a_walk_goes_on_whenever_the_disk_of_its_store_has_room_again(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        needs_root = "a disk that can be filled is mounted by root alone"
        pytest.fail(needs_root) if os.environ.get("CI") == "true" else pytest.skip(needs_root)

    outcome = run_chaos(seed=4, agents=2, seconds=30.0, kills=0, directory=tmp_path, store="sqlite")

    assert report(outcome, tmp_path), outcome.sum_up()
    assert "disk filled" in outcome.faults
