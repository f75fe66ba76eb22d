"""What was done to the hosts, judged from their own records: the scheduler is not asked."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from calico_dcos.sim.cluster_plan import AGENT_UNITS
from calico_dcos.sim.host import DOCKER_UNIT, Host
from calico_dcos.sim.standins.deeds import Deed

NODE_IS_UP = "started container calico-node"
NODE_IS_TAKEN_DOWN = ("stopped container calico-node", "killed container calico-node", "removed container calico-node")
RESTARTS = tuple(f"{verb} {unit}" for verb in ("restarted", "started") for unit in (DOCKER_UNIT, *AGENT_UNITS))
CHANGES = (*RESTARTS, f"reloaded {DOCKER_UNIT}", "created container calico-node")


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted on a host."""

    host: str
    begin: float
    end: float


def find_violations(hosts: Sequence[Host], *, max_agents: int, max_restarts: int) -> list[str]:
    """Say what was done to hosts that must never be done; nothing if all is well."""
    found = [violation for host in hosts for violation in _find_on_host(host)]
    found += _find_crowds("changed at once", max_agents, [span for host in hosts for span in _list_changes(host)])
    found += _find_crowds("restarted at once", max_restarts, [span for host in hosts for span in _list_restarts(host)])
    return found


def list_old(host: Host) -> bool:
    """Whether the host's Mesos needs its agent restarted: told by its version of DC/OS."""
    return '"1.8' in (host.root / "opt/mesosphere/etc/dcos-version.json").read_text(encoding="utf-8")


def _find_on_host(host: Host) -> Iterator[str]:
    deeds = host.read_deeds()
    for unit in (DOCKER_UNIT, *AGENT_UNITS):
        times = [deed.t for deed in deeds if deed.effect in (f"restarted {unit}", f"started {unit}")]
        allowed = 1 if unit in AGENT_UNITS and list_old(host) else 0
        if len(times) > allowed:
            yield f"{host.name}: {unit} was restarted {len(times)} times, facts ask for {allowed}"
    is_up = False
    for deed in deeds:
        if deed.effect.startswith(NODE_IS_TAKEN_DOWN) and is_up:
            yield f"{host.name}: {deed.effect}, though it was wanted"
        is_up = is_up or deed.effect == NODE_IS_UP
    if not is_up:
        yield f"{host.name}: calico-node never started"


def _list_changes(host: Host) -> Iterator[Span]:
    """The time from the first change until calico-node came up first: a slot must have been held for all of it."""
    changes = [deed.t for deed in host.read_deeds() if deed.effect in CHANGES]
    ends = [deed.t for deed in host.read_deeds() if deed.effect == NODE_IS_UP]
    if changes and ends:
        yield Span(host.name, min(changes), min(ends))


def _list_restarts(host: Host) -> Iterator[Span]:
    """The time from each restart until the host's agent was registered again."""
    registrations = [deed["t"] for deed in read_agent_deeds(host) if deed["event"] == "agent registered"]
    for deed in host.read_deeds():
        if deed.effect in RESTARTS:
            later = [t for t in registrations if t > deed.t]
            yield Span(host.name, deed.t, min(later, default=deed.t))


def read_agent_deeds(host: Host) -> list[dict[str, Any]]:
    """Read what the simulated agent wrote down of itself."""
    path = host.root / "var/lib/mesos/slave/deeds.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def _find_crowds(what: str, most: int, spans: list[Span]) -> Iterator[str]:
    for span in spans:
        others = sorted({other.host for other in spans if other.begin <= span.begin < other.end})
        if len(others) > most:
            yield f"{what}: {', '.join(others)}"


def tell_story(hosts: Sequence[Host]) -> str:
    """Everything that was done to the hosts, in order, for people."""
    deeds: list[tuple[Deed, str]] = [(deed, host.name) for host in hosts for deed in host.read_deeds()]
    ordered = sorted(deeds, key=lambda entry: entry[0].t)
    return "\n".join(itertools.starmap(lambda deed, name: f"{deed.t:.3f} {name} {deed.effect}", ordered))
