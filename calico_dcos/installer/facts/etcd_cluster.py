"""Facts: which cluster an etcd belongs to; two addresses that answer alike may be two clusters.

Its id follows from the addresses of its members: two etcds of one member each that were started with the same settings
have the same one. Of such a cluster the start of its member is read too.
"""

from typing import List, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..web import OK, UnreachableError, call, fetch, open_connection
from .etcd import TIMEOUT_S, V3_PATHS, find_address

ID_HEADER = "x-etcd-cluster-id"
SCHEME = "etcd:"

# started: of a cluster of one member, when that was; in its words.
Cluster = NamedTuple("Cluster", [("id", str), ("started", Optional[str])])
# address: host:port, as it is configured.
Reached = NamedTuple("Reached", [("address", str), ("cluster", Union[Cluster, Unknown])])


def list_addresses(url: str) -> List[str]:
    """List the ``host:port`` of endpoints (``http://a:2379,http://b:2379``) or of a store (``etcd://a:2379,b/x``)."""
    if url.startswith(SCHEME):
        return urlsplit(url).netloc.split(",")
    return [urlsplit(part).netloc for part in url.split(",") if part]


def read_reached(host: Host, urls: List[str]) -> List[Reached]:
    """Ask behind each address of some URLs for the cluster; other stores than etcd are left out."""
    found = {}
    for url in urls:
        scheme = "http" if url.startswith(SCHEME) else urlsplit(url).scheme
        if scheme not in ("http", "https"):
            continue
        for address in list_addresses(url):
            dialled = find_address(host, "{}://{}".format(scheme, address))
            if address not in found:
                found[address] = dialled if isinstance(dialled, Unknown) else read_cluster(dialled)
    return [Reached(address, found[address]) for address in sorted(found)]


def read_first_cluster(addresses: List[str]) -> Union[Cluster, Unknown]:
    """Ask members in turn, until one tells."""
    faults = []
    for address in addresses:
        cluster = read_cluster(address)
        if isinstance(cluster, Cluster):
            return cluster
        faults.append("{}: {}".format(address, cluster.reason))
    return Unknown("; ".join(faults))


def read_cluster(address: str) -> Union[Cluster, Unknown]:
    """Ask ``host:port`` for its cluster: through the v2 API, or the v3 API where that alone is on."""
    try:
        answer = fetch(address, "/v2/members", TIMEOUT_S)
        ident = answer.headers.get(ID_HEADER)
        if ident is None:
            return read_cluster_v3(address)
        is_alone = answer.status == OK and count_members(answer.body.decode("utf-8", "replace")) == 1
        return Cluster(ident, read_start(address) if is_alone else None)
    except UnreachableError as error:
        return Unknown(str(error))


def read_cluster_v3(address: str) -> Union[Cluster, Unknown]:
    """Ask the gateway of the v3 API; UnreachableError if nothing answers."""
    for path in V3_PATHS:
        connection = open_connection(address, TIMEOUT_S)
        answer = call(connection, "POST", path, b"{}", {"Content-Type": "application/json"})
        ident = parse_cluster_v3(answer.body.decode("utf-8", "replace")) if answer.status == OK else None
        if ident is not None:
            return Cluster(ident, None)
    return Unknown("what answers does not tell the id of its cluster")


def read_start(address: str) -> Optional[str]:
    """Ask a member when it was started; UnreachableError if it does not answer."""
    answer = fetch(address, "/v2/stats/self", TIMEOUT_S)
    try:
        return str(load_json(answer.body.decode("utf-8", "replace"))["startTime"]) if answer.status == OK else None
    except (ValueError, KeyError, TypeError):
        return None


def count_members(text: str) -> int:
    """Count the members in an answer of ``/v2/members``; 0 where it is not understood."""
    try:
        return len(load_json(text)["members"])
    except (ValueError, KeyError, TypeError):
        return 0


def parse_cluster_v3(text: str) -> Optional[str]:
    """Read the id in the header of an answer of v3: in decimal there, and in hexadecimal as v2 writes it here."""
    try:
        return "{:x}".format(int(load_json(text)["header"]["cluster_id"]))
    except (ValueError, KeyError, TypeError):
        return None


def is_same(one: Cluster, other: Cluster) -> bool:
    """Whether two are one; where a start is not told on both sides, the id decides."""
    return one.id == other.id and (None in (one.started, other.started) or one.started == other.started)


def name_cluster(cluster: Cluster) -> str:
    """Name a cluster for a sentence."""
    return cluster.id + (", up since {}".format(cluster.started) if cluster.started else "")
