"""Whatever is lost, repeated, delayed, reordered or killed at any point: the walk keeps its promises, and completes."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from calico_dcos.core.model import StepName, TaskState
from tests.unit.storm import Storm
from tests.unit.storm_hosts import RESTARTED_BY, Host
from tests.unit.walking import STEPS, build_policy

NUMBERS = st.integers(0, 7)


class Weather(RuleBasedStateMachine):
    """Chooses what happens next; when it has had enough, everything must become complete."""

    @initialize(
        hosts=st.integers(1, 3),
        slots=st.integers(1, 2),
        restarting=st.sets(st.sampled_from(sorted(RESTARTED_BY, key=lambda step: step.value))),
        turns=st.integers(0, 40),
    )
    def begin(self, hosts: int, slots: int, restarting: set[StepName], turns: int) -> None:
        policy = build_policy(
            max_concurrent_agents=slots,
            max_attempts=1000,
            backoff_s=1.0,
            max_backoff_s=4.0,
            stability_s=2.0,
            answer_timeout_s=3.0,
            max_answer_timeout_s=12.0,
            reconcile_s=60.0,
            hold_s=3.0,
            facts_max_age_s=30.0,
            recheck_s=10.0,
            forget_after_s=20.0,
            reregister_s=15.0,
        )
        self.storm = Storm(hosts=hosts, policy=policy, restarting=frozenset(restarting))
        # A storm that comes later finds more to destroy.
        self.all_is_well(turns)

    def get_host(self, number: int) -> Host:
        return self.storm.hosts[number % len(self.storm.hosts)]

    @rule(seconds=st.sampled_from([1, 1, 1, 5, 30]))
    def time_passes(self, seconds: int) -> None:
        self.storm.tick(seconds)

    @rule(turns=st.integers(1, 6))
    def all_is_well_for_a_while(self, turns: int) -> None:
        self.all_is_well(turns)

    def all_is_well(self, turns: int) -> None:
        for _ in range(turns):
            self.storm.tick()
            for host in self.storm.hosts:
                host.work()
            for _ in range(len(self.storm.inbox)):
                self.storm.deliver(0)

    @rule(number=NUMBERS)
    def tasks_work(self, number: int) -> None:
        self.get_host(number).work()

    @rule(place=NUMBERS)
    def an_event_arrives_in_disorder(self, place: int) -> None:
        self.storm.deliver(place)

    @rule(place=NUMBERS)
    def an_event_arrives_twice(self, place: int) -> None:
        self.storm.repeat(place)

    @rule(place=NUMBERS)
    def an_event_is_lost(self, place: int) -> None:
        self.storm.drop(place)

    @rule(effects=st.integers(0, 5), saved_in_part=st.none() | st.integers(0, 2))
    def scheduler_is_killed_soon(self, effects: int, saved_in_part: int | None) -> None:
        self.storm.saved_in_part = saved_in_part
        self.storm.effects_left = effects

    @rule(services=st.booleans(), network=st.booleans(), proxy=st.booleans())
    def options_change(self, *, services: bool, network: bool, proxy: bool) -> None:
        self.storm.change_options(services=services, network=network, proxy=proxy)

    @rule(ahead_s=st.sampled_from([0, 30, -30, 300, -300, 3600, -3600, 1e8]), is_failover=st.booleans())
    def clock_is_set(self, ahead_s: float, *, is_failover: bool) -> None:
        self.storm.set_clock(ahead_s, is_failover=is_failover)

    @rule(calls=st.integers(1, 3))
    def calls_are_lost(self, calls: int) -> None:
        self.storm.lost_calls = calls

    @rule()
    def stream_is_cut(self) -> None:
        self.storm.subscribe()

    @rule()
    def another_master_leads(self) -> None:
        self.storm.fail_over()

    @rule(number=NUMBERS)
    def agent_is_cut_off(self, number: int) -> None:
        self.storm.cut_off(self.get_host(number))

    @rule(number=NUMBERS)
    def agent_stops(self, number: int) -> None:
        self.storm.stop_agent(self.get_host(number))

    @rule(number=NUMBERS, kills_tasks=st.booleans())
    def agent_comes_back(self, number: int, *, kills_tasks: bool) -> None:
        self.storm.bring_back(self.get_host(number), kills_tasks=kills_tasks)

    @rule(number=NUMBERS)
    def host_reboots(self, number: int) -> None:
        self.storm.reboot(self.get_host(number))

    @rule(number=NUMBERS)
    def host_leaves_for_good(self, number: int) -> None:
        self.storm.vanish(self.get_host(number))

    @rule()
    def agents_are_listed(self) -> None:
        self.storm.read_roster()

    @rule(
        number=NUMBERS, state=st.sampled_from([TaskState.FAILED, TaskState.KILLED, TaskState.LOST]), done=st.booleans()
    )
    def task_ends_badly(self, number: int, state: TaskState, *, done: bool) -> None:
        self.get_host(number).fail(is_done=done, state=state)

    @rule(number=NUMBERS, steps=st.sets(st.sampled_from(STEPS), max_size=2))
    def some_steps_cannot_be_looked_at(self, number: int, steps: set[StepName]) -> None:
        self.storm.blind(self.get_host(number), steps)

    @rule(number=NUMBERS, steps=st.sets(st.sampled_from(STEPS), max_size=2))
    def some_steps_are_of_no_use(self, number: int, steps: set[StepName]) -> None:
        self.storm.make_useless(self.get_host(number), steps)

    @rule(number=NUMBERS)
    def agent_that_is_away_is_forgotten(self, number: int) -> None:
        self.storm.read_roster()
        self.storm.forget(self.get_host(number))

    @rule()
    def plan_is_retried(self) -> None:
        self.storm.retry_all()

    @rule(number=NUMBERS)
    def agent_repeats_its_updates(self, number: int) -> None:
        self.get_host(number).send_again()

    def teardown(self) -> None:
        if hasattr(self, "storm"):
            self.storm.calm_down()


# As many stories as `make test` tells take a minute or two on a slow machine; those of `make nightly` take their time.
IS_NIGHTLY = os.environ.get("CALICO_DCOS_HYPOTHESIS") == "nightly"
pytestmark = pytest.mark.timeout(0 if IS_NIGHTLY else 1500)

TestWeather = Weather.TestCase
TestWeather.settings = settings(
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
