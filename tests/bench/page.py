"""How fast the page is with 10,000 agents: until the first text is painted, and until a change is shown."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.page.browser import PAINT, Page, find_missing, start_chromium
from tests.page.living import NOW, Living, build_large_walk, serve

AGENTS = 10_000
TRIES = 3
PAUSE_S = 5.0


def measure_page() -> tuple[float, list[float]]:
    """Milliseconds to the first text of the page, and seconds until each of some changes was shown."""
    living = build_large_walk(AGENTS)
    with tempfile.TemporaryDirectory() as profile, serve(living) as url:
        driver = start_chromium(Path(profile))
        try:
            page = Page(driver, url)
            # The first look of all builds the board of all agents; a scheduler has built it as it grew.
            page.open()
            page.open()
            page.wait(page.list_keys, "rows")
            painted_ms: float = driver.execute_script(PAINT)
            updates = [measure_update(page, living, f"agent{number}.example") for number in range(2, 2 + TRIES)]
        finally:
            driver.quit()
    return painted_ms, updates


def measure_update(page: Page, living: Living, key: str) -> float:
    """Seconds from a slot's change of hands to its being shown."""
    # A slot is held for half a minute at least: boards of two changes do not follow on one another.
    time.sleep(PAUSE_S)
    for holder in list(living.state.slots):
        living.put(replace(living.state.agents[holder], slot_since=None))
    started_at = time.perf_counter()
    living.put(replace(living.state.agents[key], slot_since=NOW))
    page.wait(lambda: page.count(f'.card[data-key="{key}"]') == 1, f"a card of {key}")
    return time.perf_counter() - started_at


def print_page_figures() -> None:
    """Measure and print, where there is a browser."""
    missing = find_missing()
    if missing:
        print(f"the page is not measured: not installed: {', '.join(missing)}")
        return
    painted_ms, updates = measure_page()
    told = ", ".join(f"{seconds:.2f}" for seconds in updates)
    print(f"page with {AGENTS:,} agents: first paint after {painted_ms:.0f} ms (bound: 1500 ms)")
    print(f"page with {AGENTS:,} agents: a change is shown after {told} s (bound: 1 s)")
