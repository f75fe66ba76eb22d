"""Facts: the IPv4 pools of addresses that etcd has for Calico."""

from typing import Any, List, NamedTuple, Union

from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..web import NOT_FOUND, OK, UnreachableError, fetch
from .etcd import TIMEOUT_S, find_address

POOLS_KEY = "/v2/keys/calico/v1/ipam/v4/pool"
POOLS_MAX = 100
OFF, ALWAYS = "off", "always"

# ipip: off, always or cross-subnet.
IpPool = NamedTuple("IpPool", [("cidr", str), ("ipip", str), ("nat_outgoing", bool), ("is_disabled", bool)])


def read_pools(host: Host, endpoints: List[str]) -> Union[List[IpPool], Unknown]:
    """Ask the first endpoint that answers."""
    faults = []
    for url in endpoints:
        address = find_address(host, url)
        if isinstance(address, Unknown):
            faults.append("{}: {}".format(url, address.reason))
            continue
        try:
            answer = fetch(address, POOLS_KEY + "?recursive=true", TIMEOUT_S)
        except UnreachableError as error:
            faults.append("{}: {}".format(url, error))
            continue
        return parse_pools(answer.status, answer.body.decode("utf-8", "replace"))
    return Unknown("; ".join(faults) or "no endpoint of etcd is known")


def parse_pools(status: int, text: str) -> Union[List[IpPool], Unknown]:
    """Read etcd's answer; no such key is no pool."""
    if status == NOT_FOUND:
        return []
    try:
        nodes = load_json(text if status == OK else "null")["node"].get("nodes") or []
        return [parse_pool(load_json(node["value"])) for node in nodes][:POOLS_MAX]
    except (ValueError, KeyError, TypeError, AttributeError):
        return Unknown("etcd's answer for pools is not understood (status {}): {!r}".format(status, text[:200]))


def parse_pool(value: Any) -> IpPool:
    """Read one pool: Calico 2.0 knows no mode, and has IP-in-IP with an interface named, or not."""
    mode = (value.get("ipip_mode") or ALWAYS) if value.get("ipip") else OFF
    return IpPool(str(value["cidr"]), str(mode), bool(value.get("masquerade")), bool(value.get("disabled")))
