"""The page with 10,000 agents: rows come in pages, and finding one of them is a matter of typing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.select import Select

from tests.page.browser import Page
from tests.page.living import NOW, Living, build_large_walk, serve

AGENTS = 10_000


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[Living, str]]:
    living = build_large_walk(AGENTS)
    with serve(living) as url:
        yield living, url


@pytest.fixture
def page(driver: Chrome, large: tuple[Living, str]) -> Page:
    page = Page(driver, large[1])
    page.open()
    return page


def test_the_first_page_has_50_rows_and_says_of_how_many(page: Page) -> None:
    assert page.text("#done") == "1,000"
    assert page.text("#range") == "1 to 50 of 10,000"
    keys = page.list_keys()
    assert len(keys) == 50
    # What is at work comes first.
    assert keys[:2] == ["agent1.example", "agent2.example"]


def test_pages_can_be_turned(page: Page) -> None:
    page.click("#after")
    page.wait(lambda: page.text("#range") == "51 to 100 of 10,000")
    assert len(page.list_keys()) == 50
    page.click("#before")
    page.wait(lambda: page.text("#range") == "1 to 50 of 10,000")


def test_an_agent_is_found_by_typing(page: Page) -> None:
    page.find("#search").send_keys("agent9876")
    page.wait(lambda: page.list_keys() == ["agent9876.example"])
    assert page.text("#range") == "1 to 1 of 1"
    page.find("#search").send_keys("x")
    page.wait(lambda: page.find("#empty").is_displayed())
    assert page.text("#empty") == "No agent is like that."


def test_filters_and_search_work_together(page: Page) -> None:
    page.click('#groups button[data-group="complete"]')
    page.wait(lambda: page.text("#range") == "1 to 50 of 1,000")
    Select(page.find("#kind")).select_by_value("public")
    page.wait(lambda: page.text("#range") == "1 to 50 of 500")
    page.find("#search").send_keys("agent99")
    page.wait(lambda: page.text("#range") == "1 to 5 of 5")
    Select(page.find("#sort")).select_by_value("name")
    page.wait(lambda: page.list_keys()[0] == "agent9900.example")
    assert page.find('#groups button[data-group="complete"]').get_attribute("aria-pressed") == "true"


def test_agents_are_found_by_what_is_left_to_change(page: Page) -> None:
    assert page.text("#outlook-text") == "10,000 of 10,000 agents inspected."
    page.click('#outlooks button[data-outlook="nothing"]')
    page.wait(lambda: page.text("#range") == "1 to 50 of 1,000")
    page.click('#outlooks button[data-outlook="change"]')
    page.wait(lambda: page.text("#range") == "1 to 50 of 9,000")
    assert "To do: cni" in page.text("tr.agent .reason")


def test_when_the_slot_changes_hands_the_rows_that_are_shown_change(page: Page, large: tuple[Living, str]) -> None:
    living = large[0]
    agents = living.state.agents
    living.put(replace(agents["agent1.example"], slot_since=None))
    living.put(replace(agents["agent7.example"], slot_since=NOW))
    page.wait(lambda: page.count('.card[data-key="agent7.example"]') == 1)
    page.wait(lambda: page.list_keys()[0] == "agent7.example")
    page.wait(lambda: "held by agent7.example" in page.text('tr[data-key="agent2.example"]'))
