"""What the page owes to everybody: no requests elsewhere, any prefix, any theme, any screen, no barriers."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest
from selenium.webdriver import Chrome
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

from calico_dcos.core.model import StepName, TaskState
from calico_dcos.web.server import WebServer
from tests.page.browser import Page
from tests.page.living import Living, build_living_walk, serve
from tests.unit.walking import build_policy

PREFIX = "/service/calico-install-framework/"


def build_eventful_walk() -> Living:
    """A walk with something of everything: complete, failed, at work, waiting."""
    living = build_living_walk(12, build_policy(max_failed_agents=2, max_attempts=1, max_concurrent_agents=3))
    assert living.cluster is not None
    living.cluster.hosts["S2"].outcomes[StepName.CNI] = [TaskState.FAILED]
    living.step(24)
    return living


def open_everything(page: Page) -> None:
    page.open()
    page.click("tr.agent .toggle")
    page.wait(lambda: page.count(".detail-grid") == 1)
    page.click(".detail-grid summary")
    page.wait(lambda: page.find(".facts").is_displayed())


def test_nothing_is_asked_of_anybody_else(driver: Chrome) -> None:
    with serve(build_eventful_walk()) as url:
        page = Page(driver, url)
        open_everything(page)
        urls = page.list_urls()
        assert len(urls) > 8
        assert [asked for asked in urls if not asked.startswith(url)] == []
        assert page.list_complaints() == []


class Prefixed(Router):
    """What the proxy of DC/OS does: only below the prefix is anything, and the service does not see it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        path = request.path or ""
        request.path = f"/{path.removeprefix(PREFIX)}" if path.startswith(PREFIX) else "/outside"
        return self._application.find_handler(request)


def test_the_page_works_behind_a_prefix(driver: Chrome) -> None:
    living = build_eventful_walk()
    inner = living.build_server()
    server = WebServer(application=cast("Application", Prefixed(inner._application)), address="127.0.0.1")
    server.start()
    page = Page(driver, f"http://127.0.0.1:{server.port}{PREFIX}")
    open_everything(page)
    assert len(page.list_keys()) == 12
    assert [url for url in page.list_urls() if PREFIX not in url] == []
    assert "/service/../" not in driver.current_url
    sandbox = page.find(".step-list a").get_attribute("href") or ""
    assert sandbox.startswith(f"http://127.0.0.1:{server.port}/mesos/#/agents/")
    assert page.list_complaints() == []
    driver.get("about:blank")
    server.stop()


def judge_accessibility(driver: Chrome) -> list[str]:
    """Serious and critical findings of axe-core."""
    source = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    driver.execute_script(source)
    found = driver.execute_async_script(
        "axe.run(document, {}, arguments[0].bind(null))".replace(
            "arguments[0].bind(null)", "(error, results) => arguments[arguments.length - 1](results || String(error))"
        )
    )
    assert isinstance(found, dict), found
    assert found["passes"]
    return [
        f"{finding['id']}: {node['html']}: {node['failureSummary']}"
        for finding in found["violations"]
        if finding["impact"] in ("serious", "critical", "moderate")
        for node in finding["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(driver: Chrome, theme: str) -> None:
    with serve(build_eventful_walk()) as url:
        page = Page(driver, url)
        page.set_theme(theme)
        open_everything(page)
        assert judge_accessibility(driver) == []
        page.click("#brake")
        page.wait(lambda: page.find("#token-dialog").is_displayed())
        assert judge_accessibility(driver) == []


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_cut_off_on_a_small_screen(driver: Chrome, width: int) -> None:
    with serve(build_eventful_walk()) as url:
        page = Page(driver, url)
        open_everything(page)
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        try:
            page.wait(lambda: driver.execute_script("return window.innerWidth") == width)
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width
        finally:
            driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_of_the_page_are_taken_in_both_themes(driver: Chrome, tmp_path: Path, theme: str) -> None:
    directory = Path(os.environ.get("CALICO_SCREENSHOTS") or tmp_path)
    with serve(build_eventful_walk()) as url:
        page = Page(driver, url)
        page.set_theme(theme)
        driver.set_window_size(1280, 1400)
        page.open()
        page.click('tr.agent[data-key="agent2.test"] .toggle')
        page.wait(lambda: page.count(".detail-grid") == 1)
        picture = directory / f"page-{theme}.png"
        assert driver.save_screenshot(str(picture))
    assert picture.stat().st_size > 20_000
