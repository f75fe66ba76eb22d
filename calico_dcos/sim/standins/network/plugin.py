"""The CNI plugins `calico` and `calico-ipam` of a simulated host: what they said is in the recordings.

The host is told by CALICO_DCOS_ROOT and CALICO_DCOS_LOOPBACK, which its agent has.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.network.etcd_keys import EtcdAwayError, call
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
        config = json.load(sys.stdin)
        if command == "DEL":
            _delete(config)
            return 0
        print(json.dumps({"ip4": {"ip": f"{_add(config)}/32"}, "dns": {}}, indent=4))
    except PluginError as error:
        print(json.dumps({"code": 100, "msg": str(error)}, indent=4))
        return 1
    return 0


def _add(config: dict[str, Any]) -> str:
    root, container = Path(os.environ["CALICO_DCOS_ROOT"]), os.environ["CNI_CONTAINERID"]
    network = config.get("args", {}).get("org.apache.mesos", {}).get("network_info", {})
    labels = {label["key"]: label["value"] for label in network.get("labels", {}).get("labels", [])}
    etcd, key = _find_etcd(config), _build_key(config, root, container)
    address, behind = take_place(root, os.environ[LOOPBACK_VARIABLE], container)
    endpoint = {
        "state": "active",
        "name": f"cali{container[:11]}",
        "profile_ids": [config["name"]],
        "ipv4_nets": [f"{address}/32"],
        "labels": labels,
    }
    try:
        call(etcd, "PUT", key, {"value": json.dumps(endpoint)})
    except EtcdAwayError as error:
        give_up_place(root, container)
        raise PluginError(_ETCD_AWAY.format(etcd)) from error
    place = Place(root.name, container, address, behind, labels, etcd, key)
    # As long as the container lives, whatever becomes of the agent.
    wire = subprocess.Popen(
        build_command(root, place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert wire.stdout is not None  # noqa: S101 - it is a pipe
    if wire.stdout.readline() != b"up\n":
        give_up_place(root, container)
        raise PluginError(f"failed to create veth for {address}")
    write_place(root, Place(**{**_as_dict(place), "wire": wire.pid}))
    variables = {LOOPBACK_VARIABLE: behind, NAMESPACE_VARIABLE: os.environ["CNI_NETNS"], "address": address}
    Path(os.environ["CNI_NETNS"]).write_text(json.dumps(variables), encoding="utf-8")
    return address


def _as_dict(place: Place) -> dict[str, Any]:
    return {name: getattr(place, name) for name in Place.__slots__}


def _delete(config: dict[str, Any]) -> None:
    root, container = Path(os.environ["CALICO_DCOS_ROOT"]), os.environ["CNI_CONTAINERID"]
    place = read_place(root, container)
    if place is None:
        raise PluginError(_MISSING.format(_name_node(config, root), container))
    with contextlib.suppress(OSError):
        os.kill(place.wire, signal.SIGKILL)
    with contextlib.suppress(EtcdAwayError):
        call(place.etcd, "DELETE", place.key)
    give_up_place(root, container)


def _find_etcd(config: dict[str, Any]) -> str:
    first = str(config["etcd_endpoints"]).split(",", maxsplit=1)[0].partition("://")[2]
    host, _, port = first.partition(":")
    return f"{os.environ[LOOPBACK_VARIABLE] if host in {'127.0.0.1', 'localhost'} else host}:{port}"


def _build_key(config: dict[str, Any], root: Path, container: str) -> str:
    return f"/calico/v1/host/{_name_node(config, root)}/workload/cni/{container}/endpoint/eth0"


def _name_node(config: dict[str, Any], root: Path) -> str:
    return str(config.get("hostname") or (root / "etc/hostname").read_text(encoding="utf-8").strip())
