"""Facts: what stands in etcd of Calico's nodes: who holds which address, and who has BGP sessions with whom."""

from typing import List, NamedTuple, Optional, Union
from urllib.parse import quote

from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from .etcd_keys import Key, read_keys

BGP = "/calico/bgp/v1"
ADDRESS_KEY, PEERS_KEY = "ip_addr_v4", "peer_v4"

EtcdNode = NamedTuple("EtcdNode", [("name", str), ("address", str)])
# node: whose peer it is; empty for a peer of all nodes.
Peer = NamedTuple("Peer", [("address", str), ("node", str)])
# own: this host's node; None where there is none under its name. count: how many nodes there are; nodes: all of them.
CalicoEtcd = NamedTuple(
    "CalicoEtcd",
    [
        ("name", str),
        ("own", Union[EtcdNode, None, Unknown]),
        ("count", int),
        ("nodes", Union[List[EtcdNode], Unknown]),
        ("is_mesh_on", Union[bool, Unknown]),
        ("peers", Union[List[Peer], Unknown]),
    ],
)


def read_calico_etcd(host: Host, endpoints: List[str], name: str) -> CalicoEtcd:
    """Read all nodes, the mesh and the peers; a cluster of a thousand agents has some hundred KB of it."""
    hosts = read_keys(host, endpoints, BGP + "/host", is_recursive=True)
    if isinstance(hosts, Unknown):
        return CalicoEtcd(name, hosts, 0, hosts, hosts, hosts)
    return parse_calico_etcd(name, hosts, read_keys(host, endpoints, BGP + "/global", is_recursive=True))


def read_own_node(host: Host, endpoints: List[str], name: str) -> Union[EtcdNode, None, Unknown]:
    """Read this host's node alone: what a poll of every agent may ask for."""
    key = "{}/host/{}/{}".format(BGP, quote(name, safe=""), ADDRESS_KEY)
    keys = read_keys(host, endpoints, key)
    return keys if isinstance(keys, Unknown) else find_node(parse_nodes(keys), name)


def parse_calico_etcd(name: str, hosts: List[Key], settings: Union[List[Key], Unknown]) -> CalicoEtcd:
    """Read the keys below ``/calico/bgp/v1/host`` and ``/calico/bgp/v1/global``."""
    nodes = parse_nodes(hosts)
    if isinstance(settings, Unknown):
        return CalicoEtcd(name, find_node(nodes, name), len(nodes), nodes, settings, settings)
    return CalicoEtcd(
        name=name,
        own=find_node(nodes, name),
        count=len(nodes),
        nodes=nodes,
        is_mesh_on=parse_mesh(settings),
        peers=parse_peers(hosts + settings),
    )


def find_node(nodes: List[EtcdNode], name: str) -> Optional[EtcdNode]:
    """Find a node by its name."""
    return next((node for node in nodes if node.name == name), None)


def parse_nodes(keys: List[Key]) -> List[EtcdNode]:
    """Read ``/calico/bgp/v1/host/NAME/ip_addr_v4``; a node without an address in IPv4 has an empty key."""
    parts = [key.name.split("/") for key in keys]
    return [
        EtcdNode(part[5], (key.value or "").strip())
        for key, part in zip(keys, parts)
        if len(part) == 7 and part[4] == "host" and part[6] == ADDRESS_KEY  # noqa: PLR2004 - as the docstring says
    ]


def parse_peers(keys: List[Key]) -> List[Peer]:
    """Read ``.../global/peer_v4/ADDRESS`` and ``.../host/NAME/peer_v4/ADDRESS``."""
    found = []
    for key in keys:
        place, _, address = key.name.rpartition("/")
        owner, _, kind = place.rpartition("/")
        if kind == PEERS_KEY:
            found.append(Peer(address, "" if owner.endswith("/global") else owner.rpartition("/")[2]))
    return found


def parse_mesh(keys: List[Key]) -> Union[bool, Unknown]:
    """Read ``.../global/node_mesh``: each node has a session with each other one, unless it says otherwise."""
    text = next((key.value for key in keys if key.name == BGP + "/global/node_mesh"), None)
    if text is None:
        return True
    try:
        return bool(load_json(text)["enabled"])
    except (ValueError, KeyError, TypeError):
        return Unknown("{}/global/node_mesh is not understood: {!r}".format(BGP, text[:200]))
