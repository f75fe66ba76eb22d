"""What is complete and becomes undone: by other options, by a hand, or by an upgrade."""

from __future__ import annotations

from dataclasses import replace

from calico_dcos.core.actions import Action, Kill, Launch, Revive
from calico_dcos.core.events import Inspected, OffersReceived, Subscribed, TaskUpdated, Ticked
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Change, Inspection, Status, StepName, TaskState
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

CNI = StepName.CNI
DOCKER = StepName.DOCKER_CLUSTER_STORE
RESTART = StepName.AGENT_RESTART
NODE = StepName.CALICO_NODE
PROXY = StepName.ETCD_PROXY


def test_disabled_steps_are_skipped_and_say_whether_the_host_has_them() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(disabled=(CNI, RESTART, PROXY)))

    cluster.run_until(cluster.is_complete)

    assert host.launched == [StepName.INSPECT, DOCKER, NODE]
    messages = {step.name: step.message for step in build_plan(cluster.state, cluster.now).phases[0].steps}
    assert messages[CNI] == "SKIPPED (disabled; the host lacks it: facts ask for it)"
    assert messages[RESTART] == "SKIPPED (disabled; the host already has it: agent-restart was seen)"


def test_drift_is_found_by_the_verification_and_mended_with_a_slot() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(verify_interval_s=50.0))
    cluster.run_until(cluster.is_complete)
    host.todo[CNI] = Change("writes calico.conf", "calico.conf is missing", "none")

    cluster.run_until(lambda: "agent1.test" in cluster.state.unsettled)
    cluster.run_until(cluster.is_complete)

    assert host.launched.count(CNI) == 2
    assert any(
        "cni undone: calico.conf is missing" in note.text for note in cluster.state.agents["agent1.test"].history
    )


def test_a_verification_that_is_lost_leaves_the_plan_complete() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(verify_interval_s=50.0))
    cluster.run_until(cluster.is_complete)
    looks = host.launched.count(StepName.INSPECT)
    cluster.now += 60.0
    cluster.feed(OffersReceived((cluster.build_offer(host),)))

    inspect = cluster.state.agents["agent1.test"].get_step(StepName.INSPECT)
    assert inspect.task is not None
    assert inspect.task.state is TaskState.LAUNCHED
    plan = build_plan(cluster.state, cluster.now)
    assert plan.status is Status.COMPLETE
    assert plan.phases[0].steps[0].message == "verifies what is complete"
    assert host.launched.count(StepName.INSPECT) == looks


def test_changed_settings_end_the_service_and_start_it_anew_in_a_slot() -> None:
    host = build_host(1)
    policy = build_policy()
    cluster = FakeCluster([host], policy)
    cluster.run_until(cluster.is_complete)
    steps = tuple(replace(spec, settings="new") if spec.name is NODE else spec for spec in policy.steps)
    memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
    changed = FakeCluster([host], replace(policy, steps=steps), memory)
    changed._numbers = cluster._numbers
    changed._perform(changed.feed(Subscribed("F1", "master:5050")))

    changed.run_until(changed.is_complete)

    assert host.launched.count(NODE) == 2
    assert host.launched.count(PROXY) == 1
    assert sum(isinstance(action, Kill) for action in changed.actions) == 1


def test_service_that_is_switched_off_ends_once_the_others_go_without_it_one_agent_at_a_time() -> None:
    hosts = [build_host(1), build_host(2)]
    policy = build_policy()
    cluster = FakeCluster(hosts, policy)
    cluster.run_until(cluster.is_complete)
    steps = tuple(replace(spec, settings="new") if spec.name is NODE else spec for spec in policy.steps)
    steps = tuple(replace(spec, is_enabled=False) if spec.name is PROXY else spec for spec in steps)
    memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
    changed = FakeCluster(hosts, replace(policy, steps=steps), memory)
    changed._numbers = cluster._numbers
    changed._perform(changed.feed(Subscribed("F1", "master:5050")))

    changed.run_until(changed.is_complete)

    ended = [action.task.task_id.partition(".")[0] for action in changed.actions if isinstance(action, Kill)]
    assert ended == [NODE.value, PROXY.value] * 2
    assert [sorted(name.value for name in host.running.values()) for host in hosts] == [[NODE.value]] * 2
    assert changed.most_slots == 1
    for agent in changed.state.agents.values():
        proxy = agent.get_step(PROXY).task
        assert proxy is not None
        assert agent.inspection is not None
        assert agent.settled_at is not None
        assert agent.inspection.at >= proxy.since
        assert agent.settled_at >= proxy.since + policy.stability_s
        assert agent.get_step(PROXY).backoff.tries == 0


def build_switched_off() -> tuple[FakeCluster, FakeHost, str]:
    """A complete agent, of which nothing changes but that the proxy, which runs as this task, is wanted no more."""
    host = build_host(1)
    policy = build_policy()
    cluster = FakeCluster([host], policy)
    cluster.run_until(cluster.is_complete)
    steps = tuple(replace(spec, is_enabled=spec.name is not PROXY) for spec in policy.steps)
    memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
    changed = FakeCluster([host], replace(policy, steps=steps), memory)
    changed._numbers, changed.now = cluster._numbers, cluster.now
    changed._perform(changed.feed(Subscribed("F1", "master:5050")))
    return changed, host, next(task_id for task_id, step in host.running.items() if step is PROXY)


def test_agent_is_complete_only_once_the_others_were_stable_without_what_is_switched_off() -> None:
    cluster, host, _ = build_switched_off()

    cluster.run_until(cluster.is_complete)

    (agent,) = cluster.state.agents.values()
    proxy = agent.get_step(PROXY).task
    assert proxy is not None
    assert agent.settled_at is not None
    assert list(host.running.values()) == [NODE]
    assert agent.settled_at >= proxy.since + cluster.state.policy.stability_s


def test_service_that_is_ending_is_not_killed_a_second_time() -> None:
    cluster, host, task_id = build_switched_off()
    cluster.run_until(lambda: any(isinstance(action, Launch) for action in cluster.actions))
    cluster.now += 1
    first: list[Action] = cluster.feed(OffersReceived((cluster.build_offer(host),)))
    assert len([action for action in first if isinstance(action, Kill)]) == 1

    again = cluster.feed(TaskUpdated(task_id, host.agent_id, TaskState.KILLING, uuid="dQ=="))
    again += cluster.feed(Ticked())

    assert not [action for action in again if isinstance(action, Kill)]


def test_what_a_task_sees_counts_for_the_options_that_it_was_launched_with_and_for_no_newer_ones() -> None:
    host = build_host(1)
    policy = build_policy()
    cluster = FakeCluster([host], policy)
    cluster.run_until(cluster.is_complete)
    node_id = next(task_id for task_id, step in host.running.items() if step is NODE)
    steps = tuple(replace(spec, settings="new") if spec.name is CNI else spec for spec in policy.steps)
    memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
    changed = FakeCluster([host], replace(policy, steps=steps), memory)

    changed.now = cluster.now + 1
    changed.feed(Inspected(node_id, Inspection(at=0.0, settings="")))

    assert "agent1.test" in changed.state.unsettled
    changed._numbers = cluster._numbers
    host.todo[CNI] = Change("does cni", "the options changed", "none")
    changed.run_until(lambda: changed.is_complete() and not host.todo)
    changed.now += 1
    changed.feed(Inspected(node_id, Inspection(at=0.0, settings="", changes={CNI.value: (Change("old", "", ""),)})))
    assert changed.is_complete()
    assert host.launched.count(CNI) == 2


def test_agent_that_a_service_finds_undone_is_wanted_at_once_though_it_declined_its_offers_for_long() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    cluster.step(10)
    node_id = next(task_id for task_id, step in host.running.items() if step is NODE)
    undone = Inspection(at=0.0, settings="", changes={CNI.value: (Change("does cni", "somebody undid it", "none"),)})

    actions = cluster.feed(Inspected(node_id, undone))

    assert Revive("agent1.test is complete no more") in actions


def test_inspection_older_than_the_known_one_changes_nothing() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    task_id = next(iter(host.running))
    before = cluster.state.agents["agent1.test"].inspection

    cluster.feed(Inspected(task_id, Inspection(0.0, "", {CNI.value: (Change("m", "r", "i"),)}), took_s=500.0))

    assert cluster.state.agents["agent1.test"].inspection == before
