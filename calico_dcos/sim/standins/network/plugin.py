"""The CNI plugins `calico` and `calico-ipam` of a simulated host: what they said is in the recordings.

The host is told by CALICO_DCOS_ROOT and CALICO_DCOS_LOOPBACK, which its agent has.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.network.attachment import AttachError, Request, attach, detach
from calico_dcos.sim.standins.network.etcd_keys import EtcdAwayError, call
from calico_dcos.sim.standins.network.places import LOOPBACK_VARIABLE

VERSION = "v1.5.5"
_ETCD_AWAY = (
    "client: etcd cluster is unavailable or misconfigured; error #0: dial tcp {}: connect: connection refused\n"
)
_MISSING = "resource does not exist: WorkloadEndpoint(node={}, orchestrator=cni, workload={}, name=eth0)"


class PluginError(Exception):
    """The plugin fails, with what it says."""


def main(_root: str) -> int:
    """Carry out what CNI_COMMAND says."""
    if sys.argv[1:] == ["-v"]:
        print(VERSION)
        return 0
    command = os.environ.get("CNI_COMMAND")
    if command == "VERSION":
        print('{"cniVersion":"0.2.0"}')
        return 0
    try:
        config = _read_config()
        if command == "DEL":
            _delete(config)
            return 0
        print(json.dumps({"ip4": {"ip": f"{_add(config)}/32"}, "dns": {}}, indent=4))
    except PluginError as error:
        print(json.dumps({"code": 100, "msg": str(error)}, indent=4))
        return 1
    return 0


def _read_config() -> dict[str, Any]:
    try:
        return dict(json.load(sys.stdin))
    except (ValueError, TypeError) as error:
        raise PluginError(f"failed to load netconf: {error}") from error


def _add(config: dict[str, Any]) -> str:
    root, container = Path(os.environ["CALICO_DCOS_ROOT"]), os.environ["CNI_CONTAINERID"]
    network = config.get("args", {}).get("org.apache.mesos", {}).get("network_info", {})
    labels = {label["key"]: label["value"] for label in network.get("labels", {}).get("labels", [])}
    etcd, key = _find_etcd(config), _build_key(config, root, container)
    request = Request(os.environ[LOOPBACK_VARIABLE], container, Path(os.environ["CNI_NETNS"]), labels, etcd, key)
    try:
        call(etcd, "GET", "/")
        address = attach(root, request).address
    except EtcdAwayError as error:
        raise PluginError(_ETCD_AWAY.format(etcd)) from error
    except AttachError as error:
        raise PluginError(str(error)) from error
    endpoint = {
        "state": "active",
        "name": f"cali{container[:11]}",
        "profile_ids": [config["name"]],
        "ipv4_nets": [f"{address}/32"],
        "labels": labels,
    }
    call(etcd, "PUT", key, {"value": json.dumps(endpoint)})
    return address


def _delete(config: dict[str, Any]) -> None:
    root, container = Path(os.environ["CALICO_DCOS_ROOT"]), os.environ["CNI_CONTAINERID"]
    place = detach(root, container)
    if place is None:
        raise PluginError(_MISSING.format(_name_node(config, root), container))
    with contextlib.suppress(EtcdAwayError):
        call(place.etcd, "DELETE", place.key)


def _find_etcd(config: dict[str, Any]) -> str:
    first = str(config["etcd_endpoints"]).split(",", maxsplit=1)[0].partition("://")[2]
    host, _, port = first.partition(":")
    return f"{os.environ[LOOPBACK_VARIABLE] if host in {'127.0.0.1', 'localhost'} else host}:{port}"


def _build_key(config: dict[str, Any], root: Path, container: str) -> str:
    return f"/calico/v1/host/{_name_node(config, root)}/workload/cni/{container}/endpoint/eth0"


def _name_node(config: dict[str, Any], root: Path) -> str:
    return str(config.get("hostname") or (root / "etc/hostname").read_text(encoding="utf-8").strip())
