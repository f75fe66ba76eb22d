"""The preflight on the page: what would change and restart, in sum and on each agent, to filter by and to export."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from selenium.webdriver import Chrome

from calico_dcos.core.model import StepName
from calico_dcos.core.pace import Pace
from calico_dcos.core.steps import SERVICES
from tests.page.browser import Page
from tests.page.living import Living, build_living_walk, serve
from tests.page.test_page_manners import judge_accessibility
from tests.unit.walking import build_policy

AGENTS = 12
TIMEOUT_S = 60


def build_preflight_walk() -> Living:
    """Hosts of all kinds: each third restarts its Docker, one the Mesos agent, one refuses, one has all."""
    living = build_living_walk(AGENTS, build_policy(pace=Pace(is_preflight=True)))
    assert living.cluster is not None
    hosts = living.cluster.hosts
    hosts["S4"].refusals = {StepName.CNI: "/opt is read-only: make it writable"}
    hosts["S5"].todo.clear()
    hosts["S5"].kept = set(SERVICES)
    living.step(12)
    return living


@pytest.fixture
def page(driver: Chrome) -> Iterator[Page]:
    with serve(build_preflight_walk()) as url:
        page = Page(driver, url)
        page.open()
        yield page
        driver.get("about:blank")


def count(page: Page, word: str) -> str:
    return page.text(f'#outlooks button[data-outlook="{word}"] b')


def test_one_look_tells_what_would_change_and_restart_in_sum(page: Page) -> None:
    assert page.text("#outlook-title") == "Preflight: what would change"
    assert page.text("#outlook-text") == "12 of 12 agents inspected."
    assert page.text("#left") == "Preflight: nothing is changed."
    told = {word: count(page, word) for word in ("change", "docker", "mesos-agent", "refused", "nothing", "unseen")}
    assert told == {"change": "11", "docker": "4", "mesos-agent": "0", "refused": "1", "nothing": "1", "unseen": "0"}


def test_each_agent_tells_what_would_change_there(page: Page) -> None:
    row = page.text('tr[data-key="agent3.test"] .reason')
    assert row.startswith("Would change: ")
    assert "docker-cluster-store" in row
    assert "restarts Docker" in row
    assert "cni is refused" in page.text('tr[data-key="agent4.test"] .reason')
    told = page.text('tr[data-key="agent5.test"] .reason').splitlines()
    assert told == ["Nothing to do", "as agent5.test with 10.0.0.5"]
    # What holds all of them is told once.
    assert "preflight" in page.text("#paused")
    assert "preflight:" not in row


def test_a_figure_is_a_filter_and_what_is_exported_follows_it(page: Page) -> None:
    page.click('#outlooks button[data-outlook="docker"]')
    page.wait(lambda: page.text("#range") == "1 to 4 of 4")
    link = page.find("#outlook-csv").get_attribute("href") or ""
    lines = requests.get(link, timeout=TIMEOUT_S).text.splitlines()[1:]
    assert {line.partition(",")[0] for line in lines} == {f"agent{number}.test" for number in (3, 6, 9, 12)}
    link = page.find("#outlook-json").get_attribute("href") or ""
    assert len(requests.get(link, timeout=TIMEOUT_S).json()["agents"]) == 4
    page.click('#outlooks button[data-outlook="docker"]')
    page.wait(lambda: page.text("#range") == "1 to 12 of 12")


def test_a_walk_tells_what_is_still_to_be_done(driver: Chrome) -> None:
    living = build_living_walk(3)
    living.step(6)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        assert page.text("#outlook-title") == "What is left to change"
        page.wait(lambda: count(page, "docker") == "1")
        assert page.text('tr[data-key="agent3.test"] .outlook').startswith("To do: ")
        living.step(200)
        page.wait(lambda: page.text("#outlook-text") == "3 of 3 agents inspected: nothing is left to do.")
        assert page.count("tr.agent .outlook") == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_preflight(page: Page, theme: str) -> None:
    page.set_theme(theme)
    page.click('#outlooks button[data-outlook="refused"]')
    page.wait(lambda: page.text("#range") == "1 to 1 of 1")
    assert judge_accessibility(page.driver) == []


def test_pictures_of_a_preflight_are_taken(page: Page, tmp_path: Path) -> None:
    directory = Path(os.environ.get("CALICO_SCREENSHOTS") or tmp_path)
    page.set_theme("light")
    page.driver.set_window_size(1280, 1250)
    page.wait(lambda: page.count("tr.agent") == AGENTS)
    picture = directory / "preflight.png"
    assert page.driver.save_screenshot(str(picture))
    assert picture.stat().st_size > 20_000
