"""Fixtures of the end-to-end tests: what the machine lacks is said once, hosts are booted once for each module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness.image import find_cache, load_image
from tests.e2e.harness.needs import find_missing
from tests.e2e.harness.site import Site, open_site


@pytest.fixture(scope="session")
def cache() -> Path:
    """Directory in which images are kept and sites live; without what hosts need, the tests are skipped here."""
    missing = find_missing()
    if missing:
        said = f"real hosts need {', and '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    return find_cache()


@pytest.fixture(scope="session")
def image(cache: Path) -> Path:
    """Root file system of the hosts, built on the first run: one to two minutes."""
    return load_image(cache)


@pytest.fixture(scope="module")
def site(cache: Path) -> Iterator[Site]:
    """A network of its own, in which a module's hosts and servers are."""
    with open_site(cache) as site:
        yield site
