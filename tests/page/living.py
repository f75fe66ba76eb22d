"""A walk that lives behind a real server: the real core moves a cluster in memory, the page is what it shows."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from calico_dcos.core.actions import Reply
from calico_dcos.core.command import Verdict
from calico_dcos.core.events import AnyCommand, Commanded
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent, Change, Inspection, Note, Step, StepName, Task, TaskState
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from calico_dcos.core.steps import Policy
from calico_dcos.mailbox import Mailbox
from calico_dcos.troubles import Trouble
from calico_dcos.web.application import build_application
from calico_dcos.web.inbox import Inbox
from calico_dcos.web.operator import Hands
from calico_dcos.web.server import WebServer
from calico_dcos.web.walk import Photographer, Walk
from tests.unit.walking import STEPS, FakeCluster, FakeHost, build_host, build_policy

TOKEN = "open-sesame"
NOW = 1_700_000_000.0
FACTS = {
    "docker": {"engine": {"version": "20.10.24", "cluster_store": None}},
    "dcos": {"version": "1.13.9"},
    "mesos_agent": {"version": "1.9.0", "started_at": "2023-11-14T22:13:20Z"},
    "system": {"kernel": "5.10.0", "distribution": "Debian GNU/Linux 11"},
}


@dataclass
class Living:
    """What is shown: a cluster that moves when it is told to, or a state that does not."""

    cluster: FakeCluster | None
    state: State
    now: float = NOW
    troubles: tuple[Trouble, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self, steps: int = 1) -> None:
        """Let the cluster go on."""
        assert self.cluster is not None
        for _ in range(steps):
            with self.lock:
                self.cluster.step()
                self._add_facts()
                self.state, self.now = self.cluster.state, self.cluster.now

    def put(self, agent: Agent) -> None:
        """Replace one agent."""
        with self.lock:
            self.state = self.state.with_agent(agent).saved()

    def obey(self, command: AnyCommand) -> Future[Verdict]:
        """Carry an operator's command out, as the scheduler's loop does."""
        with self.lock:
            state, replies = fold(self.state, Commanded(command, uuid.uuid4().hex), self.now)
            self.state = state.saved()
            if self.cluster is not None:
                self.cluster.state = self.state
        answer: Future[Verdict] = Future()
        answer.set_result(next(reply.verdict for reply in replies if isinstance(reply, Reply)))
        return answer

    def _add_facts(self) -> None:
        # The cluster in memory has no facts of its own; people want to see some.
        assert self.cluster is not None
        for agent in self.cluster.state.agents.values():
            if agent.inspection is not None and not agent.inspection.facts:
                seen = replace(agent, mesos_version="1.9.0", inspection=replace(agent.inspection, facts=FACTS))
                self.cluster.state = self.cluster.state.with_agent(seen).saved()

    def build_server(self, **options: Any) -> WebServer:
        """Put a server in front of it; it is not started yet."""
        application = build_application(
            service="calico-install-framework",
            walk=Walk(
                read_revision=lambda: self.state.revision,
                read_snapshot=Photographer(
                    read_state=lambda: self.state, read_troubles=lambda: self.troubles, read_clock=lambda: self.now
                ),
                check_health=lambda: None,
            ),
            inbox=Inbox(issue_token=str, knows_task=lambda _: False, mailbox=Mailbox()),
            hands=Hands(
                submit=self.obey,
                find_trouble=lambda: None,
                read_audit=lambda: (self.state.audit, self.state.audit_count),
                token=TOKEN,
            ),
            artifacts={},
            **options,
        )
        return WebServer(application=application, address="127.0.0.1")


def build_living_walk(agents: int, policy: Policy | None = None) -> Living:
    """A cluster on which nothing is done yet; each third host needs its Docker restarted."""
    hosts: list[FakeHost] = []
    for number in range(1, agents + 1):
        restarts = (StepName.DOCKER_CLUSTER_STORE,) if number % 3 == 0 else ()
        hosts.append(build_host(number, restarts=restarts))
    cluster = FakeCluster(hosts, policy or build_policy())
    cluster.now = NOW
    cluster.state = replace(cluster.state, master="10.0.0.2:5050")
    return Living(cluster, cluster.state)


def build_services(number: int, policy: Policy) -> dict[StepName, Step]:
    """The services of a complete agent."""
    return {
        name: Step(
            task=Task(
                id=f"{name.value}.{number}",
                agent_id=f"S{number}",
                launched_at=NOW - 80,
                settings=policy.by_name[name].settings,
                state=TaskState.RUNNING,
                healthy_since=NOW - 70,
            ),
            completed_as=policy.by_name[name].settings,
        )
        for name in (StepName.ETCD_PROXY, StepName.CALICO_NODE)
    }


def build_large_walk(agents: int) -> Living:
    """A large cluster in the middle of its walk: a tenth complete, one agent at work, all others wait for its slot."""
    policy = build_policy()
    todo = {"cni": (Change("writes calico.conf", "the network calico is missing", "new containers may use it"),)}
    proofs = {name.value: f"{name.value} was seen" for name in STEPS}
    done = Inspection(at=NOW - 60, settings=policy.settings, facts=FACTS, proofs=proofs)
    open_ = replace(done, changes=todo)
    known = [
        Agent(
            key=f"agent{number}.example",
            agent_id=f"S{number}",
            hostname=f"agent{number}.example",
            ip=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}",
            is_public=number % 20 == 0,
            mesos_version="1.9.0" if number % 2 else "1.4.1",
            inspection=done if number % 10 == 0 else open_,
            settled_as=policy.settings if number % 10 == 0 else "",
            settled_at=NOW - 50 if number % 10 == 0 else None,
            slot_since=NOW - 20 if number == 1 else None,
            first_seen_at=NOW - 90,
            history=(Note(NOW - 90, "first seen"),),
            steps=build_services(number, policy) if number % 10 == 0 else {},
        )
        for number in range(agents)
    ]
    state = restore(policy, Memory(framework_id="F1", agents=tuple(known)), NOW)
    return Living(None, replace(state, is_subscribed=True, master="10.0.0.2:5050"))


@contextmanager
def serve(living: Living, **options: Any) -> Iterator[str]:
    """Serve it, and say where."""
    server = living.build_server(**options)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.stop()
