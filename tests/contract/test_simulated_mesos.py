"""The simulated Mesos says what the recorded real one said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from calico_dcos.sim.replay.player import Player
from calico_dcos.sim.replay.recording import load_recording
from calico_dcos.sim.replay.site import Site

RECORDINGS = Path(__file__).with_name("recordings")
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.jsonl"))
# Recordings that were made before another one on the same master, whose history that one shows.
FORERUNNERS = {"operator-event-stream": ("health-checks", "task-ends-while-its-agent-is-down")}
LOSES_AN_AGENT = {"agent-unreachable-and-back", "operator-event-stream", "task-ends-while-its-agent-is-down"}
AT_A_TIME = 4


@pytest.fixture(scope="module")
def replays(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[None]]]:
    """The replays of all recordings that are asked for, several at a time: they mostly wait."""
    chosen = [item.name for item in request.session.items if item.path == request.path]
    wanted = [name for name in NAMES if any(f"[{name}]" in test for test in chosen)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {name: pool.submit(replay, name, tmp_path_factory.mktemp(name)) for name in wanted}


def replay(name: str, directory: Path) -> None:
    """Play a recording against a site of its own."""
    site = Site(directory, max_missed_pings=3 if name in LOSES_AN_AGENT else 6)
    if name.startswith(("agent-restarted-by", "agent-restart-kills")):
        site.add_systemd_agent(kills_tasks=name == "agent-restart-kills-its-tasks")
    else:
        site.add_test_agents()
    try:
        site.start()
        for played in (*FORERUNNERS.get(name, ()), name):
            site.healthy_file.touch()
            Player(load_recording(RECORDINGS / f"{played}.jsonl"), site).play()
    finally:
        site.stop()


def test_all_sixteen_recordings_are_there() -> None:
    assert len(NAMES) == 16


@pytest.mark.parametrize("name", NAMES)
def test_the_simulated_mesos_says_what_the_real_one_said(name: str, replays: Mapping[str, Future[None]]) -> None:
    replays[name].result()
