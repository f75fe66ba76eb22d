"""What the program stands on: the host, as it looks from inside of the container."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from calico_dcos.sim.standins.calico_node.etcd import Etcd


class Ground(Protocol):
    """A host, simulated or real."""

    def list_addresses(self) -> Sequence[tuple[str, str]]:
        """List the IPv4 addresses but those of the loopback: interface and address, in the kernel's order."""

    def read_rp_filter(self) -> int:
        """Read net.ipv4.conf.all.rp_filter."""

    def resolve(self, name: str) -> str:
        """Resolve the name of a host for dialling: `localhost` is another one on each simulated host."""

    def find_directory(self, path: str) -> Path | None:
        """Find a directory of the container that lasts beyond it; None if nothing is mounted there."""

    def write_chains(self) -> None:
        """Write Felix's chains into the legacy tables, unless they are there already."""

    def follow_workloads(self, etcd: Etcd, name: str) -> None:
        """Route and filter for a node's workloads as etcd has them now; EtcdAwayError if it does not answer."""
