"""What a supervised service needs, and when it is given up: pure decisions, polls as data."""

from __future__ import annotations

import pytest

from calico_dcos.installer.docker_api import parse_log
from calico_dcos.installer.facts.calico_node import Container
from calico_dcos.installer.services.calico_node import (
    FIRST_WATCH,
    NO_TROUBLE,
    STEADY_POLLS,
    Need,
    Watch,
    count_trouble,
    find_fault,
    find_need,
    observe,
)
from calico_dcos.installer.services.container import build_body
from calico_dcos.installer.services.etcd_proxy import NO_CRASHES, STEADY_S, count_crash
from calico_dcos.installer.services.health import find_node_fault, parse_time
from calico_dcos.installer.services.watch import AWAY_LIMIT_S, DOWN_LIMIT_S
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import compute_settings_hash
from tests.unit.installer.examples import build_container, build_own_wanted

WANTED = build_own_wanted()
UP = build_container()
LOOPING = build_container(is_running=False, is_restarting=True, status="restarting", restarts=3)
AWAY = Unknown("refused")


@pytest.mark.parametrize(
    ("container", "need"),
    [
        (None, Need.RUN),
        (UP, Need.NOTHING),
        (AWAY, Need.NOTHING),
        (LOOPING, Need.NOTHING),
        (build_container(settings_hash="0123"), Need.REPLACE),
        (build_container(settings_hash=None), Need.REPLACE),
        (build_container(is_running=False, status="exited"), Need.START),
        (build_container(is_running=False, status="created"), Need.START),
        (build_container(is_running=False, status="dead"), Need.REPLACE),
        (build_container(status="paused"), Need.UNPAUSE),
    ],
)
def test_a_container_gets_what_it_needs_and_a_right_one_is_left_alone(
    container: Container | Unknown | None, need: Need
) -> None:
    assert find_need(container, WANTED) is need


def watch_polls(*containers: Container | Unknown | None, every_s: float = 5) -> tuple[Watch, str | None]:
    """Poll, and return what is known and whether it is given up at the last poll."""
    watch, now_s = FIRST_WATCH, 100.0
    for container in containers:
        now_s += every_s
        watch = observe(watch, container, WANTED, now_s)
    return watch, find_fault(watch, containers[-1], WANTED, now_s)


def test_a_container_is_steady_after_a_few_polls_with_one_start() -> None:
    assert watch_polls(UP, UP)[0].bad_since_s is not None
    watch, fault = watch_polls(None, UP, UP, UP)
    assert (watch.polls, watch.bad_since_s, fault) == (STEADY_POLLS, None, None)


def test_another_start_begins_the_count_anew() -> None:
    assert watch_polls(UP, UP, build_container(started_at="2026-11-23T18:00:00Z"))[0].polls == 1


def test_a_container_that_restarts_between_polls_is_given_up() -> None:
    starts = [build_container(started_at=str(number)) for number in range(20)]
    assert watch_polls(*starts)[1] == "it never stays up for long"
    assert watch_polls(*starts[:10])[1] is None


def test_a_crash_loop_is_given_up_with_its_reason() -> None:
    polls = int(DOWN_LIMIT_S / 5) + 2
    assert watch_polls(*[LOOPING] * polls)[1] == "it restarts over and over (3 times so far, status 0)"


def test_a_restart_of_docker_is_sat_out_but_not_for_ever() -> None:
    assert watch_polls(UP, UP, UP, *[AWAY] * 30)[1] is None
    assert watch_polls(UP, UP, UP, *[AWAY] * (int(AWAY_LIMIT_S / 5) + 2))[1] == "refused"


def test_the_container_is_made_with_its_mark_and_its_settings() -> None:
    body = build_body(WANTED)
    assert body["Image"] == "calico/node:v1.0.0"
    assert body["Env"] == ["A=1", "HOSTNAME=h1", "IP=10.0.0.2", "NODENAME=h1"]
    mark = compute_settings_hash(WANTED)
    assert body["Labels"] == {"org.projectcalico.calico-dcos.settings": mark}
    options = body["HostConfig"]
    assert (options["NetworkMode"], options["Privileged"], options["RestartPolicy"]) == (
        "host",
        True,
        {"Name": "always"},
    )
    assert "/var/run/calico:/var/run/calico" in options["Binds"]


def test_failures_of_docker_wait_longer_each_time_up_to_a_limit() -> None:
    trouble, waits = NO_TROUBLE, []
    for _ in range(6):
        trouble = count_trouble(trouble, "no space left", now_s=1000.0, poll_s=5.0)
        waits.append(trouble.retry_at_s - 1000.0)
    assert waits == [5, 10, 20, 40, 60, 60]
    assert trouble.fault == "no space left"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"\x01\0\0\0\0\0\0\x04one\n\x02\0\0\0\0\0\0\x04two\n", ["one", "two"]),
        (b"\x01\0\0\0\0\0\0\x02on\x01\0\0\0\0\0\0\x02e\n", ["one"]),
        (b"plain words of a terminal\n", ["plain words of a terminal"]),
        (b"", []),
    ],
)
def test_dockers_logs_are_read(content: bytes, lines: list[str]) -> None:
    assert parse_log(content) == lines


@pytest.mark.parametrize(
    ("container", "after_s", "is_healthy"),
    [
        (UP, 3600, True),
        (UP, 10, True),
        (UP, 4, False),
        (UP, -3600, True),
        (LOOPING, 3600, False),
        (None, 3600, False),
        (AWAY, 3600, False),
    ],
)
def test_a_container_is_healthy_when_it_is_up_for_some_polls(
    container: Container | Unknown | None, after_s: float, *, is_healthy: bool
) -> None:
    now_s = parse_time(UP.started_at) + after_s
    assert (find_node_fault(container, WANTED, now_s) is None) is is_healthy


def test_crashes_in_a_row_wait_longer_each_time_up_to_a_limit() -> None:
    crashes, waits = NO_CRASHES, []
    for _ in range(7):
        crashes = count_crash(crashes, ran_s=0.1, now_s=1000.0)
        waits.append(crashes.retry_at_s - 1000.0)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert count_crash(crashes, ran_s=STEADY_S, now_s=1000.0).count == 1
