"""Addresses of workloads: each host claims a block of the pool in etcd, and gives out what is free of it."""

import hashlib
import ipaddress
import json
from collections.abc import Iterator

from calico_dcos.sim.standins.calico_node.etcd import Etcd
from calico_dcos.sim.standins.calico_node.startup import POOLS

BLOCK_BITS = 26

_IPAM = "/calico/ipam/v2"
# The real one notes in the block who has which address; a key for each is enough here.
_TAKEN = f"{_IPAM}/stand-in"


class NoAddressError(Exception):
    """There is none to give out."""


def name_blocks(host: str) -> str:
    """Name the directory of the blocks that a host has claimed: by these BIRD tells others where they are."""
    return f"{_IPAM}/host/{host}/ipv4/block"


def list_blocks(pool: str, host: str) -> Iterator[ipaddress.IPv4Network]:
    """List the blocks of a pool in the order in which a host tries them: from a place that follows from its name."""
    network = ipaddress.IPv4Network(pool)
    count = 1 << max(0, BLOCK_BITS - network.prefixlen)
    first = int(hashlib.sha256(host.encode()).hexdigest(), 16) % count
    size = 1 << (32 - BLOCK_BITS)
    for step in range(count):
        start = int(network.network_address) + (first + step) % count * size
        yield ipaddress.IPv4Network((start, BLOCK_BITS))


def take_address(etcd: Etcd, host: str, workload: str) -> str:
    """Take an address for a workload.

    Raises:
        NoAddressError: there is no pool, or none is free.
        EtcdAwayError: etcd does not answer.
    """
    pools = [json.loads(value)["cidr"] for _, value in sorted(etcd.read_tree(POOLS).items())]
    for block in (block for pool in pools for block in list_blocks(pool, host) if _claim(etcd, block, host)):
        for address in block:
            if etcd.create(f"{_TAKEN}/{address}", workload):
                return str(address)
    raise NoAddressError("no configured Calico pools" if not pools else "failed to request IPv4 addresses: none free")


def give_back_address(etcd: Etcd, address: str) -> None:
    """Give an address back; EtcdAwayError as above."""
    etcd.delete(f"{_TAKEN}/{address}")


def _claim(etcd: Etcd, block: ipaddress.IPv4Network, host: str) -> bool:
    name = str(block).replace("/", "-")
    key, value = f"{_IPAM}/assignment/ipv4/block/{name}", json.dumps({"affinity": f"host:{host}"})
    if not etcd.create(key, value) and etcd.read(key) != value:
        return False
    etcd.create(f"{name_blocks(host)}/{name}", "")
    return True
