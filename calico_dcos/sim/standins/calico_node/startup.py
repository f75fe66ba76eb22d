"""What calico/node does before its services run: chooses its address, and registers in etcd, or ends the container."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from calico_dcos.sim.standins.calico_node.addresses import choose_address
from calico_dcos.sim.standins.calico_node.etcd import Etcd, EtcdAwayError
from calico_dcos.sim.standins.calico_node.ground import Ground
from calico_dcos.sim.standins.calico_node.settings import Settings, build_pool, is_address

HOSTS = "/calico/bgp/v1/host"
POOLS = "/calico/v1/ipam/v4/pool"

_GUID = "/calico/v1/config/ClusterGUID"
_POOLS_V6 = "/calico/v1/ipam/v6/pool"
_DEFAULT_POOL = "192.168.0.0/16"
_DEFAULT_POOL_V6 = "fd80:24e2:f998:72d6::/64"
_GLOBAL_KEYS = {
    "/calico/bgp/v1/global/as_num": "64511",
    "/calico/bgp/v1/global/node_mesh": '{"enabled": true}',
    "/calico/v1/Ready": "true",
    "/calico/v1/config/InterfacePrefix": "cali",
    "/calico/v1/config/IpInIpEnabled": "false",
    "/calico/v1/config/LogFilePath": "none",
    "/calico/v1/config/LogSeverityFile": "none",
    "/calico/v1/config/LogSeverityScreen": "info",
    "/calico/v1/config/ReportingIntervalSecs": "0",
}
_MAX_AS = 4294967295
_FAILED = "Calico node failed to start"

Say = Callable[[str], None]


class StartupError(Exception):
    """The node cannot start; why was said already."""


@dataclass(frozen=True, slots=True)
class Node:
    """Name and address that the node took."""

    name: str
    address: str


def start_node(settings: Settings, ground: Ground, etcd: Etcd, say: Say) -> Node:
    """Do all that comes before the services.

    Raises:
        StartupError: the container is to end with status 1.
    """
    lines: list[str] = []
    try:
        _initialise_datastore(etcd, say)
        node = _Startup(settings, ground, etcd, lines.append).run()
    except EtcdAwayError as error:
        for line in (f"panic: {error}", "", "(a trace of the program follows)", _FAILED, "exit status 1"):
            say(line)
        raise StartupError from error
    except StartupError:
        # The scripts' own line comes first, as their output is not buffered and Python's is.
        for line in (_FAILED, *lines):
            say(line)
        raise
    for line in lines:
        say(line)
    return node


def _initialise_datastore(etcd: Etcd, say: Say) -> None:
    def log(message: str, level: str = "info") -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        say(f'time="{stamp}" level={level} msg="{message}" ')

    log("Creating Calico client")
    log("Loading config from environment")
    log("Ensuring datastore is initialized")
    log("Datastore is initialized")
    log("Ensuring a cluster guid is set")
    guid = uuid.uuid4().hex
    try:
        is_new = etcd.create(_GUID, guid)
    except EtcdAwayError as error:
        log(f"Unhandled error: {error}")
        log(f"Failed to set ClusterGUID: {error}", level="warning")
        raise
    log(f"Assigned ClusterGUID {guid}" if is_new else "Using previously configured ClusterGUID")


@dataclass(frozen=True, slots=True)
class _Startup:
    """The second program of the start, which was written in Python."""

    settings: Settings
    ground: Ground
    etcd: Etcd
    say: Say

    def run(self) -> Node:
        self.say("Waiting for etcd connection...")
        name = self.settings.name
        addresses = {
            key.removeprefix(f"{HOSTS}/").split("/")[0]: value
            for key, value in self.etcd.read_tree(HOSTS).items()
            if key.endswith("/ip_addr_v4")
        }
        address = self._choose_address(addresses.get(name, ""))
        self._tell_address_v6()
        self._tell_as_number(name)
        if addresses.get(name, address) not in ("", address):
            self.say(_NAME_IN_USE.format(name, addresses[name]))
        self._check_address(name, address, addresses)
        if all(address != own for _, own in self.ground.list_addresses()):
            self.say("WARNING: Could not confirm that the provided IPv4 address is assigned to this host.")
        if self.settings.get("NO_DEFAULT_POOLS").lower() != "true":
            self._create_pools()
        self._register(name, address)
        self.say(f"Calico node name:  {name}")
        return Node(name, address)

    def _choose_address(self, known: str) -> str:
        given = self.settings.get("IP")
        if given and given != "autodetect":
            if not is_address(given):
                self.say(f"IP environment ({given}) is not a valid IPv4 address.")
                raise StartupError
            self.say(f"Using IPv4 address from IP environment: {given}")
            return given
        if known and not given:
            self.say(f"Using configured IPv4 address: {known}")
            return known
        method = self.settings.get("IP_AUTODETECTION_METHOD")
        found = choose_address(self.ground.list_addresses(), self.settings.release, method)
        if not found:
            self.say(
                "Couldn't autodetect a management IPv4 address. Please provide an IP address either by configuring one "
                "in the node resource, or by re-running the container with the IP environment variable set."
            )
            raise StartupError
        self.say(f"Using auto-detected IPv4 address: {found}")
        return found

    def _tell_address_v6(self) -> None:
        given = self.settings.get("IP6")
        if not given:
            self.say("No IPv6 address configured")
            return
        if ":" not in given:
            self.say(f"IP6 environment ({given}) is not a valid IPv6 address.")
            raise StartupError
        self.say(f"Using IPv6 address from IP6 environment: {given}")

    def _tell_as_number(self, name: str) -> None:
        given, known = self.settings.get("AS"), self.etcd.read(f"{HOSTS}/{name}/as_num")
        if given:
            if not given.isdecimal() or int(given) > _MAX_AS:
                self.say(f"AS environment ({given}) is not a valid AS number.")
                raise StartupError
            self.say(f"Using AS number from AS environment: {given}")
        else:
            self.say(f"Using configured AS number: {known}" if known else "Using global AS number")

    def _check_address(self, name: str, address: str, addresses: dict[str, str]) -> None:
        if self.settings.release.reads_nat and self.settings.is_on("DISABLE_NODE_IP_CHECK"):
            return
        for other, held in addresses.items():
            if held == address and other != name:
                self.say(_ADDRESS_IN_USE.format(address, other))
                raise StartupError

    def _create_pools(self) -> None:
        settings, release = self.settings, self.settings.release
        cidr, ipip, has_nat = _DEFAULT_POOL, "", release.reads_pools
        if release.reads_pools:
            cidr = settings.get("CALICO_IPV4POOL_CIDR") or cidr
            ipip = settings.get("CALICO_IPV4POOL_IPIP")
        if release.reads_nat:
            has_nat = settings.get("CALICO_IPV4POOL_NAT_OUTGOING").lower() != "false"
        if not self.etcd.read_tree(POOLS):
            self.etcd.create(f"{POOLS}/{cidr.replace('/', '-')}", build_pool(cidr, ipip=ipip, has_nat=has_nat))
        if not self.etcd.read_tree(_POOLS_V6):
            pool = build_pool(_DEFAULT_POOL_V6, ipip="", has_nat=False)
            self.etcd.create(f"{_POOLS_V6}/{_DEFAULT_POOL_V6.replace('/', '-')}", pool)

    def _register(self, name: str, address: str) -> None:
        for key, value in _GLOBAL_KEYS.items():
            self.etcd.create(key, value)
        bgp, host = f"{HOSTS}/{name}", f"/calico/v1/host/{name}"
        self.etcd.write(f"{host}/bird_ip", address)
        self.etcd.write(f"{bgp}/ip_addr_v4", address)
        self.etcd.write(f"{bgp}/ip_addr_v6", self.settings.get("IP6"))
        if number := self.settings.get("AS"):
            self.etcd.write(f"{bgp}/as_num", number)
        self.etcd.create(f"{host}/config/DefaultEndpointToHostAction", "RETURN")
        self.etcd.create(f"{host}/config/marker", "created")


_NAME_IN_USE = (
    "WARNING: Hostname '{}' is already in use with IP address {}. Calico requires each compute host to have a unique "
    "hostname. If this is your first time running the Calico node on this host, ensure that another host is not "
    "already using the same hostname."
)
_ADDRESS_IN_USE = (
    "ERROR: IP address {} is already in use by host {}. Calico requires each compute host to have a unique IP. If "
    "this is your first time running the Calico node on this host, ensure that another host is not already using "
    "the same IP address."
)
