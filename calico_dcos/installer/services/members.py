"""Finds the client addresses of the etcd cluster behind an SRV name."""

import json
from typing import List, Tuple
from urllib.parse import urlsplit

from ..dns import SRV, A, LookupFailedError, Response, Target, look_up, parse_resolv_conf
from ..facts.system import read_text
from ..host import Host
from ..unknown import Unknown
from ..web import OK, UnreachableError, fetch

CLIENT_SERVICE = "_etcd-client._tcp."
PEER_SERVICE = "_etcd-server._tcp."
TIMEOUT_S = 2


class NoMembersError(Exception):
    """The name does not lead to an etcd cluster."""


def find_members(host: Host, name: str) -> List[str]:
    """Find the members' ``host:port`` for clients, sorted.

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
            return clients
        peers = _look_up_targets(servers, PEER_SERVICE + name)
    except LookupFailedError as error:
        raise NoMembersError(str(error)) from error
    if not peers:
        raise NoMembersError("neither {0}{2} nor {1}{2} exists".format(CLIENT_SERVICE, PEER_SERVICE, name))
    return _ask_peers(peers)


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
        urls = [url for member in json.loads(text) for url in member.get("clientURLs") or []]
    except (ValueError, TypeError, AttributeError):
        return []
    return sorted({urlsplit(url).netloc for url in urls})
