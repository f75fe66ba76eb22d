"""The CNI plugin `calico` on a real host: real interfaces, real addresses; Felix and BIRD see to the routes."""

import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from calico_dcos.sim.standins.calico_node.etcd import Etcd, EtcdAwayError
from calico_dcos.sim.standins.calico_node.ipam import NoAddressError, give_back_address, take_address
from calico_dcos.sim.standins.calico_node.veth import (
    VethError,
    make_pair,
    name_interface,
    remove_pair,
    set_up_inside,
)
from calico_dcos.sim.standins.calico_node.workloads import build_endpoint, name_workload

_AWAY = "client: etcd cluster is unavailable or misconfigured; error #0: {}\n"
_MISSING = "resource does not exist: WorkloadEndpoint(node={}, orchestrator=cni, workload={}, name={})"


class PluginError(Exception):
    """The plugin fails, with what it says."""


def main() -> int:
    """Carry out what CNI_COMMAND says: ADD or DEL."""
    try:
        config = json.load(sys.stdin)
        act = {"ADD": _add, "DEL": _delete}[os.environ["CNI_COMMAND"]]
        act(config, str(config.get("hostname") or socket.gethostname()), Etcd(config["etcd_endpoints"], str))
    except EtcdAwayError as error:
        return _fail(_AWAY.format(error))
    except (PluginError, NoAddressError, VethError, KeyError, ValueError) as error:
        return _fail(str(error))
    return 0


def _fail(message: str) -> int:
    print(json.dumps({"code": 100, "msg": message}, indent=4))
    return 1


def _add(config: Mapping[str, Any], host: str, etcd: Etcd) -> None:
    workload, name = os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"]
    network = config.get("args", {}).get("org.apache.mesos", {}).get("network_info", {})
    labels = {label["key"]: label["value"] for label in network.get("labels", {}).get("labels", [])}
    address, interface = take_address(etcd, host, workload), name_interface(workload)
    make_pair(interface, name, namespace=os.environ["CNI_NETNS"])
    set_up_inside(os.environ["CNI_NETNS"], name, address)
    etcd.write(name_workload(host, "cni", workload, name), build_endpoint(interface, address, config["name"], labels))
    print(json.dumps({"ip4": {"ip": f"{address}/32"}, "dns": {}}, indent=4))


def _delete(_: Mapping[str, Any], host: str, etcd: Etcd) -> None:
    workload, name = os.environ["CNI_CONTAINERID"], os.environ["CNI_IFNAME"]
    key = name_workload(host, "cni", workload, name)
    endpoint = etcd.read(key)
    remove_pair(name_interface(workload))
    if endpoint is None:
        raise PluginError(_MISSING.format(host, workload, name))
    etcd.delete(key)
    give_back_address(etcd, json.loads(endpoint)["ipv4_nets"][0].partition("/")[0])
