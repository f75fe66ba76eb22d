"""A scheduler that shows and takes what a test wants, behind a real server."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from immutables import Map

from calico_dcos.core.events import Event
from calico_dcos.core.model import Agent, Inspection, Note, Status, Step, StepName, Task, TaskState
from calico_dcos.mailbox import Mailbox
from calico_dcos.troubles import Troubles
from calico_dcos.web.application import build_application
from calico_dcos.web.inbox import Inbox
from calico_dcos.web.offers import OfferBook
from calico_dcos.web.operator import Hands
from calico_dcos.web.plan import PhaseView, PlanView, StepView
from calico_dcos.web.server import WebServer
from calico_dcos.web.walk import Snapshot, Walk

TIMEOUT_S = 60
TASK = "cni-1"


@dataclass
class Scene:
    """A scheduler that shows and takes what a test wants."""

    revision: int = 1
    statuses: dict[str, Status] = field(default_factory=lambda: {"a1": Status.COMPLETE, "a2:5052": Status.PENDING})
    plan_status: Status = Status.IN_PROGRESS
    errors: tuple[str, ...] = ()
    message: str = ""
    ill: str | None = None
    framework_id: str = "f1"
    settled: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=lambda: {TASK})
    # A clock that stands still: reports do not get older.
    mailbox: Mailbox = field(default_factory=lambda: Mailbox(read_clock=lambda: 0.0))
    troubles: Troubles = field(default_factory=Troubles)
    pins: dict[str, str] = field(default_factory=dict)
    downloads: dict[str, frozenset[str]] = field(default_factory=dict)
    found: dict[str, Inspection] = field(default_factory=dict)
    offers: OfferBook = field(default_factory=OfferBook)

    @property
    def posted(self) -> list[Event]:
        """The reports that were taken since somebody last looked."""
        return self.mailbox.take(0, 1000)

    def set_status(self, key: str, status: Status) -> None:
        """Change one agent, as the scheduler's thread does."""
        self.statuses = {**self.statuses, key: status}
        self.revision += 1

    def read_snapshot(self) -> Snapshot:
        """Take a snapshot."""
        agents = {key: self._build_agent(key) for key in self.statuses}
        phases = tuple(
            PhaseView(key, status, f"<b>{key}</b>", tuple(StepView(name, status, "") for name in StepName))
            for key, status in self.statuses.items()
        )
        plan = PlanView(phases, self.plan_status, self.errors, self.message)
        return Snapshot(
            self.revision,
            1000.0,
            Map(agents),
            plan,
            framework_id=self.framework_id,
            master="m:5050",
            is_connected=True,
            troubles=self.troubles.list_all(),
            pins=self.pins,
            downloads=self.downloads,
        )

    def _build_agent(self, key: str) -> Agent:
        found = Inspection(at=900.0, settings="s", facts={"docker": {"version": "20.10"}})
        agent = Agent(key=key, agent_id=f"{key}-S1", hostname=key.partition(":")[0], mesos_version="1.9.0")
        proxy = Step(Task(f"etcd-proxy.{key}", agent.agent_id, 850.0, "s", TaskState.RUNNING, since=860.0))
        return replace(
            agent,
            inspection=self.found.get(key, found),
            history=(Note(800.0, "first seen"),),
            steps={StepName.ETCD_PROXY: proxy},
            settled_at=950.0 if key in self.settled else None,
        )


@dataclass
class Site:
    """A running server, and the scene that it shows."""

    scene: Scene
    server: WebServer

    def url(self, path: str) -> str:
        """Where a path is."""
        return f"http://127.0.0.1:{self.server.port}{path}"

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET a path."""
        return requests.get(self.url(path), headers=headers, timeout=TIMEOUT_S)

    def post(self, path: str, body: object, headers: dict[str, str]) -> requests.Response:
        """POST bytes, or a document."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(self.url(path), data=content, headers=headers, timeout=TIMEOUT_S)

    def get_raw(self, path: str) -> tuple[int, bytes]:
        """GET a path exactly as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def build_server(scene: Scene, artifacts: dict[str, Path] | None = None, **options: Any) -> WebServer:
    """Put a server in front of a scene; it is not started yet."""
    serving = {name: options.pop(name) for name in ("port", "max_connections") if name in options}
    nobody = Hands(submit=lambda _: Future(), find_trouble=lambda: None, read_audit=lambda: ({}, 0))
    options = {"hands": nobody, **options}
    application = build_application(
        service="calico",
        walk=Walk(
            read_revision=lambda: scene.revision,
            read_snapshot=scene.read_snapshot,
            check_health=lambda: scene.ill or scene.troubles.find_stopping(),
            read_troubles=scene.troubles.list_all,
        ),
        inbox=Inbox(
            issue_token=lambda task_id: f"token-of-{task_id}",
            knows_task=lambda task_id: task_id in scene.tasks,
            mailbox=scene.mailbox,
        ),
        artifacts=artifacts or {},
        offers=scene.offers,
        **options,
    )
    return WebServer(application=application, address="127.0.0.1", troubles=scene.troubles, **serving)
