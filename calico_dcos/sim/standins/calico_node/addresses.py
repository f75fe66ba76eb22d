"""Which of a host's addresses a node takes where nobody says; pure, but for the route that `can-reach` asks for."""

import re
import socket
from collections.abc import Sequence

from calico_dcos.sim.standins.calico_node.release import Release

_LEFT_OUT = ["docker.*", "cbr.*", "dummy.*", "virbr.*", "lxcbr.*", "veth.*", "lo", "cali.*", "tunl.*", "flannel.*"]
_ANY_PORT = 53


def choose_address(addresses: Sequence[tuple[str, str]], release: Release, method: str) -> str:
    """Choose by a release's way; empty if no address will do.

    Args:
        addresses: interface and address, in the kernel's order.
        release: of calico/node.
        method: IP_AUTODETECTION_METHOD.
    """
    if release.takes_last_address:
        left = [address for interface, address in addresses if not _is_any_of(interface, _LEFT_OUT)]
        return left[-1] if left else ""
    if method.startswith("can-reach="):
        return _find_source(method.removeprefix("can-reach="))
    wanted = method.removeprefix("interface=").split(",") if method.startswith("interface=") else []
    for interface, address in addresses:
        if _is_any_of(interface, wanted) if wanted else not _is_any_of(interface, _LEFT_OUT):
            return address
    return ""


def _is_any_of(interface: str, patterns: Sequence[str]) -> bool:
    return any(re.fullmatch(pattern, interface) for pattern in patterns)


def _find_source(target: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, _ANY_PORT))
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
        return address
