"""What is told to a run outside of its task, how long it may take, and what a task must not do in its place."""

from __future__ import annotations

import json

import pytest

from calico_dcos.installer.host import Host
from calico_dcos.installer.inspection import Inspection
from calico_dcos.installer.outside import (
    OrderError,
    build_order,
    compute_limit_s,
    compute_work_limit_s,
    parse_order,
    parse_version,
)
from calico_dcos.installer.pid_namespace import is_task
from calico_dcos.installer.plans import plan_changes
from calico_dcos.installer.steps.agent_restart import find_danger
from tests.unit.installer.examples import build_agent_state, build_facts, build_wanted

TASK = {"MESOS_EXECUTOR_ID": "apply.1", "MESOS_SANDBOX": "/s", "CALICO_DCOS_REPORT_TOKEN": "a-secret", "HOME": "/root"}


@pytest.mark.parametrize("name", ["MESOS_EXECUTOR_ID", "MESOS_SANDBOX"])
def test_a_task_is_known_by_what_every_version_of_mesos_sets(name: str) -> None:
    assert is_task(Host("/", None, {name: "x"}))
    assert not is_task(Host("/", None, {"MESOS_AGENT_ENDPOINT": "10.0.0.2:5051"}))


def test_an_order_holds_the_whole_environment_but_what_makes_a_task() -> None:
    order = parse_order(build_order(Host("/", None, TASK)))
    assert order == {"CALICO_DCOS_REPORT_TOKEN": "a-secret", "HOME": "/root"}
    assert not is_task(Host("/", None, order))


def test_an_order_with_bytes_that_are_no_text_comes_through() -> None:
    odd = "caf\udcc3\udca9"
    assert parse_order(build_order(Host("/", None, {"NAME": odd}))) == {"NAME": odd}


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", json.dumps("text").encode()])
def test_an_order_that_is_not_understood_is_said_to_be_so(content: bytes) -> None:
    with pytest.raises(OrderError, match="not understood"):
        parse_order(content)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("systemd 252 (252.39-1~deb12u1)\n+PAM +AUDIT\n", 252),
        ("systemd 219\n+PAM", 219),
        ("systemd-run: unrecognized option '--version'", 0),
        ("", 0),
    ],
)
def test_the_version_of_systemd_is_read_or_none(text: str, version: int) -> None:
    assert parse_version(text) == version


def test_a_run_may_wait_for_another_one_and_then_take_as_long() -> None:
    wanted = build_wanted()
    assert compute_limit_s(wanted) >= 2 * compute_work_limit_s(wanted)
    assert compute_work_limit_s(wanted) > 6 * (wanted.cluster_store.timeout_s + wanted.agent_restart.timeout_s)
    assert compute_limit_s(None) > 0


@pytest.mark.parametrize(
    ("variables", "cgroups", "is_dangerous"),
    [
        (TASK, "hybrid", True),
        (TASK, "unified", True),
        (TASK, "unknown", True),
        (TASK, "v1", False),
        ({}, "hybrid", False),
    ],
)
def test_a_task_does_not_restart_the_agent_with_which_it_would_end(
    variables: dict[str, str], cgroups: str, *, is_dangerous: bool
) -> None:
    old = build_agent_state(version="1.0.3", start_time_epoch_s=1.0)
    facts = build_facts()
    facts = facts._replace(
        mesos_agent=facts.mesos_agent._replace(state=old, version=old.version),
        system=facts.system._replace(cgroups=cgroups),
    )
    inspection = Inspection(facts, plan_changes(facts, build_wanted()), 0.0)
    danger = find_danger(Host("/", None, variables), inspection)
    assert (danger is not None) is is_dangerous
    assert danger is None or "by hand" in danger
