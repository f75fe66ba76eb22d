"""The page on the predecessor's defects names tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs/decisions/0081-what-the-predecessor-got-wrong-is-tested.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_test_that_the_page_on_the_predecessor_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))

    assert len(named) >= 60
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path} has no {name}"


def test_every_defect_of_the_predecessor_names_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| [RSHP]\d", line)]

    assert len(rows) >= 50
    assert [row for row in rows if not NAMED.search(row)] == []
