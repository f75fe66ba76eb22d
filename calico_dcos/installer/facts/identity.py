"""Which node of Calico this host is: its name and address, and what is wanted of it in particular."""

from typing import Optional

from ..adoption import Adopted
from ..wanted import CalicoNode, Cni, Wanted
from .comparison import Identity
from .node import Node


def complete_wanted(wanted: Wanted, node: Node) -> Wanted:
    """Complete what is wanted of every host with the name and address of this one; once more, it stays the same."""
    return wanted._replace(calico_node=complete_node(wanted.calico_node, node), cni=complete_network(wanted.cni, node))


def complete_node(wanted: CalicoNode, node: Node) -> CalicoNode:
    """Give calico-node its name and address; both are fixed, whatever the host is called or has later."""
    own = {"NODENAME": node.name, "HOSTNAME": node.name}
    if isinstance(node.address, str):
        own["IP"] = node.address
    if isinstance(node.adopted, Adopted) and node.adopted.as_number:
        own["AS"] = node.adopted.as_number
    return wanted._replace(environment=dict(wanted.environment, **own))


def complete_as_it_is(wanted: CalicoNode, identity: Optional[Identity]) -> CalicoNode:
    """Give calico-node the name and address that its container has: then only the rest can differ."""
    if identity is None:
        return wanted
    own = {"NODENAME": identity.name, "HOSTNAME": identity.name, "IP": identity.address, "AS": identity.as_number}
    return wanted._replace(environment=dict(wanted.environment, **{name: text for name, text in own.items() if text}))


def complete_network(wanted: Cni, node: Node) -> Cni:
    """Tell the plugins the node's name where it is not the host's, which they take by themselves."""
    keys = wanted.name_keys if node.name != node.host_name else []
    return wanted._replace(config=dict(wanted.config, **dict.fromkeys(keys, node.name)))
