"""One browser for all tests of the page; each test has a server, and so an origin, of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.page.browser import require_browser, start_chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser."""
    require_browser()
    driver = start_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def driver(browser: Chrome) -> Iterator[Chrome]:
    """The browser, looking at nothing, as large as a desktop."""
    browser.set_window_size(1280, 1000)
    yield browser
    # Its connections end, so that the server of the test can end.
    browser.get("about:blank")
