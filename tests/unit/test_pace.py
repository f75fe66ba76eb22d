"""The pace of the walk: windows, canary, preflight, the calm between restarts, and who may block one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from calico_dcos.core.actions import Deactivate, Launch, Reactivate, Reply
from calico_dcos.core.command import Command, CommandName, Outcome
from calico_dcos.core.events import (
    BlockerAnswered,
    Commanded,
    OffersReceived,
    Reactivated,
    RosterAgent,
    RosterRead,
    TaskUpdated,
    Ticked,
)
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Status, StepName, TaskState
from calico_dcos.core.pace import Pace, Window, find_next_opening, is_open, parse_windows
from tests.plans import build_plan
from tests.unit.walking import FakeCluster, FakeHost, build_host, build_policy

BERLIN = ZoneInfo("Europe/Berlin")
DOCKER = (StepName.DOCKER_CLUSTER_STORE,)
# 2026-11-23 is a Monday.
MONDAY = "2026-11-23"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def build_paced(hosts: list[FakeHost], pace: Pace, memory: Memory | None = None) -> FakeCluster:
    return FakeCluster(hosts, build_policy(pace=pace), memory)


def get_messages(cluster: FakeCluster) -> list[str]:
    return [phase.message for phase in build_plan(cluster.state, cluster.now).phases]


# Windows


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("", ()),
        ("mon 08:00-09:30", (Window(frozenset({0}), 480, 570),)),
        ("Mon-Thu 22:00-04:00", (Window(frozenset({0, 1, 2, 3}), 1320, 240),)),
        (
            "sat,sun 00:00-24:00; fri-mon 23:15-23:45",
            (Window(frozenset({5, 6}), 0, 1440), Window(frozenset({4, 5, 6, 0}), 1395, 1425)),
        ),
        ("daily 02:00-02:00", (Window(frozenset(range(7)), 120, 120),)),
    ],
)
def test_windows_are_read(text: str, windows: tuple[Window, ...]) -> None:
    assert parse_windows(text) == windows


@pytest.mark.parametrize(
    "text",
    [
        "mon",
        "22:00-04:00",
        "mon 8:00-9:00",
        "mon 08:60-09:00",
        "mon 24:00-01:00",
        "monday 08:00-09:00",
        "mon- 08:00-09:00;x",
        "mon 25:00-26:00",
        "mon 08:00",
    ],
)
def test_windows_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        parse_windows(text)


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("mon 08:00-09:00", f"{MONDAY} 08:00", True),
        ("mon 08:00-09:00", f"{MONDAY} 08:59", True),
        ("mon 08:00-09:00", f"{MONDAY} 09:00", False),
        ("mon 08:00-09:00", f"{MONDAY} 07:59", False),
        ("mon 08:00-09:00", "2026-11-24 08:30", False),
        # Over midnight: it belongs to the day on which it opened.
        ("sun 22:00-04:00", f"{MONDAY} 03:59", True),
        ("sun 22:00-04:00", f"{MONDAY} 04:00", False),
        ("mon 22:00-04:00", f"{MONDAY} 03:00", False),
        ("mon 22:00-04:00", f"{MONDAY} 22:00", True),
        ("sun 00:00-24:00", "2026-11-22 23:59", True),
        ("sun 00:00-24:00", f"{MONDAY} 00:00", False),
        ("sun 12:00-12:00", f"{MONDAY} 11:59", True),
        # The hour that is left out in spring, and the one that comes twice in autumn, as clocks show it.
        ("sun 02:30-03:30", "2026-03-29 03:10", True),
        ("sun 02:30-02:45", "2026-10-25 02:40", True),
    ],
)
def test_window_is_open_as_clocks_on_the_wall_show_it(text: str, moment: str, expected: bool) -> None:  # noqa: FBT001
    assert is_open(Pace(windows=parse_windows(text), zone=BERLIN), at(moment)) is expected


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("mon 08:00-09:00", f"{MONDAY} 07:00", f"{MONDAY} 08:00"),
        ("mon 08:00-09:00", f"{MONDAY} 09:00", "2026-11-30 08:00"),
        ("sat,wed 22:00-04:00", f"{MONDAY} 09:00", "2026-11-25 22:00"),
        ("daily 01:00-02:00", "2026-03-28 12:00", "2026-03-29 01:00"),
    ],
)
def test_next_opening_is_told(text: str, moment: str, expected: str) -> None:
    opening = find_next_opening(Pace(windows=parse_windows(text), zone=BERLIN), at(moment))
    assert opening is not None
    assert opening.strftime("%Y-%m-%d %H:%M") == expected


def test_restart_waits_for_its_window_and_everything_else_does_not() -> None:
    host = build_host(0, restarts=DOCKER)
    cluster = build_paced([host], Pace(windows=parse_windows("mon 08:00-09:00"), zone=BERLIN))
    cluster.now = at(f"{MONDAY} 07:58")
    cluster.run_until(lambda: StepName.ETCD_PROXY in host.launched)
    for _ in range(30):
        cluster.step()
    assert StepName.DOCKER_CLUSTER_STORE not in host.launched
    assert "the next one opens Mon 2026-11-23 08:00 Europe/Berlin" in get_messages(cluster)[0]

    cluster.run_until(lambda: StepName.DOCKER_CLUSTER_STORE in host.launched)
    assert cluster.now >= at(f"{MONDAY} 08:00")


def test_step_that_restarts_nothing_needs_no_window() -> None:
    hosts = [build_host(0)]
    cluster = build_paced(hosts, Pace(windows=parse_windows("mon 08:00-09:00"), zone=BERLIN))
    cluster.now = at(f"{MONDAY} 10:00")
    cluster.run_until(cluster.is_complete)


# Calm between restarts


def test_restarts_keep_their_distance_also_across_a_crash() -> None:
    hosts = [build_host(number, restarts=DOCKER) for number in range(3)]
    cluster = build_paced(hosts, Pace(restart_interval_s=120.0))
    launched_at: list[float] = []
    for _ in range(600):
        before = len(cluster.actions)
        cluster.step()
        launched_at += [cluster.now for act in cluster.actions[before:] if isinstance(act, Launch) and act.may_restart]
        if len(launched_at) == 1 and cluster.state.restarts == {}:
            # The scheduler starts again from what is stored.
            memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
            cluster = build_paced(hosts, Pace(restart_interval_s=120.0), memory)
            cluster.now = launched_at[0] + 1
            launched_at.append(launched_at[0])
    starts = sorted(set(launched_at))
    assert len(starts) == 3
    assert all(later - sooner >= 120 for sooner, later in pairwise(starts))


# The blocker


def test_restart_waits_for_a_fresh_answer_and_obeys_it() -> None:
    host = build_host(0, restarts=DOCKER)
    cluster = build_paced([host], Pace(has_blocker=True, answer_max_age_s=30.0))
    cluster.run_until(lambda: StepName.ETCD_PROXY in host.launched)

    def wait(seconds: int) -> str:
        for _ in range(seconds):
            cluster.step()
        assert StepName.DOCKER_CLUSTER_STORE not in host.launched
        return get_messages(cluster)[0]

    assert "waits for the blocker's answer" in wait(20)
    cluster.feed(BlockerAnswered("alert DiskFull fires"))
    assert "the restart of docker is blocked: alert DiskFull fires" in wait(10)
    cluster.feed(BlockerAnswered(took_s=31.0))
    assert "s old" in wait(10)

    cluster.feed(BlockerAnswered())
    cluster.run_until(lambda: StepName.DOCKER_CLUSTER_STORE in host.launched, max_steps=20)


def test_answer_counts_for_one_restart_only() -> None:
    hosts = [build_host(number, restarts=DOCKER) for number in range(2)]
    cluster = build_paced(hosts, Pace(has_blocker=True, answer_max_age_s=10_000.0))
    cluster.step()
    cluster.feed(BlockerAnswered())
    for _ in range(100):
        cluster.step()
    restarted = [host for host in hosts if StepName.DOCKER_CLUSTER_STORE in host.launched]
    assert len(restarted) == 1
    cluster.feed(BlockerAnswered())
    cluster.run_until(cluster.is_complete)


# Preflight


def test_preflight_inspects_every_agent_and_changes_none() -> None:
    hosts = [build_host(number, restarts=DOCKER) for number in range(3)]
    cluster = build_paced(hosts, Pace(is_preflight=True))
    for _ in range(50):
        cluster.step()

    plan = build_plan(cluster.state, cluster.now)
    assert [set(host.launched) for host in hosts] == [{StepName.INSPECT}] * 3
    assert plan.status is Status.WAITING
    assert plan.message.startswith("preflight: ")
    assert all(phase.message == plan.message for phase in plan.phases)
    assert not cluster.state.slots


def test_preflight_still_brings_lost_services_back() -> None:
    host = build_host(0)
    cluster = build_paced([host], Pace())
    cluster.run_until(cluster.is_complete)
    memory = Memory("F1", "s", tuple(cluster.state.agents.values()))
    other = build_paced([host], Pace(is_preflight=True), memory)
    other.step()
    other.lose(host, StepName.CALICO_NODE, TaskState.FAILED)
    other.run_until(lambda: StepName.CALICO_NODE in host.running.values())


# Canary


def count_touched(hosts: list[FakeHost]) -> int:
    return sum(StepName.CNI in host.launched for host in hosts)


def test_walk_waits_for_an_operator_after_the_first_agents() -> None:
    hosts = [build_host(number) for number in range(4)]
    cluster = FakeCluster(hosts, build_policy(max_concurrent_agents=3, pace=Pace(canary_agents=2)))
    for _ in range(300):
        cluster.step()
    plan = build_plan(cluster.state, cluster.now)
    assert count_touched(hosts) == 2
    assert plan.status is Status.WAITING
    assert plan.message == "canary: the first 2 agents complete; resume the plan to go on with the others"

    actions = cluster.feed(Commanded(Command(CommandName.RESUME, who="ann"), "T"))

    assert [action.verdict.outcome for action in actions if isinstance(action, Reply)] == [Outcome.ACCEPTED]
    cluster.run_until(cluster.is_complete)


def test_resume_past_the_canary_is_remembered_until_settings_change() -> None:
    hosts = [build_host(number) for number in range(3)]
    policy = build_policy(pace=Pace(canary_agents=1))
    cluster = FakeCluster(hosts, policy)
    cluster.run_until(lambda: len(cluster.state.agents) - len(cluster.state.unsettled) == 1)
    cluster.feed(Commanded(Command(CommandName.RESUME), "T"))
    memory = Memory("F1", "s", tuple(cluster.state.agents.values()), controls=cluster.state.controls)
    after = FakeCluster(hosts, policy, memory)
    after.run_until(after.is_complete)

    newer = tuple(replace(spec, settings="cni-2") if spec.name is StepName.CNI else spec for spec in policy.steps)
    memory = Memory("F1", "s", tuple(after.state.agents.values()), controls=after.state.controls)
    for host in hosts:
        host.todo = build_host(0).todo
    changed = FakeCluster(hosts, replace(policy, steps=newer), memory)
    for _ in range(300):
        changed.step()
    assert len(changed.state.agents) - len(changed.state.unsettled) == 1


def test_walk_goes_on_by_itself_once_the_first_agents_stayed_healthy() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = build_paced(hosts, Pace(canary_agents=1, canary_wait_s=60.0))
    cluster.run_until(lambda: len(cluster.state.agents) - len(cluster.state.unsettled) == 1)
    for _ in range(50):
        cluster.step()
    # A service that is lost in between starts the wait anew.
    first = next(host for host in hosts if StepName.CALICO_NODE in host.running.values())
    cluster.lose(first, StepName.CALICO_NODE, TaskState.FAILED)
    lost_at = cluster.now

    cluster.run_until(cluster.is_complete)

    controls = cluster.state.controls
    assert controls.canary is not None
    assert controls.canary.at >= lost_at + 60
    assert controls.canary.who == "canary-wait"
    assert cluster.state.audit_count == 1


def build_proving(hosts: list[FakeHost], wait_s: float = 300.0) -> FakeCluster:
    """A walk whose first agent has been healthy for some seconds, and has to be for longer."""
    cluster = build_paced(hosts, Pace(canary_agents=1, canary_wait_s=wait_s))
    cluster.run_until(lambda: cluster.state.controls.canary_since is not None)
    cluster.step()
    return cluster


def restart(cluster: FakeCluster, hosts: list[FakeHost]) -> FakeCluster:
    """The same cluster with a scheduler that starts from what is stored."""
    state = cluster.state
    memory = Memory("F1", "s", tuple(state.agents.values()), controls=state.controls)
    return FakeCluster(hosts, state.policy, memory, cluster.now)


def test_a_restart_of_the_scheduler_does_not_start_the_wait_anew() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = build_proving(hosts)
    since = cluster.state.controls.canary_since
    assert since is not None
    while cluster.now < since + 250:
        cluster.step()

    after = restart(cluster, hosts)
    after.step()
    assert after.state.controls.canary_since == since
    after.run_until(after.is_complete)
    assert after.state.controls.canary is not None
    assert since + 300 <= after.state.controls.canary.at < since + 400


def test_a_service_that_was_lost_while_the_scheduler_was_away_starts_the_wait_anew() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = build_proving(hosts)
    since = cluster.state.controls.canary_since
    assert since is not None
    first = next(host for host in hosts if StepName.CALICO_NODE in host.running.values())
    first.running.clear()

    after = restart(cluster, hosts)
    # Its time is over, but nobody has answered yet whether it kept healthy.
    after.now = since + 1000
    after.run_until(after.is_complete)
    assert after.state.controls.canary is not None
    assert after.state.controls.canary.at >= since + 1000 + 300


def test_fewer_agents_than_canaries_are_all_walked() -> None:
    hosts = [build_host(number) for number in range(2)]
    cluster = build_paced(hosts, Pace(canary_agents=5))
    cluster.run_until(cluster.is_complete)


# Draining


def build_drained(version: str = "1.9.0", outcomes: list[TaskState] | None = None) -> tuple[FakeCluster, FakeHost]:
    host = build_host(0, restarts=DOCKER)
    host.outcomes[StepName.DOCKER_CLUSTER_STORE] = outcomes or []
    cluster = build_paced([host], Pace(drains=True))
    roster = RosterAgent(host.agent_id, host.hostname, "10.0.0.1", 5051, is_public=False, mesos_version=version)
    cluster.feed(RosterRead((roster,)))
    return cluster, host


def list_drains(cluster: FakeCluster) -> list[type]:
    return [type(act) for act in cluster.actions if isinstance(act, Deactivate | Reactivate)]


def test_agent_is_deactivated_after_the_launch_of_its_restart_and_activated_once_it_is_over() -> None:
    cluster, host = build_drained()
    cluster.run_until(cluster.is_complete)

    assert list_drains(cluster) == [Deactivate, Reactivate]
    place = next(place for place, act in enumerate(cluster.actions) if isinstance(act, Deactivate))
    launch = cluster.actions[place - 1]
    assert isinstance(launch, Launch)
    assert launch.may_restart
    assert not host.is_deactivated
    assert cluster.state.agents[host.hostname].deactivated_since is None


def test_agent_is_activated_again_after_a_restart_that_failed() -> None:
    cluster, host = build_drained(outcomes=[TaskState.FAILED])
    cluster.run_until(cluster.is_complete)
    assert list_drains(cluster) == [Deactivate, Reactivate] * 2
    assert not host.is_deactivated


@pytest.mark.parametrize("version", ["", "1.8.1", "1.10", "2.0.0", "unknown"])
def test_only_a_mesos_that_can_is_asked(version: str) -> None:
    cluster, _ = build_drained(version)
    cluster.run_until(cluster.is_complete)
    assert bool(list_drains(cluster)) == (version in {"1.10", "2.0.0"})


def test_nothing_is_deactivated_unless_it_is_wanted() -> None:
    cluster = build_paced([build_host(0, restarts=DOCKER)], Pace())
    cluster.run_until(cluster.is_complete)
    assert list_drains(cluster) == []


def test_own_deactivation_is_remembered_and_taken_back_until_it_is_confirmed() -> None:
    cluster, host = build_drained()
    launch = None
    while launch is None:
        cluster.now += 1
        actions = cluster.feed(OffersReceived((cluster.build_offer(host),)))
        launch = next((act for act in actions if isinstance(act, Launch) and act.may_restart), None)
        if launch is None:
            cluster._perform(actions)
    key = host.hostname
    stored = cluster.state.agents[key]
    assert stored.deactivated_since is not None

    # Another scheduler takes over while the task is at work, and hears of its end.
    after = build_paced([host], Pace(drains=True), Memory("F1", "s", (stored,)))
    assert after.feed(Reactivated(key)) == []
    assert not any(isinstance(act, Reactivate) for act in after.actions)
    ended = TaskUpdated(launch.task_id, host.agent_id, TaskState.FINISHED, uuid="dXVpZA==")
    asked = [act for act in after.feed(ended) if isinstance(act, Reactivate)]
    assert len(asked) == 1
    for _ in range(35):
        after.now += 1
        asked += [act for act in after.feed(Ticked()) if isinstance(act, Reactivate)]
    assert len(asked) == 3, "asked again, after ten seconds and after twenty more"

    after.feed(Reactivated(key))
    assert after.state.agents[key].deactivated_since is None
