"""The connectivity test over HTTP: its newest run as JSON, and the commands that start and stop one."""

from __future__ import annotations

import json
from typing import Any

from calico_dcos.core.connectivity import (
    MAX_AGENTS,
    Outcome,
    Pair,
    Result,
    Run,
    RunCommand,
    Stand,
    StartRun,
    StopRun,
)
from calico_dcos.core.connectivity_words import describe_run

from .commands import MAX_REASON_LENGTH, CommandEndpoint, MalformedCommandError
from .operator import clean
from .views import Json, find_keys
from .walk import Snapshot

START, STOP = "start", "stop"
RUNNING = "running"
STATUSES = (RUNNING, *(outcome.value for outcome in Outcome))


def build_connectivity(snapshot: Snapshot) -> Json:
    """Build what is told of the newest run; its `run` is null before the first."""
    run = snapshot.connectivity
    return {"now": snapshot.at, "run": None if run is None else build_run(run)}


def build_run(run: Run) -> Json:
    """Build what is told of a run."""
    return {
        "id": run.id,
        "status": run.outcome.value if run.is_over else RUNNING,
        "message": describe_run(run),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "who": run.who,
        "reason": run.reason,
        "tests": list(run.tests),
        "left_out": dict(run.left_out),
        "pairs": [_build_pair(run, pair) for pair in run.pairs],
    }


def _build_pair(run: Run, pair: Pair) -> Json:
    status = pair.outcome.value if pair.ended_at is not None else RUNNING
    return {
        "client": pair.client,
        "server": pair.server,
        "status": status,
        "message": "" if pair.ended_at is not None else _describe_wait(run, pair),
        "results": [_build_result(result) for result in pair.results],
    }


def _describe_wait(run: Run, pair: Pair) -> str:
    """Say what a pair waits for."""
    if pair.probe is not None:
        return "its actions are taken" if pair.results else "its probe starts"
    waiting = [told for stand in run.stands if (told := _describe_stand(run, stand, pair))]
    return "; ".join(waiting) or "waits for its turn"


def _describe_stand(run: Run, stand: Stand, pair: Pair) -> str:
    if stand.agent_key not in (pair.client, pair.server):
        return ""
    open_tests = [test for test in run.tests if not stand.get_server(test).is_settled]
    if not open_tests:
        return ""
    trial = stand.get_server(open_tests[0]).trial
    if trial is not None:
        return f"{stand.agent_key}: {open_tests[0]} starts"
    lack = f", which has no {stand.shortfall}" if stand.shortfall else ""
    return f"{stand.agent_key}: {open_tests[0]} waits for an offer{lack}"


def _build_result(result: Result) -> Json:
    return {
        "test": result.test,
        "action": result.action,
        "outcome": result.outcome.value,
        "message": result.message,
        "rtt_ms": result.rtt_ms,
        "mtu": result.mtu,
    }


def parse_run_command(body: bytes, snapshot: Snapshot, who: str) -> RunCommand:
    """Read a command.

    Raises:
        MalformedCommandError: it is none, or names an agent that is none.
    """
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedCommandError(f"the body is not JSON: {clean(str(error))}") from error
    if not isinstance(document, dict):
        raise MalformedCommandError("the body is not a JSON object")
    unknown = sorted(str(name) for name in set(document) - {"command", "agents", "reason"})
    if unknown:
        raise MalformedCommandError(f"a command has no {clean(unknown[0])}: it has command, agents and reason")
    reason = document.get("reason") or ""
    if not isinstance(reason, str):
        raise MalformedCommandError("reason is not a text")
    word = document.get("command")
    if word == STOP:
        return StopRun(who, clean(reason, MAX_REASON_LENGTH))
    if word != START:
        raise MalformedCommandError(f"command is one of {START}, {STOP}")
    return StartRun(_parse_agents(document.get("agents") or [], snapshot), who, clean(reason, MAX_REASON_LENGTH))


def _parse_agents(names: Any, snapshot: Snapshot) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MalformedCommandError("agents is not a list of texts")
    if len(names) > MAX_AGENTS:
        raise MalformedCommandError(f"agents: {len(names)} are more than {MAX_AGENTS}")
    return tuple(_find_agent(name, snapshot) for name in names)


def _find_agent(name: str, snapshot: Snapshot) -> str:
    keys = find_keys(snapshot, name)
    if len(keys) == 1:
        return keys[0]
    several = f"{clean(name)} means several agents: {', '.join(keys)}"
    raise MalformedCommandError(f"agents: {several if keys else f'no agent {clean(name)}'}")


class Connectivity(CommandEndpoint):
    """`/v1/connectivity`: the newest run of the connectivity test; POST starts or stops one."""

    def get(self) -> None:
        """Answer the newest run."""
        self.answer_json(build_connectivity(self._feed.read_now().snapshot))

    async def post(self) -> None:
        """Take a command."""
        snapshot = self._feed.read_now().snapshot
        await self.carry_out(lambda: parse_run_command(self.request.body, snapshot, self.who))
