"""Agents that leave the cluster, for a while or for good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calico_dcos.core.actions import Kill, Revive
from calico_dcos.core.command import Command, CommandName, Outcome
from calico_dcos.core.controls import judge
from calico_dcos.core.events import (
    Commanded,
    Disconnected,
    OffersReceived,
    RosterAgent,
    RosterRead,
    Subscribed,
    TaskUpdated,
)
from calico_dcos.core.memory import Batch
from calico_dcos.core.model import Status, StepName, TaskState
from calico_dcos.core.state import State
from calico_dcos.web.overview import Overview, refresh_overview
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

FORGET_S = 600.0
POLICY = build_policy(forget_after_s=FORGET_S, reregister_s=0.0)


def read_roster(*hosts: FakeHost) -> RosterRead:
    """What the master says when it knows these hosts."""
    return RosterRead(
        tuple(
            RosterAgent(host.agent_id, host.hostname, "10.0.0.1", 5051, is_public=False, mesos_version="1.9.0")
            for host in hosts
        )
    )


def leave(cluster: FakeCluster, gone: FakeHost) -> None:
    """Let a host disappear, and the master notice."""
    gone.is_offering = False
    cluster.now += 1
    cluster.feed(read_roster(*(host for host in cluster.hosts.values() if host is not gone)))


def end_tasks(cluster: FakeCluster, gone: FakeHost) -> None:
    """Let everybody know that nothing runs on a host any more."""
    for task_id in list(gone.running):
        del gone.running[task_id]
        cluster.feed(TaskUpdated(task_id, gone.agent_id, TaskState.GONE))


def forget_by_time(cluster: FakeCluster, gone: FakeHost) -> None:
    cluster.now += FORGET_S
    cluster.feed(read_roster(*(host for host in cluster.hosts.values() if host is not gone)))


def explain(state: State, host: FakeHost, now: float) -> str:
    plan = build_plan(state, now)
    return next(phase.message for phase in plan.phases if phase.name == host.hostname)


def build_walked(count: int) -> tuple[FakeCluster, list[FakeHost]]:
    hosts = [build_host(number + 1) for number in range(count)]
    cluster = FakeCluster(hosts, POLICY)
    cluster.run_until(cluster.is_complete)
    return cluster, hosts


def build_cut_short() -> tuple[FakeCluster, list[FakeHost], FakeHost]:
    """A walk of which the first host died in its slot."""
    hosts = [build_host(number + 1) for number in range(2)]
    cluster = FakeCluster(hosts, POLICY)
    cluster.run_until(lambda: bool(cluster.state.slots) and StepName.ETCD_PROXY in hosts[0].running.values())
    return cluster, hosts, hosts[0]


def test_agent_that_left_says_so_and_leaves_the_plan_after_its_time() -> None:
    cluster, hosts = build_walked(2)

    leave(cluster, hosts[1])

    told = "not registered with the Mesos master for 0 s; leaves the plan after 10 min"
    end_tasks(cluster, hosts[1])
    assert explain(cluster.state, hosts[1], cluster.now) == told
    forget_by_time(cluster, hosts[1])
    assert list(cluster.state.agents) == [hosts[0].hostname]
    assert [phase.name for phase in build_plan(cluster.state, cluster.now).phases] == [hosts[0].hostname]
    assert build_plan(cluster.state, cluster.now).status is Status.COMPLETE


def test_forgotten_agent_leaves_nothing_behind() -> None:
    cluster, hosts = build_walked(1)
    agent = cluster.state.agents[hosts[0].hostname]
    state = cluster.state.with_agent(replace(agent, ip="10.0.0.9"))
    assert [one.key for one in state.build_batch().agents] == [agent.key]

    state = state.without_agent(agent.key)

    assert state.build_batch() == Batch(forgotten=(agent.key,))
    empty = FakeCluster([], POLICY).state
    known = ("agents", "keys_by_id", "tasks", "questions", "slots", "unsettled", "repairs", "offered_at", "absent")
    for name in (*known, "changed", "inspecting"):
        assert getattr(state, name) == getattr(empty, name), name
    assert state.with_agent(agent).build_batch() == Batch(agents=(agent,))


def test_agent_that_comes_back_in_time_is_as_it_was() -> None:
    cluster, hosts = build_walked(2)
    leave(cluster, hosts[1])

    cluster.feed(read_roster(*hosts))

    assert cluster.state.agents[hosts[1].hostname].absent_since is None
    assert not cluster.state.absent
    assert cluster.is_complete()


def test_agent_that_is_offered_is_there() -> None:
    cluster, hosts = build_walked(2)
    leave(cluster, hosts[1])
    hosts[1].is_offering = True

    cluster.step()

    assert not cluster.state.absent


def test_new_master_that_knows_nobody_yet_makes_nobody_absent() -> None:
    hosts = [build_host(number + 1) for number in range(2)]
    cluster = FakeCluster(hosts, replace(POLICY, reregister_s=600.0))
    cluster.run_until(cluster.is_complete)
    cluster.feed(Disconnected(), Subscribed("F1", "another:5050"))

    cluster.now += 599
    cluster.feed(RosterRead(()))
    assert not cluster.state.absent

    cluster.now += 1
    cluster.feed(read_roster(hosts[0]))
    assert list(cluster.state.absent) == [hosts[1].hostname]


def test_no_offers_are_asked_for_on_account_of_an_agent_that_is_not_there() -> None:
    cluster, _, dead = build_cut_short()
    dead.is_offering = False
    for task_id in list(dead.running):
        cluster.feed(TaskUpdated(task_id, dead.agent_id, TaskState.UNREACHABLE))
    leave(cluster, dead)
    cluster.actions.clear()

    for _ in range(30):
        cluster.step()

    assert not [action for action in cluster.actions if isinstance(action, Revive)]


def test_agent_whose_attributes_changed_is_taken_in_as_it_is_now() -> None:
    cluster, hosts = build_walked(1)
    offer = replace(cluster.build_offer(hosts[0]), ip="10.0.0.9", is_public=True)

    cluster.feed(OffersReceived((offer,)))

    agent = cluster.state.agents[hosts[0].hostname]
    assert (agent.ip, agent.is_public) == ("10.0.0.9", True)
    assert cluster.is_complete()


def test_agent_whose_offers_are_too_small_waits_and_says_what_it_lacks() -> None:
    hosts = [build_host(number + 1) for number in range(2)]
    hosts[0].is_offering = False
    cluster = FakeCluster(hosts, POLICY)
    cluster.feed(read_roster(*hosts))
    offer = cluster.build_offer(hosts[0])
    small = tuple(replace(part, amount=0.01) if part.name == "cpus" else part for part in offer.resources)

    cluster.feed(OffersReceived((replace(offer, resources=small),)))

    cluster.run_until(lambda: hosts[1].hostname not in cluster.state.unsettled)
    assert explain(cluster.state, hosts[0], cluster.now).startswith("no offer with 0.1 cpus and 32 MB of memory for ")
    hosts[0].is_offering = True
    cluster.run_until(cluster.is_complete)


def test_agent_that_an_operator_marked_as_gone_is_absent() -> None:
    cluster, hosts = build_walked(2)
    task_id = next(iter(hosts[1].running))

    cluster.feed(TaskUpdated(task_id, hosts[1].agent_id, TaskState.GONE_BY_OPERATOR))

    assert list(cluster.state.absent) == [hosts[1].hostname]


def test_own_host_is_walked_though_another_agent_is_not_there() -> None:
    hosts = [build_host(number + 1) for number in range(2)]
    cluster = FakeCluster(hosts, replace(POLICY, own_host=hosts[0].hostname))
    cluster.feed(read_roster(*hosts))
    leave(cluster, hosts[1])

    cluster.run_until(lambda: hosts[0].hostname not in cluster.state.unsettled)


def test_agent_that_holds_a_slot_is_forgotten_by_an_operator_only() -> None:
    cluster, hosts, dead = build_cut_short()
    leave(cluster, dead)
    forget_by_time(cluster, dead)
    told = (
        "stays in the plan until it is back, or an operator forgets it: it holds a slot, nobody knows that etcd-proxy"
    )
    assert told in explain(cluster.state, dead, cluster.now)

    command = Command(CommandName.FORGET, dead.hostname, who="ann", reason="the machine burnt")
    cluster.feed(Commanded(command, "T"))

    assert dead.hostname not in cluster.state.agents
    (entry,) = cluster.state.audit.values()
    assert (entry.command, entry.agent, entry.reason) == ("forget", dead.hostname, "the machine burnt")
    cluster.run_until(lambda: not cluster.state.unsettled)
    assert StepName.CALICO_NODE in hosts[1].running.values()


def test_agent_that_is_there_is_not_forgotten() -> None:
    cluster, hosts = build_walked(1)

    verdict = judge(cluster.state, Command(CommandName.FORGET, hosts[0].hostname), cluster.now)

    assert (verdict.outcome, verdict.forgotten) == (Outcome.REFUSED, ())
    assert "take it out of the cluster first" in verdict.message
    assert judge(cluster.state, Command(CommandName.FORGET), cluster.now).message == "forget is for one agent: name it"


def forget_by_hand(cluster: FakeCluster, gone: FakeHost) -> None:
    leave(cluster, gone)
    cluster.feed(Commanded(Command(CommandName.FORGET, gone.hostname), "T"))
    assert gone.hostname not in cluster.state.agents


def test_forgotten_agent_that_returns_is_met_anew_and_its_services_are_adopted() -> None:
    cluster, hosts = build_walked(2)
    back = hosts[1]
    forget_by_hand(cluster, back)
    before, running = list(back.launched), dict(back.running)
    back.is_offering = True
    cluster.actions.clear()

    # They are heard of before their agent is.
    for task_id in list(back.running):
        cluster._perform(cluster.feed(TaskUpdated(task_id, back.agent_id, TaskState.RUNNING, uuid="dQ==")))
    cluster.run_until(cluster.is_complete)

    assert not [action for action in cluster.actions if isinstance(action, Kill)]
    assert back.launched[len(before) :] == [StepName.INSPECT]
    assert back.running == running
    agent = cluster.state.agents[back.hostname]
    assert {task_id for step in agent.steps.values() if step.task for task_id in [step.task.id]} >= set(running)


def test_adopted_service_with_settings_that_are_wanted_no_more_is_ended_in_a_slot() -> None:
    cluster, hosts = build_walked(2)
    back = hosts[1]
    forget_by_hand(cluster, back)
    back.running = {f"{name.value}.of-an-older-release": name for name in back.running.values()}
    back.is_offering = True
    cluster.actions.clear()
    for task_id in list(back.running):
        cluster._perform(cluster.feed(TaskUpdated(task_id, back.agent_id, TaskState.RUNNING, uuid="dQ==")))

    cluster.run_until(lambda: any(isinstance(action, Kill) for action in cluster.actions))
    assert list(cluster.state.slots) == [back.hostname]

    cluster.run_until(cluster.is_complete)


def test_second_task_of_one_service_is_ended() -> None:
    cluster, hosts = build_walked(1)

    actions = cluster.feed(TaskUpdated("calico-node.second.ab-cd", hosts[0].agent_id, TaskState.RUNNING, uuid="dQ=="))

    assert [action.task.task_id for action in actions if isinstance(action, Kill)] == ["calico-node.second.ab-cd"]


@pytest.mark.parametrize("word", [CommandName.SKIP, CommandName.PAUSE])
def test_agent_with_an_operators_word_on_it_keeps_it_however_long_it_is_away(word: CommandName) -> None:
    cluster, hosts = build_walked(2)
    back = hosts[1]
    step = StepName.DOCKER_CLUSTER_STORE if word is CommandName.SKIP else None
    command = Command(word, back.hostname, step, who="ann", reason="never touch Docker here")
    cluster.feed(Commanded(command, "T"))
    leave(cluster, back)
    end_tasks(cluster, back)

    forget_by_time(cluster, back)

    assert "an operator's word is on it" in explain(cluster.state, back, cluster.now)
    agent = cluster.state.agents[back.hostname]
    mark = agent.pause if step is None else agent.get_step(step).skip
    assert mark is not None
    assert mark.reason == "never touch Docker here"


def test_agent_of_which_nobody_knows_that_its_tasks_ended_is_not_forgotten_and_nothing_of_it_is_killed() -> None:
    cluster, hosts = build_walked(2)
    back = hosts[1]
    for task_id in back.running:
        cluster.feed(TaskUpdated(task_id, back.agent_id, TaskState.UNREACHABLE))
    leave(cluster, back)
    forget_by_time(cluster, back)
    assert "nobody knows that etcd-proxy, calico-node ended there" in explain(cluster.state, back, cluster.now)
    launched = list(back.launched)
    cluster.actions.clear()

    back.is_offering = True
    cluster.run_until(lambda: not cluster.state.absent and cluster.is_complete())

    assert not [action for action in cluster.actions if isinstance(action, Kill)]
    assert StepName.DOCKER_CLUSTER_STORE not in back.launched[len(launched) :]


def test_overview_drops_the_phase_of_a_forgotten_agent() -> None:
    cluster, hosts = build_walked(2)
    before = refresh_overview(Overview(), cluster.state, cluster.now)
    leave(cluster, hosts[1])
    end_tasks(cluster, hosts[1])
    between = refresh_overview(before, cluster.state, cluster.now)
    assert between.plan.phases[1].message.startswith("not registered")
    forget_by_time(cluster, hosts[1])

    after = refresh_overview(between, cluster.state, cluster.now)

    assert after.plan == build_plan(cluster.state, cluster.now)
    assert [phase.name for phase in after.plan.phases] == [hosts[0].hostname]
