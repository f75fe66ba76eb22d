"""The plan that is kept up to date is the plan that is worked out anew."""

from __future__ import annotations

from dataclasses import fields, replace

from immutables import Map

from calico_dcos.core.events import Progressed, Ticked
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.resources import Maintenance
from calico_dcos.core.state import State
from calico_dcos.web.overview import COMMON, OBSTACLES, Overview, refresh_overview
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, build_host, build_policy

# What changes a phase through its own agent alone, or not at all.
OWN = """
    revision wall_ahead_s has_roster framework_id secret master subscribed_at reconciled_at revived_at has_free_slot
    agents keys_by_id tasks offers questions ask_at heard absent strangers connectivity repairs complete_nodes
    progress offered_at shortfalls pins audit audit_count wants_offers last_restart_at answer controls deactivated
    revives queue line_since line_causes passed words told changed unsaved
"""


def test_of_every_part_of_the_state_it_is_said_which_phases_it_changes() -> None:
    assert sorted([*COMMON, *OBSTACLES, *OWN.split()]) == sorted(part.name for part in fields(State))


def walk(cluster: FakeCluster, steps: int) -> Overview:
    """Let time pass, and compare both plans each second."""
    overview = Overview()
    for _ in range(steps):
        cluster.step()
        overview = refresh_overview(overview, cluster.state, cluster.now)
        assert overview.plan == build_plan(cluster.state, cluster.now)
    return overview


def test_it_is_the_plan_all_along_a_walk() -> None:
    cluster = FakeCluster([build_host(n, restarts=(StepName.DOCKER_CLUSTER_STORE,)) for n in range(5)], build_policy())
    walk(cluster, 60)
    assert cluster.is_complete()


def test_it_is_the_plan_along_a_walk_with_failures_refusals_and_lost_services() -> None:
    hosts = [build_host(n) for n in range(5)]
    hosts[1].outcomes[StepName.CNI] = [TaskState.FAILED] * 9
    hosts[2].refusals[StepName.CNI] = "no room"
    cluster = FakeCluster(hosts, build_policy(max_failed_agents=2, max_attempts=3))
    walk(cluster, 60)
    cluster.lose(hosts[0], StepName.CALICO_NODE, TaskState.FAILED)
    walk(cluster, 60)


def test_it_is_the_plan_when_offers_stay_away() -> None:
    hosts = [build_host(n) for n in range(3)]
    cluster = FakeCluster(hosts, build_policy())
    walk(cluster, 4)
    for host in hosts:
        host.is_offering = False
    walk(cluster, 150)


def test_it_is_the_plan_when_maintenance_is_announced_and_taken_back() -> None:
    hosts = [build_host(n) for n in range(3)]
    cluster = FakeCluster(hosts, build_policy())
    overview = walk(cluster, 4)
    for announced in (Maintenance(cluster.now + 10.0, cluster.now + 5000.0), None):
        hosts[2].maintenance = announced
        for _ in range(20):
            cluster.step()
            overview = refresh_overview(overview, cluster.state, cluster.now)
            assert overview.plan == build_plan(cluster.state, cluster.now)


def test_agents_that_are_not_held_up_are_the_same_when_maintenance_is_announced() -> None:
    hosts = [build_host(n) for n in range(3)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.run_until(cluster.is_complete)
    before = refresh_overview(Overview(), cluster.state, cluster.now)
    state = replace(cluster.state, maintenance=Map({"agent1.test": Maintenance(cluster.now, None)}))
    after = refresh_overview(before, state, cluster.now)
    assert all(one is other for one, other in zip(before.plan.phases, after.plan.phases, strict=True))


def test_what_a_task_tells_is_shown_at_once() -> None:
    cluster = FakeCluster([build_host(1)], build_policy())
    cluster.hosts["S1"].outcomes[StepName.INSPECT] = []
    cluster.run_until(cluster.is_complete)
    state = cluster.state
    before = refresh_overview(Overview(), state, cluster.now)
    cluster.lose(cluster.hosts["S1"], StepName.CALICO_NODE, TaskState.FAILED)
    task_id = "calico-node.x"
    step = cluster.state.agents["agent1.test"].get_step(StepName.CALICO_NODE)
    assert step.task is not None
    started = replace(step.task, id=task_id, state=TaskState.RUNNING, healthy_since=None)
    agent = cluster.state.agents["agent1.test"].with_step(StepName.CALICO_NODE, replace(step, task=started))
    state = cluster.state.with_agent(agent)
    shown = refresh_overview(before, state, cluster.now)
    state = replace(state, progress=Map({task_id: Progressed(task_id, "starts the container")}))
    shown = refresh_overview(shown, state, cluster.now)
    assert shown.plan.phases[0].steps[-1].message == "starts the container"


def test_phases_that_look_the_same_are_the_same() -> None:
    cluster = FakeCluster([build_host(n) for n in range(3)], build_policy())
    cluster.run_until(cluster.is_complete)
    before = refresh_overview(Overview(), cluster.state, cluster.now)
    cluster.feed(Ticked())
    after = refresh_overview(before, cluster.state, cluster.now + 1)
    assert all(one is other for one, other in zip(before.plan.phases, after.plan.phases, strict=True))


def test_only_the_agents_that_changed_are_shown_anew() -> None:
    hosts = [build_host(n) for n in range(3)]
    cluster = FakeCluster(hosts, build_policy())
    cluster.run_until(cluster.is_complete)
    before = refresh_overview(Overview(), cluster.state, cluster.now)
    agent = cluster.state.agents["agent1.test"]
    state = cluster.state.with_agent(replace(agent, inspection=None))
    after = refresh_overview(before, state, cluster.now)
    same = [one is other for one, other in zip(before.plan.phases, after.plan.phases, strict=True)]
    assert same == [True, False, True]
