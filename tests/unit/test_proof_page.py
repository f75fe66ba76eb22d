"""The page on proofs names tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

from calico_dcos.installer.wanted import STEPS

ROOT = Path(__file__).parent.parent.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PAGE = (ROOT / "docs/proof.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| Step")]


def test_every_test_that_the_page_on_proofs_names_exists() -> None:
    for path, name in NAMED.findall(PAGE):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path} has no {name}"


def test_every_row_of_the_page_on_proofs_names_a_test_and_every_step_has_a_row() -> None:
    assert [row for row in ROWS if not NAMED.search(row)] == []
    assert {row.split("|")[1].strip() for row in ROWS} == set(STEPS)
