"""The `ip` of a simulated host: addresses, links, and the routes that match an address."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from calico_dcos.sim.standins.network.faults import find_fault
from calico_dcos.sim.standins.network.places import LOOPBACK_VARIABLE, find_host, read_namespace


def main(root: str) -> int:
    """Carry out the command line."""
    match [word for word in sys.argv[1:] if word not in {"-o", "-4"}]:
        case ["addr", "show"]:
            _show_addresses()
        case ["link", "show"]:
            _show_links()
        case ["route", "show", "match", address]:
            _show_routes(Path(root), address)
        case _:
            print("the stand-in of ip has addr show, link show and route show match", file=sys.stderr)
            return 1
    return 0


def _show_addresses() -> None:
    namespace = read_namespace()
    print("1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever")
    address = f"{namespace['address']}/32" if namespace else f"{os.environ.get(LOOPBACK_VARIABLE, '127.0.0.1')}/24"
    print(f"3: eth0    inet {address} scope global eth0\\       valid_lft forever preferred_lft forever")


def _show_links() -> None:
    print("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\")
    name = "eth0@if6" if read_namespace() else "eth0"
    print(f"3: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default \\")


def _show_routes(root: Path, address: str) -> None:
    own = os.environ.get(LOOPBACK_VARIABLE, "127.0.0.1")
    network = own.rpartition(".")[0]
    print(f"default via {network}.254 dev eth0 ")
    host = find_host(root.parent, address)
    if host and find_fault(root.parent, "no-route", root.name, host) is None:
        _, _, number, _ = address.split(".")
        print(f"{address.rpartition('.')[0]}.0/26 via {network}.{number} dev eth0 proto bird ")
