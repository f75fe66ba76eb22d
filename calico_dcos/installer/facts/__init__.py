"""Facts: what this host is, has and runs; each module asks (``read_``) and reads the answers (``parse_``)."""

from concurrent.futures import ThreadPoolExecutor
from typing import List, NamedTuple, Tuple, Union

from ..host import STATE_DIR, Host
from ..rollbacks import Rollback, read_rollbacks
from ..unknown import Unknown
from ..wanted import Wanted
from ..web import split_address
from .calico_node import Container, read_calico_node
from .clock import Clock, read_clock
from .cni import Cni, read_cni
from .disk import Disk, read_disks
from .docker import Docker, Engine, read_docker
from .etcd import Endpoint, Listener, read_endpoints, read_listener
from .felix import Felix, read_felix
from .identity import complete_node, complete_wanted
from .kernel import Kernel, read_kernel
from .mesos_agent import AgentState, MesosAgent, read_mesos_agent
from .network import Port, RpFilter, read_port, read_rp_filter
from .node import Node, prefer_adoptable, read_node
from .pools import IpPool, read_pools
from .system import Dcos, System, read_dcos, read_system
from .theirs import Theirs, read_theirs

WRITTEN_DIRS = (STATE_DIR, "/etc/docker")

Facts = NamedTuple(
    "Facts",
    [
        ("system", System),
        ("clock", Clock),
        ("disks", List[Disk]),
        ("rp_filter", Union[RpFilter, Unknown]),
        ("dcos", Dcos),
        ("docker", Docker),
        ("mesos_agent", MesosAgent),
        ("cni", Cni),
        ("node", Node),
        ("theirs", Union[List[Theirs], Unknown]),
        ("kernel", Kernel),
        ("pools", Union[List[IpPool], Unknown]),
        ("calico_node", Union[Container, None, Unknown]),
        ("felix", Felix),
        ("etcd", List[Endpoint]),
        ("etcd_listener", Listener),
        ("etcd_port", Port),
        ("rollbacks", List[Rollback]),
    ],
)


def read_facts(host: Host, wanted: Wanted) -> Facts:
    """Read all facts of this host; nothing on it is changed.

    All at once: nearly all of the time is spent in waiting, and so a look takes as long as its slowest part. Which
    node this host is comes first, as what is wanted of it follows from that.
    """
    node, theirs = read_nodes(host, wanted)
    wanted = complete_wanted(wanted, node)
    with ThreadPoolExecutor(max_workers=8) as pool:
        docker = pool.submit(_read_docker, host, wanted)
        agent = pool.submit(_read_agent, host, wanted)
        container = pool.submit(_read_node, host, wanted)
        pools = pool.submit(read_pools, host, wanted.etcd_endpoints)
        etcd = pool.submit(read_endpoints, host, wanted.etcd_endpoints)
        listener = pool.submit(read_listener, host, wanted.etcd_proxy.listen)
        dcos = pool.submit(read_dcos, host)
        clock = pool.submit(read_clock, host)
        port = pool.submit(read_port, host, split_address(wanted.etcd_proxy.listen)[1])
        return Facts(
            system=read_system(host),
            clock=clock.result(),
            disks=docker.result()[1],
            rp_filter=read_rp_filter(),
            dcos=dcos.result(),
            docker=docker.result()[0],
            mesos_agent=agent.result()[0],
            cni=agent.result()[1],
            node=node,
            theirs=theirs,
            kernel=read_kernel(host),
            pools=pools.result(),
            calico_node=container.result()[0],
            felix=container.result()[1],
            etcd=etcd.result(),
            etcd_listener=listener.result(),
            etcd_port=port.result(),
            rollbacks=read_rollbacks(host),
        )


def read_nodes(host: Host, wanted: Wanted) -> Tuple[Node, Union[List[Theirs], Unknown]]:
    """Read which node this host is, and those of others; where one of these may be adopted, that is the node."""
    node = read_node(host, wanted)
    theirs = read_theirs(host, complete_node(wanted.calico_node, node))
    adoptable = theirs if wanted.calico_node.may_adopt and isinstance(theirs, list) else []
    return (prefer_adoptable(node, adoptable[0]) if len(adoptable) == 1 else node), theirs


def _read_docker(host: Host, wanted: Wanted) -> Tuple[Docker, List[Disk]]:
    docker = read_docker(host)
    root = docker.engine.root_dir if isinstance(docker.engine, Engine) else Unknown("")
    roots = [] if isinstance(root, Unknown) else [root]
    written = [*WRITTEN_DIRS, wanted.cni.plugins_dir, wanted.cni.config_dir]
    return docker, read_disks(host, written + roots)


def _read_agent(host: Host, wanted: Wanted) -> Tuple[MesosAgent, Cni]:
    agent = read_mesos_agent(host)
    searched = agent.state.cni_plugins_dirs if isinstance(agent.state, AgentState) else []
    return agent, read_cni(host, wanted.cni, searched)


def _read_node(host: Host, wanted: Wanted) -> Tuple[Union[Container, None, Unknown], Felix]:
    node = read_calico_node(host, wanted.calico_node)
    return node, read_felix(host, node, wanted.etcd_endpoints)
