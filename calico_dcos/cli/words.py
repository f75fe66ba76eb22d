"""What the API told, as lines of plain text and as an exit status: pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

Json = dict[str, Any]

_MINUTE_S = 60
_HOUR_S = 3600


class Exit(IntEnum):
    """What the exit status tells a script."""

    COMPLETE = 0
    REFUSED = 1
    USAGE = 2
    IN_PROGRESS = 3
    FAILED = 4
    UNREACHABLE = 5


EXIT_HELP = (
    "Exit status: 0 complete, or the command was obeyed; 1 the command was refused; 2 wrong usage; 3 in progress; "
    "4 something failed; 5 the scheduler does not answer."
)


def choose_exit(status: str) -> Exit:
    """Choose the exit status for the status of a plan or an agent."""
    if status == "COMPLETE":
        return Exit.COMPLETE
    return Exit.FAILED if status == "ERROR" else Exit.IN_PROGRESS


def choose_preflight_exit(document: Json) -> Exit:
    """Choose the exit status for what would change: 4 something is refused, 3 something is left or not inspected."""
    total = document["total"]
    if total["refused"]:
        return Exit.FAILED
    return Exit.COMPLETE if total["agents"] and total["nothing"] == total["agents"] else Exit.IN_PROGRESS


def describe_seconds(seconds: float) -> str:
    """Say how long, in the unit that people would take."""
    if seconds < 2 * _MINUTE_S:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.0f} h"


def describe_moment(at: float) -> str:
    """Say when, the same in every time zone."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def describe_left(summary: Json) -> str:
    """Say how long the walk still takes, as far as that is known."""
    if summary["total"] == summary["complete"]:
        return ""
    return "" if summary["left_s"] is None else f"about {describe_seconds(summary['left_s'])} left"


def find_current(agent: Json) -> Json | None:
    """The step at which an agent is."""
    active = [step for step in agent["steps"] if step["status"] in {"STARTED", "STARTING"}]
    open_steps = [step for step in agent["steps"] if step["status"] != "COMPLETE"]
    return next(iter(active or open_steps), None)


def list_troubles(summary: Json) -> Iterator[str]:
    """Say what is wrong with what the scheduler depends on, a line for each."""
    troubles = summary.get("troubles", ())
    for trouble in troubles:
        told = f"{trouble['words']}; {trouble['remedy']}" if trouble["remedy"] else trouble["words"]
        yield f"{trouble['source']}, since {describe_moment(trouble['since'])}: {told}"
    if not summary["is_connected"] and not troubles:
        yield "not connected to the Mesos master: nothing new is started"


def write_status(listing: Json) -> Iterator[str]:
    """Write the state of the walk: how far, what now, why not."""
    summary = listing["summary"]
    yield f"{summary['service']}: {summary['status']}" + (f" ({summary['message']})" if summary.get("message") else "")
    if summary["off"]:
        yield f"off: {', '.join(summary['off'])}"
    counts = f"{summary['complete']} of {summary['total']} agents complete"
    others = ", ".join(f"{summary[group]} {group}" for group in ("working", "waiting", "failed"))
    yield "; ".join(filter(None, [f"{counts}, {others}", describe_left(summary)]))
    for line in list_troubles(summary):
        yield f"trouble: {line}"
    for agent in summary["active"]:
        current = find_current(agent)
        yield f"now: {agent['key']}: {'' if current is None else current['name'] + ': '}{agent['message']}"
    if summary.get("next"):
        yield f"next: {', '.join(summary['next'])}"
    for waiting in summary["reasons"]:
        yield f"waiting: {waiting['agents']} because: {waiting['reason']}"
    for error in summary["errors"]:
        yield f"failed: {error}"


def write_pins(document: Json) -> Iterator[str]:
    """Write a line for each sum, with the steps that fetch it."""
    for pin in document["pins"]:
        yield f"{pin['sha256']}  {pin['url']}  ({', '.join(pin['steps']) or 'no step fetches it any more'})"


def write_agents(listing: Json) -> Iterator[str]:
    """Write a line for each agent, in columns."""
    rows = listing["agents"]
    width = max((len(row["key"]) for row in rows), default=0)
    for row in rows:
        kind = "public" if row["is_public"] else "private"
        line = (
            f"{row['key']:<{width}}  {kind:<7}  {row['mesos_version'] or '-':<7}  {row['status']:<11}  {row['message']}"
        )
        yield line.rstrip()


def describe_steps(changes: list[Json]) -> str:
    """Name the steps of changes, each once, with how many there are of each."""
    counts: dict[str, int] = {}
    for change in changes:
        counts[change["step"]] = counts.get(change["step"], 0) + 1
    return ", ".join(step if count == 1 else f"{step} ({count})" for step, count in counts.items())


def describe_outlook(agent: Json) -> str:
    """Say in one line what would change and restart on an agent."""
    steps = describe_steps(agent["changes"])
    told = [f"changes {steps}"] if steps else []
    if agent["restarts"]:
        told.append(f"restarts {', '.join(agent['restarts'])}")
    told += [f"refused: {step}: {reason}" for step, reason in agent["refusals"].items()]
    told += [f"unclear: {step}: {reason}" for step, reason in agent["doubts"].items()]
    idle = "nothing to do" if agent["is_inspected"] else "not inspected yet"
    known = describe_node(agent)
    return f"{f'{known}: ' if known else ''}{'; '.join(told) or idle}"


def describe_node(agent: Json) -> str:
    """Say as whom Calico knows an agent, or would; nothing where that is not known."""
    node = agent["node"]
    return "" if node is None else f"{node['name']} with {node['address']}"


def describe_preflight(document: Json) -> str:
    """Say in one line what would change and restart in sum."""
    total = document["total"]
    return (
        f"{total['inspected']} of {total['agents']} agents inspected: {total['change']} would change, "
        f"{total['docker']} would restart Docker, {total['mesos-agent']} would restart the Mesos agent, "
        f"{total['refused']} refused, {total['unclear']} unclear, {total['nothing']} nothing to do"
    )


def write_preflight(document: Json) -> Iterator[str]:
    """Write a line for each agent, and one for all of them."""
    width = max((len(agent["key"]) for agent in document["agents"]), default=0)
    for agent in document["agents"]:
        yield f"{agent['key']:<{width}}  {describe_outlook(agent)}"
    yield describe_preflight(document)


def write_agent(agent: Json) -> Iterator[str]:
    """Write all that is known of an agent but for its facts, which are long: `--json` has them."""
    kind = "public" if agent["is_public"] else "private"
    yield f"{agent['key']}: {agent['status']}: {agent['message']}"
    yield f"Mesos agent {agent['agent_id']} {agent['mesos_version']}, {kind}, {agent['ip']}:{agent['port']}"
    versions = [("Docker", agent["docker_version"]), ("DC/OS", agent["dcos_version"])]
    yield from (f"{program} {version}" for program, version in versions if version)
    for step in agent["steps"]:
        told = step["message"] or step["reason"]
        yield f"  {step['name']:<21} {(step['badge'].upper() or step['status']):<11} {told}".rstrip()
    for step_name, changes in agent["changes"].items():
        for change in changes:
            restarts = f"; restarts {change['restarts']}" if change["restarts"] else ""
            impact = f"impact: {change['impact']}{restarts}"
            yield f"change: {step_name}: {change['message']} (because {change['reason']}; {impact})"
    for step_name, reason in agent["refusals"].items():
        yield f"refused: {step_name}: {reason}"
    for step_name, reason in agent["unknowns"].items():
        yield f"could not look: {step_name}: {reason}"
    for step_name, reason in agent["faults"].items():
        yield f"of no use: {step_name}: {reason}"
    for step_name, seen in agent["proofs"].items():
        yield f"proven: {step_name}: {seen}"
    for note in agent["history"]:
        yield f"{describe_moment(note['at'])}  {note['text']}"
