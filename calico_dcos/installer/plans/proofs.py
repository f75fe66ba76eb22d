"""Proves the steps around etcd: proxy, Docker's store and CNI network lead to one cluster, the one that is meant."""

from typing import List, NamedTuple, Optional, Union

from ..facts.cni import Cni
from ..facts.etcd import Listener
from ..facts.etcd_cluster import SCHEME, Cluster, Reached, is_same, list_addresses, name_cluster
from ..facts.etcd_members import Behind, Members
from ..facts.network import Port, Process
from ..unknown import Unknown
from ..wanted import Wanted
from .changes import Decision, refuse, warn
from .checks import Check, fails, saw, settle, was_not_seen

ENDPOINTS_SETTING = "ETCD_ENDPOINTS"
# How the program of our own proxy ends, wherever a host's root is.
OUR_PROXY = "/calico-dcos/bin/etcd"

# What a look at the proxy alone reads.
ProxyLook = NamedTuple(
    "ProxyLook", [("listener", Listener), ("cluster", Union[Cluster, Unknown]), ("behind", Behind), ("port", Port)]
)


def prove_etcd_proxy(decision: Decision, look: ProxyLook) -> Decision:
    """Prove that what answers where the proxy listens is the cluster behind the name, and no other."""
    decision = warn(decision, warn_of_members(look.behind))
    if decision.proof is None:
        return decision
    here, there = look.cluster, look.behind.cluster
    if isinstance(here, Cluster) and isinstance(there, Cluster) and not is_same(here, there):
        return _find_foreign(look, here, there)._replace(warnings=decision.warnings)
    return settle(decision, [_check_cluster(look, here, there)])


def _check_cluster(look: ProxyLook, here: Union[Cluster, Unknown], there: Union[Cluster, Unknown]) -> Check:
    if isinstance(here, Unknown):
        return was_not_seen("the cluster behind {}".format(look.listener.address), here)
    if isinstance(there, Unknown):
        return was_not_seen("the cluster behind {}".format(look.behind.name), there)
    return saw("it is the cluster behind {} ({})".format(look.behind.name, here.id))


def _find_foreign(look: ProxyLook, here: Cluster, there: Cluster) -> Decision:
    reason = "what answers on {} is another etcd (cluster {}) than the one behind {} (cluster {})".format(
        look.listener.address, name_cluster(here), look.behind.name, name_cluster(there)
    )
    if is_our_proxy(look.port):
        # Its supervisor looks the members up again, and starts it anew where they moved.
        return settle(_PROVEN, [fails(reason, "the proxy follows its members within a minute; if not, retry")])
    return refuse(reason, "stop that etcd, or disable this step and set etcd-endpoints to the etcd that is meant")


_PROVEN = Decision([], None, None, None, "", [])


def is_our_proxy(port: Port) -> bool:
    """Whether our own proxy holds the port; one that cannot be seen is taken for somebody else's."""
    sockets = [] if isinstance(port.sockets, Unknown) else port.sockets
    holders = [socket.process for socket in sockets if isinstance(socket.process, Process)]
    return any(holder.command.endswith(OUR_PROXY) for holder in holders)


def warn_of_members(behind: Behind) -> List[str]:
    """Warn of members that advertise addresses that are of no use to others."""
    if not isinstance(behind.members, Members) or not behind.members.left_out:
        return []
    return [
        "members behind {} advertise {}, which leads every agent back to itself, and is left out: "
        "set etcd's --advertise-client-urls".format(behind.name, ", ".join(behind.members.left_out))
    ]


def find_cluster(reached: List[Reached], url: str) -> Union[Cluster, Unknown]:
    """Find the cluster behind a URL of several addresses: what the first says that answers."""
    faults = []
    for address in list_addresses(url):
        found = next((one.cluster for one in reached if one.address == address), Unknown("it was not asked"))
        if isinstance(found, Cluster):
            return found
        faults.append("{}: {}".format(address, found.reason))
    return Unknown("; ".join(faults))


def check_endpoints(reached: List[Reached], wanted: Wanted) -> Check:
    """Check that the endpoints are of one cluster: whoever uses them takes any of them."""
    known = [one for url in wanted.etcd_endpoints for one in reached if one.address in list_addresses(url)]
    clusters = [(one.address, one.cluster) for one in known if isinstance(one.cluster, Cluster)]
    for address, cluster in clusters[1:]:
        if not is_same(cluster, clusters[0][1]):
            return fails(
                "the endpoints are of two clusters: {} of {}, {} of {}".format(
                    clusters[0][0], name_cluster(clusters[0][1]), address, name_cluster(cluster)
                ),
                "set etcd-endpoints to the members of one",
            )
    return saw("")


def find_other_store(reached: List[Reached], wanted: Wanted) -> Optional[str]:
    """Find out whether Docker's store is another etcd than Calico's, in words; None where it is not, or not known."""
    url = wanted.cluster_store.url
    if not url.startswith(SCHEME):
        return None
    store, calico = find_cluster(reached, url), find_cluster(reached, ",".join(wanted.etcd_endpoints))
    if isinstance(store, Unknown) or isinstance(calico, Unknown) or is_same(store, calico):
        return None
    return "the store {} is in another etcd (cluster {}) than Calico's (cluster {})".format(
        url, name_cluster(store), name_cluster(calico)
    )


ONE_STORE = "set Docker's store to the etcd that etcd-endpoints names"


def refuse_other_store(reached: List[Reached], wanted: Wanted) -> Optional[Decision]:
    """Refuse to configure a store that is not Calico's etcd: Docker's networks would be known to nobody else."""
    reason = find_other_store(reached, wanted)
    return None if reason is None else refuse(reason, ONE_STORE)


def prove_docker_store(decision: Decision, reached: List[Reached], wanted: Wanted) -> Decision:
    """Prove that the store in effect is the etcd that Calico uses."""
    url = wanted.cluster_store.url
    if decision.proof is None or not url.startswith(SCHEME):
        return decision
    other = find_other_store(reached, wanted)
    if other is not None:
        return settle(decision, [fails(other, ONE_STORE)])
    for name, urls in (("the store {}".format(url), url), ("Calico's etcd", ",".join(wanted.etcd_endpoints))):
        cluster = find_cluster(reached, urls)
        if isinstance(cluster, Unknown):
            return settle(decision, [was_not_seen(name, cluster)])
    cluster = find_cluster(reached, url)
    named = name_cluster(cluster) if isinstance(cluster, Cluster) else ""
    return settle(decision, [check_endpoints(reached, wanted), saw("Calico uses the same etcd ({})".format(named))])


def prove_cni(decision: Decision, cni: Cni, reached: List[Reached], wanted: Wanted) -> Decision:
    """Prove that the network is configured once, and names the etcd in which calico-node's Felix looks."""
    return settle(decision, [_check_alone(cni, wanted), _check_network_etcd(reached, wanted)])


def _check_alone(cni: Cni, wanted: Wanted) -> Check:
    network = str(wanted.cni.config["name"])
    twins = [double.files for double in cni.duplicates if double.network == network]
    if twins:
        return fails(
            "{} all configure network {}: Mesos uses one of them".format(" and ".join(twins[0]), network),
            "remove the others from {}".format(cni.config_dir),
        )
    return saw("")


def _check_network_etcd(reached: List[Reached], wanted: Wanted) -> Check:
    network = str(wanted.cni.config.get("etcd_endpoints") or "")
    node = wanted.calico_node.environment.get(ENDPOINTS_SETTING) or ",".join(wanted.etcd_endpoints)
    if not network or sorted(list_addresses(network)) == sorted(list_addresses(node)):
        return saw("it names the etcd that calico-node uses" if network else "")
    here, there = find_cluster(reached, network), find_cluster(reached, node)
    if isinstance(here, Unknown):
        return was_not_seen("the etcd of the CNI network", here)
    if isinstance(there, Unknown):
        return was_not_seen("the etcd of calico-node", there)
    if is_same(here, there):
        return saw("it names the etcd that calico-node uses ({})".format(name_cluster(here)))
    return fails(
        "the CNI network names another etcd ({}, cluster {}) than calico-node uses ({}, cluster {})".format(
            network, name_cluster(here), node, name_cluster(there)
        ),
        "give both the same: without it, Felix never hears of a container",
    )
