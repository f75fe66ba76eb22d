"""Workloads on the network of Calico, as etcd knows them: who they are, and what Felix is to do for them. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calico_dcos.sim.standins.calico_node.policies import is_denied


@dataclass(frozen=True, slots=True)
class Workload:
    """What Felix is to do for a workload: a route to its address, and rules for its interface on the host."""

    interface: str
    address: str
    is_denied: bool


def name_workloads(host: str) -> str:
    """Name the directory of a host's workloads."""
    return f"/calico/v1/host/{host}/workload"


def name_workload(host: str, orchestrator: str, workload: str, endpoint: str) -> str:
    """Name the key of a workload."""
    return f"{name_workloads(host)}/{orchestrator}/{workload}/endpoint/{endpoint}"


def build_endpoint(interface: str, address: str, profile: str, labels: Mapping[str, str]) -> str:
    """Build the value of a workload's key."""
    endpoint = {
        "state": "active",
        "name": interface,
        "profile_ids": [profile],
        "ipv4_nets": [f"{address}/32"],
        "labels": dict(labels),
    }
    return json.dumps(endpoint)


def parse_workloads(endpoints: Iterable[str], policies: Iterable[str]) -> list[Workload]:
    """Read the values of the keys of a host's workloads, and of the policies."""
    known = list(policies)
    found = [json.loads(text) for text in endpoints]
    return [
        Workload(one["name"], one["ipv4_nets"][0].partition("/")[0], is_denied(known, one.get("labels") or {}))
        for one in found
    ]


def build_rules(workloads: Iterable[Workload]) -> str:
    """Build what `iptables-restore --noflush` takes for the workloads of a host: it begins the chains anew.

    Who is let through comes back to cali-FORWARD, which accepts; whoever is not known is dropped.
    """
    chains = ("cali-from-wl-dispatch", "cali-to-wl-dispatch")
    lines = ["*filter", *(f":{chain} - [0:0]" for chain in chains)]
    for one in workloads:
        lines += [
            f"-A cali-from-wl-dispatch -i {one.interface} -j RETURN",
            f"-A cali-to-wl-dispatch -o {one.interface} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
            f"-A cali-to-wl-dispatch -o {one.interface} -j {'DROP' if one.is_denied else 'RETURN'}",
        ]
    lines += [f'-A {chain} -m comment --comment "Unknown interface" -j DROP' for chain in chains]
    return "\n".join([*lines, "COMMIT", ""])
