"""Who has which address on the simulated network, written down by the plugin below the root of each host."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WIRES = "run/stand-in/wires"
# Says to a program where in the network it is: the file that stands in for its namespace.
NAMESPACE_VARIABLE = "STAND_IN_NAMESPACE"
LOOPBACK_VARIABLE = "CALICO_DCOS_LOOPBACK"
# Where a workload of the connectivity test listens, and where its wire tells pings apart.
PORT = 9199
PING_PORT = 9198
_MOST_WORKLOADS = 120
_BEHIND = 128


class NetworkFullError(Exception):
    """A host has no further address."""


@dataclass(frozen=True, slots=True)
class Place:
    """A workload's place on the network.

    Attributes:
        address: at which others reach it.
        behind: at which it really listens.
        wire: process id of its wire.
        key: of its endpoint in etcd.
    """

    host: str
    container: str
    address: str
    behind: str
    labels: dict[str, str]
    etcd: str
    key: str
    wire: int = 0


def take_place(root: Path, host_address: str, container: str) -> tuple[str, str]:
    """Take the next free addresses of a host: where others reach a workload, and where it listens."""
    directory = root / WIRES
    directory.mkdir(parents=True, exist_ok=True)
    _, _, network, host = host_address.split(".")
    for number in range(1, _MOST_WORKLOADS):
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(directory / f"{number}.taken", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.write(descriptor, container.encode())
            os.close(descriptor)
            return f"127.{network}.{host}.{number}", f"127.{network}.{host}.{number + _BEHIND}"
    raise NetworkFullError(root.name)


def write_place(root: Path, place: Place) -> None:
    """Write down who has a place."""
    path = _name(root, place.container)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(place)), encoding="utf-8")
    temporary.replace(path)


def read_place(root: Path, container: str) -> Place | None:
    """Read a container's place; None if it has none."""
    try:
        return Place(**json.loads(_name(root, container).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def give_up_place(root: Path, container: str) -> None:
    """Let the next one have a container's place."""
    directory = root / WIRES
    _name(root, container).unlink(missing_ok=True)
    for path in directory.glob("*.taken"):
        if path.read_text(encoding="utf-8") == container:
            path.unlink(missing_ok=True)


def find_host(directory: Path, address: str) -> str:
    """Find the name of the host on which an address is; empty if it is on none."""
    for path in directory.glob(f"*/{WIRES}/*.json"):
        with contextlib.suppress(FileNotFoundError, ValueError):
            if _read(path).get("address") == address:
                return path.relative_to(directory).parts[0]
    return ""


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _name(root: Path, container: str) -> Path:
    return root / WIRES / f"{container}.json"


def read_namespace() -> dict[str, str] | None:
    """Where in the network this program is: the variables of its namespace; None on the host's own."""
    path = os.environ.get(NAMESPACE_VARIABLE)
    if not path:
        return None
    content: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    return content
