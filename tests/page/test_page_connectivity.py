"""The connectivity test on the page: begun by a button, a row for each pair, the story of what failed."""

from __future__ import annotations

from selenium.webdriver import Chrome

from tests.page.browser import Page
from tests.page.living import TOKEN, Living, build_living_walk, serve
from tests.page.test_page_commands import enter_token, give_reason


def build_complete_walk(agents: int) -> Living:
    living = build_living_walk(agents)
    assert living.cluster is not None
    while not living.cluster.is_complete():
        living.step()
    return living


def begin(page: Page) -> None:
    page.open()
    page.click("#connectivity-button")
    if page.text("#token-button") != "Operator":
        enter_token(page, TOKEN)
    give_reason(page, "a new switch")


def test_the_button_runs_the_test_and_each_pair_shows_what_was_measured(driver: Chrome) -> None:
    living = build_complete_walk(2)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        assert not page.find("#connectivity-result").is_displayed()
        begin(page)
        page.wait(lambda: page.text("#connectivity-button") == "Stop the test")
        assert "0 of 2 pairs of agents are through" in page.text("#connectivity-text")
        living.step(20)
        page.wait(lambda: "All 2 pairs of agents passed" in page.text("#connectivity-text"))
        assert page.text("#connectivity-button") == "Run the test"
        assert page.count("#connectivity-pairs tr") == 2
        assert page.count('.tried[data-outcome="passed"]') == 8
        assert "0.5 ms" in page.text("#connectivity-pairs")
        assert page.count("#connectivity-stories li") == 0
        assert page.list_complaints() == []


def test_what_failed_is_told_with_its_whole_story(driver: Chrome) -> None:
    living = build_complete_walk(2)
    assert living.cluster is not None
    living.cluster.hosts["S1"].failures["ping"] = "100 % lost; <b>BIRD</b> has learnt no route"
    with serve(living) as url:
        page = Page(driver, url)
        begin(page)
        page.wait(lambda: page.text("#connectivity-button") == "Stop the test")
        living.step(20)
        page.wait(lambda: "1 of 2 pairs of agents failed" in page.text("#connectivity-text"))
        told = page.text("#connectivity-stories")
        assert "agent1.test → agent2.test: mesos ping: failed: 100 % lost; <b>BIRD</b> has learnt no route" in told
        assert page.count('#connectivity-pairs tr[data-status="failed"]') == 1


def test_a_run_is_stopped_from_the_page(driver: Chrome) -> None:
    living = build_complete_walk(2)
    with serve(living) as url:
        page = Page(driver, url)
        begin(page)
        page.wait(lambda: page.text("#connectivity-button") == "Stop the test")
        page.click("#connectivity-button")
        give_reason(page, "enough")
        page.wait(lambda: "Stopped by" in page.text("#connectivity-text"))
        assert page.text("#connectivity-button") == "Run the test"


def test_a_test_that_is_not_possible_is_told_in_the_dialog(driver: Chrome) -> None:
    with serve(build_living_walk(2)) as url:
        page = Page(driver, url)
        begin(page)
        page.wait(lambda: page.text("#command-error").startswith("a connectivity test needs 2 agents, and 0 of"))
