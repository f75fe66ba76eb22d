"""The walk as a whole, against a cluster in memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from calico_dcos.core.actions import Acknowledge, Exit, Kill, Launch, Reconcile, Revive
from calico_dcos.core.events import (
    Disconnected,
    Failed,
    Inspected,
    OffersReceived,
    Rejected,
    RosterAgent,
    RosterRead,
    Subscribed,
    TaskUpdated,
)
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Change, Inspection, Status, StepName, TaskState
from calico_dcos.core.plan import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

CNI = StepName.CNI
DOCKER = StepName.DOCKER_CLUSTER_STORE
RESTART = StepName.AGENT_RESTART
NODE = StepName.CALICO_NODE
PROXY = StepName.ETCD_PROXY


def test_walk_takes_every_agent_to_complete_step_by_step() -> None:
    hosts = [build_host(n) for n in range(1, 4)]
    cluster = FakeCluster(hosts, build_policy())

    cluster.run_until(cluster.is_complete)

    for host in hosts:
        assert host.launched == [StepName.INSPECT, PROXY, DOCKER, CNI, NODE]
    assert build_plan(cluster.state, cluster.now).status is Status.COMPLETE


def test_walk_never_holds_more_slots_than_allowed() -> None:
    cluster = FakeCluster([build_host(n) for n in range(1, 7)], build_policy(max_concurrent_agents=2))

    cluster.run_until(cluster.is_complete)

    assert cluster.most_slots == 2


def test_walk_restarts_no_more_agents_at_once_than_allowed() -> None:
    hosts = [build_host(n, restarts=(DOCKER,)) for n in range(1, 5)]
    cluster = FakeCluster(hosts, build_policy(max_concurrent_agents=4))

    cluster.run_until(cluster.is_complete)

    assert cluster.most_restarts == 1
    assert all(host.launched.count(DOCKER) == 1 for host in hosts)


def test_offers_are_answered_exactly_once() -> None:
    cluster = FakeCluster([build_host(n) for n in range(1, 4)], build_policy())

    cluster.run_until(cluster.is_complete)

    held = list(cluster.state.offers)
    assert sorted([*cluster.answered, *held]) == sorted(cluster.offered)


def test_host_on_which_everything_is_done_gets_no_changing_task() -> None:
    host = FakeHost("agent1.test", "S1")
    cluster = FakeCluster([host], build_policy())

    cluster.run_until(cluster.is_complete)

    assert host.launched == [StepName.INSPECT, PROXY, NODE]


def test_disabled_steps_are_skipped_and_say_whether_the_host_has_them() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(disabled=(CNI, RESTART, PROXY)))

    cluster.run_until(cluster.is_complete)

    assert host.launched == [StepName.INSPECT, DOCKER, NODE]
    messages = {step.name: step.message for step in build_plan(cluster.state, cluster.now).phases[0].steps}
    assert messages[CNI] == "SKIPPED (disabled; the host lacks it)"
    assert messages[RESTART] == "SKIPPED (disabled; the host already has it)"


def test_failing_step_backs_off_then_fails_its_phase_and_stops_the_walk() -> None:
    bad, good = build_host(1), build_host(2)
    bad.outcomes[DOCKER] = [TaskState.FAILED] * 9
    cluster = FakeCluster([bad, good], build_policy(max_attempts=3, backoff_s=2.0))

    cluster.run_until(lambda: bool(cluster.state.failed))

    times = [action for action in cluster.actions if isinstance(action, Launch) and action.step is DOCKER]
    assert len(times) == 3
    for _ in range(60):
        cluster.step()
    assert good.launched == [StepName.INSPECT], "an agent in ERROR keeps its slot and stops the walk"
    plan = build_plan(cluster.state, cluster.now)
    assert plan.status is Status.ERROR
    assert plan.errors == ("agent1.test: docker-cluster-store failed: made to fail",)
    assert "the walk is stopped: agent1.test failed" in plan.phases[1].message


def test_back_off_doubles() -> None:
    host = build_host(1)
    host.outcomes[CNI] = [TaskState.FAILED] * 3
    cluster = FakeCluster([host], build_policy(backoff_s=4.0))
    launches: list[float] = []

    while len(launches) < 4:
        cluster.step()
        if host.launched.count(CNI) > len(launches):
            launches.append(cluster.now)

    assert [round(b - a) for a, b in pairwise(launches)] == [4, 8, 16]


def test_service_of_a_complete_agent_is_brought_back_without_a_slot() -> None:
    first, second = build_host(1), build_host(2)
    cluster = FakeCluster([first, second], build_policy())
    cluster.run_until(lambda: "agent1.test" not in cluster.state.unsettled and bool(cluster.state.slots))
    assert list(cluster.state.slots) == ["agent2.test"]

    cluster.lose(first, NODE, TaskState.FAILED)
    cluster.step()

    assert first.launched[-1] is NODE
    assert list(cluster.state.slots) == ["agent2.test"]


def test_service_that_keeps_failing_after_completion_is_retried_for_ever() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(max_attempts=2, backoff_s=1.0, max_backoff_s=2.0, stability_s=60.0))
    cluster.run_until(cluster.is_complete)

    for _ in range(6):
        cluster.run_until(lambda: NODE in host.running.values())
        cluster.lose(host, NODE, TaskState.FAILED)

    assert not cluster.state.failed
    cluster.run_until(lambda: NODE in host.running.values())


def test_flapping_service_fails_its_phase_before_it_was_ever_stable() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(max_attempts=3, backoff_s=1.0, stability_s=30.0))

    for _ in range(3):
        cluster.run_until(lambda: NODE in host.running.values())
        cluster.lose(host, NODE, TaskState.FAILED)

    assert list(cluster.state.failed) == ["agent1.test"]
    assert list(cluster.state.slots) == ["agent1.test"]


def test_unreachable_service_is_not_replaced_before_its_agent_is_back() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    task_id = next(task_id for task_id, name in host.running.items() if name is NODE)
    host.is_offering = False
    launched = len(host.launched)

    cluster.update(task_id, host, TaskState.UNREACHABLE)
    for _ in range(10):
        cluster.step()
    assert len(host.launched) == launched

    host.is_offering = True
    cluster.run_until(lambda: not cluster.state.repairs)
    assert len(host.launched) == launched, "the task lived on, so nothing was started"


def test_unreachable_service_that_died_is_replaced_when_its_agent_is_back() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)

    cluster.lose(host, NODE, TaskState.UNREACHABLE)
    cluster.run_until(lambda: NODE in host.running.values())

    assert host.launched[-1] is NODE


def test_task_that_dies_with_the_agent_it_restarts_is_judged_by_facts() -> None:
    host = build_host(1, restarts=(RESTART,))
    host.outcomes[RESTART] = [TaskState.FAILED]
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(lambda: RESTART in host.launched)
    host.todo.pop(RESTART)

    cluster.run_until(cluster.is_complete)

    assert host.launched.count(RESTART) == 1


def test_refused_step_fails_before_anything_changes_and_recovers_when_the_host_allows_it() -> None:
    host = build_host(1)
    host.refusals[DOCKER] = "Docker 23 has no cluster-store: disable the step"
    cluster = FakeCluster([host], build_policy(recheck_s=20.0))

    cluster.run_until(lambda: bool(cluster.state.failed))
    assert list(cluster.state.failed.items()) == [("agent1.test", DOCKER)]
    assert host.launched == [StepName.INSPECT]
    phase = build_plan(cluster.state, cluster.now).phases[0]
    assert phase.message == "docker-cluster-store refused: Docker 23 has no cluster-store: disable the step"

    host.refusals.clear()
    cluster.run_until(cluster.is_complete)


def test_inspection_whose_report_is_lost_counts_as_failed() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(max_attempts=1))
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    task_id = next(iter(cluster.state.tasks))

    cluster.feed(TaskUpdated(task_id, "S1", TaskState.FINISHED))

    assert "report never arrived" in build_plan(cluster.state, cluster.now).errors[0]


def test_reported_reason_wins_over_what_mesos_says() -> None:
    host = build_host(1)
    host.outcomes[CNI] = [TaskState.FAILED]
    cluster = FakeCluster([host], build_policy())
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    task_id = next(iter(cluster.state.tasks))

    cluster.feed(
        Failed(task_id, "no space left on /var"),
        TaskUpdated(task_id, "S1", TaskState.FAILED, message="Command exited with status 1"),
    )

    assert cluster.state.agents["agent1.test"].get_step(StepName.INSPECT).reason == "no space left on /var"


def test_scheduler_that_starts_again_goes_on_where_it_was() -> None:
    hosts = [build_host(n, restarts=(DOCKER, RESTART)) for n in range(1, 4)]
    policy = build_policy()
    cluster = FakeCluster(hosts, policy)
    for _ in range(200):
        cluster.step()
        memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
        restarted = FakeCluster(hosts, policy, memory)
        restarted.now = cluster.now
        restarted._numbers = cluster._numbers
        restarted._perform(restarted.feed(Subscribed("F1", "master:5050")))
        cluster = restarted
        if cluster.is_complete():
            break

    assert cluster.is_complete()
    for host in hosts:
        assert host.launched.count(DOCKER) == 1
        assert host.launched.count(RESTART) == 1


def test_own_host_is_walked_last() -> None:
    hosts = [build_host(n) for n in range(1, 4)]
    cluster = FakeCluster(hosts, build_policy(own_host="agent1.test"))
    cluster.run_until(lambda: PROXY in hosts[0].launched)

    assert list(cluster.state.unsettled) == ["agent1.test"]


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
        assert agent.get_step(PROXY).attempts == 0


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


def test_task_that_mesos_leaves_out_of_its_answer_for_all_is_asked_after() -> None:
    """Its end got lost, so that everybody but Mesos believes that it runs."""
    hosts = [build_host(1), build_host(2)]
    cluster = FakeCluster(hosts, build_policy(reconcile_s=60.0))
    cluster.run_until(cluster.is_complete)
    node_id = next(task_id for task_id, step in hosts[0].running.items() if step is NODE)
    del hosts[0].running[node_id]

    cluster.run_until(lambda: NODE in hosts[0].running.values(), max_steps=200)
    cluster.run_until(cluster.is_complete)

    asked = [action.tasks for action in cluster.actions if isinstance(action, Reconcile)]
    assert sum(len(refs) for refs in asked) == 1
    assert [host.launched.count(NODE) for host in hosts] == [2, 1]


def test_agent_that_a_service_finds_undone_is_wanted_at_once_though_it_declined_its_offers_for_long() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    cluster.step(10)
    node_id = next(task_id for task_id, step in host.running.items() if step is NODE)
    undone = Inspection(at=0.0, settings="", changes={CNI.value: (Change("does cni", "somebody undid it", "none"),)})

    actions = cluster.feed(Inspected(node_id, undone))

    assert Revive("agent1.test is complete no more") in actions


def test_task_that_nobody_remembers_is_killed_only_after_reconciliation() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    cluster.feed(Disconnected(), Subscribed("F1", "master:5050"))

    actions = cluster.feed(TaskUpdated("stranger", "S1", TaskState.RUNNING, uuid="dQ=="))
    assert Acknowledge("stranger", "S1", "dQ==") in actions
    assert not [action for action in actions if isinstance(action, Kill)]

    answers = [
        TaskUpdated(task_id, "S1", TaskState.RUNNING, is_reconciliation=True) for task_id in cluster.state.questions
    ]
    killed = [action.task.task_id for action in cluster.feed(*answers) if isinstance(action, Kill)]
    assert killed == ["stranger"]


def test_subscription_asks_after_every_task_that_is_not_over() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)

    actions = cluster.feed(Disconnected(), Subscribed("F1", "master:5050"))

    asked = [ref.task_id for action in actions if isinstance(action, Reconcile) for ref in action.tasks]
    assert sorted(asked) == sorted(host.running)


def test_launch_without_an_answer_is_asked_after() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy(answer_timeout_s=10.0))
    cluster.feed(OffersReceived((cluster.build_offer(host),)))
    cluster.now += 11

    actions = cluster.feed()

    assert [len(action.tasks) for action in actions if isinstance(action, Reconcile)] == [1]


def test_host_that_comes_back_under_a_new_agent_id_is_looked_at_again() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    reborn = FakeHost("agent1.test", "S9")
    cluster.hosts = {"S9": reborn}
    came_back_at = cluster.now

    cluster.run_until(lambda: cluster.is_complete() and NODE in reborn.running.values())

    inspection = cluster.state.agents["agent1.test"].inspection
    assert inspection is not None
    assert inspection.at >= came_back_at
    assert list(cluster.state.agents) == ["agent1.test"]


def test_agent_that_is_never_offered_is_shown_with_the_reason() -> None:
    cluster = FakeCluster([], build_policy())
    cluster.feed(RosterRead((RosterAgent("S1", "agent1.test", "10.0.0.1", 5051, False, "1.9.0"),)))  # noqa: FBT003
    cluster.now += 300

    phase = build_plan(cluster.state, cluster.now).phases[0]

    assert phase.status is Status.PENDING
    assert phase.message == "inspect waits for an offer: none for 5 min"


def test_removed_framework_forgets_its_id_but_not_its_agents() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)

    actions = cluster.feed(Rejected("Framework has been removed"))

    assert [action for action in actions if isinstance(action, Exit)]
    assert cluster.state.framework_id is None
    cluster.feed(Subscribed("F2", "master:5050"))
    agent = cluster.state.agents["agent1.test"]
    assert agent.inspection is not None
    assert all(step.task is None or step.task.state.is_ended for step in agent.steps.values())


def test_failed_over_framework_exits_and_keeps_its_id() -> None:
    cluster = FakeCluster([], build_policy())

    actions = cluster.feed(Rejected("Framework failed over"))

    assert [action.reason for action in actions if isinstance(action, Exit)] == [
        "the master ended the subscription: Framework failed over",
    ]
    assert cluster.state.framework_id == "F1"


def test_inspection_older_than_the_known_one_changes_nothing() -> None:
    host = build_host(1)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    task_id = next(iter(host.running))
    before = cluster.state.agents["agent1.test"].inspection

    cluster.feed(Inspected(task_id, Inspection(0.0, "", {CNI.value: (Change("m", "r", "i"),)}), took_s=500.0))

    assert cluster.state.agents["agent1.test"].inspection == before
