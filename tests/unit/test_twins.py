"""Several agents of one name, as where all of them are started with the hostname localhost."""

from __future__ import annotations

from dataclasses import replace

from calico_dcos.core.actions import Kill, Launch
from calico_dcos.core.events import Disconnected, OffersReceived, RosterAgent, RosterRead, Subscribed, TaskUpdated
from calico_dcos.core.model import StepName, TaskState
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

NAME = "localhost"


def build_twins() -> list[FakeHost]:
    return [replace(build_host(number), hostname=NAME) for number in (1, 2)]


def list_hosts(hosts: list[FakeHost], *, away: tuple[FakeHost, ...] = ()) -> RosterRead:
    agents = [
        RosterAgent(host.agent_id, host.hostname, f"10.0.0.{number}", 5051, False, "1.9.0", host not in away)  # noqa: FBT003
        for number, host in enumerate(hosts)
    ]
    return RosterRead(tuple(agents))


def test_agents_of_one_name_are_left_alone_and_told_of_while_others_are_walked() -> None:
    twins, other = build_twins(), build_host(3)
    cluster = FakeCluster([*twins, other], build_policy())
    cluster.feed(list_hosts([*twins, other]))

    cluster.run_until(lambda: "agent3.test" in cluster.state.agents and "agent3.test" not in cluster.state.unsettled)

    assert twins[0].launched == twins[1].launched == []
    (phase,) = (phase for phase in build_plan(cluster.state, cluster.now).phases if phase.name == NAME)
    assert phase.message == "2 agents of Mesos go by this name: start each with a --hostname of its own"
    assert not set(cluster.offered) - set(cluster.answered)


def test_what_is_known_of_one_of_them_is_not_taken_for_the_other() -> None:
    first, second = build_twins()
    cluster = FakeCluster([first], build_policy())
    cluster.run_until(cluster.is_complete)
    known = cluster.state.agents[NAME]

    cluster.hosts[second.agent_id] = second
    cluster.feed(list_hosts([first, second]))
    for _ in range(20):
        cluster.step()

    assert cluster.state.agents[NAME].agent_id == known.agent_id
    assert cluster.state.agents[NAME].steps == known.steps
    assert second.launched == []
    assert StepName.CALICO_NODE in first.running.values()


def test_the_name_is_walked_once_it_belongs_to_one_agent() -> None:
    first, second = build_twins()
    cluster = FakeCluster([first], build_policy())
    cluster.feed(list_hosts([first, second]))
    cluster.step()

    cluster.feed(list_hosts([first]))

    cluster.run_until(cluster.is_complete)


def test_an_agent_that_left_and_came_back_under_another_id_is_no_twin() -> None:
    first, second = build_twins()
    cluster = FakeCluster([first], build_policy())
    cluster.run_until(cluster.is_complete)
    del cluster.hosts[first.agent_id]
    cluster.hosts[second.agent_id] = second

    cluster.feed(list_hosts([first, second], away=(first,)), OffersReceived((cluster.build_offer(second),)))

    assert cluster.state.agents[NAME].agent_id == second.agent_id


def build_complete() -> tuple[FakeCluster, FakeHost, FakeHost]:
    first, second = build_twins()
    cluster = FakeCluster([first], build_policy())
    cluster.run_until(cluster.is_complete)
    cluster.hosts[second.agent_id] = second
    cluster.actions.clear()
    return cluster, first, second


def test_second_machine_of_a_name_is_left_alone_though_it_is_offered_before_the_master_lists_it() -> None:
    cluster, first, second = build_complete()
    known = cluster.state.agents[NAME]

    for _ in range(30):
        cluster.step()

    assert second.launched == []
    assert cluster.state.agents[NAME].steps == known.steps
    cluster.feed(list_hosts([first, second]))
    cluster.step()
    assert not [action for action in cluster.actions if isinstance(action, Kill | Launch)]
    assert "2 agents of Mesos go by this name" in build_plan(cluster.state, cluster.now).phases[0].message
    assert not set(cluster.offered) - set(cluster.answered)


def test_nothing_is_launched_or_killed_on_a_new_subscription_before_the_master_listed_its_agents() -> None:
    cluster, first, second = build_complete()
    node = next(task_id for task_id, step in first.running.items() if step is StepName.CALICO_NODE)
    cluster.lists_agents = False
    cluster.feed(Disconnected(), Subscribed("F1", "another:5050"))
    cluster.feed(TaskUpdated(node, first.agent_id, TaskState.FAILED))
    cluster.feed(TaskUpdated("cni.of-nobody", first.agent_id, TaskState.RUNNING))

    for _ in range(30):
        cluster.step()
    assert not [action for action in cluster.actions if isinstance(action, Kill | Launch)]

    # One that was asked for before says nothing of who is there now.
    cluster.feed(replace(list_hosts([first]), took_s=3600.0))
    for _ in range(3):
        cluster.step()
    assert not [action for action in cluster.actions if isinstance(action, Kill | Launch)]

    cluster.feed(list_hosts([first]))
    del first.running[node]
    del cluster.hosts[second.agent_id]
    cluster.run_until(lambda: StepName.CALICO_NODE in first.running.values())
    assert [action.task.task_id for action in cluster.actions if isinstance(action, Kill)] == ["cni.of-nobody"]


def test_list_with_an_agent_that_makes_no_sense_makes_nobody_absent() -> None:
    cluster, *_ = build_complete()
    cluster.now += 10_000.0

    cluster.feed(RosterRead((), unread=1))
    assert not cluster.state.absent

    cluster.feed(RosterRead(()))
    assert list(cluster.state.absent) == [NAME]
