"""Debian's Chromium, driven through Selenium: what tests of the page look through."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

DEADLINE_S = 90
CHROMIUM = "chromium"
DRIVER = "chromedriver"
# The first look at a page, in its own words: when the first text was painted.
PAINT = "return performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)[0] || null"
URLS = "return performance.getEntriesByType('resource').map((entry) => entry.name)"


def find_missing() -> list[str]:
    """The programs that are not installed here."""
    return [name for name in (CHROMIUM, DRIVER) if shutil.which(name) is None]


def require_browser() -> None:
    """Skip where there is no browser, but never in continuous integration."""
    missing = find_missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (see tests/install-packages)")


def start_chromium(profile: Path) -> Chrome:
    """Start a browser with a profile of its own."""
    options = Options()
    options.binary_location = shutil.which(CHROMIUM) or CHROMIUM
    for argument in (
        "--headless=new",
        # Tests run as root in containers, where Chromium has neither a sandbox nor much shared memory.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-extensions",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--no-proxy-server",
        "--force-device-scale-factor=1",
        "--window-size=1280,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.set_capability("timeouts", {"pageLoad": 1000 * DEADLINE_S, "script": 1000 * DEADLINE_S})
    # A path to the driver keeps Selenium from looking for one on the Internet.
    return Chrome(options=options, service=Service(shutil.which(DRIVER)))


class Page:
    """The status page in a browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self) -> None:
        """Load it, and wait until it shows what the server tells."""
        # What the browser complained of before is forgotten.
        self.list_complaints()
        self.driver.get(self.url)
        self.wait(lambda: self.text("#connection") == "Live")

    def wait(self, is_reached: Callable[[], Any], what: str = "") -> None:
        """Wait until something holds; elements that are replaced meanwhile are looked for again."""
        try:
            WebDriverWait(self.driver, DEADLINE_S, 0.05).until(lambda _: self._try(is_reached))
        except Exception as error:
            shown = self.driver.execute_script("return document.body.innerText")
            raise AssertionError(f"never reached {what}; the page shows:\n{shown}") from error

    def _try(self, is_reached: Callable[[], Any]) -> Any:
        try:
            return is_reached()
        except Exception:  # noqa: BLE001 - Selenium's family of them: gone, moved, covered
            return None

    def find(self, selector: str) -> WebElement:
        """Find the first element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def count(self, selector: str) -> int:
        """Count elements."""
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector: str) -> str:
        """The visible text of an element."""
        return self.find(selector).text

    def click(self, selector: str) -> None:
        """Click as soon as it is possible."""
        self.wait(lambda: self._click(selector), f"a click on {selector}")

    def _click(self, selector: str) -> bool:
        self.find(selector).click()
        return True

    def list_keys(self) -> list[str]:
        """The agents of the rows that are shown."""
        keys: list[str] = self.driver.execute_script(
            "return [...document.querySelectorAll('tr.agent')].map((row) => row.dataset.key)"
        )
        return keys

    def list_urls(self) -> list[str]:
        """Everything that the page asked for."""
        urls: list[str] = self.driver.execute_script(URLS)
        return urls

    def list_complaints(self) -> list[str]:
        """What the browser complains of: errors, refused resources."""
        logs: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in logs if entry["level"] == "SEVERE"]

    def set_theme(self, theme: str) -> None:
        """Switch between light and dark."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
