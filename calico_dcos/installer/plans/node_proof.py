"""Proves calico-node: registered under its address, Felix at work on the tables that count, BIRD's sessions up."""

from typing import Dict, List, Optional, Union

from ..facts.bird import ESTABLISHED, Bird, Session
from ..facts.calico_etcd import CalicoEtcd, EtcdNode
from ..facts.docker_drivers import Driver
from ..facts.felix import Felix
from ..facts.kernel import GATEWAY, Kernel, Way
from ..facts.network import Port, Process
from ..facts.node_log import NodeLog
from ..facts.node_look import NodeLook
from ..facts.pools import IpPool
from ..unknown import Unknown
from ..wanted import CompleteNode, Wanted
from .calico_node import has_bird
from .changes import Decision, refuse
from .checks import Check, fails, saw, settle, was_not_seen
from .tables import check_tables

LIBNETWORK = "CALICO_LIBNETWORK_ENABLED"
# A Felix this young in a container so much older has ended before, and will again.
YOUNG_S, OLDER_S = 10, 60
NAMES_MAX = 3
NO_ROUTE = "this host has no default route, and so answers no container for {}, the gateway of all".format(GATEWAY)
ADD_ROUTE = "give it one (ip route add default via ROUTER), and retry"
SEE_LOG = "see `docker logs calico-node` and /var/log/calico/felix/current"


def prove_calico_node(decision: Decision, look: NodeLook, wanted: Wanted) -> Decision:
    """Prove that Calico works on this host; the container is known to be up and as wanted."""
    environment = wanted.calico_node.environment
    checks = [
        check_registration(look),
        check_way(look.way),
        check_felix(look.felix, look.log),
        check_tables(look.netfilter),
    ]
    if has_bird(wanted.calico_node):
        checks += [check_port(look.bgp_port), check_bird(look.bird)]
        if look.etcd is not None:
            checks.append(check_sessions(look.bird, look.etcd, look.quiet, wanted.complete_nodes))
    if is_libnetwork_on(environment):
        checks.append(check_drivers(look.drivers))
    return settle(decision, checks)


def is_libnetwork_on(environment: Dict[str, str]) -> bool:
    """Whether calico-node is to be a driver for Docker's networks."""
    return environment.get(LIBNETWORK, "").lower() == "true"


def check_registration(look: NodeLook) -> Check:
    """Check that this host's node is in etcd with this host's address, and that the address is nobody else's."""
    own, name = look.own, look.name
    if isinstance(own, Unknown):
        return was_not_seen("the node in etcd", own)
    if own is None or not own.address:
        return fails("etcd has no node {} with an address{}".format(name, quote_log(look.log)), SEE_LOG)
    if look.address is not None and own.address != look.address:
        return fails(
            "etcd holds {} as the address of node {}, and this host's is {}".format(own.address, name, look.address),
            "see that no other host goes by this name, then remove the container calico-node and retry",
        )
    others = [] if look.etcd is None or isinstance(look.etcd.nodes, Unknown) else look.etcd.nodes
    twins = [node.name for node in others if node.address == own.address and node.name != name]
    if twins:
        return fails(
            "the address {} of node {} is held by node {} too".format(own.address, name, name_some(twins)),
            "have each host find an address of its own (option ip-autodetection-method), "
            "or remove a node that is no more (calicoctl delete node)",
        )
    return saw("node {} is in etcd with {}".format(name, own.address))


def refuse_route(kernel: Kernel) -> Optional[Decision]:
    """Refuse calico-node where no packet would leave a container."""
    return refuse(NO_ROUTE, ADD_ROUTE) if kernel.has_route is False else None


def check_way(way: Way) -> Check:
    """Check that the kernel takes packets of containers, and forwards them."""
    if way.ipv4_forwarding == 0:
        return fails("the kernel does not forward IPv4 (net.ipv4.ip_forward is 0)", "find what sets it so")
    if isinstance(way.has_route, Unknown):
        return was_not_seen("the route to {}, the gateway of all containers".format(GATEWAY), way.has_route)
    return saw("") if way.has_route else fails(NO_ROUTE, ADD_ROUTE)


def check_felix(felix: Felix, log: Union[NodeLog, None, Unknown]) -> Check:
    """Check that Felix runs, has not just been started anew once more, and is ready."""
    if felix.age_s is None:
        return fails("Felix does not run in calico-node{}".format(quote_log(log)), choose_remedy(log))
    if isinstance(felix.age_s, Unknown):
        return was_not_seen("the processes of calico-node", felix.age_s)
    container_s = felix.age_s if isinstance(felix.container_s, Unknown) else felix.container_s
    if felix.age_s < YOUNG_S and container_s > felix.age_s + OLDER_S:
        return fails(
            "Felix ends again and again: it is up for {} s, in a container that is up for {} s{}".format(
                felix.age_s, container_s, quote_log(log)
            ),
            choose_remedy(log),
        )
    if isinstance(felix.is_ready, Unknown):
        return was_not_seen("Felix", felix.is_ready)
    if not felix.is_ready:
        return fails("{}{}".format(felix.detail or "Felix is not ready", quote_log(log)), choose_remedy(log))
    return saw(felix.detail or "Felix is ready")


def choose_remedy(log: Union[NodeLog, None, Unknown]) -> str:
    """Choose the remedy by what Felix complains of."""
    complaint = (log.complaint if isinstance(log, NodeLog) else None) or ""
    if "RPF" in complaint or "rp_filter" in complaint:
        return "set the option ignore-loose-rp-filter (FELIX_IGNORELOOSERPF=true), or net.ipv4.conf.all.rp_filter to 1"
    return SEE_LOG


def quote_log(log: Union[NodeLog, None, Unknown]) -> str:
    """Quote what calico-node complained of last, or said last."""
    said = (log.complaint or log.last) if isinstance(log, NodeLog) else None
    return "; it said: {}".format(said) if said else ""


def check_pools(pools: Union[List[IpPool], Unknown]) -> Check:
    """Check that a container can get an address."""
    if isinstance(pools, Unknown):
        return was_not_seen("Calico's pools in etcd", pools)
    if all(pool.is_disabled for pool in pools):
        return fails(
            "etcd has no pool of IPv4 addresses that is enabled: no container gets an address",
            "create or enable one (calicoctl apply), or set the option ip-pool",
        )
    return saw("")


def check_port(port: Port) -> Check:
    """Check that nobody else holds BGP's port; BIRD itself holds it from its first session on."""
    holders = [] if isinstance(port.sockets, Unknown) else [socket.process for socket in port.sockets]
    for holder in holders:
        if isinstance(holder, Process) and not holder.program.startswith("bird"):
            return fails(
                "tcp port {} is held by {} (pid {}), and so BIRD has no sessions".format(
                    port.number, holder.program, holder.pid
                ),
                "stop it, or have it listen elsewhere",
            )
    return saw("")


def check_bird(bird: Bird) -> Check:
    """Check that BIRD is there at all."""
    if isinstance(bird.is_up, Unknown):
        return was_not_seen("BIRD", bird.is_up)
    if not bird.is_up:
        return fails(
            "BIRD does not answer ({})".format(bird.detail),
            "see `docker logs calico-node`, and that it has /var/run/calico of the host",
        )
    return saw("BIRD answers")


def check_sessions(bird: Bird, etcd: CalicoEtcd, quiet: List[str], complete: List[CompleteNode]) -> Check:
    """Check BIRD's sessions, as Calico is configured to have them: among all nodes, with peers, or both."""
    if bird.is_up is not True:
        return saw("")  # check_bird says so
    if isinstance(etcd.is_mesh_on, Unknown):
        return was_not_seen("whether nodes have sessions with each other", etcd.is_mesh_on)
    if isinstance(etcd.nodes, Unknown):
        return was_not_seen("Calico's nodes in etcd", etcd.nodes)
    if isinstance(etcd.peers, Unknown):
        return was_not_seen("Calico's BGP peers in etcd", etcd.peers)
    partners = find_partners(etcd, quiet, complete)
    peers = list_peers(etcd)
    if not etcd.is_mesh_on and not peers and partners:
        return fails(
            "the mesh of nodes is off and no BGP peer is configured: no host learns where others' containers are",
            "switch it on (calicoctl config set nodeToNodeMesh on), or create the peers (calicoctl create bgpPeer)",
        )
    nodes = ["node {} ({})".format(node.name, node.address) for node in partners] if etcd.is_mesh_on else []
    addresses = [node.address for node in partners] if etcd.is_mesh_on else []
    return check_ends(bird, dict(zip(addresses + peers, nodes + ["peer {}".format(peer) for peer in peers])))


def list_peers(etcd: CalicoEtcd) -> List[str]:
    """List the addresses of the peers that are configured for this node: its own, and those of all nodes."""
    own = etcd.own.address if isinstance(etcd.own, EtcdNode) else ""
    peers = [] if isinstance(etcd.peers, Unknown) else etcd.peers
    return [peer.address for peer in peers if peer.node in ("", etcd.name) and peer.address != own]


def find_partners(etcd: CalicoEtcd, quiet: List[str], complete: List[CompleteNode]) -> List[EtcdNode]:
    """Find the nodes with which this one must have sessions: those that are complete, but not itself.

    Left out is one that etcd no longer knows: it was removed from Calico, and BIRD is told so. Its address is that of
    etcd, which is what BIRD goes by.
    """
    names = {node.name for node in complete} - set(quiet) - {etcd.name}
    nodes = [] if isinstance(etcd.nodes, Unknown) else etcd.nodes
    return [node for node in nodes if node.name in names and node.address]


def check_ends(bird: Bird, ends: Dict[str, str]) -> Check:
    """Check that each session is established that is to be; ends: with whom, by their addresses."""
    if not ends:
        return saw("no other node is complete: no BGP session is looked for")
    # Nodes may be peers, too: of two sessions with one address, either will do.
    sessions = {one.peer: one for one in sorted(bird.sessions, key=lambda one: one.state == ESTABLISHED)}
    down = [address for address in ends if not is_established(sessions.get(address))]
    if not down:
        return saw("{} established".format(count("BGP session", len(ends))))
    rest = "; and so with {} more of {}".format(len(down) - 1, len(ends)) if down[1:] else ""
    return fails(
        "the BGP session with {} is {}, not Established{}".format(ends[down[0]], describe(sessions.get(down[0])), rest),
        "see that tcp port 179 is open between the two hosts, both ways, that nothing but BIRD has it, and that a peer "
        "takes this node",
    )


def is_established(session: Optional[Session]) -> bool:
    """Whether a session is up."""
    return session is not None and session.state == ESTABLISHED


def describe(session: Optional[Session]) -> str:
    """Describe how far a session is."""
    if session is None:
        return "not configured in BIRD"
    return session.state + (" ({})".format(session.detail) if session.detail else "")


def check_drivers(drivers: List[Driver]) -> Check:
    """Check that Docker finds Calico's drivers where it looks for them."""
    for driver in drivers:
        if isinstance(driver.implements, Unknown) or driver.role not in driver.implements:
            said = driver.implements.reason if isinstance(driver.implements, Unknown) else str(driver.implements)
            return fails(
                'Docker finds no plugin "calico": {}: {}'.format(driver.socket, said),
                "see that calico-node has /run/docker/plugins and /var/run/docker.sock of the host, "
                "and /var/log/calico/libnetwork",
            )
    return saw("Docker finds the drivers calico and calico-ipam")


def count(noun: str, number: int) -> str:
    """Count in words."""
    return "{} {}{}".format(number, noun, "" if number == 1 else "s")


def name_some(names: List[str]) -> str:
    """Name a few of many."""
    rest = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (", and {} more".format(rest) if rest > 0 else "")
