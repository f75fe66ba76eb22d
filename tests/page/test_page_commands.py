"""The operator's hands on the page: behind a token, with a reason, and shown with who and why."""

from __future__ import annotations

from selenium.webdriver import Chrome

from calico_dcos.core.model import StepName, TaskState
from tests.page.browser import Page
from tests.page.living import TOKEN, Living, build_living_walk, serve
from tests.unit.walking import build_policy


def is_open(page: Page, dialog: str) -> bool:
    return page.find(dialog).get_attribute("open") is not None


def enter_token(page: Page, token: str) -> None:
    page.wait(lambda: is_open(page, "#token-dialog"), "the token dialog")
    page.find("#token").clear()
    page.find("#token").send_keys(token)
    page.click('#token-form [type="submit"]')


def give_reason(page: Page, reason: str) -> None:
    page.wait(lambda: is_open(page, "#command-dialog"), "the command dialog")
    page.find("#command-reason").send_keys(reason)
    page.click("#command-submit")


def test_without_a_token_the_page_is_read_only_and_says_how_to_enable_commands(driver: Chrome) -> None:
    with serve(build_living_walk(2)) as url:
        page = Page(driver, url)
        page.open()
        assert page.text("#token-button") == "Read-only"
        page.click("#brake")
        page.wait(lambda: is_open(page, "#token-dialog"))
        assert "CALICO_DCOS_OPERATOR_TOKEN" in page.text("#token-dialog")


def test_a_wrong_token_is_told_and_does_nothing(driver: Chrome) -> None:
    living = build_living_walk(2)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        page.click("#brake")
        enter_token(page, "wrong")
        give_reason(page, "just so")
        page.wait(lambda: page.text("#command-error") == "this is not the operator token")
        assert living.state.controls.pause is None


def test_the_walk_is_paused_with_a_reason_that_is_shown_and_resumed(driver: Chrome) -> None:
    living = build_living_walk(3)
    living.step(4)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        page.click("#brake")
        enter_token(page, TOKEN)
        give_reason(page, "the network team asked")
        page.wait(lambda: "The walk is paused" in page.text("#paused"))
        assert page.text("#paused").endswith("the network team asked")
        assert page.text("#brake").endswith("Resume the walk")
        assert living.state.controls.pause is not None
        # The token is remembered in the tab, also when it is loaded anew.
        page.open()
        assert page.text("#token-button") == "Operator"
        page.click("#brake")
        give_reason(page, "go on")
        page.wait(lambda: not page.find("#paused").is_displayed())
        assert living.state.controls.pause is None
        page.click("#audit summary")
        page.wait(lambda: "the network team asked" in page.text("#audit-list"))
        assert "go on" in page.text("#audit-list")


def build_failed_walk() -> Living:
    living = build_living_walk(2, build_policy(max_attempts=1))
    assert living.cluster is not None
    for host in living.cluster.hosts.values():
        host.outcomes[StepName.CNI] = [TaskState.FAILED]
    for _ in range(60):
        if living.state.failed:
            return living
        living.step()
    raise AssertionError("nothing failed")


def test_a_failed_agent_is_retried_and_the_walk_comes_to_its_end(driver: Chrome) -> None:
    living = build_failed_walk()
    (failed,) = living.state.failed
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        page.wait(lambda: page.list_keys()[0] == failed)
        assert "made to fail" in page.text("#trouble")
        page.click(f'tr.agent[data-key="{failed}"] .toggle')
        page.click('[data-control="retry"]')
        enter_token(page, TOKEN)
        give_reason(page, "the disk was full")
        page.wait(lambda: failed not in living.state.failed)
        page.wait(lambda: "retry by" in page.text(".detail-grid"))
        living.step(20)
        row = f'tr.agent[data-key="{failed}"] .state[data-status="COMPLETE"]'
        page.wait(lambda: page.count(row) == 1)


def test_one_agent_is_paused_and_a_step_of_another_skipped(driver: Chrome) -> None:
    living = build_living_walk(3)
    living.step(4)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        page.click('tr.agent[data-key="agent3.test"] .toggle')
        page.click('[data-control="pause"]')
        enter_token(page, TOKEN)
        give_reason(page, "its owner is away")
        page.wait(lambda: "its owner is away" in page.text('tr.agent[data-key="agent3.test"]'))
        page.wait(lambda: page.count('tr.detail [data-control="resume"]') == 1)
        page.click('tr.detail [data-control="skip docker-cluster-store"]')
        give_reason(page, "done by hand")
        page.wait(lambda: "done by hand" in page.text(".step-list"))
        assert living.state.agents["agent3.test"].get_step(StepName.DOCKER_CLUSTER_STORE).skip is not None
