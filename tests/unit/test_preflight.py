"""What a preflight tells: changes and restarts per agent and in sum, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from calico_dcos.cli.words import describe_outlook
from calico_dcos.core.model import Change, StepName
from calico_dcos.core.pace import Pace
from calico_dcos.core.steps import SERVICES
from calico_dcos.web.board import build_board
from calico_dcos.web.listing import parse_query, select_view
from calico_dcos.web.preflight import COLUMNS, build_preflight, format_csv
from calico_dcos.web.walk import Snapshot, take_snapshot
from tests.unit.walking import STEPS, FakeCluster, FakeHost, build_host, build_policy

RESTARTING = (StepName.DOCKER_CLUSTER_STORE, StepName.AGENT_RESTART)


def look(hosts: list[FakeHost], disabled: tuple[StepName, ...] = ()) -> Snapshot:
    cluster = FakeCluster(hosts, build_policy(disabled=disabled, pace=Pace(is_preflight=True)))
    for _ in range(10):
        cluster.step()
    return take_snapshot(cluster.state, cluster.now)


def build_finished_host(number: int) -> FakeHost:
    """A host on which an earlier run left nothing to do."""
    host = FakeHost(f"agent{number}.test", f"S{number}")
    host.kept = set(SERVICES)
    return host


def test_changes_and_restarts_are_told_per_agent_and_in_sum() -> None:
    hosts = [build_host(0, restarts=RESTARTING), build_host(1), build_finished_host(2)]
    hosts[1].refusals = {StepName.CNI: "/opt is read-only"}

    told = build_preflight(look(hosts))

    assert told["total"] == {
        "agents": 3,
        "changes": 8,
        "inspected": 3,
        "change": 2,
        "restart": 1,
        "docker": 1,
        "mesos-agent": 1,
        "refused": 1,
        "unclear": 0,
        "nothing": 1,
        "unseen": 0,
    }
    assert told["is_preflight"]
    assert [agent["restarts"] for agent in told["agents"]] == [["docker", "mesos-agent"], [], []]
    assert told["agents"][0]["changes"][1] == {
        "step": "docker-cluster-store",
        "message": "does docker-cluster-store",
        "reason": "facts ask for it",
        "impact": "none",
        "restarts": "docker",
    }
    assert told["agents"][1]["refusals"] == {"cni": "/opt is read-only"}
    assert told["agents"][2]["changes"] == []


def test_disabled_steps_change_nothing() -> None:
    told = build_preflight(look([build_host(0, restarts=RESTARTING)], disabled=(StepName.DOCKER_CLUSTER_STORE,)))

    assert (told["total"]["docker"], told["total"]["mesos-agent"]) == (0, 1)


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("", ["agent0.test", "agent1.test", "agent2.test"]),
        ("change", ["agent0.test", "agent1.test"]),
        ("restart", ["agent0.test"]),
        ("docker", ["agent0.test"]),
        ("mesos-agent", ["agent0.test"]),
        ("refused", ["agent1.test"]),
        ("nothing", ["agent2.test"]),
        ("unseen", []),
    ],
)
def test_a_word_chooses_agents_and_leaves_the_sum_alone(word: str, keys: list[str]) -> None:
    hosts = [build_host(0, restarts=RESTARTING), build_host(1), build_finished_host(2)]
    hosts[1].refusals = {StepName.CNI: "/opt is read-only"}
    snapshot = look(hosts)

    told = build_preflight(snapshot, word)

    assert [agent["key"] for agent in told["agents"]] == keys
    assert told["total"]["agents"] == 3
    lines = list(csv.reader(io.StringIO(format_csv(snapshot, word))))[1:]
    assert sorted({line[0] for line in lines}) == keys


def test_the_page_is_told_the_same_sum_and_each_row_its_part() -> None:
    board = build_board("calico", look([build_host(0, restarts=RESTARTING), build_finished_host(1)]))

    assert board.summary["is_preflight"]
    assert board.summary["outlook"]["inspected"] == 2
    assert (board.summary["outlook"]["change"], board.summary["outlook"]["nothing"]) == (1, 1)
    outlook = board.rows["agent0.test"]["outlook"]
    assert outlook["restarts"] == ["docker", "mesos-agent"]
    assert outlook["changes"] == dict.fromkeys(outlook["changes"], 1)
    assert set(outlook["changes"]) == {name.value for name in STEPS}
    shown = select_view(board, parse_query({"outlook": "nothing"}))
    assert (list(shown.rows), shown.matching) == (["agent1.test"], 1)


def test_an_agent_that_nobody_looked_at_is_told_as_such() -> None:
    cluster = FakeCluster([build_host(0)], build_policy(pace=Pace(is_preflight=True)))
    while not cluster.state.agents:
        cluster.step()
    (agent,) = cluster.state.agents.values()
    state = cluster.state.with_agent(replace(agent, inspection=None))
    told = build_preflight(take_snapshot(state, cluster.now))

    assert (told["total"]["inspected"], told["total"]["unseen"], told["total"]["nothing"]) == (0, 1, 0)


def test_csv_has_a_line_for_each_change_and_for_each_agent_without_any() -> None:
    hosts = [build_host(0, restarts=(StepName.DOCKER_CLUSTER_STORE,)), build_finished_host(1)]
    hosts[0].todo[StepName.CNI] = Change('=cmd|"calc"', "a, b", "none")

    rows = list(csv.reader(io.StringIO(format_csv(look(hosts)))))

    assert tuple(rows[0]) == COLUMNS
    assert [row[:6] for row in rows[1:]] == [
        ["agent0.test", "etcd-proxy", "runs etcd-proxy", "it does not run", "none", ""],
        ["agent0.test", "docker-cluster-store", "does docker-cluster-store", "facts ask for it", "none", "docker"],
        ["agent0.test", "cni", '\'=cmd|"calc"', "a, b", "none", ""],
        ["agent0.test", "calico-node", "runs calico-node", "it does not run", "none", ""],
        ["agent1.test", "", "nothing to do", "", "", ""],
    ]


def test_as_whom_calico_will_know_an_agent_is_told_before_anything_is_done() -> None:
    snapshot = look([build_host(0)])

    (agent,) = build_preflight(snapshot)["agents"]
    rows = list(csv.reader(io.StringIO(format_csv(snapshot))))

    assert agent["node"] == {"name": "agent0.test", "address": "10.0.0.0"}
    assert describe_outlook(agent).startswith("agent0.test with 10.0.0.0: changes etcd-proxy")
    assert {tuple(row[6:]) for row in rows[1:]} == {("agent0.test", "10.0.0.0")}
