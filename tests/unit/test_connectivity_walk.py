"""The connectivity test as a part of the walk: no further agent begins before what was completed passed."""

from __future__ import annotations

from dataclasses import replace

from calico_dcos.core.command import Outcome as Answer
from calico_dcos.core.connectivity import Outcome, StartRun
from calico_dcos.core.connectivity_walk import RETRY_S, WALK, find_test_gate
from calico_dcos.core.model import Mark
from calico_dcos.core.pace import Pace
from tests.unit.test_connectivity import command, get_run, list_failures
from tests.unit.walking import FakeCluster, build_host, build_policy


def build_cluster(agents: int) -> FakeCluster:
    hosts = [build_host(number) for number in range(1, agents + 1)]
    return FakeCluster(hosts, build_policy(pace=Pace(tests=True)))


def count_complete(cluster: FakeCluster) -> int:
    return len(cluster.state.agents) - len(cluster.state.unsettled)


def test_one_complete_agent_has_nobody_to_reach_for_and_the_walk_goes_on_to_the_second() -> None:
    cluster = build_cluster(2)
    cluster.run_until(lambda: count_complete(cluster) == 1)
    assert cluster.state.connectivity is None
    assert find_test_gate(cluster.state) is None
    cluster.run_until(lambda: count_complete(cluster) == 2)


def test_every_agent_is_tested_before_the_next_begins() -> None:
    cluster = build_cluster(4)
    begun_untested: list[str] = []

    def is_over() -> bool:
        state = cluster.state
        if state.slots and len(state.untested) > 1:
            begun_untested.extend(state.slots)
        return cluster.is_complete() and not state.untested

    cluster.run_until(is_over)
    assert begun_untested == []
    assert set(cluster.state.tested) == {f"agent{number}.test" for number in range(1, 5)}
    assert (get_run(cluster).who, get_run(cluster).outcome) == (WALK, Outcome.PASSED)
    assert not any(host.trials for host in cluster.hosts.values())


def test_the_walk_waits_where_the_test_fails_says_why_and_tries_again() -> None:
    cluster = build_cluster(3)
    cluster.hosts["S1"].failures["tcp"] = "no answer within 3 s"
    cluster.run_until(lambda: cluster.state.connectivity is not None and get_run(cluster).is_over)
    for _ in range(50):
        cluster.step()
    assert count_complete(cluster) == 2
    assert find_test_gate(cluster.state) == (
        "the walk waits: agent1.test -> agent2.test: mesos tcp: failed: no answer within 3 s: mend it, and run the "
        "connectivity test again"
    )
    assert not cluster.state.slots
    failed = get_run(cluster).id
    cluster.hosts["S1"].failures.clear()
    cluster.step(RETRY_S)
    cluster.run_until(lambda: count_complete(cluster) == 3)
    assert get_run(cluster).id != failed


def test_an_operators_own_run_lets_the_walk_go_on_at_once() -> None:
    cluster = build_cluster(3)
    cluster.hosts["S1"].failures["tcp"] = "no answer within 3 s"
    cluster.run_until(lambda: cluster.state.connectivity is not None and get_run(cluster).is_over)
    cluster.hosts["S1"].failures.clear()
    began_at = cluster.now
    assert command(cluster, StartRun(who="eve")).outcome is Answer.ACCEPTED
    cluster.run_until(lambda: count_complete(cluster) == 3)
    assert cluster.now - began_at < RETRY_S
    assert list_failures(get_run(cluster)) == []


def test_an_agent_that_cannot_take_part_keeps_nobody_waiting() -> None:
    cluster = build_cluster(3)
    cluster.run_until(lambda: count_complete(cluster) == 1)
    first = next(key for key in cluster.state.agents if key not in cluster.state.unsettled)
    paused = replace(cluster.state.agents[first], pause=Mark(1.0, "eve"))
    cluster.state = cluster.state.with_agent(paused).saved()
    cluster.run_until(cluster.is_complete)
    cluster.run_until(lambda: set(cluster.state.tested) == set(cluster.state.agents) - {first})


def test_where_it_is_off_nothing_is_tested_by_itself() -> None:
    cluster = FakeCluster([build_host(1), build_host(2)], build_policy())
    cluster.run_until(cluster.is_complete)
    cluster.step(1000)
    assert cluster.state.connectivity is None
