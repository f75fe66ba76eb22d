"""What is counted, measured and told to people who are not looking."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.core.command import Command, CommandName
from calico_dcos.core.events import Commanded, Ticked
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.state import State
from calico_dcos.logs import JSON, JsonFormatter
from calico_dcos.notices import Notice, Notifier, find_notices
from calico_dcos.scheduler import Turn
from calico_dcos.troubles import Source, Troubles
from calico_dcos.web.board import build_board
from calico_dcos.web.metrics import Meter, build_metrics_document, write_metrics
from calico_dcos.web.walk import take_snapshot
from tests.contract.scripted_master import serve_dripping
from tests.contract.web_scene import Scene, Site, build_server
from tests.unit.walking import FakeCluster, build_host, build_policy

DEADLINE_S = 60
ROOT = Path(__file__).parents[2]


class Watched(FakeCluster):
    """A cluster whose turns are told to observers, as the scheduler's loop does."""

    meter: Meter | None = None

    def feed(self, *events: Any) -> Any:
        before = self.state
        actions = super().feed(*events)
        if self.meter is not None:
            self.meter.observe(Turn(self.now, events, tuple(actions), before, self.state, waiting=2, took_s=0.25))
        return actions


def walk_measured() -> tuple[Meter, State, float]:
    cluster = Watched([build_host(1), build_host(2, restarts=(StepName.DOCKER_CLUSTER_STORE,))], build_policy())
    cluster.meter = Meter()
    cluster.run_until(cluster.is_complete)
    return cluster.meter, cluster.state, cluster.now


def read_samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_walk_is_counted_and_measured() -> None:
    meter, state, now = walk_measured()
    samples = read_samples(write_metrics(meter, build_board("calico", take_snapshot(state, now))).decode())
    assert samples['calico_agents{group="complete"}'] == 2
    assert samples['calico_restarts_total{outcome="done",service="docker"}'] == 1
    assert samples['calico_restarts_total{outcome="avoided",service="docker"}'] == 1
    assert samples['calico_restarts_total{outcome="avoided",service="mesos-agent"}'] == 2
    assert samples['calico_step_duration_seconds_count{step="cni"}'] == 2
    assert samples['calico_step_duration_seconds_count{step="calico-node"}'] == 2
    assert samples["plan_status_deploy"] == 0
    assert samples["offers_received"] > 4
    assert samples["offers_processed"] >= samples["operation_launch"] > 4
    assert samples["task_status_task_running"] >= 4
    assert samples["calico_event_lag_seconds"] == 0.25
    assert samples["calico_events_waiting"] == 2


def test_slots_and_what_others_wait_for_are_measured() -> None:
    cluster = FakeCluster([build_host(n) for n in range(3)], build_policy())
    cluster.run_until(lambda: bool(cluster.state.slots))
    cluster.step()
    board = build_board("calico", take_snapshot(cluster.state, cluster.now + 30))
    samples = read_samples(write_metrics(Meter(), board).decode())
    (holder,) = cluster.state.slots
    assert samples["calico_slots_held"] == samples["calico_slots_limit"] == 1
    assert samples[f'calico_slot_age_seconds{{agent="{holder}"}}'] >= 30
    assert samples[f'calico_blocked_agents{{reason="waits for a slot: held by {holder}"}}'] == 2
    assert samples["plan_status_deploy"] == 2


def test_the_sdks_own_form_has_the_sdks_names() -> None:
    meter, state, now = walk_measured()
    document = build_metrics_document(meter, build_board("calico", take_snapshot(state, now)))
    assert set(document) == {"version", "gauges", "counters", "histograms", "meters", "timers"}
    assert document["gauges"]["plan_status.deploy"] == {"value": 0}
    assert {"offers.received", "declines.short", "declines.long", "revives", "operation.launch"} <= set(
        document["counters"]
    )


@pytest.fixture
def site() -> Iterator[Site]:
    scene = Scene()
    server = build_server(scene)
    server.start()
    yield Site(scene, server)
    server.stop()


def test_metrics_are_served_in_both_forms(site: Site) -> None:
    answer = site.get("/v1/metrics/prometheus")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert read_samples(answer.text)['calico_agents{group="waiting"}'] == 1
    assert site.get("/v1/metrics").json()["gauges"]["plan_status.deploy"] == {"value": 2}


def test_every_metric_of_the_dashboard_and_of_the_guide_exists() -> None:
    meter, state, now = walk_measured()
    meter_text = write_metrics(meter, build_board("calico", take_snapshot(state, now))).decode()
    cluster = FakeCluster([build_host(n) for n in range(2)], build_policy())
    cluster.run_until(lambda: bool(cluster.state.slots))
    busy = write_metrics(Meter(), build_board("calico", take_snapshot(cluster.state, cluster.now))).decode()
    known = set(re.findall(r"^# TYPE (\S+)", meter_text + busy, re.MULTILINE))
    known |= {f"{name}_{end}" for name in known for end in ("bucket", "sum", "count")}
    # Known only while a walk goes on that has measured an agent.
    known |= {"calico_left_seconds"}
    dashboard = json.loads((ROOT / "docs/grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    used = set(re.findall(r"\b(?:calico_|offers_|plan_|declines_|task_status_)\w+", asked))
    assert used
    assert used - known == set()
    guide = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(calico_[a-z_]+|plan_status_deploy|offers_[a-z]+)", guide)) - known == set()


# Notices


def collect_notices(cluster: FakeCluster, steps: int) -> list[Notice]:
    notices: list[Notice] = []
    for _ in range(steps):
        before = cluster.state
        cluster.step()
        notices += find_notices(before, cluster.state, cluster.now)
    return notices


def test_the_start_and_the_end_of_a_walk_are_told_once() -> None:
    notices = collect_notices(FakeCluster([build_host(n) for n in range(3)], build_policy()), 60)
    assert [notice.event for notice in notices] == ["walk-started", "walk-complete"]
    assert notices[-1].text == "the walk is complete: 3 agents"


def test_an_agent_that_fails_is_told_with_its_reason_and_so_is_a_walk_that_stops() -> None:
    hosts = [build_host(n) for n in range(2)]
    for host in hosts:
        host.outcomes[StepName.CNI] = [TaskState.FAILED] * 9
    notices = collect_notices(FakeCluster(hosts, build_policy(max_attempts=1)), 40)
    assert [notice.event for notice in notices] == ["walk-started", "agent-failed", "walk-stopped"]
    assert notices[1].text.endswith("failed: cni: made to fail")


@pytest.mark.parametrize("steps", [6, 9, 14, 20, 30])
def test_a_scheduler_that_starts_in_the_middle_of_a_walk_tells_nothing_twice(steps: int) -> None:
    hosts = [build_host(n) for n in range(3)]
    hosts[0].outcomes[StepName.CNI] = [TaskState.FAILED] * 9
    policy = build_policy(max_attempts=1, max_failed_agents=1, max_concurrent_agents=2)
    cluster = FakeCluster(hosts, policy)
    told = collect_notices(cluster, steps)

    state = cluster.state
    memory = Memory(state.framework_id, state.secret, tuple(state.agents.values()), controls=state.controls)
    after = FakeCluster(hosts, policy, memory)
    after.now = cluster.now
    told += collect_notices(after, 60)
    assert [notice.event for notice in told] == ["walk-started", "agent-failed"]

    hosts[0].outcomes.clear()
    after.feed(Commanded(Command(CommandName.RETRY), "T"))
    assert [notice.event for notice in collect_notices(after, 60)] == ["walk-complete"]


class Webhook(BaseHTTPRequestHandler):
    """Takes notices, after it has refused as many as it was told to."""

    refusals = 0
    taken: list[dict[str, Any]]
    is_taken: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = type(self)
        if kind.refusals > 0:
            kind.refusals -= 1
            self.send_error(503)
            return
        kind.taken.append(json.loads(body))
        self.send_response(204)
        self.end_headers()
        kind.is_taken.set()

    def log_message(self, *_: object) -> None:
        pass


def test_a_notice_is_posted_again_until_the_webhook_takes_it() -> None:
    kind = type("Kind", (Webhook,), {"refusals": 2, "taken": [], "is_taken": threading.Event()})
    server = HTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    notifier = Notifier(url=f"http://127.0.0.1:{server.server_port}/hook", service="calico", backoff_s=0.01)
    notifier.start()
    cluster = FakeCluster([build_host(1)], build_policy())
    for _ in range(5):
        before = cluster.state
        cluster.step()
        notifier.observe(Turn(cluster.now, (Ticked(),), (), before, cluster.state))
    assert kind.is_taken.wait(DEADLINE_S)  # type: ignore[attr-defined]
    notifier.stop()
    server.shutdown()
    server.server_close()
    taken = kind.taken[0]  # type: ignore[attr-defined]
    assert (taken["event"], taken["service"], taken["agent"]) == ("walk-started", "calico", None)
    assert taken["text"].startswith("calico: the walk starts")


def test_a_webhook_that_is_not_there_keeps_nobody_waiting_and_its_url_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notifier = Notifier(url="http://127.0.0.1:1/secret", service="calico", backoff_s=0.001)
    notifier._deliver(Notice(1.0, "walk-started", "the walk starts"))
    (record,) = [record for record in caplog.records if record.name == "calico_dcos.notices"]
    assert "the walk starts" in record.getMessage()
    assert "secret" not in record.getMessage()


@pytest.mark.parametrize("location", ["http://[nonsense", "http://127.0.0.1:1/"])
def test_a_webhook_that_redirects_ends_no_thread_is_told_and_keeps_its_path_to_itself_at_debug(
    caplog: pytest.LogCaptureFixture, location: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve_dripping(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()) as address:
        troubles = Troubles()
        notifier = Notifier(
            url=f"http://{address}/s3cr3t?k=t0ken", service="calico", backoff_s=0.001, troubles=troubles
        )
        notifier._deliver(Notice(1.0, "walk-started", "the walk starts"))
    (trouble,) = troubles.list_all()
    assert (trouble.source, trouble.words) == (Source.WEBHOOK, "the webhook takes no notice: status 302")
    assert "s3cr3t" not in caplog.text
    assert "t0ken" not in caplog.text


# Logs


def test_a_log_line_as_json_is_one_object() -> None:
    record = logging.LogRecord("calico", logging.INFO, "x.py", 1, "says %s", ('"a"\nb',), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("INFO", "calico", 'says "a"\nb')
    assert JSON == "json"
