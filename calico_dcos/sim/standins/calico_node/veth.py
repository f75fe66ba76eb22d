"""Pairs of interfaces that join a workload to its host, by the host's `ip`."""

import subprocess
from contextlib import suppress

GATEWAY = "169.254.1.1"
"""At which every workload sees its host: the kernel answers for it by proxy ARP."""

_TIMEOUT_S = 20
_INSIDE = f"""\
addr add {{address}}/32 dev {{name}}
link set {{name}} up
route add {GATEWAY} dev {{name}} scope link
route add default via {GATEWAY} dev {{name}}
"""


class VethError(Exception):
    """The kernel does not make it; the message is what `ip` said."""


def name_interface(workload: str) -> str:
    """Name the host's end of a workload's pair."""
    return f"cali{workload[:11]}"


def make_pair(interface: str, peer: str, *, namespace: str = "", mac: str = "") -> None:
    """Make a pair, the host's end up, the other in a network namespace if a path is given; VethError."""
    peer_options = [*(["address", mac] if mac else []), *(["netns", namespace] if namespace else [])]
    _run(["ip", "link", "add", interface, "type", "veth", "peer", "name", peer, *peer_options])
    _run(["ip", "link", "set", interface, "up"])


def set_up_inside(namespace: str, name: str, address: str) -> None:
    """Give a workload its address and its routes; VethError."""
    _run(["nsenter", f"--net={namespace}", "ip", "-batch", "-"], _INSIDE.format(name=name, address=address))


def remove_pair(interface: str) -> None:
    """Remove a pair; one that is gone is as good."""
    with suppress(VethError):
        _run(["ip", "link", "del", interface])


def _run(argv: list[str], text: str = "") -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise VethError(f"{' '.join(argv)}: {done.stderr.strip()}")
