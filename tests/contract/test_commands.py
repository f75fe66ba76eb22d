"""Commands over HTTP: every code, who may give them, and that they outlive a scheduler that is killed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from calico_dcos.core.actions import Call
from calico_dcos.core.command import Verdict
from calico_dcos.core.events import AnyCommand, RosterAgent, RosterRead, Ticked
from calico_dcos.core.model import StepName
from calico_dcos.core.steps import Policy
from calico_dcos.mailbox import Mailbox
from calico_dcos.scheduler import Scheduler, Store
from calico_dcos.store.urls import open_store
from calico_dcos.web.application import build_application
from calico_dcos.web.inbox import Inbox
from calico_dcos.web.operator import Hands
from calico_dcos.web.server import WebServer
from calico_dcos.web.views import build_id
from calico_dcos.web.walk import Walk, take_snapshot
from tests.unit.walking import build_policy

TIMEOUT_S = 60
TOKEN = "a-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
AGENTS = tuple(
    RosterAgent(f"S{n}", f"a{n}", f"10.0.0.{n}", 5051, is_public=False, mesos_version="1.9.0") for n in (1, 2)
)


class SilentDriver:
    """A driver that leads nowhere."""

    def start(self, framework_id: str | None) -> None:
        """Connect to nothing."""

    def send(self, call: Call) -> None:
        """Lose the call."""

    def stop(self) -> None:
        """Disconnect from nothing."""


@dataclass
class Site:
    """A scheduler with its loop, its store and its server."""

    path: Path
    token: str = TOKEN
    policy: Policy = field(default_factory=build_policy)
    timeout_s: float = TIMEOUT_S
    trouble: str | None = None

    def start(self) -> None:
        self.store: Store = open_store(f"sqlite://{self.path}/state.db")
        self.queue = Mailbox()
        self.scheduler = Scheduler(policy=self.policy, store=self.store, queue=self.queue)
        assert self.scheduler.take_store("test")
        self.queue.put(RosterRead(AGENTS))
        application = build_application(
            service="calico",
            walk=Walk(
                read_revision=lambda: self.scheduler.state.revision,
                read_snapshot=lambda: take_snapshot(self.scheduler.state, time.time()),
                check_health=lambda: None,
            ),
            inbox=Inbox(issue_token=lambda _: "", knows_task=lambda _: False, mailbox=self.queue),
            hands=Hands(
                submit=self.submit,
                find_trouble=lambda: self.trouble,
                read_audit=lambda: (self.scheduler.state.audit, self.scheduler.state.audit_count),
                token=self.token,
                timeout_s=self.timeout_s,
            ),
            artifacts={},
        )
        self.server = WebServer(application=application, address="127.0.0.1")
        self.server.start()
        self.thread = threading.Thread(target=self.scheduler.run, args=(SilentDriver(),))
        self.thread.start()
        deadline = time.monotonic() + TIMEOUT_S
        while len(self.scheduler.state.agents) < len(AGENTS):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def submit(self, command: AnyCommand) -> Future[Verdict]:
        return self.scheduler.submit(command)

    def stop(self) -> None:
        self.scheduler.stop("the test is over")
        self.queue.put(Ticked())  # wakes the loop
        self.thread.join(TIMEOUT_S)
        self.server.stop()
        self.store.close()

    def post(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> requests.Response:
        url = f"http://127.0.0.1:{self.server.port}/v1/{path}"
        return requests.post(url, json=body, headers=BEARER if headers is None else headers, timeout=TIMEOUT_S)

    def get(self, path: str) -> Any:
        return requests.get(f"http://127.0.0.1:{self.server.port}/v1/{path}", timeout=TIMEOUT_S).json()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    one.start()
    yield one
    one.stop()


def build_jwt(**claims: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({}, claims)]
    return ".".join([*parts, "signature"])


def test_command_is_obeyed_shown_and_written_down(site: Site) -> None:
    body = {"command": "pause", "reason": "disk swap\nin rack 7"}

    answer = site.post("agents/a1/commands", body, {**BEARER, "X-Calico-Operator": "ann"})

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"message": "a1 is paused: nothing new is started or ended there"}
    entry = site.get("audit")["entries"][0]
    assert (entry["who"], entry["command"], entry["agent"]) == ("ann", "pause", "a1")
    assert entry["reason"] == "disk swap in rack 7"
    again = site.post("agents/S1/commands", body)
    assert again.status_code == 208
    assert "paused by ann" in again.json()["message"]


def test_pause_is_part_of_what_is_shown(site: Site) -> None:
    site.post("plans/deploy/commands", {"command": "pause", "reason": "freeze"})
    site.post("agents/a2/commands", {"command": "pause"})

    deadline = time.monotonic() + TIMEOUT_S
    while site.get("agents")["summary"]["pause"] is None or site.get("agents/a2")["pause"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    summary = site.get("agents")["summary"]
    assert (summary["status"], summary["pause"]["reason"]) == ("WAITING", "freeze")
    assert summary["message"].startswith("paused by 127.0.0.1 since ")
    assert site.get("agents/a1")["pause"] is None
    # Nobody has subscribed here, so there is no framework id yet.
    assert site.get("plans/deploy")["status"] == "WAITING"


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("agents/a9/commands", {"command": "pause"}, 404, "no agent a9"),
        ("plans/recovery/commands", {"command": "pause"}, 404, "no plan recovery"),
        ("plans/deploy/commands", {"command": "resume"}, 208, "not paused"),
        ("plans/deploy/commands", {"command": "skip", "step": "cni"}, 409, "for one agent"),
        ("agents/a1/commands", {"command": "release-slot"}, 409, "has not failed"),
        ("agents/a1/commands", {"command": "forget"}, 409, "take it out of the cluster first"),
        ("agents/a1/commands", {"command": "explode"}, 400, "command is one of pause, resume"),
        ("agents/a1/commands", {"command": ["pause"]}, 400, "command is one of"),
        ("agents/a1/commands", {}, 400, "command is one of"),
        ("agents/a1/commands", {"command": "skip", "step": "dance"}, 400, "step is one of inspect"),
        ("agents/a1/commands", {"command": "skip", "reason": 7}, 400, "reason is not a text"),
        ("agents/a1/commands", {"command": "pause", "when": "now"}, 400, "a command has no when"),
        ("agents/a1/commands", ["pause"], 400, "not a JSON object"),
    ],
)
def test_command_that_is_not_obeyed_says_why(site: Site, path: str, body: object, code: int, said: str) -> None:
    answer = site.post(path, body)

    assert answer.status_code == code, answer.text
    assert said in answer.json()["message"]
    assert site.get("audit") == {"entries": [], "next": None}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 401),
        ({"Authorization": "Basic abc"}, 401),
        ({"Authorization": "Bearer wrong"}, 403),
        ({"Authorization": f"token={build_jwt(uid='ann')}"}, 401),
        ({"X-Calico-Token": "wrong"}, 403),
        ({"X-Calico-Token": TOKEN}, 200),
        ({**BEARER, "Origin": "http://evil.test"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "same-origin", "Origin": "https://cluster.test"}, 200),
        ({**BEARER, "Origin": "https://cluster.test", "X-Forwarded-Host": "cluster.test"}, 200),
    ],
)
def test_only_who_knows_the_token_commands_and_no_page_of_another_site(
    site: Site, headers: dict[str, str], code: int
) -> None:
    for path in ("plans/deploy/commands", "plans/deploy/interrupt"):
        answer = site.post(path, {"command": "pause"}, headers)
        assert answer.status_code in ({200, 208} if code == 200 else {code}), answer.text
        assert "message" in answer.json() if answer.status_code != 208 or "commands" in path else True
    assert len(site.get("audit")["entries"]) == (code == 200)


def test_without_a_token_everything_is_read_only_and_says_how_to_change_that(tmp_path: Path) -> None:
    site = Site(tmp_path, token="")
    site.start()
    try:
        for headers in ({}, BEARER):
            answer = site.post("plans/deploy/commands", {"command": "pause"}, headers)
            assert answer.status_code == 403
            assert "CALICO_DCOS_OPERATOR_TOKEN" in answer.json()["message"]
    finally:
        site.stop()


def test_form_of_a_web_page_gives_no_command(site: Site) -> None:
    url = f"http://127.0.0.1:{site.server.port}/v1/plans/deploy/commands"
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {**BEARER, "Content-Type": kind}
        answer = requests.post(url, data='{"command": "pause"}', headers=headers, timeout=TIMEOUT_S)
        assert (answer.status_code, site.get("audit")["entries"]) == (400, [])


def test_operator_is_the_dcos_user_where_there_is_one(site: Site) -> None:
    headers = {"Authorization": f"token={build_jwt(uid='bob', exp=1)}", "X-Calico-Token": TOKEN}
    site.post("plans/deploy/commands", {"command": "pause"}, {**headers, "X-Calico-Operator": "ann"})

    assert site.get("audit")["entries"][0]["who"] == "bob"


def test_command_is_503_and_undone_while_the_store_is_away(site: Site) -> None:
    site.trouble = "store zk://m1:2181/calico cannot be reached"
    answer = site.post("plans/deploy/commands", {"command": "pause"})
    assert (answer.status_code, answer.json()["message"]) == (503, f"nothing was done: {site.trouble}")


def test_command_that_nobody_takes_up_is_503_and_as_if_never_given(tmp_path: Path) -> None:
    site = Site(tmp_path, timeout_s=0.05)
    site.start()
    try:
        site.scheduler.stop("goes deaf")
        site.queue.put(Ticked())
        site.thread.join(TIMEOUT_S)
        answer = site.post("plans/deploy/commands", {"command": "pause"})
        assert answer.status_code == 503
        assert "nothing was done" in answer.json()["message"]
        # What the loop would do if it came to the command after all.
        site.scheduler._handle(site.scheduler._take_events())
        assert site.scheduler.state.controls.pause is None
    finally:
        site.stop()


def test_controls_and_audit_are_there_after_a_restart(site: Site) -> None:
    site.post("plans/deploy/commands", {"command": "pause", "reason": "freeze"})
    site.post("agents/a1/commands", {"command": "skip", "step": "cni"})
    before = (site.scheduler.state.controls, site.scheduler.state.agents["a1"])

    site.stop()
    site.start()

    assert (site.scheduler.state.controls, site.scheduler.state.agents["a1"]) == before
    assert [entry["command"] for entry in site.get("audit")["entries"]] == ["skip", "pause"]


def serve(path: str) -> None:
    """Serve until killed, in a process of its own."""
    site = Site(Path(path))
    site.start()
    print(site.server.port, flush=True)
    site.thread.join()


def test_controls_and_audit_survive_the_scheduler_being_killed(tmp_path: Path) -> None:
    code = f"from tests.contract.test_commands import serve; serve({str(tmp_path)!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1/"
            for path, body in (
                ("plans/deploy/commands", {"command": "pause", "reason": "freeze"}),
                ("agents/a1/commands", {"command": "force-complete", "step": "cni"}),
                ("agents/a2/commands", {"command": "pause"}),
            ):
                assert requests.post(url + path, json=body, headers=BEARER, timeout=TIMEOUT_S).status_code == 200
        finally:
            # At once after the answer: what was answered must be stored.
            process.kill()

    site = Site(tmp_path)
    site.start()
    try:
        state = site.scheduler.state
        assert state.controls.pause is not None
        assert state.controls.pause.reason == "freeze"
        assert state.agents["a1"].get_step(StepName.CNI).forced is not None
        assert state.agents["a2"].pause is not None
        assert [entry["command"] for entry in site.get("audit")["entries"]] == ["pause", "force-complete", "pause"]
    finally:
        site.stop()


def test_audit_is_paged(site: Site) -> None:
    for command in ("pause", "resume", "pause"):
        assert site.post("plans/deploy/commands", {"command": command}).status_code == 200

    first = site.get("audit?limit=2")
    assert ([entry["number"] for entry in first["entries"]], first["next"]) == ([2, 1], 1)
    rest = site.get("audit?limit=2&before=1")
    assert ([entry["number"] for entry in rest["entries"]], rest["next"]) == ([0], None)
    assert "whole numbers" in site.get("audit?limit=many")["error"]


# The SDK's words


def test_sdk_interrupts_and_continues(site: Site) -> None:
    answers = [site.post(f"plans/deploy/{word}") for word in ("interrupt", "interrupt", "continue", "continue")]

    assert [answer.status_code for answer in answers] == [200, 208, 200, 208]
    assert answers[0].json() == {"message": "Received cmd: interrupt"}
    assert answers[1].text == "Command has already been reported or completed"
    assert [entry["command"] for entry in site.get("audit")["entries"]] == ["resume", "pause"]


@pytest.mark.parametrize("phase", ["a1", build_id("deploy", "a1"), build_id("deploy", "a1").upper()])
def test_sdk_names_a_phase_by_name_or_uuid(site: Site, phase: str) -> None:
    assert site.post(f"plans/deploy/interrupt?phase={phase}").status_code == 200
    assert site.scheduler.state.agents["a1"].pause is not None
    assert site.post(f"plan/continue?phase={phase}").status_code == 200
    assert site.scheduler.state.agents["a1"].pause is None


def test_sdk_forces_a_step_and_restarts_it(site: Site) -> None:
    step = build_id("deploy", "a1", "cni")
    answer = site.post(f"plans/deploy/forceComplete?phase=a1&step={step}")
    assert answer.json() == {
        "message": f"Received cmd: forceComplete for Plan: deploy, Phase: a1, Step: {step}",
    }
    assert site.scheduler.state.agents["a1"].get_step(StepName.CNI).forced is not None
    codes = [site.post("plans/deploy/restart?phase=a1&step=cni").status_code for _ in range(2)]
    assert codes == [200, 208]
    assert site.scheduler.state.agents["a1"].get_step(StepName.CNI).forced is None


def wait_for_plan(site: Site, is_reached: Callable[[Any], bool]) -> None:
    """Commands are judged by the plan that is shown: it may be a second old."""
    deadline = time.monotonic() + TIMEOUT_S
    while not is_reached(site.get("plans/deploy")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_sdk_forces_a_phase_and_then_the_whole_plan(site: Site) -> None:
    answer = site.post("plans/deploy/forceComplete?phase=a1")
    assert answer.json() == {"message": "Received cmd: forceComplete for Plan: deploy, Phase: a1, Step: null"}
    assert site.post("plans/deploy/forceComplete?phase=a1").status_code == 208
    assert site.scheduler.state.agents["a2"].get_step(StepName.CNI).forced is None

    answer = site.post("plans/deploy/forceComplete")
    assert answer.json() == {"message": "Received cmd: forceComplete for Plan: deploy, Phase: null, Step: null"}
    again = site.post("plan/forceComplete")
    assert (again.status_code, again.text) == (208, "Command has already been reported or completed")
    for agent in site.scheduler.state.agents.values():
        assert all(agent.get_step(name).forced for name in StepName if name is not StepName.INSPECT)


def test_sdk_restart_takes_a_pause_back(site: Site) -> None:
    site.post("plans/deploy/interrupt?phase=a1")
    wait_for_plan(site, lambda plan: plan["phases"][0]["status"] == "WAITING")
    assert site.post("plans/deploy/restart?phase=a1").status_code == 200
    assert site.scheduler.state.agents["a1"].pause is None


def test_sdk_start_tells_what_it_was_started_with(site: Site) -> None:
    answer = site.post("plans/deploy/start", {"A": "1", "B": "2"})
    assert answer.json() == {"message": "Received cmd: start deploy with parameters: {A=1, B=2}"}
    refused = site.post("plans/deploy/start", ["A"])
    assert (refused.status_code, refused.text.partition(":")[0]) == (400, "Couldn't parse parameters")


def test_sdk_starts_and_stops_always(site: Site) -> None:
    assert [site.post(f"plans/deploy/{word}").status_code for word in ("stop", "stop", "start", "start")] == [200] * 4
    assert site.post("plans/deploy/start", {"NAME": "value"}).status_code == 200
    assert site.post("plans/deploy/start", {"no name": "value"}).status_code == 400


def test_sdk_pods_are_paused_resumed_and_restarted(site: Site) -> None:
    answer = site.post("pod/a1/pause")
    assert (answer.status_code, answer.json()) == (200, {"pod": "a1", "tasks": []})
    assert site.scheduler.state.agents["a1"].pause is not None
    assert site.post("pod/a1/pause", []).status_code == 200
    assert site.post("pod/S1/resume").status_code == 200
    assert site.scheduler.state.agents["a1"].pause is None
    assert site.post("pod/a1/restart").json() == {"pod": "a1", "tasks": []}
    assert [entry["command"] for entry in site.get("audit")["entries"]] == ["resume", "pause"]
    assert site.get("audit")["entries"][0]["reason"] == "by the SDK's pod resume"


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("pod/a9/pause", None, 404, "Pod a9 not found"),
        ("pod/a1/pause", {"tasks": []}, 400, "no JSON list"),
        ("pod/a1/pause", [1], 400, "no JSON list"),
        ("pod/a1/pause", ["a1-calico-node"], 409, "as a whole"),
        ("pod/a1/dance", None, 404, "nothing is here"),
    ],
)
def test_sdk_pods_are_answered_with_codes(site: Site, path: str, body: object, code: int, said: str) -> None:
    answer = site.post(path, body)
    assert (answer.status_code, said in answer.text) == (code, True)
    assert site.get("audit")["entries"] == []


def test_sdk_pods_are_commanded_with_the_token_only(site: Site) -> None:
    assert site.post("pod/a1/pause", None, {}).status_code == 401


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("plans/recovery/interrupt", 404, "Plan recovery not found"),
        ("plans/deploy/interrupt?phase=a9", 404, "Phase a9 not found"),
        ("plans/deploy/restart?phase=a1&step=dance", 404, "Step dance not found"),
        ("plans/deploy/restart?step=cni", 400, "Missing phase"),
        ("plans/deploy/forceComplete?step=cni", 400, "Missing phase"),
        ("plan/forceComplete?phase=a9", 404, "Phase a9 not found"),
        ("plan/forceComplete?phase=a1&step=dance", 404, "Step dance not found"),
        ("plan/restart?phase=" + build_id("deploy", "a9"), 404, "not found"),
        ("plan/continue?phase=a1", 208, "already been reported or completed"),
        ("plan/restart", 208, "already been reported or completed"),
        ("plan/restart?phase=a1", 208, "already been reported or completed"),
        ("plan/restart?phase=a1&step=cni", 208, "already been reported or completed"),
    ],
)
def test_sdk_is_answered_with_its_codes(site: Site, path: str, code: int, said: str) -> None:
    answer = site.post(path)
    assert answer.status_code == code
    assert said in answer.text


def test_token_is_in_no_representation() -> None:
    hands = Hands(submit=lambda _: Future(), find_trouble=lambda: None, read_audit=lambda: ({}, 0), token=TOKEN)
    assert TOKEN not in repr(hands)


def test_preflight_is_json_or_csv(site: Site) -> None:
    assert site.get("preflight")["total"]["inspected"] == 0
    url = f"http://127.0.0.1:{site.server.port}/v1/preflight"
    answer = requests.get(url, params={"format": "csv"}, timeout=TIMEOUT_S)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.splitlines()[1] == "a1,,not inspected yet,,,,,"
    assert requests.get(url, params={"format": "pdf"}, timeout=TIMEOUT_S).status_code == 400
