"""What a preflight tells: changes and restarts per agent and in sum, as JSON and as CSV."""

from __future__ import annotations

import csv
import io

from calico_dcos.core.model import Change, StepName
from calico_dcos.core.pace import Pace
from calico_dcos.web.preflight import COLUMNS, build_preflight, format_csv
from calico_dcos.web.walk import Snapshot, take_snapshot
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

RESTARTING = (StepName.DOCKER_CLUSTER_STORE, StepName.AGENT_RESTART)


def look(hosts: list[FakeHost], disabled: tuple[StepName, ...] = ()) -> Snapshot:
    cluster = FakeCluster(hosts, build_policy(disabled=disabled, pace=Pace(is_preflight=True)))
    for _ in range(10):
        cluster.step()
    return take_snapshot(cluster.state, cluster.now)


def test_changes_and_restarts_are_told_per_agent_and_in_sum() -> None:
    hosts = [build_host(0, restarts=RESTARTING), build_host(1), FakeHost("agent2.test", "S2")]
    hosts[1].refusals = {StepName.CNI: "/opt is read-only"}

    told = build_preflight(look(hosts))

    assert told["total"] == {
        "agents": 3,
        "inspected": 3,
        "to_change": 2,
        "refused": 1,
        "changes": 5,
        "restarts": {"docker": 1, "mesos-agent": 1},
    }
    assert [agent["restarts"] for agent in told["agents"]] == [["docker", "mesos-agent"], [], []]
    assert told["agents"][0]["changes"][0] == {
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

    assert told["total"]["restarts"] == {"mesos-agent": 1}


def test_csv_has_a_line_for_each_change_and_for_each_agent_without_any() -> None:
    hosts = [build_host(0, restarts=(StepName.DOCKER_CLUSTER_STORE,)), FakeHost("agent1.test", "S1")]
    hosts[0].todo[StepName.CNI] = Change('=cmd|"calc"', "a, b", "none")

    rows = list(csv.reader(io.StringIO(format_csv(look(hosts)))))

    assert tuple(rows[0]) == COLUMNS
    assert rows[1:] == [
        ["agent0.test", "docker-cluster-store", "does docker-cluster-store", "facts ask for it", "none", "docker"],
        ["agent0.test", "cni", '\'=cmd|"calc"', "a, b", "none", ""],
        ["agent1.test", "", "nothing to do", "", "", ""],
    ]
