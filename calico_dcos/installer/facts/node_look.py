"""Facts: the part of them that proves calico-node, for its supervisor: read often, and so of this host alone.

What all nodes have written to etcd is read where it is asked for only: with a thousand agents, that is much.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import List, NamedTuple, Optional, Union

from ..host import Host
from ..unknown import Unknown
from ..wanted import CompleteNode, Wanted
from .bird import ESTABLISHED, Bird, Session, read_bird
from .calico_etcd import CalicoEtcd, EtcdNode, read_calico_etcd, read_own_node
from .calico_node import Container
from .docker_drivers import Driver, read_docker_drivers
from .felix import Felix, ask_report, find_node_name, find_quiet, read_felix
from .kernel import Way, read_way
from .netfilter import Netfilter, read_netfilter
from .network import BGP_PORT, Port, read_bgp_port
from .node_log import NodeLog, needs_log, read_node_log

# Of how many complete nodes without a session it is asked whether they are still there.
ASKED_MAX = 10

# own: this host's node in etcd, read by itself; etcd: what is there of all nodes, None where only the own was read.
# bgp_port: who holds BGP's port; looked for together with etcd alone.
# quiet: the names of complete nodes that show no life any more, by Felix's reports: nobody has a session with those.
NodeLook = NamedTuple(
    "NodeLook",
    [
        ("name", str),
        ("address", Optional[str]),
        ("felix", Felix),
        ("own", Union[EtcdNode, None, Unknown]),
        ("etcd", Optional[CalicoEtcd]),
        ("way", Way),
        ("netfilter", Netfilter),
        ("bird", Bird),
        ("bgp_port", Port),
        ("quiet", List[str]),
        ("drivers", List[Driver]),
        ("log", Union[NodeLog, None, Unknown]),
    ],
)


def read_node_look(host: Host, wanted: Wanted, container: Container, *, is_whole: bool) -> NodeLook:
    """Read what proves this container; is_whole: with all nodes in etcd, and who of them is quiet."""
    name = find_node_name(container.settings)
    with ThreadPoolExecutor(max_workers=5) as pool:
        felix = pool.submit(read_felix, host, container, wanted.etcd_endpoints, wanted.calico_node.felix_health)
        netfilter = pool.submit(read_netfilter, host)
        drivers = pool.submit(read_docker_drivers, host)
        bird = pool.submit(read_bird, host)
        etcd = pool.submit(read_calico_etcd, host, wanted.etcd_endpoints, name) if is_whole else None
        own = etcd.result().own if etcd else read_own_node(host, wanted.etcd_endpoints, name)
        return NodeLook(
            name=name,
            address=find_address(container),
            felix=felix.result(),
            own=own,
            etcd=etcd.result() if etcd else None,
            way=read_way(host),
            netfilter=netfilter.result(),
            bird=bird.result(),
            bgp_port=read_bgp_port(host) if is_whole else Port(BGP_PORT, []),
            quiet=read_quiet(host, bird.result(), wanted) if is_whole else [],
            drivers=drivers.result(),
            log=read_node_log(host) if needs_log(container, felix.result()) else None,
        )


def find_address(container: Container) -> Optional[str]:
    """Find the address that the container was given; None where it finds one by itself."""
    return container.settings.get("IP") or None


def read_quiet(host: Host, bird: Bird, wanted: Wanted) -> List[str]:
    """Find which complete nodes without a session show no life any more: ours reports, theirs does not."""
    down = list_down(bird.sessions, wanted.complete_nodes)
    if not down:
        return []
    environment = wanted.calico_node.environment
    report = ask_report(host, find_node_name(environment), wanted.etcd_endpoints, environment, None)
    if report.is_ready is not True:
        return []
    return find_quiet(host, down, wanted.etcd_endpoints)


def list_down(sessions: List[Session], complete: List[CompleteNode]) -> List[str]:
    """List some complete nodes with which there is no session: they may be no more."""
    up = {session.peer for session in sessions if session.state == ESTABLISHED}
    return [node.name for node in complete if node.address not in up][:ASKED_MAX]
