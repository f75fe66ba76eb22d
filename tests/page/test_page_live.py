"""The page while the walk goes on: what is shown is what happens, without a reload."""

from __future__ import annotations

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from calico_dcos.core.model import Status, StepName
from calico_dcos.troubles import Source, Troubles
from tests.page.browser import Page
from tests.page.living import Living, build_living_walk, serve
from tests.plans import build_plan


def count_complete(living: Living) -> int:
    plan = build_plan(living.state, living.now)
    return sum(phase.status is Status.COMPLETE for phase in plan.phases)


def wait_for_present(page: Page, living: Living) -> int:
    """Wait until the page shows how many agents are complete, who is at work, and what others wait for."""
    complete, total = count_complete(living), len(living.state.agents)
    page.wait(lambda: page.text("#done") == str(complete), f"{complete} complete agents")
    for holder in living.state.slots:
        page.wait(lambda: page.find(f'.card[data-key="{holder}"]'), f"a card of {holder}")  # noqa: B023 - waited for here
        if complete + 1 < total:
            reason = f"waits for a slot: held by {holder}"
            page.wait(lambda: reason in page.text("#reasons"), reason)  # noqa: B023 - waited for here
    return complete


def test_a_walk_of_20_agents_is_followed_live_to_its_end(driver: Chrome) -> None:
    living = build_living_walk(20)
    living.step(2)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        driver.execute_script("window.isSamePage = true")
        for _ in range(100):
            if wait_for_present(page, living) == 20:
                break
            living.step(8)
        assert count_complete(living) == 20
        page.wait(lambda: page.text("#left") == "Everything is done.")
        page.wait(lambda: page.count('tr.agent .state[data-status="COMPLETE"]') == 20)
        assert driver.execute_script("return window.isSamePage")
        assert page.list_complaints() == []


def test_the_legend_names_the_steps_from_left_to_right(driver: Chrome) -> None:
    living = build_living_walk(2)
    living.step(2)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        names = ", ".join(name.value for name in StepName)
        page.wait(lambda: page.text("#legend") == f"Steps, from left to right: {names}.")
        assert page.list_complaints() == []


def test_troubles_are_told_with_their_remedy_and_since_when(driver: Chrome) -> None:
    living = build_living_walk(2)
    troubles = Troubles(lambda: living.now)
    troubles.tell(Source.WEBHOOK, "the webhook answers 500", "see webhook-url")
    troubles.tell(Source.SUBSCRIPTION, "the master refuses the subscription: 401", "set a secret", stops_all=True)
    living.troubles = troubles.list_all()
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        page.wait(lambda: "set a secret" in page.text("#trouble"))
        first, second, *_ = page.text("#trouble").splitlines()
        assert first.startswith("subscription, since ")
        assert "the webhook answers 500; see webhook-url" in second
        living.troubles = ()
        page.wait(lambda: "webhook" not in page.text("#trouble"))


def test_an_agent_opens_to_steps_changes_with_impact_facts_and_history(driver: Chrome) -> None:
    living = build_living_walk(4)
    living.step(4)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        page.click('tr.agent[data-key="agent3.test"] .toggle')
        page.wait(lambda: page.count(".detail-grid") == 1)
        told = page.text(".detail-grid")
        assert "does docker-cluster-store" in told
        assert "impact: none" in told
        assert "restarts docker" in told
        assert "first seen as Mesos agent S3" in told
        page.click(".detail-grid summary")
        page.wait(lambda: "20.10.24" in page.text(".facts"))
        link = page.find('.step-list a[href*="/#/agents/S3/frameworks/F1/executors/inspect."]')
        assert link.text == "sandbox"
        # It stays open, and goes on telling, while the walk goes on.
        living.step(30)
        page.wait(lambda: "etcd-proxy starts as" in page.text('tr.detail[data-detail="agent3.test"]'))
        assert page.find(".facts").is_displayed()
        page.click('tr.agent[data-key="agent3.test"] .toggle')
        page.wait(lambda: page.count("tr.detail") == 0)


def test_everything_can_be_reached_with_the_keyboard(driver: Chrome) -> None:
    living = build_living_walk(2)
    living.step(3)
    with serve(living) as url:
        page = Page(driver, url)
        page.open()
        page.find("body").send_keys("/")
        assert driver.switch_to.active_element.get_attribute("id") == "search"
        for _ in range(5):
            driver.switch_to.active_element.send_keys(Keys.TAB)
            if "toggle" in (driver.switch_to.active_element.get_attribute("class") or ""):
                break
        toggle = driver.switch_to.active_element
        assert toggle.get_attribute("aria-expanded") == "false"
        toggle.send_keys(Keys.ENTER)
        page.wait(lambda: page.count(".detail-grid") == 1)
        assert driver.switch_to.active_element.get_attribute("aria-expanded") == "true"
        driver.switch_to.active_element.send_keys(Keys.TAB)
        assert driver.switch_to.active_element.get_attribute("data-control") == "pause"
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        page.wait(lambda: page.find("#token-dialog").get_attribute("open") is not None)
        driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        page.wait(lambda: page.find("#token-dialog").get_attribute("open") is None)


def test_the_page_says_when_the_scheduler_does_not_answer_and_goes_on_when_it_does(driver: Chrome) -> None:
    living = build_living_walk(2)
    living.step(3)
    first = living.build_server()
    first.start()
    page = Page(driver, f"http://127.0.0.1:{first.port}/")
    page.open()
    first.stop()
    page.wait(lambda: page.text("#connection").startswith("The scheduler does not answer"))
    assert [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, "th.name")] == ["agent1.test", "agent2.test"]
    again = living.build_server()
    again.port = first.port
    again.start()
    page.wait(lambda: page.text("#connection") == "Live")
    driver.get("about:blank")
    again.stop()
