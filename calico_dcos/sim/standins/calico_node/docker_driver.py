"""What the plugin for Docker's networks does on a real host: addresses, and interfaces that Docker moves inside."""

from collections.abc import Callable, Mapping
from typing import Any

from calico_dcos.sim.standins.calico_node.etcd import Etcd, EtcdAwayError
from calico_dcos.sim.standins.calico_node.ipam import NoAddressError, give_back_address, take_address
from calico_dcos.sim.standins.calico_node.libnetwork import Act, DriverError
from calico_dcos.sim.standins.calico_node.veth import GATEWAY, VethError, make_pair, name_interface, remove_pair
from calico_dcos.sim.standins.calico_node.workloads import build_endpoint, name_workload

_ORCHESTRATOR = "libnetwork"
_MAC = "ee:ee:ee:ee:ee:ee"
_CONNECTED = 1


class DockerDriver:
    """Carries out what Docker asks for; the names of its methods are those of the calls."""

    def __init__(self, etcd: Etcd, host: str) -> None:
        self._etcd = etcd
        self._host = host

    def build_acts(self) -> Mapping[str, Act]:
        """Build what is done at which path."""
        acts: dict[str, Act] = {
            "/IpamDriver.RequestAddress": self._request_address,
            "/IpamDriver.ReleaseAddress": self._release_address,
            "/NetworkDriver.CreateEndpoint": self._create_endpoint,
            "/NetworkDriver.DeleteEndpoint": self._delete_endpoint,
            "/NetworkDriver.EndpointOperInfo": lambda _: {"Value": {}},
            "/NetworkDriver.Join": self._join,
            "/NetworkDriver.Leave": self._leave,
        }
        return {path: _worded(act) for path, act in acts.items()}

    def _request_address(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Address": f"{take_address(self._etcd, self._host, _ORCHESTRATOR)}/32"}

    def _release_address(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        give_back_address(self._etcd, question["Address"])
        return {}

    def _create_endpoint(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        endpoint, address = question["EndpointID"], question["Interface"]["Address"].partition("/")[0]
        value = build_endpoint(name_interface(endpoint), address, question["NetworkID"], {})
        self._etcd.write(self._name(endpoint), value)
        return {"Interface": {"MacAddress": _MAC}}

    def _delete_endpoint(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        self._etcd.delete(self._name(question["EndpointID"]))
        return {}

    def _join(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        endpoint = question["EndpointID"]
        inside = f"temp{endpoint[:11]}"
        make_pair(name_interface(endpoint), inside, mac=_MAC)
        return {
            "InterfaceName": {"SrcName": inside, "DstPrefix": "cali"},
            "Gateway": GATEWAY,
            "StaticRoutes": [{"Destination": f"{GATEWAY}/32", "RouteType": _CONNECTED, "NextHop": ""}],
        }

    def _leave(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        remove_pair(name_interface(question["EndpointID"]))
        return {}

    def _name(self, endpoint: str) -> str:
        return name_workload(self._host, _ORCHESTRATOR, _ORCHESTRATOR, endpoint)


def _worded(act: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Act:
    def carry_out(question: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return act(question)
        except (EtcdAwayError, NoAddressError, VethError) as error:
            raise DriverError(str(error)) from error

    return carry_out
