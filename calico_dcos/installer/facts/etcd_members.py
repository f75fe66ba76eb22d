"""Facts: the client addresses of the etcd cluster behind an SRV name, and which cluster that is."""

import re
from typing import List, NamedTuple, Tuple, Union
from urllib.parse import urlsplit

from ..dns import SRV, A, LookupFailedError, Response, Target, look_up, parse_resolv_conf
from ..documents import load_json
from ..host import LOOPBACK_NAMES, Host
from ..unknown import Unknown
from ..web import OK, UnreachableError, fetch, split_address
from .etcd_cluster import Cluster, read_first_cluster
from .system import read_text

CLIENT_SERVICE = "_etcd-client._tcp."
PEER_SERVICE = "_etcd-server._tcp."
TIMEOUT_S = 2
# What an etcd advertises that was told to listen on every address, or was told nothing.
BACK_NAMES = (*LOOPBACK_NAMES, "localhost.localdomain", "0.0.0.0", "::", "::1", "")  # noqa: S104

# addresses: ``host:port`` for clients, sorted. left_out: those that lead back to whoever dials them.
Members = NamedTuple("Members", [("addresses", List[str]), ("left_out", List[str])])
Behind = NamedTuple(
    "Behind", [("name", str), ("members", Union[Members, Unknown]), ("cluster", Union[Cluster, Unknown])]
)


class NoMembersError(Exception):
    """The name does not lead to an etcd cluster."""


def read_behind(host: Host, name: str) -> Behind:
    """Read which members are behind a name, and which cluster theirs is."""
    try:
        members = find_members(host, name)
    except NoMembersError as error:
        unknown = Unknown(str(error))
        return Behind(name, unknown, unknown)
    return Behind(name, members, read_first_cluster(members.addresses))


def find_members(host: Host, name: str) -> Members:
    """Find the members.

    Where only the peers have an SRV record (as etcd 2.x on Mesos does), a peer is asked for its clients' addresses.

    Raises:
        NoMembersError: there are none; the message says what was asked and answered.
    """
    text = read_text(host.path("/etc/resolv.conf"))
    if isinstance(text, Unknown):
        raise NoMembersError(text.reason)
    servers = parse_resolv_conf(text)
    try:
        clients = _look_up_targets(servers, CLIENT_SERVICE + name)
        if clients:
            return choose_members(host, clients)
        peers = _look_up_targets(servers, PEER_SERVICE + name)
    except LookupFailedError as error:
        raise NoMembersError(str(error)) from error
    if not peers:
        raise NoMembersError("neither {0}{2} nor {1}{2} exists".format(CLIENT_SERVICE, PEER_SERVICE, name))
    return choose_members(host, _ask_peers(peers))


def choose_members(host: Host, addresses: List[str]) -> Members:
    """Leave out the addresses that lead back to this host: a proxy on them would be a proxy to itself.

    Raises:
        NoMembersError: no other is left.
    """
    left_out = [address for address in addresses if leads_back(host, address)]
    chosen = [address for address in addresses if address not in left_out]
    if not chosen:
        raise NoMembersError(
            "all of its members advertise only {}, which leads every agent back to itself: "
            "set etcd's --advertise-client-urls to addresses that agents reach".format(", ".join(left_out))
        )
    return Members(chosen, left_out)


def leads_back(host: Host, address: str) -> bool:
    """Whether an address of a member's leads back to whoever dials it."""
    try:
        hostname = split_address(address)[0].lower()
    except UnreachableError:
        hostname = address.lower()
    if hostname in BACK_NAMES or hostname.endswith(".localhost"):
        return True
    if re.match(r"127(\.\d+){3}$", hostname) is None:
        return False
    # Simulated hosts, and what they reach, share one machine, each with a loopback address of its own.
    return host.root == "" or hostname == host.dial(LOOPBACK_NAMES[0])


def _look_up_targets(servers: List[Tuple[str, int]], name: str) -> List[str]:
    response = look_up(servers, name, SRV)
    return sorted({"{}:{}".format(_find_address(servers, response, one), one.port) for one in response.targets})


def _find_address(servers: List[Tuple[str, int]], response: Response, target: Target) -> str:
    """Find a target's address: sent along, or asked for; a name without one is left to the system's resolver."""
    known = response.addresses.get(target.name)
    if known is None:
        try:
            known = look_up(servers, target.name, A).addresses.get(target.name)
        except LookupFailedError:
            known = None
    return known[0] if known else target.name


def _ask_peers(peers: List[str]) -> List[str]:
    for peer in peers:
        members = _ask_peer(peer)
        if members:
            return members
    raise NoMembersError("none of {} tells where clients connect".format(", ".join(peers)))


def _ask_peer(peer: str) -> List[str]:
    try:
        answer = fetch(peer, "/members", TIMEOUT_S)
    except UnreachableError:
        return []
    return parse_members(answer.body.decode("utf-8", "replace")) if answer.status == OK else []


def parse_members(text: str) -> List[str]:
    """Read the client addresses in a peer's answer to ``/members``; none in one that is not understood."""
    try:
        urls = [url for member in load_json(text) for url in member.get("clientURLs") or []]
    except (ValueError, TypeError, AttributeError):
        return []
    return sorted({urlsplit(url).netloc for url in urls})
