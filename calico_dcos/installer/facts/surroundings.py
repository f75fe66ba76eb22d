"""Facts: what else has a hand in the host's network: its MTU, and services that change interfaces or firewall rules."""

import os
from contextlib import suppress
from typing import NamedTuple, Union

from .. import systemd
from ..host import Host, ToolError
from ..unknown import Unknown
from .system import read_text

ROUTES, INTERFACES = "/proc/net/route", "/sys/class/net"
FIREWALLD, NETWORK_MANAGER = "firewalld.service", "NetworkManager.service"
NETWORK_MANAGER_DIRS = ("/usr/lib/NetworkManager", "/run/NetworkManager", "/etc/NetworkManager")
FILES_MAX = 100

Mtu = NamedTuple("Mtu", [("interface", str), ("mtu", int)])
# mtu: of the interface of the default route. manages_cali: NetworkManager runs, and is not told to leave cali* alone.
Surroundings = NamedTuple(
    "Surroundings",
    [
        ("mtu", Union[Mtu, Unknown]),
        ("has_firewalld", Union[bool, Unknown]),
        ("manages_cali", Union[bool, Unknown]),
    ],
)


def read_surroundings(host: Host) -> Surroundings:
    """Read them."""
    is_managed = _is_active(host, NETWORK_MANAGER)
    return Surroundings(
        mtu=read_mtu(host),
        has_firewalld=_is_active(host, FIREWALLD),
        manages_cali=not leaves_cali_alone(host) if is_managed is True else is_managed,
    )


def read_mtu(host: Host) -> Union[Mtu, Unknown]:
    """Read the MTU of the interface that leads out."""
    routes = read_text(host.path(ROUTES))
    if isinstance(routes, Unknown):
        return routes
    interface = parse_default_interface(routes)
    if interface is None:
        return Unknown("there is no default route")
    text = read_text(host.path("{}/{}/mtu".format(INTERFACES, interface)))
    if isinstance(text, Unknown):
        return text
    return Mtu(interface, int(text)) if text.isdigit() else Unknown("{} has no MTU".format(interface))


def parse_default_interface(routes: str) -> Union[str, None]:
    """Read the interface of the default route with the lowest metric in ``/proc/net/route``."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    found = [(int(row[6]), row[0]) for row in rows if len(row) > 7 and row[1] == row[7] == "00000000"]  # noqa: PLR2004
    return min(found)[1] if found else None


def leaves_cali_alone(host: Host) -> bool:
    """Whether a file of NetworkManager's names the interfaces of Calico among those that it leaves alone."""
    paths = [host.path(NETWORK_MANAGER_DIRS[-1] + "/NetworkManager.conf")]
    for directory in [host.path(path + "/conf.d") for path in NETWORK_MANAGER_DIRS]:
        with suppress(OSError):
            paths += [os.path.join(directory, name) for name in sorted(os.listdir(directory))[:FILES_MAX]]
    texts = [read_text(path) for path in paths]
    return any(
        line.strip().startswith("unmanaged-devices") and "cali" in line
        for text in texts
        if isinstance(text, str)
        for line in text.splitlines()
    )


def _is_active(host: Host, name: str) -> Union[bool, Unknown]:
    try:
        return systemd.read_unit(host, name).active_state == "active"
    except ToolError as error:
        return Unknown(str(error))
