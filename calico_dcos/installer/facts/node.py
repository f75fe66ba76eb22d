"""Facts: which node of Calico this host is, and every calico-node here that is not ours."""

from typing import Any, List, NamedTuple, Optional, Union

from ..adoption import Adopted, read_adopted
from ..docker_api import DockerAwayError, NoSuchObjectError, read_container
from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..wanted import Cni, Wanted
from .address import (
    Address,
    Found,
    find_address,
    list_addresses,
    list_targets,
    read_addresses,
    read_host_name,
)
from .comparison import NAME, Identity, parse_identity
from .system import read_text
from .theirs import Theirs

ADDRESSES_MAX = 100
NETWORK_FILE = "calico.conf"

# name, address: those that calico-node takes; found: how its address was found, or why there is none.
# is_ours: whether that container was made by this program.
# container_name, network_name: by which name the container and the CNI plugins go; None where there is none of them.
Node = NamedTuple(
    "Node",
    [
        ("name", str),
        ("address", Union[str, None, Unknown]),
        ("found", str),
        ("host_name", str),
        ("container_name", Optional[str]),
        ("is_ours", bool),
        ("network_name", Union[str, None, Unknown]),
        ("addresses", Union[List[Address], Unknown]),
        ("adopted", Union[Adopted, None, Unknown]),
    ],
)


def read_node(host: Host, wanted: Wanted) -> Node:
    """Read which node this host is; its container is asked first, so that it stays the node that it is."""
    identity = read_identity(host)
    adopted = read_adopted(host)
    host_name = read_host_name(host)
    addresses = read_addresses(host)
    found = _find(host, wanted, addresses, identity, adopted)
    return Node(
        name=adopted.name if isinstance(adopted, Adopted) else host_name,
        address=found.address,
        found=found.how,
        host_name=host_name,
        container_name=identity.name if identity is not None else None,
        is_ours=identity is not None and identity.is_ours,
        network_name=read_network_name(host, wanted.cni, host_name),
        addresses=addresses[:ADDRESSES_MAX] if isinstance(addresses, list) else addresses,
        adopted=adopted,
    )


def _find(
    host: Host,
    wanted: Wanted,
    addresses: Union[List[Address], Unknown],
    identity: Optional[Identity],
    adopted: Union[Adopted, None, Unknown],
) -> Found:
    if isinstance(addresses, Unknown):
        return Found(addresses, addresses.reason)
    if isinstance(adopted, Unknown):
        return Found(adopted, adopted.reason)
    if adopted is not None:
        return find_adopted(adopted, addresses)
    targets = list_targets(wanted.reach, wanted.etcd_endpoints, host.variable("MESOS_AGENT_ENDPOINT"))
    current = identity.address if identity is not None and identity.is_ours else ""
    return find_address(host, wanted.calico_node.address_method, targets, addresses, current)


def find_adopted(adopted: Adopted, addresses: List[Address]) -> Found:
    """Find the address that is kept; one that this host has lost is nobody's to replace."""
    if adopted.address in [one.address for one in addresses]:
        return Found(adopted.address, "the calico-node that is adopted has it")
    told = "the calico-node that is adopted has {}; this host has {}"
    return Found(None, told.format(adopted.address, list_addresses(addresses)))


def prefer_adoptable(node: Node, theirs: Theirs) -> Node:
    """Take the name, address and AS number of a calico-node that is to be adopted, where all that is known."""
    if node.adopted is not None or not theirs.name or not isinstance(node.addresses, list):
        return node
    unit = (theirs.starter or "").partition("unit ")[2]
    adopted = Adopted(theirs.container, theirs.name, theirs.address, theirs.as_number, unit)
    found = find_adopted(adopted, node.addresses)
    return node._replace(name=theirs.name, address=found.address, found=found.how, adopted=adopted)


def read_identity(host: Host) -> Optional[Identity]:
    """Read what the container calico-node says of itself; None where there is none, or Docker does not tell."""
    try:
        return parse_identity(read_container(host, NAME))
    except (DockerAwayError, NoSuchObjectError):
        return None


def read_network_name(host: Host, wanted: Cni, host_name: str) -> Union[str, None, Unknown]:
    """Read by which name the plugins of the network go: the one in its file, or else the host's own."""
    path = "{}/{}".format(wanted.config_dir, NETWORK_FILE)
    text = read_text(host.path(path))
    if isinstance(text, Unknown):
        return None  # whether it is not there or cannot be read is told with the network itself
    try:
        return parse_network_name(load_json(text), wanted.name_keys) or host_name
    except (ValueError, AttributeError):
        return Unknown("{} is no network configuration".format(path))


def parse_network_name(content: Any, keys: List[str]) -> str:
    """Read the name out of a network; of several keys that are read, the last one wins."""
    names = [str(content[key]) for key in keys if content.get(key)]
    return names[-1] if names else ""
