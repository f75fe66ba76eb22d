"""Warns of what else has a hand in the host's network: Calico is installed all the same."""

from typing import Any, Dict, List

from ..facts.surroundings import Mtu, Surroundings

# What a plugin takes without the option, and what IP-in-IP puts before each packet.
PLUGIN_MTU, IPIP_BYTES = 1500, 20


def warn_of_mtu(surroundings: Surroundings, network: Dict[str, Any], *, has_ipip: bool) -> List[str]:
    """Warn where packets of containers would be longer than what the network lets through."""
    if not isinstance(surroundings.mtu, Mtu):
        return []
    room = surroundings.mtu.mtu - (IPIP_BYTES if has_ipip else 0)
    taken = network.get("mtu") or PLUGIN_MTU
    if taken <= room:
        return []
    return [
        "containers take an MTU of {}, and {} lets {} through{}: set the option mtu to {}".format(
            taken, surroundings.mtu.interface, room, " with IP-in-IP" if has_ipip else "", room
        )
    ]


def warn_of_services(surroundings: Surroundings) -> List[str]:
    """Warn of services that take Calico's rules or interfaces away."""
    warnings = []
    if surroundings.has_firewalld is True:
        warnings.append(
            "firewalld is active: a reload of it takes Calico's rules away until Felix writes them again; "
            "stop and disable it"
        )
    if surroundings.manages_cali is True:
        warnings.append(
            "NetworkManager manages the interfaces of containers: "
            "have it leave cali* and tunl* alone (unmanaged-devices=interface-name:cali*;interface-name:tunl*)"
        )
    return warnings
