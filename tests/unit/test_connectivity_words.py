"""The connectivity test as it is told on the command line: one line an action, the whole story of what failed."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from calico_dcos.cli.connectivity import Exit, choose_exit, draw_run, write_run
from calico_dcos.core.connectivity import Outcome, Pair, Result, Run
from calico_dcos.web.connectivity_metrics import build_run_gauges

OK = {"test": "mesos", "action": "ping", "outcome": "passed", "message": "3 of 3 answered", "rtt_ms": 0.4, "mtu": None}
MTU = {**OK, "action": "mtu", "message": "1480 bytes pass unfragmented", "rtt_ms": None, "mtu": 1480}
LOST = {**OK, "action": "tcp", "outcome": "failed", "message": "no answer within 3 s", "rtt_ms": None}


def build_run(status: str, *results: dict[str, Any], waits: str = "") -> dict[str, Any]:
    return {
        "status": status,
        "message": f"connectivity test: {status}",
        "left_out": {"docker": "the step docker-cluster-store is off"},
        "pairs": [{"client": "a1", "server": "a2", "status": status, "message": waits, "results": list(results)}],
    }


def test_each_action_is_a_line_with_what_was_measured() -> None:
    assert list(write_run(build_run("failed", OK, MTU, LOST))) == [
        "a1 -> a2: mesos ping: ok: 3 of 3 answered (rtt 0.4 ms)",
        "a1 -> a2: mesos mtu: ok: 1480 bytes pass unfragmented (mtu 1480)",
        "a1 -> a2: mesos tcp: failed: no answer within 3 s",
        "not tested: docker: the step docker-cluster-store is off",
        "connectivity test: failed",
    ]


def test_a_pair_that_waits_says_for_what() -> None:
    assert "a1 -> a2: waits for its turn" in list(write_run(build_run("running", waits="waits for its turn")))


def test_on_a_terminal_only_what_failed_has_its_story() -> None:
    out = StringIO()
    Console(file=out, width=120).print(draw_run(build_run("failed", OK, MTU, LOST)))
    shown = out.getvalue()
    assert "3 of 3 answered" not in shown
    assert "0.4 ms" in shown
    assert "1480" in shown
    assert "a1 -> a2: mesos tcp: failed: no answer within 3 s" in shown


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("passed", Exit.PASSED),
        ("failed", Exit.FAILED),
        ("not tested", Exit.NOT_POSSIBLE),
        ("running", Exit.RUNNING),
    ],
)
def test_the_exit_status_tells_how_it_came_out(status: str, code: Exit) -> None:
    assert choose_exit(build_run(status)) is code


def test_before_the_first_run_there_is_nothing_to_show() -> None:
    assert choose_exit(None) is Exit.NOT_POSSIBLE
    assert list(write_run(None)) == ["no connectivity test was run yet"]


def test_metrics_tell_of_the_last_run_that_is_over() -> None:
    ping = Result("mesos", "ping", Outcome.PASSED, "3 of 3 answered", rtt_ms=0.5)
    pair = Pair("a1", "a2", results=(ping, Result("mesos", "mtu", Outcome.FAILED, "too long")), ended_at=9.0)
    run = Run("1", 1.0, pairs=(pair,), ended_at=10.0)

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in build_run_gauges(run)
        for sample in metric.samples
    }
    assert samples == {
        ("calico_connectivity_passed",): 0,
        ("calico_connectivity_ended_timestamp_seconds",): 10.0,
        ("calico_connectivity_actions", "mesos", "mtu", "failed"): 1,
        ("calico_connectivity_actions", "mesos", "ping", "passed"): 1,
        ("calico_connectivity_failures",): 1,
        ("calico_connectivity_rtt_seconds", "mesos", "a1", "a2"): 0.0005,
    }
    assert [metric.samples for metric in build_run_gauges(Run("2", 1.0, pairs=(pair,)))] == [[]] * 5
