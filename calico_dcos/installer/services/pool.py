"""Writes the pool of addresses to etcd where the image cannot be told to make it, and only where there is none."""

import json
from typing import Any, Callable, Dict, List
from urllib.parse import quote, urlencode

from ..facts.etcd import TIMEOUT_S, find_address
from ..facts.pools import OFF, POOLS_KEY, read_pools
from ..host import Host
from ..unknown import Unknown
from ..wanted import Pool
from ..web import CREATED, OK, PRECONDITION_FAILED, UnreachableError, call, open_connection

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TUNNEL = "tunl0"


def ensure_pool(host: Host, wanted: Pool, endpoints: List[str], tell: Callable[[str], None]) -> bool:
    """Write the pool unless there is any; return whether there is one now."""
    pools = read_pools(host, endpoints)
    if isinstance(pools, Unknown):
        tell("the pool is not looked for yet: {}".format(pools.reason))
        return False
    if pools:
        return True
    value = json.dumps(build_value(wanted), sort_keys=True)
    for url in endpoints:
        fault = _put(host, url, build_path(wanted.cidr), value)
        if not fault:
            tell("wrote the pool {} to etcd".format(wanted.cidr))
            return True
        tell("the pool is not written: {}: {}".format(url, fault))
    return False


def build_path(cidr: str) -> str:
    """Build the path of a pool's key."""
    return "{}/{}".format(POOLS_KEY, quote(cidr.replace("/", "-"), safe=""))


def build_value(wanted: Pool) -> Dict[str, Any]:
    """Build a pool as calicoctl writes it."""
    has_tunnel = wanted.ipip != OFF
    return {
        "cidr": wanted.cidr,
        "ipip": TUNNEL if has_tunnel else "",
        "ipip_mode": wanted.ipip if has_tunnel else "",
        "masquerade": wanted.nat_outgoing == "true",
        "ipam": True,
        "disabled": False,
    }


def _put(host: Host, url: str, path: str, value: str) -> str:
    """Write one key that is not there; return why it is not, empty if it is."""
    address = find_address(host, url)
    if isinstance(address, Unknown):
        return address.reason
    body = urlencode({"value": value, "prevExist": "false"}).encode("ascii")
    try:
        status = call(open_connection(address, TIMEOUT_S), "PUT", path, body, FORM).status
    except UnreachableError as error:
        return str(error)
    # Another host was first: with the same options, and so with the same pool.
    return "" if status in (OK, CREATED, PRECONDITION_FAILED) else "etcd answers with status {}".format(status)
