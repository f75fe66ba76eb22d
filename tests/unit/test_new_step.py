"""A new step is found missing wherever it has to be named; docs/architecture.md walks through these places."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from calico_dcos.config import build_parts, build_policy, build_wanted, read_config
from calico_dcos.config.table import PARTS
from calico_dcos.core.model import StepName
from calico_dcos.core.steps import SERVICES
from calico_dcos.installer import steps, wanted
from calico_dcos.installer.command_line import parse_arguments
from calico_dcos.installer.plans import plan_changes
from calico_dcos.installer.plans.changes import Action, Change
from calico_dcos.installer.services.health import FINDERS
from calico_dcos.installer.services.supervise import SUPERVISORS
from calico_dcos.mesos.tasks import choose_arguments
from calico_dcos.web.metrics import RESTARTS
from tests.unit.installer.cases import run_cases

PROJECT = Path(__file__).parents[2]
STEPS = [name.value for name in StepName if name is not StepName.INSPECT]
SERVICE_STEPS = [name.value for name in StepName if name in SERVICES]
CONFIG = read_config({"CALICO_DCOS_MASTER": "zk://m:2181/mesos"})
CASES = run_cases.load_cases()


@cache
def list_changes() -> list[tuple[str, Change]]:
    """Every change that a case of the installer's plans calls for, with its step."""
    found = []
    for case in CASES:
        ordered = run_cases.build_wanted(case)
        plan = plan_changes(run_cases.build_facts(case, ordered), ordered)
        found += [(step, change) for step, decision in plan.items() for change in decision.changes]
    return found


def test_each_step_has_its_part_in_the_configuration() -> None:
    assert {name.value for name in PARTS} == set(STEPS)
    assert [name.value for name in build_parts(CONFIG)] == STEPS


def test_each_step_has_its_part_in_the_walk_and_in_what_hosts_are_told() -> None:
    told = build_wanted(CONFIG)
    policy = build_policy(CONFIG, told)

    assert [spec.name for spec in policy.steps] == list(StepName)
    assert {step.replace("-", "_") for step in STEPS} <= told.keys()


def test_the_installer_has_the_same_steps_and_services_in_the_same_order() -> None:
    assert list(wanted.STEPS) == STEPS
    assert list(wanted.SERVICES) == SERVICE_STEPS


@pytest.mark.parametrize("step", STEPS)
def test_the_installer_reads_whether_a_step_is_on_out_of_what_it_is_told(step: str) -> None:
    told = build_wanted(CONFIG)
    name = step.replace("-", "_")
    for is_on in (True, False):
        read = wanted.parse_wanted(json.dumps({**told, name: {**told[name], "enable": is_on}}))
        assert wanted.is_enabled(read, step) is is_on


@pytest.mark.parametrize("step", STEPS)
def test_the_installer_takes_the_arguments_of_each_step(step: str) -> None:
    assert parse_arguments(choose_arguments(StepName(step)).split()).command in {"apply", "supervise"}


def test_the_installer_plans_each_step() -> None:
    ordered = run_cases.build_wanted(CASES[0])
    assert list(plan_changes(run_cases.build_facts(CASES[0], ordered), ordered)) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_case_of_the_plans_calls_for_changes_of_each_step(step: str) -> None:
    assert step in {name for name, _ in list_changes()}


def test_whatever_a_plan_of_a_step_calls_for_is_done_by_something() -> None:
    called_for = {change.action for step, change in list_changes() if step not in SERVICE_STEPS}
    assert called_for <= steps.ACTIONS.keys()
    assert {action for action in Action if action in steps.ACTIONS} == called_for


def test_each_service_is_supervised_and_asked_for_its_health() -> None:
    assert list(SUPERVISORS) == SERVICE_STEPS
    assert list(FINDERS) == SERVICE_STEPS


def test_each_step_that_restarts_something_counts_its_restarts() -> None:
    restarting = {(step, change.restarts) for step, change in list_changes() if change.restarts is not None}
    assert {(name.value, restarted) for name, restarted in RESTARTS.items()} == restarting


def test_backups_of_a_step_are_known_by_its_name() -> None:
    for step, other in pairwise(sorted(STEPS)):
        assert not f"{other}-".startswith(f"{step}-")


def test_the_walk_through_of_a_new_step_names_at_most_eight_files_and_what_tells_of_each() -> None:
    page = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.split("## A new step, option or fact\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\S+)` \| .+? \| (.+) \|$", section, re.MULTILINE)
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", section)

    assert 6 <= len(rows) <= 8
    assert [file for file, _ in rows if not (PROJECT / file).is_file()] == []
    assert [file for file, told in rows[1:] if "mypy" not in told and "::test_" not in told] == []
    for path, name in named:
        assert f"def {name}(" in (PROJECT / path).read_text(encoding="utf-8"), f"{path} has no {name}"
