"""Whom BIRD is to talk to, as the configuration in etcd says; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from calico_dcos.sim.standins.calico_node.startup import HOSTS, Node

BGP = "/calico/bgp/v1"


@dataclass(frozen=True, slots=True)
class Peer:
    """A session that BIRD is to have: the name of its protocol in BIRD, the neighbour, and its AS."""

    protocol: str
    address: str
    as_number: str


def list_peers(tree: Mapping[str, str], node: Node) -> list[Peer]:
    """List the peers of a node.

    Args:
        tree: keys below `BGP`, by their full names.
        node: the node itself.
    """
    own_as = get_as_number(tree, node.name)
    peers = []
    if _is_mesh_on(tree):
        names = sorted({key.removeprefix(f"{HOSTS}/").split("/")[0] for key in tree if key.startswith(f"{HOSTS}/")})
        for name in names:
            address = tree.get(f"{HOSTS}/{name}/ip_addr_v4", "")
            if address not in ("", node.address):
                peers.append(Peer(_name_protocol("Mesh", address), address, get_as_number(tree, name)))
    for kind, directory in (("Global", f"{BGP}/global/peer_v4/"), ("Node", f"{HOSTS}/{node.name}/peer_v4/")):
        for key in sorted(tree):
            if key.startswith(directory):
                peer = json.loads(tree[key])
                number = str(peer.get("as_num", own_as))
                peers.append(Peer(_name_protocol(kind, peer["ip"]), peer["ip"], number))
    return peers


def get_as_number(tree: Mapping[str, str], name: str) -> str:
    """Look up the AS of a node: its own, or that of all."""
    return tree.get(f"{HOSTS}/{name}/as_num") or tree.get(f"{BGP}/global/as_num", "64511")


def _is_mesh_on(tree: Mapping[str, str]) -> bool:
    return bool(json.loads(tree.get(f"{BGP}/global/node_mesh", '{"enabled": true}')).get("enabled"))


def _name_protocol(kind: str, address: str) -> str:
    return f"{kind}_{address.replace('.', '_')}"
