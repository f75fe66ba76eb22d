"""What is wrong with a simulated network: a file beside the roots of its hosts, which a test writes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "network-faults.json"
ANY = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls packets from one host's workloads to another's.

    Attributes:
        kind: "cut": all are lost; "no-route": so, and the client's host has no route; "no-ping": ICMP is lost; "mtu":
            longer ones than `mtu` are lost where they must not be fragmented; "masquerade": they come from the
            client's host; "no-policy": no policy is applied to the server.
        client: the host's name, or ANY.
        server: as well.
    """

    kind: str
    client: str = ANY
    server: str = ANY
    mtu: int = 0


def write_faults(directory: Path, faults: Iterable[Fault]) -> None:
    """Write what is wrong from now on with the network of the hosts in a directory."""
    path = directory / _FILE
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps([asdict(fault) for fault in faults]), encoding="utf-8")
    temporary.replace(path)


def find_fault(directory: Path, kind: str, client: str, server: str) -> Fault | None:
    """Find a fault of a kind that befalls packets from one host to another; None if there is none."""
    try:
        rows = json.loads((directory / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    for fault in (Fault(**row) for row in rows):
        if fault.kind == kind and fault.client in (ANY, client) and fault.server in (ANY, server):
            return fault
    return None
