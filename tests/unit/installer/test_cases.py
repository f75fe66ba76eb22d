"""The cases of ``cases/``: here, one test each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from calico_dcos.facts_document import build_schema
from calico_dcos.installer.unknown import to_json
from calico_dcos.installer.wanted import parse_wanted
from tests.unit.installer.cases import run_cases

CASES = run_cases.load_cases()
WANTED = (Path(run_cases.HERE) / "wanted.json").read_text()
PUBLISHED = jsonschema.Draft202012Validator(build_schema()["properties"]["facts"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_plan_follows_from_facts_and_what_is_wanted(case: dict[str, Any]) -> None:
    assert run_cases.find_faults(case) == []


def test_there_are_many_cases_and_no_name_is_used_twice() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) >= 80
    assert len(set(names)) == len(names)


def test_real_outputs_are_among_them() -> None:
    assert sum("outputs" in case for case in CASES) >= 10


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_is_a_host_that_could_be_reported(case: dict[str, Any]) -> None:
    document = to_json(run_cases.build_facts(case, parse_wanted(WANTED)))
    PUBLISHED.validate(document)
