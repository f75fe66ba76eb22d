"""The page on reliability names tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_test_that_the_page_on_reliability_names_exists() -> None:
    named = NAMED.findall((ROOT / "docs/reliability.md").read_text(encoding="utf-8"))

    assert len(named) >= 25
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path} has no {name}"


def test_every_row_of_the_page_on_reliability_names_a_test() -> None:
    lines = (ROOT / "docs/reliability.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| Failure")]

    assert [row for row in rows if not NAMED.search(row)] == []
