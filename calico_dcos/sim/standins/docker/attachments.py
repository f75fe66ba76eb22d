"""Containers on networks of Docker's own making: each gets an address on the simulated network while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.network.attachment import Request, attach, detach, list_variables
from calico_dcos.sim.standins.network.places import read_place
from calico_dcos.sim.standins.options import read_options

_NAMESPACES = "run/stand-in/docker-namespaces"
_SHARED = ("", "default", "bridge", "host", "none")


def find_network(config: Mapping[str, Any]) -> str | None:
    """Find the name of the network that a container wants; None for those that Docker has by itself."""
    mode: str = (config.get("HostConfig") or {}).get("NetworkMode") or ""
    return None if mode in _SHARED or mode.startswith("container:") else mode


def tie(root: Path, container_id: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Tie a container to its network; what is to be in its environment."""
    if find_network(config) is None:
        return {}
    loosen(root, container_id)
    request = Request(read_options(root).address, container_id, root / _NAMESPACES / container_id)
    return list_variables(request, attach(root, request).behind)


def loosen(root: Path, container_id: str) -> None:
    """Loosen a container that has ended."""
    detach(root, container_id)
    (root / _NAMESPACES / container_id).unlink(missing_ok=True)


def build_settings(root: Path, container_id: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Build what an inspection tells of a container's networks."""
    network = find_network(config)
    if network is None:
        return {"Networks": {}}
    place = read_place(root, container_id)
    return {"Networks": {network: {"IPAddress": "" if place is None else place.address}}}
