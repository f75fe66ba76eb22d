"""What the tests of the installer share: a host of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.installer_fakes import FakeHost


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeHost]:
    """A relocated host on which nothing is done yet."""
    root = tmp_path / "host"
    root.mkdir()
    fake = FakeHost(root)
    yield fake
    fake.close()
