"""What a calico-node that works shows of itself on a stand-in host: keys in etcd, BIRD's socket, plugins, processes.

All of it follows from the host's state file: ``calico`` says what is wrong with it.
"""

from __future__ import annotations

import json
import socketserver
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CLUSTER_ID = "bf9f788948ddee22"
# What a test may break: each is well by default.
WELL: dict[str, Any] = {
    "felix_ttl_s": 87,
    "felix_age": "10:00",
    "has_felix": True,
    "has_bird": True,
    "sessions": {},
    "quiet": [],
    "nodes": {},
    "address": None,
    "is_mesh_on": True,
    "peers": [],
    "cluster_id": CLUSTER_ID,
    "plugins": {"calico": "NetworkDriver", "calico-ipam": "IpamDriver"},
}
LEGACY = """*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
COMMIT
"""
DOCKER_NFT = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
COMMIT
"""
PROCESSES = (
    ("679", "660", "10:02", "/sbin/runsvdir -P /etc/service/enabled"),
    ("751", "679", "10:01", "runsv felix"),
    ("755", "746", "10:01", "bird -R -s /var/run/calico/bird.ctl -d -c /etc/calico/confd/config/bird.cfg"),
    ("758", "751", "10:01", "svlogd /var/log/calico/felix"),
)


def find_settings(state: Any) -> dict[str, str] | None:
    """The settings of the calico-node that runs; None where none does."""
    container = state["containers"].get("calico-node")
    if container is None or not container["State"]["Running"]:
        return None
    return dict(variable.split("=", 1) for variable in container["Config"]["Env"])


def list_processes(state: Any) -> dict[str, Any]:
    """Docker's answer to /containers/calico-node/top."""
    calico = state["calico"]
    felix = [("765", "751", calico["felix_age"], "calico-felix")] if calico["has_felix"] else []
    return {"Titles": ["PID", "PPID", "ELAPSED", "COMMAND"], "Processes": [*PROCESSES, *felix]}


def answer_key(state: Any, path: str) -> tuple[int, Any]:
    """Etcd's answer for a path below /v2/keys."""
    keys = build_keys(state)
    parts = urlsplit(path)
    name = parts.path.removeprefix("/v2/keys")
    if name in keys:
        return 200, {"action": "get", "node": {"key": name, **keys[name]}}
    below = [{"key": key, **content} for key, content in sorted(keys.items()) if key.startswith(f"{name}/")]
    if not below:
        return 404, {"errorCode": 100, "message": "Key not found", "cause": name, "index": 3}
    nodes = below if "recursive=true" in parts.query else []
    return 200, {"action": "get", "node": {"key": name, "dir": True, "nodes": nodes}}


def list_pools(state: Any) -> dict[str, str]:
    """The pools in etcd; where there is none, a calico-node that runs has made one, unless it was told not to."""
    settings = find_settings(state)
    if state["pools"] or settings is None or settings.get("NO_DEFAULT_POOLS"):
        return dict(state["pools"])
    return {"/calico/v1/ipam/v4/pool/192.168.0.0-16": '{"cidr": "192.168.0.0/16"}'}


def build_keys(state: Any) -> dict[str, dict[str, Any]]:
    """What Calico has written to etcd."""
    calico, settings = state["calico"], find_settings(state)
    nodes = dict(calico["nodes"])
    status = {"value": '{"time":"2026-11-29T10:42:36Z","uptime":15.0}', "ttl": calico["felix_ttl_s"] or 87}
    keys: dict[str, dict[str, Any]] = {
        **{
            f"/calico/felix/v1/host/{name}/status": {**status, "ttl": 87}
            for name in nodes
            if name not in calico["quiet"]
        },
        "/calico/bgp/v1/global/node_mesh": {"value": json.dumps({"enabled": calico["is_mesh_on"]})},
        **{f"/calico/bgp/v1/global/peer_v4/{peer}": {"value": "{}"} for peer in calico["peers"]},
    }
    if settings is not None:
        name = settings.get("NODENAME", "")
        nodes[name] = calico["address"] or settings.get("IP", "")
        if calico["has_felix"] and calico["felix_ttl_s"]:
            keys[f"/calico/felix/v1/host/{name}/status"] = status
    return {**keys, **{f"/calico/bgp/v1/host/{name}/ip_addr_v4": {"value": ip} for name, ip in nodes.items()}}


class BirdHandler(socketserver.StreamRequestHandler):
    """BIRD's control socket, with the sessions of the state file."""

    def handle(self) -> None:
        root: Path = self.server.root  # type: ignore[attr-defined]
        state = json.loads((root / "fake/state.json").read_text())
        if find_settings(state) is None or not state["calico"]["has_bird"]:
            return
        self.wfile.write(b"0001 BIRD 1.6.8 ready.\n")
        for line in self.rfile:
            assert line == b"show protocols\n"
            rows = [
                "2002-name     proto    table    state  since       info",
                "1002-device1  Device   master   up     1  ",
            ]
            for peer, session in state["calico"]["sessions"].items():
                name = "Mesh_" + peer.replace(".", "_")
                rows.append(
                    f" {name} BGP      master   {'up' if session == 'Established' else 'start'}     1    {session}"
                )
            self.wfile.write("\n".join([*rows, "0000 \n"]).encode())
