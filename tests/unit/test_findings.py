"""Refused, unknown, at fault, off and done are different things: what the walk makes of each."""

from __future__ import annotations

from dataclasses import replace

from calico_dcos.core.command import Command, CommandName
from calico_dcos.core.events import Commanded, Inspected, OffersReceived
from calico_dcos.core.model import Change, Status, StepName
from calico_dcos.core.phase import End, choose_move
from calico_dcos.web.plan import Badge, PhaseView, StepView
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

INSPECT, DOCKER, CNI = StepName.INSPECT, StepName.DOCKER_CLUSTER_STORE, StepName.CNI
PROXY, NODE = StepName.ETCD_PROXY, StepName.CALICO_NODE
SWARM = "Docker's swarm mode is active: leave the swarm, or disable this step"


def show(cluster: FakeCluster, host: FakeHost) -> PhaseView:
    return next(phase for phase in build_plan(cluster.state, cluster.now).phases if phase.name == host.hostname)


def show_step(cluster: FakeCluster, host: FakeHost, name: StepName) -> StepView:
    return next(step for step in show(cluster, host).steps if step.name is name)


def verify(cluster: FakeCluster, host: FakeHost) -> None:
    """Let a running service tell what an installer sees on its host now."""
    task_id = next(task_id for task_id, name in host.running.items() if name is NODE)
    cluster.feed(Inspected(task_id, host.inspect()))


def test_a_refused_agent_takes_no_slot_and_stops_nobody() -> None:
    hosts = [build_host(number) for number in range(3)]
    hosts[0].refusals[DOCKER] = SWARM
    cluster = FakeCluster(hosts, build_policy())

    cluster.run_until(lambda: len(cluster.state.unsettled) == 1)

    assert set(hosts[0].launched) == {INSPECT}
    assert cluster.state.agents["agent0.test"].slot_since is None
    plan = build_plan(cluster.state, cluster.now)
    assert plan.status is Status.ERROR
    assert plan.errors == (f"agent0.test: docker-cluster-store refused: {SWARM}",)
    step = show_step(cluster, hosts[0], DOCKER)
    assert (step.status, step.badge, step.message) == (Status.ERROR, Badge.REFUSED, SWARM)


def test_the_reason_stays_in_sight_while_the_host_is_looked_at_again() -> None:
    host = build_host(0)
    host.refusals[DOCKER] = SWARM
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(lambda: build_plan(cluster.state, cluster.now).status is Status.ERROR)

    cluster.feed(
        Commanded(Command(CommandName.RETRY, "agent0.test"), "T1"), OffersReceived((cluster.build_offer(host),))
    )

    assert show_step(cluster, host, INSPECT).task_id
    assert show(cluster, host).message == f"docker-cluster-store refused: {SWARM}"


def test_a_step_that_is_refused_after_the_first_change_is_never_called_done() -> None:
    host = build_host(0)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(lambda: PROXY in host.launched)
    del host.todo[CNI]
    host.refusals[CNI] = "the agent reads CNI configurations from /etc/cni, not from /opt: set the option"

    cluster.run_until(lambda: show(cluster, host).status is Status.ERROR)

    assert NODE not in host.launched, "later steps wait for the one that is refused"
    assert show_step(cluster, host, CNI).badge is Badge.REFUSED
    host.refusals.clear()
    cluster.run_until(cluster.is_complete)


def test_a_refused_agent_is_complete_once_it_is_skipped() -> None:
    hosts = [build_host(number) for number in range(2)]
    hosts[0].refusals[DOCKER] = SWARM
    cluster = FakeCluster(hosts, build_policy())
    cluster.run_until(lambda: len(cluster.state.unsettled) == 1)

    cluster.feed(Commanded(Command(CommandName.SKIP, "agent0.test", who="ann"), "T1"))

    cluster.run_until(cluster.is_complete)
    assert build_plan(cluster.state, cluster.now).status is Status.COMPLETE
    assert show_step(cluster, hosts[0], DOCKER).badge is Badge.WAIVED


def test_what_could_not_be_looked_at_is_looked_at_again_with_back_off() -> None:
    host = build_host(0)
    host.unknowns[DOCKER] = "docker.service: no answer within 10 s"
    cluster = FakeCluster([host], build_policy(backoff_s=10.0))

    for _ in range(100):
        cluster.step()

    assert set(host.launched) == {INSPECT}, "nothing is begun on a host that could not be looked at"
    assert 4 <= len(host.launched) <= 5, "after 10, 20, 40 s, not every second"
    step = show_step(cluster, host, DOCKER)
    assert (step.status, step.badge) == (Status.DELAYED, Badge.UNKNOWN)
    assert "could not look at docker-cluster-store: docker.service: no answer within 10 s" in step.message
    assert "looks again in" in step.message
    assert build_plan(cluster.state, cluster.now).status is not Status.ERROR
    host.unknowns.clear()
    cluster.run_until(cluster.is_complete)


def test_a_look_that_an_operator_wants_does_not_wait_for_the_back_off() -> None:
    host = build_host(0)
    host.unknowns[DOCKER] = "no answer"
    cluster = FakeCluster([host], build_policy(backoff_s=500.0))
    for _ in range(5):
        cluster.step()
    looks = len(host.launched)

    cluster.feed(Commanded(Command(CommandName.RETRY, "agent0.test"), "T1"))
    cluster.step()

    assert len(host.launched) == looks + 1


def test_a_service_that_stays_of_no_use_is_an_error_until_it_is_mended() -> None:
    host = build_host(0)
    host.faults[NODE] = "Felix does not report: see its log"
    cluster = FakeCluster([host], build_policy(backoff_s=2.0, recheck_s=5.0))

    cluster.run_until(lambda: bool(cluster.state.failed))

    assert not cluster.is_complete()
    step = show_step(cluster, host, NODE)
    assert (step.badge, step.message) == (Badge.AT_FAULT, "Felix does not report: see its log")
    assert cluster.state.is_stopped, "it failed after a change"
    host.faults.clear()
    cluster.run_until(cluster.is_complete)


def test_an_agent_that_is_complete_is_so_no_more_when_a_look_finds_it_at_fault() -> None:
    host = build_host(0)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    host.faults[NODE] = "no chain of Felix is in the table that forwards: see Felix' log"

    verify(cluster, host)

    assert show(cluster, host).status is not Status.COMPLETE
    assert "calico-node undone: no chain of Felix" in cluster.state.agents["agent0.test"].history[-1].text
    host.faults.clear()
    cluster.run_until(cluster.is_complete)
    assert host.launched.count(NODE) == 1, "what runs is looked at, not started again"


def test_an_agent_that_is_complete_is_so_no_more_when_a_look_could_not_look() -> None:
    host = build_host(0)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    host.unknowns[CNI] = "/opt/mesosphere/etc: Input/output error"

    verify(cluster, host)

    assert show(cluster, host).status is not Status.COMPLETE
    assert show_step(cluster, host, CNI).badge is Badge.UNKNOWN
    host.unknowns.clear()
    cluster.run_until(cluster.is_complete)


def test_a_report_without_proofs_completes_nothing() -> None:
    host = build_host(0)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    task_id = next(iter(host.running))
    seen = host.inspect()

    cluster.feed(Inspected(task_id, type(seen)(at=0.0, settings="")))

    assert show(cluster, host).status is not Status.COMPLETE


def test_a_step_that_is_off_is_shown_as_off_and_not_as_done() -> None:
    host = build_host(0)
    host.unknowns[DOCKER] = "Docker: no answer"
    cluster = FakeCluster([host], build_policy(disabled=(DOCKER,)))

    cluster.run_until(cluster.is_complete)

    step = show_step(cluster, host, DOCKER)
    assert step.badge is Badge.OFF
    assert step.message == "SKIPPED (disabled; could not look: Docker: no answer)"


def test_a_host_is_told_which_nodes_it_has_to_reach() -> None:
    hosts = [build_host(number) for number in range(3)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.run_until(cluster.is_complete)
    last = cluster.state.complete_nodes
    assert {node.name for node in last.values()} == {host.hostname for host in hosts}
    launches = [action for action in cluster.actions if getattr(action, "step", None) is NODE]
    told = [sorted(node.name for node in launch.complete_nodes) for launch in launches]  # type: ignore[union-attr]
    assert [len(names) for names in told] == [0, 1, 2]
    assert {launch.reach for launch in launches} == {"master"}  # type: ignore[union-attr]


def test_a_service_that_runs_with_old_settings_is_ended_and_not_only_looked_at_again() -> None:
    host = build_host(0)
    cluster = FakeCluster([host], build_policy())
    cluster.run_until(cluster.is_complete)
    agent = cluster.state.agents["agent0.test"]
    old = cluster.state.policy
    steps = tuple(replace(spec, settings="new") if spec.name is NODE else spec for spec in old.steps)
    policy = replace(old, steps=steps)
    assert agent.inspection is not None
    proofs = {name: seen for name, seen in agent.inspection.proofs.items() if name != NODE.value}
    differs = (Change("runs calico-node", "its settings differ", "none"),)
    seen = replace(agent.inspection, settings=policy.settings, at=cluster.now, proofs=proofs)
    looked = replace(agent, inspection=replace(seen, changes={NODE.value: differs}))

    move = choose_move(looked, policy, cluster.now)

    assert isinstance(move, End)
    assert move.task_id == next(task_id for task_id, name in host.running.items() if name is NODE)
