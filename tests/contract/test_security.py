"""What somebody on the cluster's network cannot do, and where secrets never are. docs/security.md refers to this."""

from __future__ import annotations

import hmac
import re
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from calico_dcos.core.command import Verdict
from calico_dcos.core.events import AnyCommand
from calico_dcos.mailbox import Mailbox
from calico_dcos.sim.mesos import build_master
from calico_dcos.web import inbox as inbox_module
from calico_dcos.web.application import build_application
from calico_dcos.web.inbox import Inbox, find_refusal
from calico_dcos.web.operator import Hands
from calico_dcos.web.server import MAX_BODY_BYTES, WebServer
from calico_dcos.web.walk import Walk
from tests.contract.real_etcd import find_free_port
from tests.contract.real_zookeeper import start_zookeeper
from tests.contract.scheduler_process import SchedulerProcess
from tests.contract.web_scene import TASK, TIMEOUT_S, Scene

OPERATOR_TOKEN = "the-operators-own-token-0001"
SECRETS = {"SECRET": "s3cr3t-of-the-principal", "OPERATOR_TOKEN": OPERATOR_TOKEN}
STORE_PASSWORD = "s3cr3t-of-the-store"
# What agents are told, in the settings that tell it.
OF_AGENTS = {
    "AGENT_LOGIN": "reader:s3cr3t-of-the-agents",
    "DOWNLOAD_PROXY": "http://bob:s3cr3t-of-the-proxy@proxy.example.com:3128",
    "NODE_ENVIRONMENT": "ETCD_PASSWORD=s3cr3t-of-etcd",
    "CNI_CALICO_URL": "http://bob:s3cr3t-of-the-mirror@mirror.example.com/calico",
}
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class Guarded:
    """A server that takes commands of one operator, and what it was made to do."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.commands: list[AnyCommand] = []
        application = build_application(
            service="calico",
            walk=Walk(
                read_revision=lambda: self.scene.revision,
                read_snapshot=self.scene.read_snapshot,
                check_health=lambda: None,
            ),
            inbox=Inbox(
                issue_token=lambda task_id: f"token-of-{task_id}",
                knows_task=lambda task_id: task_id == TASK,
                mailbox=self.scene.mailbox,
            ),
            hands=Hands(
                submit=self._submit, find_trouble=lambda: None, read_audit=lambda: ({}, 0), token=OPERATOR_TOKEN
            ),
            artifacts={},
            offers=self.scene.offers,
        )
        matchers: list[Any] = [rule.matcher for rule in application.wildcard_router.rules]
        patterns = [matcher.regex.pattern for matcher in matchers]
        self.paths = sorted({fill(pattern) for pattern in patterns})
        self.server = WebServer(application=application, address="127.0.0.1")

    def _submit(self, command: AnyCommand) -> Future[Verdict]:
        self.commands.append(command)
        return Future()

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"{}") -> requests.Response:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        return requests.request(method, url, headers=headers, data=body, timeout=TIMEOUT_S)


def fill(pattern: str) -> str:
    """Make a path of a route: every part that may be anything is one that exists."""
    path = re.sub(r"\((\?:[^)]*\)[^)]*|[^)]*)\)", "deploy", pattern.rstrip("$"))
    return path.replace("\\", "") or "/"


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    guarded = Guarded()
    guarded.server.start()
    yield guarded
    guarded.server.stop()


def test_the_token_of_a_report_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []

    class WatchedHmac:
        @staticmethod
        def compare_digest(one: Any, other: Any) -> bool:
            compared.append((one, other))
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(inbox_module, "hmac", WatchedHmac)
    box = Inbox(issue_token=lambda _: "expected", knows_task=lambda _: True, mailbox=Mailbox())

    assert find_refusal(box, TASK, "Bearer guessed") is not None
    assert find_refusal(box, TASK, "Bearer expected") is None
    assert compared == [(b"guessed", b"expected"), (b"expected", b"expected")]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic b3A6"}])
def test_nobody_without_a_token_changes_anything_on_any_path(guarded: Guarded, headers: dict[str, str]) -> None:
    assert len(guarded.paths) >= 20
    for path in guarded.paths:
        for method in CHANGING:
            answer = guarded.ask(method, path, {**headers, "Content-Type": "application/json"})
            assert answer.status_code in {401, 403, 404, 405}, f"{method} {path}: {answer.status_code}"

    assert guarded.commands == []
    assert guarded.scene.posted == []


def test_the_token_of_one_task_is_no_token_of_another(guarded: Guarded) -> None:
    answer = guarded.ask("POST", f"/v1/reports/{TASK}", {"Authorization": "Bearer token-of-another-task"})

    assert answer.status_code == 403
    assert guarded.scene.posted == []


def test_a_body_larger_than_anything_sensible_is_refused_on_every_path(guarded: Guarded) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)
    for path in guarded.paths:
        if path.startswith("/v1/reports/"):
            continue  # reports have a bound of their own, with tests of its own
        try:
            answer = guarded.ask("POST", path, {"Authorization": f"Bearer {OPERATOR_TOKEN}"}, body)
        except requests.RequestException:
            continue  # cut off
        assert answer.status_code in {400, 405, 413}, f"{path}: {answer.status_code}"

    assert guarded.commands == []


def test_secrets_are_in_no_log_no_page_no_answer_and_no_list_of_processes(tmp_path: Path) -> None:
    with ExitStack() as stack:
        zookeeper = start_zookeeper(tmp_path)
        stack.callback(zookeeper.stop)
        port = find_free_port()
        master = build_master(tmp_path / "master", port=port)
        stack.callback(master.stop)
        master.start()
        master.wait_until_listening()
        store = f"zk://calico:{STORE_PASSWORD}@{zookeeper.endpoint}/calico"
        scheduler = SchedulerProcess(
            log=tmp_path / "scheduler.log",
            MASTER=f"127.0.0.1:{port}",
            STATE_STORE=store,
            PRINCIPAL="calico",
            LOG_LEVEL="DEBUG",
            **SECRETS,
            **OF_AGENTS,
        )
        stack.callback(scheduler.stop)
        scheduler.start()
        scheduler.wait_until(lambda summary: summary["is_connected"])
        guarded = Guarded()
        readable = [path for path in guarded.paths if path != "/v1/events"]
        base = f"http://127.0.0.1:{scheduler.port}"
        answers = [requests.get(f"{base}{path}", timeout=TIMEOUT_S).text for path in readable]
        process_list = Path(f"/proc/{scheduler.pid}/cmdline").read_bytes().decode()
        scheduler.signal(signal.SIGTERM)
        scheduler.wait()
        log = scheduler.log.read_text(encoding="utf-8")

    assert "Acquired store zk://***@" in log
    of_agents = re.findall(r"s3cr3t-of-[a-z-]*[a-z]", str(OF_AGENTS))
    assert len(of_agents) == len(OF_AGENTS)
    for secret in (*SECRETS.values(), STORE_PASSWORD, *of_agents):
        assert secret not in log
        assert secret not in process_list
        assert not any(secret in answer for answer in answers)
