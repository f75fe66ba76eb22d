"""Docker's networks: local ones in a file, global ones in the cluster store, drivers in their plugins' sockets."""

import http.client
import json
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from calico_dcos.sim.standins.calico_node.etcd import Etcd, EtcdAwayError
from calico_dcos.sim.standins.docker.answers import format_time
from calico_dcos.sim.standins.docker.calls import ApiError
from calico_dcos.sim.standins.options import HostOptions

PLUGINS = "run/docker/plugins"

_STORE = "/docker/network/v1.0/network"
_FILE = "var/lib/docker/stand-in-networks.json"
_PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}
_LOCAL_DRIVERS = ("bridge", "ipvlan", "macvlan")
_GLOBAL_DRIVERS = ("overlay",)
_PLUGIN_TIMEOUT_S = 10
_NO_STORE = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)

Network = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks that a daemon knows.

    Attributes:
        store: URL of the cluster store that is in effect; empty if there is none.
    """

    root: Path
    options: HostOptions
    store: str

    def list_all(self) -> list[Network]:
        """List them; the global ones only while the store answers."""
        try:
            stored = self._open_store().read_tree(_STORE).values() if self.store else ()
        except EtcdAwayError:
            stored = ()
        return [*_list_predefined(), *self._read_local(), *(json.loads(text) for text in stored)]

    def find(self, reference: str) -> Network:
        """Find one by its name, its id or the beginning of its id; ApiError if there is none."""
        if reference in _PREDEFINED:  # without asking the store
            return next(network for network in _list_predefined() if network["Name"] == reference)
        networks = self.list_all()
        for network in networks:
            if reference in (network["Name"], network["Id"]):
                return network
        for network in networks:
            if network["Id"].startswith(reference):
                return network
        raise ApiError(404, f"network {reference} not found")

    def create(self, body: Mapping[str, Any]) -> Network:
        """Make one; ApiError if it cannot be."""
        name, driver = body.get("Name", ""), body.get("Driver") or "bridge"
        ipam = (body.get("IPAM") or {}).get("Driver") or "default"
        if any(network["Name"] == name for network in self.list_all()):
            raise ApiError(409, f"network with name {name} already exists")
        scope = self._find_scope(driver)
        if ipam != "default":
            self._activate(ipam, "IpamDriver")
        if scope == "global" and not self.store:
            raise ApiError(503, _NO_STORE)
        network = _build(name, driver, scope, body, secrets.token_hex(32))
        if scope == "local":
            self._write_local([*self._read_local(), network])
            return network
        try:
            self._open_store().write(f"{_STORE}/{network['Id']}", json.dumps(network))
        except EtcdAwayError as error:
            raise ApiError(500, f"failed to update store for object type *libnetwork.network: {error}") from error
        return network

    def remove(self, reference: str) -> None:
        """Remove one; ApiError if it cannot be."""
        network = self.find(reference)
        if network["Name"] in _PREDEFINED:
            raise ApiError(403, f"{network['Name']} is a pre-defined network and cannot be removed")
        if network["Scope"] == "local":
            self._write_local([other for other in self._read_local() if other["Id"] != network["Id"]])
            return
        try:
            self._open_store().delete(f"{_STORE}/{network['Id']}")
        except EtcdAwayError as error:
            raise ApiError(500, f"error removing network from store: {error}") from error

    def list_drivers(self) -> list[str]:
        """List the drivers that /info tells: Docker's own, and those of networks."""
        own = {"bridge", "host", "ipvlan", "macvlan", "null", "overlay"}
        return sorted(own | {network["Driver"] for network in self.list_all()})

    def _find_scope(self, driver: str) -> str:
        if driver in _LOCAL_DRIVERS:
            return "local"
        if driver in _GLOBAL_DRIVERS:
            return "global"
        self._activate(driver, "NetworkDriver")
        capabilities = self._ask_plugin(driver, "/NetworkDriver.GetCapabilities")
        return str(capabilities.get("Scope", "local"))

    def _activate(self, plugin: str, kind: str) -> None:
        """Make sure that a plugin is there and is of a kind; ApiError if not."""
        if kind not in self._ask_plugin(plugin, "/Plugin.Activate").get("Implements", ()):
            raise ApiError(500, f'plugin "{plugin}" does not implement {kind}')

    def _ask_plugin(self, plugin: str, path: str) -> dict[str, Any]:
        place = self.root / PLUGINS / f"{plugin}.sock"
        if not place.is_socket():
            raise ApiError(404, f'plugin "{plugin}" not found')
        connection = http.client.HTTPConnection("plugin")
        try:
            with socket.socket(socket.AF_UNIX) as connected:
                connected.settimeout(_PLUGIN_TIMEOUT_S)
                connected.connect(str(place))
                connection.sock = connected
                connection.request("POST", path, "")
                answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            inside = f"/{PLUGINS}/{plugin}.sock"
            reason = f"dial unix {inside}: connect: connection refused"
            raise ApiError(500, f'Post "http://{inside.replace("/", "%2F")}{path}": {reason}') from error
        return answer

    def _open_store(self) -> Etcd:
        place = urlsplit(self.store).netloc
        own = self.options.address
        return Etcd(f"http://{place}", lambda name: own if name in ("localhost", "127.0.0.1") else name)

    def _read_local(self) -> list[Network]:
        try:
            networks: list[Network] = json.loads((self.root / _FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return networks

    def _write_local(self, networks: list[Network]) -> None:
        temporary = (self.root / _FILE).with_suffix(".new")
        temporary.write_text(json.dumps(networks), encoding="utf-8")
        temporary.replace(self.root / _FILE)


def _list_predefined() -> list[Network]:
    return [_build(name, driver, "local", {}, name.encode().hex()) for name, driver in _PREDEFINED.items()]


def _build(name: str, driver: str, scope: str, body: Mapping[str, Any], network_id: str) -> Network:
    ipam = body.get("IPAM") or {}
    return {
        "Name": name,
        "Id": network_id.ljust(64, "0"),
        "Created": format_time(time.time()),
        "Scope": scope,
        "Driver": driver,
        "EnableIPv6": False,
        "IPAM": {"Driver": ipam.get("Driver") or "default", "Options": {}, "Config": ipam.get("Config") or []},
        "Internal": bool(body.get("Internal")),
        "Attachable": False,
        "Ingress": False,
        "Containers": {},
        "Options": body.get("Options") or {},
        "Labels": body.get("Labels") or {},
    }
