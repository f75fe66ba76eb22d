"""Ties containers to the simulated network, and loosens them again, whoever started them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from calico_dcos.sim.standins.network.places import (
    LOOPBACK_VARIABLE,
    NAMESPACE_VARIABLE,
    Place,
    give_up_place,
    read_place,
    take_place,
    write_place,
)
from calico_dcos.sim.standins.network.wire import build_command


class AttachError(Exception):
    """A container cannot be tied to the network."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be tied.

    Attributes:
        host_address: of the host that it is on.
        namespace: the file that stands in for its network namespace, and gets what programs in it must know.
        labels: by which policies know it.
        etcd: where policies are, as host:port; empty where none applies.
        key: of its endpoint in etcd; empty for none.
    """

    host_address: str
    container: str
    namespace: Path
    labels: dict[str, str] = field(default_factory=dict)
    etcd: str = ""
    key: str = ""


def attach(root: Path, request: Request) -> Place:
    """Give a container an address, and start its wire."""
    address, behind = take_place(root, request.host_address, request.container)
    place = Place(root.name, request.container, address, behind, request.labels, request.etcd, request.key)
    # As long as the container lives, whatever becomes of whoever starts it.
    wire = subprocess.Popen(
        build_command(root, place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert wire.stdout is not None  # noqa: S101 - it is a pipe
    if wire.stdout.readline() != b"up\n":
        give_up_place(root, request.container)
        raise AttachError(f"failed to create veth for {address}")
    write_place(root, replace(place, wire=wire.pid))
    request.namespace.parent.mkdir(parents=True, exist_ok=True)
    request.namespace.write_text(json.dumps({**list_variables(request, behind), "address": address}), encoding="utf-8")
    return place


def list_variables(request: Request, behind: str) -> dict[str, str]:
    """What programs in the namespace have in their environment."""
    return {LOOPBACK_VARIABLE: behind, NAMESPACE_VARIABLE: str(request.namespace)}


def detach(root: Path, container: str) -> Place | None:
    """Loosen a container; None if it is not tied."""
    place = read_place(root, container)
    if place is None:
        return None
    with contextlib.suppress(OSError):
        os.kill(place.wire, signal.SIGKILL)
    give_up_place(root, container)
    return place
