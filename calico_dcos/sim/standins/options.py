"""How a simulated host behaves: read by its stand-ins from a file in its root."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

SPARTAN = ("198.51.100.1", "198.51.100.2", "198.51.100.3")
"""The addresses of the interface `spartan`, the same on every agent of DC/OS."""

_DOCKER_ADDRESS = "172.17.0.1"
_FILE = "etc/stand-in.json"


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What of a simulated host can be chosen.

    Attributes:
        docker_version: of the daemon and the command line.
        is_hybrid: systemd tracks units in a way that Mesos cannot take its tasks out of the agent's unit; stopping
            the agent ends them all.
        systemd_version: decides what systemctl and systemd-run can do in a PID namespace of their own.
        pull_s: how long the pull of an image takes.
        missing_images: images that the registry does not have.
        address: the host's own, which stands for its loopback, too.
        has_spartan: the host has the interface `spartan` besides.
        rp_filter: net.ipv4.conf.all.rp_filter; DC/OS sets it to loose.
        iptables: what `iptables`, and so Docker, writes: the legacy tables, or those of nftables as from Debian 10 on.
        bgp_port_is_taken: something else listens on the port of BGP.
    """

    docker_version: str = "20.10.24"
    is_hybrid: bool = False
    systemd_version: int = 252
    pull_s: float = 0.1
    missing_images: tuple[str, ...] = ()
    address: str = "127.0.0.1"
    has_spartan: bool = False
    rp_filter: int = 2
    iptables: Literal["legacy", "nft"] = "legacy"
    bgp_port_is_taken: bool = False

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """The host's IPv4 addresses but that of the loopback: interface and address, in the kernel's order."""
        spartan = [("spartan", address) for address in SPARTAN] if self.has_spartan else []
        return ("eth0", self.address), ("docker0", _DOCKER_ADDRESS), *spartan


def read_options(root: Path) -> HostOptions:
    """Read the options of a host; the defaults where nothing was chosen."""
    try:
        fields = json.loads((root / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return HostOptions()
    return HostOptions(**{**fields, "missing_images": tuple(fields.get("missing_images", ()))})


def write_options(root: Path, options: HostOptions) -> None:
    """Write the options of a host, for its next boot."""
    (root / _FILE).write_text(json.dumps(asdict(options), indent=2) + "\n", encoding="utf-8")
