"""The connectivity test: who takes part, how it goes on whatever gets lost, and what is left of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calico_dcos.core.actions import Kill, LaunchTrial, Reply
from calico_dcos.core.command import Outcome as Answer
from calico_dcos.core.command import Verdict
from calico_dcos.core.connectivity import (
    MAX_PROBES,
    OFFER_TIMEOUT_S,
    PROBE_TIMEOUT_S,
    START_TIMEOUT_S,
    Outcome,
    Run,
    RunCommand,
    StartRun,
    StopRun,
    TrialKind,
)
from calico_dcos.core.connectivity_run import find_bar, obey_run_command, spread
from calico_dcos.core.events import Commanded, Disconnected, OffersReceived, Subscribed, TaskUpdated
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Mark, StepName, TaskState
from calico_dcos.core.restoring import restore
from calico_dcos.store.codec import decode, encode
from tests.unit.walking import HOST_IP, FakeCluster, build_host, build_policy

TICKET = "0123456789abcdef0123456789abcdef"


def build_complete_cluster(agents: int, *, disabled: tuple[StepName, ...] = ()) -> FakeCluster:
    cluster = FakeCluster([build_host(number) for number in range(1, agents + 1)], build_policy(disabled=disabled))
    cluster.run_until(cluster.is_complete)
    return cluster


def command(cluster: FakeCluster, wanted: RunCommand) -> Verdict:
    actions = cluster.feed(Commanded(wanted, TICKET))
    cluster._perform(actions)
    return next(action.verdict for action in actions if isinstance(action, Reply))


def get_run(cluster: FakeCluster) -> Run:
    assert cluster.state.connectivity is not None
    return cluster.state.connectivity


def run_to_the_end(cluster: FakeCluster, *agents: str) -> Run:
    assert command(cluster, StartRun(agents)).outcome is Answer.ACCEPTED
    cluster.run_until(lambda: get_run(cluster).is_over)
    cluster.step(30)
    cluster.step(30)
    return get_run(cluster)


def list_failures(run: Run) -> list[str]:
    return [
        f"{pair.client} -> {pair.server}: {result.test} {result.action}: {result.message}"
        for pair in run.pairs
        for result in pair.results
        if result.outcome is Outcome.FAILED
    ]


def test_each_agent_reaches_for_the_next_one_and_the_last_for_the_first() -> None:
    cluster = build_complete_cluster(3)
    run = run_to_the_end(cluster)
    assert [(pair.client, pair.server) for pair in run.pairs] == [
        ("agent1.test", "agent2.test"),
        ("agent2.test", "agent3.test"),
        ("agent3.test", "agent1.test"),
    ]
    assert run.outcome is Outcome.PASSED
    assert {(result.test, result.action) for pair in run.pairs for result in pair.results} == {
        ("mesos", "tcp"),
        ("mesos", "ping"),
        ("docker", "tcp"),
        ("docker", "ping"),
    }


def test_nothing_of_a_run_is_left_when_it_is_over() -> None:
    cluster = build_complete_cluster(3)
    run_to_the_end(cluster)
    assert [host.trials for host in cluster.hosts.values()] == [{}, {}, {}]
    assert all(trial.state.is_ended for trial in get_run(cluster).list_trials())
    assert not cluster.state.questions


def test_the_walk_is_not_disturbed() -> None:
    cluster = build_complete_cluster(3)
    before = {key: agent.steps for key, agent in cluster.state.agents.items()}
    run_to_the_end(cluster)
    assert {key: agent.steps for key, agent in cluster.state.agents.items()} == before
    assert not cluster.state.slots
    assert cluster.is_complete()
    assert all(len(host.running) == 2 for host in cluster.hosts.values())


def test_workloads_are_on_the_network_each_under_a_label_of_its_own_and_all_else_on_the_host() -> None:
    cluster = build_complete_cluster(3)
    run_to_the_end(cluster)
    launches = [action for action in cluster.actions if isinstance(action, LaunchTrial)]
    workloads = [one for one in launches if one.kind is TrialKind.WORKLOAD]
    assert len(workloads) == len({tuple(one.labels.items()) for one in workloads}) == 3
    assert {one.kind for one in launches if one.is_on_network} == {TrialKind.WORKLOAD}
    probe = next(one for one in launches if one.kind is TrialKind.PROBE and one.agent_key == "agent1.test")
    assert probe.order["mesos"]["server_address"] == "192.168.0.2"
    assert list(workloads[1].labels.items()) == [tuple(probe.order["mesos"]["label"].values())]


def test_one_agent_makes_the_docker_network_before_the_others_look_for_it() -> None:
    cluster = build_complete_cluster(3)
    run_to_the_end(cluster)
    makes = [
        action.order["makes_network"]
        for action in cluster.actions
        if isinstance(action, LaunchTrial) and action.kind is TrialKind.CONTAINER
    ]
    assert makes == [True, False, False]


def test_only_what_is_configured_is_tested_and_the_rest_says_why_not() -> None:
    cluster = build_complete_cluster(2, disabled=(StepName.DOCKER_CLUSTER_STORE,))
    run = run_to_the_end(cluster)
    assert run.tests == ("mesos",)
    assert run.left_out == {"docker": "the step docker-cluster-store is off"}
    assert run.outcome is Outcome.PASSED


def test_a_failure_is_told_with_its_pair_and_fails_the_run() -> None:
    cluster = build_complete_cluster(3)
    cluster.hosts["S2"].failures["ping"] = "100 % lost"
    run = run_to_the_end(cluster)
    assert list_failures(run) == [
        "agent2.test -> agent3.test: mesos ping: 100 % lost",
        "agent2.test -> agent3.test: docker ping: 100 % lost",
    ]
    assert run.outcome is Outcome.FAILED


def test_a_workload_that_mesos_cannot_start_fails_its_pairs_in_mesos_words_and_no_other_test() -> None:
    cluster = build_complete_cluster(3)
    cluster.hosts["S3"].trial_faults[TrialKind.WORKLOAD] = "Unknown CNI network 'calico'"
    run = run_to_the_end(cluster)
    told = "mesos start: agent3.test: no workload on the CNI network: TASK_FAILED: Unknown CNI network 'calico'"
    assert list_failures(run) == [
        f"agent2.test -> agent3.test: {told}",
        f"agent3.test -> agent1.test: {told}",
    ]
    passed = {result.test for pair in run.pairs for result in pair.results if result.outcome is Outcome.PASSED}
    assert passed == {"mesos", "docker"}


def test_a_network_that_docker_does_not_make_fails_the_docker_test_everywhere_and_only_it() -> None:
    cluster = build_complete_cluster(2)
    cluster.hosts["S1"].trial_faults[TrialKind.CONTAINER] = 'plugin "calico" not found'
    run = run_to_the_end(cluster)
    assert {failure.partition(": ")[2] for failure in list_failures(run)} == {
        'docker start: agent1.test: no container on a Docker network: TASK_FAILED: plugin "calico" not found',
        (
            "docker start: agent2.test: no container on a Docker network: the network was not made: agent1.test: "
            'TASK_FAILED: plugin "calico" not found'
        ),
    }
    assert all(any(result.outcome is Outcome.PASSED for result in pair.results) for pair in run.pairs)


def test_a_workload_with_the_address_of_its_agent_is_on_no_network() -> None:
    cluster = build_complete_cluster(2, disabled=(StepName.DOCKER_CLUSTER_STORE,))
    assert command(cluster, StartRun()).outcome is Answer.ACCEPTED
    host = cluster.hosts["S1"]
    launch = next(
        action
        for action in cluster.feed(_offer(cluster, "S1"))
        if isinstance(action, LaunchTrial) and action.agent_id == "S1"
    )
    cluster.update(launch.task_id, host, TaskState.RUNNING, address=HOST_IP)
    stand = get_run(cluster).get_stand("agent1.test")
    assert stand is not None
    assert stand.workload.fault == f"it has no address of its own: Mesos tells {HOST_IP}, which is the agent's"


def _offer(cluster: FakeCluster, agent_id: str) -> OffersReceived:
    return OffersReceived((cluster.build_offer(cluster.hosts[agent_id]),))


def test_only_some_probes_work_at_one_time() -> None:
    cluster = build_complete_cluster(MAX_PROBES + 3)
    command(cluster, StartRun())
    most = 0
    # Probes that never end: their hosts do not perform what is decided.
    for _ in range(60):
        cluster.now += 1
        for host in cluster.hosts.values():
            actions = cluster.feed(_offer(cluster, host.agent_id))
            cluster._perform([one for one in actions if getattr(one, "kind", None) is not TrialKind.PROBE])
        run = get_run(cluster)
        most = max(most, sum(pair.probe is not None and pair.ended_at is None for pair in run.pairs))
    assert most == MAX_PROBES


def test_a_probe_that_never_tells_its_end_is_not_waited_for_for_ever() -> None:
    cluster = build_complete_cluster(2)
    cluster.hosts["S1"].is_mute = True
    run = run_to_the_end(cluster)
    assert list_failures(run) == [
        (
            "agent1.test -> agent2.test: mesos start: the probe on agent1.test ended: its report never arrived: "
            "can the agent reach the scheduler's address?"
        )
    ]


def test_an_agent_that_is_not_offered_fails_its_pairs_after_a_while() -> None:
    cluster = build_complete_cluster(3)
    cluster.hosts["S2"].is_offering = False
    started_at = cluster.now
    run = run_to_the_end(cluster)
    assert run.ended_at is not None
    assert OFFER_TIMEOUT_S < run.ended_at - started_at < OFFER_TIMEOUT_S + 20
    assert f"Mesos did not offer the agent within {OFFER_TIMEOUT_S:.0f} s" in list_failures(run)[0]
    assert next(pair for pair in run.pairs if pair.client == "agent3.test").outcome is Outcome.PASSED


@pytest.mark.parametrize("state", [TaskState.LOST, TaskState.UNREACHABLE, TaskState.UNKNOWN])
def test_a_task_that_mesos_lost_sight_of_is_given_up_and_killed_should_it_come_back(state: TaskState) -> None:
    cluster = build_complete_cluster(2)
    command(cluster, StartRun())
    cluster.run_until(lambda: bool(cluster.hosts["S1"].trials))
    task_id = next(iter(cluster.hosts["S1"].trials))
    cluster.update(task_id, cluster.hosts["S1"], state, message="agent unreachable")
    cluster.run_until(lambda: get_run(cluster).is_over)
    assert f"{state.value}: agent unreachable" in "".join(list_failures(get_run(cluster)))
    cluster.actions.clear()
    cluster.update(task_id, cluster.hosts["S1"], TaskState.RUNNING)
    assert [action.task.task_id for action in cluster.actions if isinstance(action, Kill)] == [task_id]


@pytest.mark.parametrize("steps", range(8))
def test_a_run_goes_on_after_the_scheduler_was_killed_at_any_moment(steps: int) -> None:
    cluster = build_complete_cluster(3)
    command(cluster, StartRun())
    for _ in range(steps):
        cluster.step()
    memory = Memory(
        framework_id="F1",
        secret="s",
        agents=tuple(cluster.state.agents.values()),
        connectivity=cluster.state.connectivity,
    )
    cluster.state = restore(cluster.state.policy, memory, cluster.now)
    cluster._perform(cluster.feed(Subscribed("F1", "master:5050")))
    cluster.run_until(lambda: get_run(cluster).is_over)
    cluster.step(30)
    cluster.step(30)
    assert get_run(cluster).outcome is Outcome.PASSED
    assert [host.trials for host in cluster.hosts.values()] == [{}, {}, {}]


def test_tasks_of_a_run_that_is_not_remembered_are_killed() -> None:
    cluster = build_complete_cluster(2)
    command(cluster, StartRun())
    cluster.run_until(lambda: all(host.trials for host in cluster.hosts.values()))
    agents = tuple(cluster.state.agents.values())
    cluster.state = restore(cluster.state.policy, Memory(framework_id="F1", secret="s", agents=agents), cluster.now)
    cluster._perform(cluster.feed(Subscribed("F1", "master:5050")))
    cluster.run_until(lambda: not any(host.trials for host in cluster.hosts.values()))
    assert cluster.is_complete()


def test_a_run_ends_with_a_word_when_the_framework_is_registered_anew() -> None:
    cluster = build_complete_cluster(2)
    command(cluster, StartRun())
    cluster.step()
    cluster.feed(Disconnected())
    cluster.feed(Subscribed("F2", "master:5050"))
    assert get_run(cluster).end_reason == "the framework was registered anew"
    assert all(pair.outcome is Outcome.NOT_TESTED for pair in get_run(cluster).pairs)


def test_a_kill_that_gets_lost_is_sent_again() -> None:
    cluster = build_complete_cluster(2, disabled=(StepName.DOCKER_CLUSTER_STORE,))
    command(cluster, StartRun())
    cluster.run_until(lambda: all(host.trials for host in cluster.hosts.values()))
    lost = [one for one in cluster.feed(Commanded(StopRun("eve"), TICKET)) if isinstance(one, Kill)]
    assert len(lost) == 2
    cluster.run_until(lambda: not any(host.trials for host in cluster.hosts.values()))


def test_a_run_that_is_stopped_says_by_whom_and_ends_its_tasks() -> None:
    cluster = build_complete_cluster(2)
    command(cluster, StartRun())
    cluster.step()
    verdict = command(cluster, StopRun("eve"))
    assert verdict.outcome is Answer.ACCEPTED
    assert get_run(cluster).end_reason == "stopped by eve"
    assert get_run(cluster).outcome is Outcome.NOT_TESTED
    assert not any(host.trials for host in cluster.hosts.values())
    assert command(cluster, StopRun("eve")).outcome is Answer.ALREADY


def test_one_run_at_a_time() -> None:
    cluster = build_complete_cluster(2)
    command(cluster, StartRun())
    refused = command(cluster, StartRun())
    assert refused.outcome is Answer.REFUSED
    assert refused.message == "a connectivity test is running: wait for its end, or stop it"


def test_what_is_left_of_a_run_is_killed_when_the_next_one_begins() -> None:
    cluster = build_complete_cluster(2)
    command(cluster, StartRun())
    cluster.run_until(lambda: all(host.trials for host in cluster.hosts.values()))
    left = {task_id for host in cluster.hosts.values() for task_id in host.trials}
    cluster.feed(Commanded(StopRun(), TICKET))
    kills = cluster.feed(Commanded(StartRun(), "f" * 32))
    assert left <= {one.task.task_id for one in kills if isinstance(one, Kill)}


def test_an_agent_that_cannot_take_part_is_named_with_the_reason() -> None:
    cluster = build_complete_cluster(2)
    agent = cluster.state.agents["agent2.test"]
    cluster.state = cluster.state.with_agent(replace(agent, pause=Mark(1.0, "eve")))
    verdict = command(cluster, StartRun(("agent1.test", "agent2.test")))
    assert verdict.outcome is Answer.REFUSED
    assert verdict.message == "agent2.test cannot be tested: it is paused: resume it first"
    assert command(cluster, StartRun(("nobody",))).outcome is Answer.UNKNOWN
    alone = command(cluster, StartRun())
    assert alone.message.startswith("a connectivity test needs 2 agents, and 1 of 2 is complete")


def test_before_two_agents_are_complete_there_is_nothing_to_test() -> None:
    cluster = FakeCluster([build_host(1), build_host(2)], build_policy())
    cluster.step()
    assert command(cluster, StartRun()).outcome is Answer.REFUSED
    assert find_bar(cluster.state, cluster.state.agents["agent1.test"]) == "it is not complete"


def test_with_calico_off_there_is_nothing_to_test() -> None:
    cluster = build_complete_cluster(2, disabled=(StepName.CALICO_NODE,))
    assert command(cluster, StartRun()).message.startswith("there is nothing to test")


def test_of_many_agents_some_from_all_over_are_chosen() -> None:
    keys = [f"h{number:03}" for number in range(100)]
    assert spread(keys) == tuple(keys[::10])
    assert spread(keys[:3]) == tuple(keys[:3])


def test_a_run_is_in_the_audit_log() -> None:
    cluster = build_complete_cluster(2)
    command(cluster, StartRun(who="eve", reason="new switch"))
    entry = cluster.state.audit[cluster.state.audit_count - 1]
    assert (entry.who, entry.command, entry.reason) == ("eve", "connectivity-test", "new switch")
    assert "begins on 2 agents" in entry.effect


def test_an_update_of_a_task_that_nobody_knows_is_still_a_strangers() -> None:
    cluster = build_complete_cluster(2)
    run_to_the_end(cluster)
    cluster.feed(TaskUpdated("somebody-elses", "S1", TaskState.RUNNING))
    assert "somebody-elses" in {one.task.task_id for one in cluster.actions if isinstance(one, Kill)}


def test_a_start_whose_task_hangs_fails_after_a_while() -> None:
    cluster = build_complete_cluster(2, disabled=(StepName.DOCKER_CLUSTER_STORE,))
    command(cluster, StartRun())
    launched = [one for one in cluster.feed(_offer(cluster, "S1")) if isinstance(one, LaunchTrial)]
    cluster.update(launched[0].task_id, cluster.hosts["S1"], TaskState.STAGING)
    cluster.hosts["S1"].trials[launched[0].task_id] = TrialKind.WORKLOAD
    cluster.now += START_TIMEOUT_S + 1
    cluster.step()
    stand = get_run(cluster).get_stand("agent1.test")
    assert stand is not None
    assert stand.workload.fault == f"its task still was TASK_STAGING after {START_TIMEOUT_S:.0f} s"
    cluster.run_until(lambda: not cluster.hosts["S1"].trials)


def test_a_probe_that_hangs_is_ended() -> None:
    cluster = build_complete_cluster(2, disabled=(StepName.DOCKER_CLUSTER_STORE,))
    command(cluster, StartRun())
    launched = None
    while launched is None:
        cluster.now += 1
        for agent_id in ("S1", "S2"):
            actions = cluster.feed(_offer(cluster, agent_id))
            probes = [one for one in actions if isinstance(one, LaunchTrial) and one.kind is TrialKind.PROBE]
            cluster._perform([one for one in actions if one not in probes])
            launched = launched or next(iter(probes), None)
    cluster.hosts[launched.agent_id].trials[launched.task_id] = TrialKind.PROBE
    cluster.update(launched.task_id, cluster.hosts[launched.agent_id], TaskState.RUNNING)
    cluster.now += PROBE_TIMEOUT_S + 1
    cluster.run_until(lambda: get_run(cluster).is_over)
    assert any(f"told no end within {PROBE_TIMEOUT_S:.0f} s" in failure for failure in list_failures(get_run(cluster)))
    cluster.run_until(lambda: not any(host.trials for host in cluster.hosts.values()))


def test_a_run_is_stored_and_read_back_as_it_was() -> None:
    cluster = build_complete_cluster(3)
    cluster.hosts["S2"].failures["ping"] = "100 % lost"
    run = run_to_the_end(cluster)
    assert decode(encode(run), Run) == run


def test_a_ticket_marks_the_run() -> None:
    cluster = build_complete_cluster(2)
    state, _ = obey_run_command(cluster.state, StartRun(), TICKET, 5.0)
    assert state.connectivity is not None
    assert state.connectivity.id == TICKET[:12]
