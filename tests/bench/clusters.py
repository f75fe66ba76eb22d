"""Clusters to measure with: agents as large as those of a real one, each with the facts of a host that is in use."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from calico_dcos.core.events import Inspected
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent, Backoff, Inspection, Note, Step, StepName, Task, TaskState
from calico_dcos.core.resources import Offer, Resource, ResourceKind
from calico_dcos.core.restoring import restore
from calico_dcos.core.state import State
from calico_dcos.installer.inspection import Inspection as Look
from calico_dcos.installer.plans import plan_changes
from calico_dcos.installer.report import build_inspection
from calico_dcos.installer.wanted import parse_wanted
from calico_dcos.web.reports import parse_report
from tests.unit.installer.cases import run_cases
from tests.unit.walking import build_policy

SMALL, LARGE = 100, 10_000
SIZES = (SMALL, 1_000, LARGE)
NOW = 1_700_000_000.0
POLICY = build_policy()
CONTAINERS = 45
"""On each host, as Docker lists them: with these, facts have 12 kB."""
NOTES = 12

Build = Callable[[int], Agent]


@functools.cache
def look(*facts: tuple[str, Any]) -> Inspection:
    """What an installer reports of a busy host, whose facts differ in these from those of an ordinary one."""
    image = "registry.example.com/team/service:2023-11-14-build-1234"
    names = [f"mesos-0c1d2e3f-4a5b-4c6d-8e7f-{number:012d}" for number in range(CONTAINERS)]
    running = [{"name": name, "image": image} for name in names]
    busy = {"docker.engine.running": running, "docker.engine.running_count": len(running), **dict(facts)}
    wanted = parse_wanted(json.dumps(run_cases._load("wanted.json")))
    seen = run_cases.build_facts({"facts": busy}, wanted)
    report = json.dumps(build_inspection(Look(seen, plan_changes(seen, wanted), 0.0), 0.1)).encode()
    event = parse_report("inspect.1", report)
    assert isinstance(event, Inspected)
    return replace(event.inspection, at=NOW - 60, settings=POLICY.settings)


def build_open(number: int) -> Agent:
    """An agent that was looked at, and waits for its slot."""
    return Agent(
        key=f"agent{number}.example",
        agent_id=f"c0ffee00-0000-4000-8000-000000000000-S{number}",
        hostname=f"agent{number}.example",
        ip=f"10.{number // 65536}.{number // 256 % 256}.{number % 256}",
        mesos_version="1.9.0",
        inspection=look(("docker.engine.cluster_store", None)),
        first_seen_at=NOW - 90,
        history=tuple(Note(NOW - 90 + one, f"inspect starts as inspect.{number}.{one}") for one in range(NOTES)),
    )


def build_complete(number: int) -> Agent:
    """An agent whose phase is complete, with its two services running."""
    steps = {
        name: Step(
            task=Task(
                id=build_task_id(name, number),
                agent_id=build_open(number).agent_id,
                launched_at=NOW - 80,
                settings=POLICY.by_name[name].settings,
                state=TaskState.RUNNING,
                healthy_since=NOW - 70,
                configuration=POLICY.settings,
            ),
            completed_as=POLICY.by_name[name].settings,
        )
        for name in (StepName.ETCD_PROXY, StepName.CALICO_NODE)
    }
    return replace(build_open(number), steps=steps, inspection=look(), settled_as=POLICY.settings, settled_at=NOW - 50)


def build_refused(number: int) -> Agent:
    """An agent that waits, or every second time one whose host refuses a step before anything was changed."""
    if number % 2:
        return build_open(number)
    refusing = look(
        ("docker.engine.cluster_store", None), ("docker.unit.active_state", "inactive"), ("docker.unit.main_pid", 0)
    )
    return replace(build_open(number), inspection=refusing)


def build_failed(number: int) -> Agent:
    """An agent that waits, or every second time one that failed half-way, which stops the walk."""
    if number % 2:
        return build_open(number)
    failed = Step(backoff=Backoff(POLICY.max_attempts, NOW - 10, "it would not start"))
    return replace(build_open(number), steps={StepName.ETCD_PROXY: failed}, failed_since=NOW - 10)


def build_task_id(name: StepName, number: int) -> str:
    """The id of a service's task."""
    return f"{name.value}.0c1d2e3f-4a5b-4c6d-8e7f-{number:012d}"


@functools.cache
def build_agents(size: int, build: Build, first: int = 0) -> tuple[Agent, ...]:
    return tuple(map(build, range(first, first + size)))


@functools.cache
def build_state(size: int, build: Build, first: int = 0) -> State:
    """The state of a scheduler that the master has taken in, and that knows of all tasks how they are."""
    state = restore(POLICY, Memory(framework_id="F1", agents=build_agents(size, build, first)), NOW)
    return replace(state, is_subscribed=True, master="10.0.0.2:5050", reconciled_at=NOW, revived_at=NOW)


def build_offer(agent: Agent) -> Offer:
    """An offer that is large enough for anything."""
    amounts = {"cpus": 4.0, "mem": 4096.0}
    resources = tuple(Resource(name, ResourceKind.SCALAR, "*", amount=amount) for name, amount in amounts.items())
    return Offer(f"O-{agent.key}", agent.agent_id, agent.hostname, agent.ip, agent.port, agent.is_public, resources)


def make_task_id(step: object) -> str:
    return f"{step}.new"
