"""What the judge of a chaos run finds in the records of hosts: he must be able to find something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calico_dcos.sim.host import Host
from tests.chaos.evidence import find_violations

OLD, NEW = "1.8.8", "2.0.6"
RESTART = "restarted dcos-mesos-slave.service"
RELOAD = "reloaded docker.service"
UP = "started container calico-node"


def make_host(
    directory: Path,
    name: str,
    deeds: list[tuple[float, str]],
    *,
    version: str = NEW,
    registered: tuple[float, ...] = (0,),
) -> Host:
    """Write a host's records as stand-ins and agents do."""
    root = directory / name
    files: dict[str, list[dict[str, Any]]] = {
        "var/log/stand-in.jsonl": [{"t": t, "tool": "x", "argv": [], "effect": effect} for t, effect in deeds],
        "var/lib/mesos/slave/deeds.jsonl": [{"t": t, "event": "agent registered"} for t in registered],
        "opt/mesosphere/etc/dcos-version.json": [{"version": version}],
    }
    for path, lines in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Host(root)


def judge(*hosts: Host) -> list[str]:
    return find_violations(hosts, max_agents=1, max_restarts=1)


def test_a_walk_as_it_should_be_is_found_innocent(tmp_path: Path) -> None:
    first = make_host(tmp_path, "h1", [(1, RELOAD), (2, RESTART), (5, UP)], version=OLD, registered=(0, 3))
    second = make_host(tmp_path, "h2", [(6, RELOAD), (8, UP)])

    assert judge(first, second) == []


def test_a_restart_that_nothing_asked_for_or_that_came_twice_is_found(tmp_path: Path) -> None:
    unasked = make_host(tmp_path, "h1", [(1, RESTART), (5, UP)], registered=(0, 3))
    twice = make_host(tmp_path, "h2", [(6, RESTART), (8, RESTART), (9, UP)], version=OLD, registered=(0, 7, 9))

    assert judge(unasked, twice) == [
        "h1: dcos-mesos-slave.service was restarted 1 times, facts ask for 0",
        "h2: dcos-mesos-slave.service was restarted 2 times, facts ask for 1",
    ]


def test_two_hosts_that_are_changed_at_once_are_found(tmp_path: Path) -> None:
    first = make_host(tmp_path, "h1", [(1, RELOAD), (5, UP)])
    second = make_host(tmp_path, "h2", [(4, RELOAD), (8, UP)])

    assert judge(first, second) == ["changed at once: h1, h2"]


def test_a_restart_while_another_agent_is_not_back_is_found(tmp_path: Path) -> None:
    first = make_host(tmp_path, "h1", [(1, RESTART), (9, UP)], version=OLD, registered=(0, 6))
    second = make_host(tmp_path, "h2", [(4, RESTART), (9, UP)], version=OLD, registered=(0, 5))

    assert "restarted at once: h1, h2" in judge(first, second)


def test_a_calico_node_that_was_taken_down_or_never_came_up_is_found(tmp_path: Path) -> None:
    down = make_host(tmp_path, "h1", [(1, UP), (2, "removed container calico-node")])
    never = make_host(tmp_path, "h2", [(3, RELOAD)])

    assert judge(down, never) == [
        "h1: removed container calico-node, though it was wanted",
        "h2: calico-node never started",
    ]
