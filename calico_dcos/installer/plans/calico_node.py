"""Plans calico-node: whether it may run here and as which node, what is still to do, and what keeps it from working."""

from typing import List, Optional, Union

from ..adoption import NOTE_FILE, Adopted
from ..facts import Facts
from ..facts.address import list_addresses
from ..facts.calico_node import Container
from ..facts.docker import Engine
from ..facts.identity import complete_node
from ..facts.kernel import ABSENT
from ..facts.network import BGP_PORT, RpFilter
from ..facts.node import Node
from ..facts.node_log import NodeLog
from ..facts.pools import IpPool
from ..facts.theirs import Theirs
from ..host_settings import CONNTRACK_MIN
from ..unknown import Unknown
from ..versions import parse_version
from ..wanted import CalicoNode, Pool, Wanted, compute_settings_hash
from .changes import Action, Change, Decision, could_not_look, do, find_at_fault, prove, refuse

# To Docker it runs all the same.
PAUSED = "paused"
LOOSE = 2
# Backends that are not BIRD: "none" has Felix alone, and gobgp cannot be asked.
WITHOUT_BIRD = ("none", "gobgp")
FIRST_WITH_USERNS_MODE = (1, 11)
CLOCK_LIMIT_S = 60
NAME_VARIABLES = ("NODENAME", "HOSTNAME", "FELIX_FELIXHOSTNAME")


def plan_calico_node(facts: Facts, wanted: Wanted) -> Decision:
    """Plan calico-node: first what must not be, then what is still to do, then the proof."""
    if isinstance(facts.calico_node, Unknown):
        return could_not_look("the container calico-node: {}".format(facts.calico_node.reason))
    obstacle = (
        refuse_theirs(facts.node, facts.theirs, wanted.calico_node)
        or refuse_names(facts.node, wanted)
        or refuse_address(facts.node)
    )
    if obstacle is not None:
        return obstacle
    own = complete_node(wanted.calico_node, facts.node)
    changes = plan_changes_of_node(facts, facts.calico_node, own)
    loop = find_loop(facts.calico_node, own, facts.node_log)
    if loop is not None and all(change.action is Action.RUN_CALICO_NODE for change in changes):
        return loop
    return do(changes) if changes else prove("the container is up as wanted")


def find_loop(
    container: Optional[Container], wanted: CalicoNode, log: Union[NodeLog, None, Unknown]
) -> Optional[Decision]:
    """Find a container that ends again and again though it is as wanted: what ends it is for somebody to mend."""
    if container is None or not container.is_restarting or container.settings_hash != compute_settings_hash(wanted):
        return None
    said = "; it said: {}".format(log.last) if isinstance(log, NodeLog) and log.last else ""
    fault = find_container_fault(container, wanted) or ""
    return find_at_fault(fault + said, "mend what it complains of, and Docker starts it again by itself")


def refuse_theirs(node: Node, all_theirs: Union[List[Theirs], Unknown], wanted: CalicoNode) -> Optional[Decision]:
    """Refuse to run beside, or in the place of, a calico-node of somebody else's, unless it may be adopted."""
    if isinstance(all_theirs, Unknown):
        return could_not_look("whether somebody else runs a calico-node here: {}".format(all_theirs.reason))
    if not all_theirs:
        return None
    if len(all_theirs) > 1:
        named = " and ".join(one.container for one in all_theirs)
        return refuse("several calico-nodes of somebody else's are here ({})".format(named), "remove all but one")
    theirs = all_theirs[0]
    told = "a calico-node of somebody else's is here: {}".format(", ".join(theirs.differs))
    if not wanted.may_adopt:
        return refuse(
            told,
            "remove it, or set adopt-existing (Run Calico-Node), which replaces it and keeps its name, address and AS",
        )
    fault = find_obstacle(theirs, node)
    return None if fault is None else refuse("{}; it cannot be adopted: {}".format(told, fault[0]), fault[1])


def find_obstacle(theirs: Theirs, node: Node) -> Optional[List[str]]:
    """Find what keeps a calico-node from being adopted, and the remedy."""
    if theirs.starter is not None and not theirs.starter.startswith("unit "):
        return ["{} starts it".format(theirs.starter), "stop that, or leave this host out"]
    if not theirs.name or not theirs.address:
        missing = "address" if theirs.name else "name"
        return ["its {} is not known".format(missing), "start it with {}".format("IP" if theirs.name else "NODENAME")]
    if not isinstance(node.address, str):
        return [node.found, "start it with IP set to an address of this host"]
    return None


def refuse_names(node: Node, wanted: Wanted) -> Optional[Decision]:
    """Refuse where Calico's parts would go by different names: each would look for the other's containers in vain."""
    if isinstance(node.adopted, Unknown):
        return refuse(node.adopted.reason, "mend that file, or remove it")
    for variable in NAME_VARIABLES:
        given = wanted.calico_node.environment.get(variable, node.name)
        if given != node.name:
            return refuse(
                "extra-environment sets {} to {}, and the CNI plugins go by {}".format(variable, given, node.name),
                "take {} out of extra-environment: each host is named by itself".format(variable),
            )
    if node.is_ours and node.container_name not in (None, "", node.name):
        return refuse(
            "this host is called {}, and its calico-node was made when it was called {}: the CNI plugins would write "
            "containers where Felix does not look".format(node.name, node.container_name),
            "name the host {} again; or move its containers away, remove the container calico-node, and retry".format(
                node.container_name
            ),
        )
    named = node.network_name
    if not wanted.cni.is_enabled and isinstance(named, str) and named != node.name:
        return refuse(
            "the CNI network of this host goes by the name {}, and calico-node by {}".format(named, node.name),
            "take hostname and nodename out of the network's file, or switch the step cni on, which writes it",
        )
    return None


def refuse_address(node: Node) -> Optional[Decision]:
    """Refuse where it is not clear which address the node has: calico-node itself would take any."""
    if isinstance(node.address, Unknown):
        return could_not_look("this host's address: {}".format(node.address.reason))
    if node.address is not None:
        return None
    if isinstance(node.adopted, Adopted):
        return refuse(node.found, "give this host that address again, or remove {}".format(NOTE_FILE))
    return refuse(
        "no address for calico-node: {}".format(node.found),
        "set ip-autodetection-method (Run Calico-Node) so that exactly one of this host's addresses is meant",
    )


def refuse_users(engine: Union[Engine, Unknown]) -> Optional[Decision]:
    """Refuse a Docker that remaps users and does not know how to leave one container out."""
    if isinstance(engine, Unknown) or not engine.remaps_users:
        return None
    version = parse_version(engine.version)
    if version is None or version >= FIRST_WITH_USERNS_MODE:
        return None
    return refuse(
        "Docker {} remaps users, and gives the host's network to no container then".format(engine.version),
        "take userns-remap out of its settings, or upgrade it to 1.11 or later",
    )


def has_bird(wanted: CalicoNode) -> bool:
    """Whether BIRD is to run in the container."""
    # As the image compares it.
    return wanted.environment.get("CALICO_NETWORKING_BACKEND") not in WITHOUT_BIRD


def refuse_bgp_port(facts: Facts, wanted: CalicoNode) -> Optional[Decision]:
    """Refuse where somebody else has the port that BIRD needs; a calico-node that runs has it itself."""
    node = facts.calico_node
    is_up = isinstance(node, Container) and (node.is_running or node.is_restarting)
    sockets = [] if isinstance(facts.bgp_port.sockets, Unknown) else facts.bgp_port.sockets
    if is_up or facts.theirs or not has_bird(wanted) or not sockets:
        return None
    process = sockets[0].process
    holder = "a program" if isinstance(process, Unknown) else "{} (pid {})".format(process.program, process.pid)
    return refuse(
        "tcp port {}, which BIRD needs for BGP, is taken by {} on {}".format(BGP_PORT, holder, sockets[0].address),
        "stop that program, or leave this host out",
    )


def plan_changes_of_node(facts: Facts, container: Optional[Container], wanted: CalicoNode) -> List[Change]:
    """Plan what is still to do, in this order."""
    adopting = [_adopt(theirs) for theirs in facts.theirs] if isinstance(facts.theirs, list) else []
    forwarding = [
        _forward(name)
        for name, value in (("IPv4", facts.kernel.ipv4_forwarding), ("IPv6", facts.kernel.ipv6_forwarding))
        if value == 0
    ]
    has_no_pool = wanted.pool.is_written_by_us and facts.pools == []
    fault = find_container_fault(container, wanted)
    running = [] if fault is None else [_run(container, wanted, fault)]
    return adopting + forwarding + ([_write_pool(wanted.pool)] if has_no_pool else []) + running


def _adopt(theirs: Theirs) -> Change:
    return Change(
        action=Action.ADOPT_NODE,
        subject=theirs.container,
        message="replace container {} of {}, and keep its name {}, address {} and AS number {}".format(
            theirs.container, theirs.image, theirs.name, theirs.address, theirs.as_number or "(the cluster's)"
        ),
        reason="it is somebody else's, and adopt-existing is set: {}".format(", ".join(theirs.differs)),
        restarts=None,
        impact="its settings are noted in {}, with how to bring it back{}".format(
            NOTE_FILE, "; its {} is switched off".format(theirs.starter) if theirs.starter else ""
        ),
    )


def _forward(family: str) -> Change:
    router = "; routers' announcements are no longer taken where accept_ra is 1" if family == "IPv6" else ""
    return Change(
        action=Action.PREPARE_KERNEL,
        subject=family,
        message="let the kernel forward {}".format(family),
        reason="it forwards none, and so no packet of a container",
        restarts=None,
        impact="this host forwards packets between its interfaces, as far as its rules let them through{}".format(
            router
        ),
    )


def _write_pool(pool: Pool) -> Change:
    return Change(
        action=Action.WRITE_POOL,
        subject=pool.cidr,
        message="write the pool {} to etcd".format(describe_pool(pool)),
        reason="etcd has none, and this calico-node cannot be told to make it so",
        restarts=None,
        impact="containers get their addresses out of it, in the whole cluster",
    )


def _run(container: Optional[Container], wanted: CalicoNode, fault: str) -> Change:
    return Change(
        action=Action.RUN_CALICO_NODE,
        subject="",
        message="run container calico-node of {} as {} with {}".format(
            wanted.image, wanted.environment.get("NODENAME"), wanted.environment.get("IP")
        ),
        reason=fault,
        restarts=None,
        impact="nothing restarts"
        if container is None
        else "calico-node is replaced: the network stays as it is meanwhile",
    )


def find_container_fault(container: Union[Container, None], wanted: CalicoNode) -> Union[str, None]:
    """Find what is wrong with the container; None when it is up and as wanted."""
    if container is None:
        return "there is no container calico-node"
    if container.image != wanted.image:
        return "its image is {}".format(container.image)
    if container.settings_hash != compute_settings_hash(wanted):
        return "its settings differ" + (" ({})".format(", ".join(container.differing)) if container.differing else "")
    if container.is_restarting:
        return "it restarts over and over ({} times so far, {})".format(container.restarts, describe_end(container))
    if container.status == PAUSED:
        return "it is paused"
    if not container.is_running:
        return "it is {} ({})".format(container.status, describe_end(container))
    return None


def describe_end(container: Container) -> str:
    """Describe how the container ended last."""
    status = "status {}".format(container.exit_code)
    return "{}: {}".format(status, container.error) if container.error else status


def warn_of_node(facts: Facts, wanted: CalicoNode) -> List[str]:
    """Build the warnings for calico-node: what keeps it from working though it runs."""
    warnings = []
    rp_filter = facts.rp_filter
    ignores = wanted.environment.get("FELIX_IGNORELOOSERPF", "").lower() in ("true", "1", "yes")
    if isinstance(rp_filter, RpFilter) and rp_filter.all == LOOSE and not ignores:
        warnings.append(
            "net.ipv4.conf.all.rp_filter is 2 (loose), with which Felix does not start: "
            "set FELIX_IGNORELOOSERPF to true, as an agent of DC/OS sets rp_filter to 2 at each start"
        )
    ahead_s = facts.clock.ahead_of_scheduler_s
    if isinstance(ahead_s, int) and abs(ahead_s) > CLOCK_LIMIT_S:
        warnings.append(
            "this host's clock is {} s {} the scheduler's: see its time service".format(
                abs(ahead_s), "ahead of" if ahead_s > 0 else "behind"
            )
        )
    return warnings + _warn_of_kernel(facts) + warn_of_pools(facts.pools, wanted.pool)


def _warn_of_kernel(facts: Facts) -> List[str]:
    absent = sorted(name for name, state in facts.kernel.modules.items() if state == ABSENT)
    warnings = ["the kernel has no module {}, which Felix may need".format(name) for name in absent]
    room, is_up = facts.kernel.conntrack_max, isinstance(facts.calico_node, Container)
    if is_up and isinstance(room, int) and room < CONNTRACK_MIN:
        warnings.append("nf_conntrack_max is {}: with many connections packets get lost".format(room))
    return warnings


def warn_of_pools(pools: Union[List[IpPool], Unknown], wanted: Pool) -> List[str]:
    """Warn where the pools that are there are not what the options say: nothing changes them once they are used."""
    if isinstance(pools, Unknown) or not pools or any(is_like(pool, wanted) for pool in pools):
        return []
    there = " and ".join(describe_ip_pool(pool) for pool in pools)
    return [
        "etcd has the pool {}, and the options say {}: change it with calicoctl, or the options".format(
            there, describe_pool(wanted)
        )
    ]


def is_like(pool: IpPool, wanted: Pool) -> bool:
    """Whether a pool is as the options say; what they leave open may be any."""
    nat = "true" if pool.nat_outgoing else "false"
    pairs = [(wanted.cidr, pool.cidr), (wanted.ipip, pool.ipip), (wanted.nat_outgoing, nat)]
    return all(wants in ("", has) for wants, has in pairs)


def describe_ip_pool(pool: IpPool) -> str:
    """Describe a pool that is there."""
    return _describe(pool.cidr, pool.ipip, "true" if pool.nat_outgoing else "false")


def describe_pool(pool: Pool) -> str:
    """Describe a pool as the options have it."""
    return _describe(pool.cidr, pool.ipip, pool.nat_outgoing)


def _describe(cidr: str, ipip: str, nat: str) -> str:
    parts = [cidr] if cidr else []
    parts += ["IP-in-IP {}".format(ipip)] if ipip else []
    parts += ["{} NAT".format("with" if nat == "true" else "without")] if nat else []
    return ", ".join(parts)


def describe_node(node: Node) -> str:
    """Describe which node this host is, or why that is not known."""
    if isinstance(node.address, str):
        return "{} with {} ({})".format(node.name, node.address, node.found)
    known = list_addresses(node.addresses) if isinstance(node.addresses, list) else "no list of its addresses"
    return "{}, whose address is not known: {} ({})".format(node.name, node.found, known)
