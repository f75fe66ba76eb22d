"""What is counted and measured, for Prometheus and in the SDK's own form.

Counters grow with the scheduler's turns, in its thread; gauges are read off the board when somebody asks.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from calico_dcos.core.actions import Decline, Launch, LaunchTrial, Reconcile, Revive
from calico_dcos.core.events import Inspected, OffersReceived, TaskUpdated
from calico_dcos.core.model import Agent, StepName
from calico_dcos.core.standing import is_settled
from calico_dcos.core.steps import SERVICES
from calico_dcos.scheduler import Turn
from calico_dcos.troubles import Source

from .board import Board
from .connectivity_metrics import build_run_gauges
from .views import GROUPS, Json

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
# Declines longer than this are the SDK's long ones: there is nothing to do on that agent.
LONG_DECLINE_S = 60.0
BUCKETS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
# The SDK's values of plan_status.
_PLAN_STATUS = {"ERROR": -1, "COMPLETE": 0, "WAITING": 1, "PENDING": 1, "DELAYED": 1}
_RUNNING = 2
# Of the SDK's counters, those that are there from the start.
_SDK_COUNTERS = ("offers.received", "offers.processed", "declines.short", "declines.long", "revives", "suppresses")
# What a step may restart.
RESTARTS = {StepName.DOCKER_CLUSTER_STORE: "docker", StepName.AGENT_RESTART: "mesos-agent"}


class Meter:
    """Counts what the scheduler does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sdk: Counter[str] = Counter(dict.fromkeys(_SDK_COUNTERS, 0))
        self._restarts: Counter[tuple[str, str]] = Counter()
        self._reconciliations = 0
        self._waiting = 0
        self._took_s = 0.0
        self.registry = CollectorRegistry()
        self._steps_s = Histogram(
            "calico_step_duration_seconds",
            "From the launch of a step's task to its end, or to its service being healthy",
            ["step"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._turns_s = Histogram(
            "calico_turn_seconds",
            "How long the scheduler took from the first event of a turn until all was stored and decided",
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60),
            registry=self.registry,
        )

    def observe(self, turn: Turn) -> None:
        """Count one turn."""
        with self._lock:
            self._count_events(turn)
            self._count_actions(turn)
            self._waiting, self._took_s = turn.waiting, turn.took_s
            for key in turn.before.slots:
                agent = turn.state.agents.get(key)
                if agent is not None and key not in turn.state.slots and is_settled(agent, turn.state.policy):
                    self._count_restarts(agent)
        self._turns_s.observe(turn.took_s)
        for step, took_s in find_durations(turn):
            self._steps_s.labels(step.value).observe(took_s)

    def _count_events(self, turn: Turn) -> None:
        for event in turn.events:
            match event:
                case OffersReceived():
                    self._sdk["offers.received"] += len(event.offers)
                case TaskUpdated():
                    self._sdk[f"task_status.{event.state.value.lower()}"] += 1
                case _:
                    pass

    def _count_actions(self, turn: Turn) -> None:
        for action in turn.actions:
            match action:
                case Launch() | LaunchTrial():
                    self._sdk["offers.processed"] += 1
                    self._sdk["operation.launch"] += 1
                case Decline():
                    length = "long" if action.refuse_s > LONG_DECLINE_S else "short"
                    self._sdk["offers.processed"] += len(action.offer_ids)
                    self._sdk[f"declines.{length}"] += len(action.offer_ids)
                case Revive():
                    self._sdk["revives"] += 1
                case Reconcile():
                    self._reconciliations += 1
                case _:
                    pass

    def _count_restarts(self, agent: Agent) -> None:
        """Count what an agent whose phase is complete was spared, and what it was not."""
        for name, service in RESTARTS.items():
            task = agent.get_step(name).task
            self._restarts[service, "done" if task is not None and task.may_restart else "avoided"] += 1

    def read_sdk(self) -> dict[str, int]:
        """The SDK's counters, by its names."""
        with self._lock:
            return dict(self._sdk)

    def collect(self) -> Iterator[Metric]:
        """Everything that is counted but for the histograms."""
        with self._lock:
            for name, count in sorted(self._sdk.items()):
                yield UnknownMetricFamily(name.replace(".", "_"), f"The SDK's {name}", count)
            restarts = CounterMetricFamily(
                "calico_restarts",
                "Restarts of services on agents whose phase is complete, done and avoided",
                labels=["service", "outcome"],
            )
            for service in RESTARTS.values():
                for outcome in ("done", "avoided"):
                    restarts.add_metric([service, outcome], self._restarts[service, outcome])
            yield restarts
            yield CounterMetricFamily("calico_reconciliations", "Questions to the master", self._reconciliations)
            yield GaugeMetricFamily("calico_events_waiting", "Events that wait to be taken", self._waiting)
            yield GaugeMetricFamily(
                "calico_event_lag_seconds", "Age of the oldest event of the last turn", self._took_s
            )


def find_durations(turn: Turn) -> Iterator[tuple[StepName, float]]:
    """Find the steps that a turn completed, and how long each took."""
    ids = {event.task_id for event in turn.events if isinstance(event, TaskUpdated | Inspected)}
    for task_id in ids:
        before, after = turn.before.get_task(task_id), turn.state.get_task(task_id)
        if before is None or after is None:
            continue
        (_, name, old), (_, _, new) = before, after
        if name in SERVICES:
            if old.healthy_since is None and new.healthy_since is not None:
                yield name, max(0.0, new.healthy_since - new.launched_at)
        elif not old.state.is_ended and new.state.value == "TASK_FINISHED":
            yield name, max(0.0, new.since - new.launched_at)


def build_gauges(board: Board) -> Iterator[Metric]:
    """Build what is read off the board."""
    summary = board.summary
    agents = GaugeMetricFamily("calico_agents", "Agents by what they do", labels=["group"])
    for group in GROUPS:
        agents.add_metric([group], summary[group])
    yield agents
    steps = GaugeMetricFamily(
        "calico_steps",
        "Agents by the standing of each step: its badge, or where there is none its status",
        labels=["step", "standing"],
    )
    standings = Counter(
        (step["name"], step["badge"] or step["status"].lower()) for row in board.rows.values() for step in row["steps"]
    )
    for (step, standing), count in sorted(standings.items()):
        steps.add_metric([step, standing], count)
    yield steps
    yield GaugeMetricFamily("calico_slots_held", "Agents in a slot", summary["slots_held"])
    yield GaugeMetricFamily("calico_slots_limit", "How many agents may be in a slot", summary["slots"])
    ages = GaugeMetricFamily("calico_slot_age_seconds", "How long an agent has had its slot", labels=["agent"])
    for row in summary["active"]:
        ages.add_metric([row["key"]], max(0.0, board.snapshot.at - row["slot_since"]))
    yield ages
    blocked = GaugeMetricFamily("calico_blocked_agents", "Agents that wait, by reason", labels=["reason"])
    for waiting in summary["reasons"]:
        blocked.add_metric([waiting["reason"]], waiting["agents"])
    yield blocked
    if summary["left_s"] is not None:
        yield GaugeMetricFamily("calico_left_seconds", "Estimated time until the walk ends", summary["left_s"])
    yield GaugeMetricFamily(
        "calico_connected", "Whether the Mesos master has taken us in", int(summary["is_connected"])
    )
    troubles = GaugeMetricFamily(
        "calico_trouble", "Whether something that the scheduler depends on is in trouble", labels=["source"]
    )
    in_trouble = {trouble.source for trouble in board.snapshot.troubles}
    for source in Source:
        troubles.add_metric([source.value], int(source in in_trouble))
    yield troubles
    yield GaugeMetricFamily("calico_paused", "Whether an operator paused the walk", int(bool(summary.get("pause"))))
    yield from build_run_gauges(board.snapshot.connectivity)
    yield UnknownMetricFamily("is_suppressed", "The SDK's is_suppressed: offers are never suppressed", 0)
    yield UnknownMetricFamily("plan_status_deploy", "The SDK's plan_status.deploy", rate_plan(summary["status"]))


def rate_plan(status: str) -> int:
    """Rate a plan's status as the SDK does: -1 error, 0 complete, 1 waits, 2 runs."""
    return _PLAN_STATUS.get(status, _RUNNING)


class _Gathered(Collector):
    """Counters and gauges, gathered when somebody asks."""

    def __init__(self, meter: Meter, read_board: Callable[[], Board]) -> None:
        self._meter = meter
        self._read_board = read_board

    def collect(self) -> Iterator[Metric]:
        """Gather."""
        yield from self._meter.collect()
        yield from build_gauges(self._read_board())


def write_metrics(meter: Meter, board: Board) -> bytes:
    """Write everything as Prometheus reads it."""
    gathered = CollectorRegistry()
    gathered.register(_Gathered(meter, lambda: board))
    return generate_latest(gathered) + generate_latest(meter.registry)


def build_metrics_document(meter: Meter, board: Board) -> Json:
    """Build the SDK's /v1/metrics: the form of Dropwizard."""
    gauges = {"is_suppressed": 0, "plan_status.deploy": rate_plan(board.summary["status"])}
    return {
        "version": "4.0.0",
        "gauges": {name: {"value": value} for name, value in gauges.items()},
        "counters": {name: {"count": count} for name, count in sorted(meter.read_sdk().items())},
        "histograms": {},
        "meters": {},
        "timers": {},
    }
