"""Facts: what this host is, has and runs; each module asks (``read_``) and reads the answers (``parse_``)."""

from concurrent.futures import ThreadPoolExecutor
from typing import List, NamedTuple, Tuple, Union

from ..host import STATE_DIR, Host
from ..rollbacks import Rollback, read_rollbacks
from ..unknown import Unknown
from ..wanted import Wanted
from ..web import split_address
from .bird import Bird, read_bird
from .calico_etcd import CalicoEtcd, read_calico_etcd
from .calico_node import Container, read_calico_node, read_image
from .clock import Clock, read_clock
from .cni import Cni, read_cni
from .disk import Disk, read_disks
from .docker import Docker, Engine, read_docker
from .docker_drivers import Driver, read_docker_drivers
from .etcd import Endpoint, Listener, read_endpoints, read_listener
from .etcd_cluster import Cluster, Reached, read_cluster, read_reached
from .etcd_members import Behind, read_behind
from .felix import Felix, find_node_name, read_felix
from .identity import complete_node, complete_wanted
from .kernel import Kernel, read_kernel
from .mesos_agent import AgentState, MesosAgent, read_mesos_agent
from .netfilter import Netfilter, read_netfilter
from .network import Port, RpFilter, read_bgp_port, read_port, read_rp_filter
from .node import Node, prefer_adoptable, read_node
from .node_log import NodeLog, needs_log, read_node_log
from .node_look import read_quiet
from .pools import IpPool, read_pools
from .surroundings import Surroundings, read_surroundings
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
        ("surroundings", Surroundings),
        ("dcos", Dcos),
        ("docker", Docker),
        ("mesos_agent", MesosAgent),
        ("cni", Cni),
        ("node", Node),
        ("theirs", Union[List[Theirs], Unknown]),
        ("kernel", Kernel),
        ("pools", Union[List[IpPool], Unknown]),
        ("calico_node", Union[Container, None, Unknown]),
        ("node_image", Union[bool, Unknown]),
        ("bgp_port", Port),
        ("felix", Felix),
        ("node_log", Union[NodeLog, None, Unknown]),
        ("calico_etcd", CalicoEtcd),
        ("bird", Bird),
        ("quiet_nodes", List[str]),
        ("netfilter", Netfilter),
        ("docker_drivers", List[Driver]),
        ("etcd", List[Endpoint]),
        ("etcd_listener", Listener),
        ("etcd_listener_cluster", Union[Cluster, Unknown]),
        ("etcd_port", Port),
        ("etcd_behind", Behind),
        ("etcd_reached", List[Reached]),
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
    with ThreadPoolExecutor(max_workers=16) as pool:
        docker = pool.submit(_read_docker, host, wanted)
        agent = pool.submit(_read_agent, host, wanted)
        container = pool.submit(_read_node, host, wanted)
        pools = pool.submit(read_pools, host, wanted.etcd_endpoints)
        calico = pool.submit(_read_calico, host, wanted)
        netfilter = pool.submit(read_netfilter, host)
        drivers = pool.submit(read_docker_drivers, host)
        etcd = pool.submit(read_endpoints, host, wanted.etcd_endpoints)
        listener = pool.submit(_read_listener, host, wanted)
        behind = pool.submit(read_behind, host, wanted.etcd_proxy.discovery_srv)
        reached = pool.submit(read_reached, host, list_urls(wanted))
        dcos = pool.submit(read_dcos, host)
        surroundings = pool.submit(read_surroundings, host)
        clock = pool.submit(read_clock, host)
        image = pool.submit(read_image, host, wanted.calico_node.image)
        bgp_port = pool.submit(read_bgp_port, host)
        port = pool.submit(read_port, host, split_address(wanted.etcd_proxy.listen)[1])
        return Facts(
            system=read_system(host),
            clock=clock.result(),
            disks=docker.result()[1],
            rp_filter=read_rp_filter(),
            surroundings=surroundings.result(),
            dcos=dcos.result(),
            docker=docker.result()[0],
            mesos_agent=agent.result()[0],
            cni=agent.result()[1],
            node=node,
            theirs=theirs,
            kernel=read_kernel(host),
            pools=pools.result(),
            calico_node=container.result()[0],
            node_image=image.result(),
            bgp_port=bgp_port.result(),
            felix=container.result()[1],
            node_log=container.result()[2],
            calico_etcd=calico.result()[0],
            bird=calico.result()[1],
            quiet_nodes=calico.result()[2],
            netfilter=netfilter.result(),
            docker_drivers=drivers.result(),
            etcd=etcd.result(),
            etcd_listener=listener.result()[0],
            etcd_listener_cluster=listener.result()[1],
            etcd_port=port.result(),
            etcd_behind=behind.result(),
            etcd_reached=reached.result(),
            rollbacks=read_rollbacks(host),
        )


def list_urls(wanted: Wanted) -> List[str]:
    """List the URLs by which this host's parts get to etcd: they are to lead to one cluster."""
    others = [wanted.calico_node.environment.get("ETCD_ENDPOINTS"), wanted.cni.config.get("etcd_endpoints")]
    told = [part for text in others if isinstance(text, str) for part in text.split(",") if part]
    return [*wanted.etcd_endpoints, wanted.cluster_store.url, *told]


def _read_listener(host: Host, wanted: Wanted) -> Tuple[Listener, Union[Cluster, Unknown]]:
    listener = read_listener(host, wanted.etcd_proxy.listen)
    is_etcd = listener.answers == "etcd"
    return listener, read_cluster(listener.address) if is_etcd else Unknown("no etcd answers there")


def _read_calico(host: Host, wanted: Wanted) -> Tuple[CalicoEtcd, Bird, List[str]]:
    """Read the two sides of BGP: what etcd says that there is to be, and what BIRD has."""
    name = find_node_name(wanted.calico_node.environment)
    etcd, bird = read_calico_etcd(host, wanted.etcd_endpoints, name), read_bird(host)
    return etcd, bird, read_quiet(host, bird, wanted)


def read_nodes(host: Host, wanted: Wanted) -> Tuple[Node, Union[List[Theirs], Unknown]]:
    """Read which node this host is, and those of others; where one of these may be adopted, that is the node."""
    node = read_node(host, wanted)
    theirs = read_theirs(host, complete_node(wanted.calico_node, node))
    adoptable = theirs if wanted.calico_node.may_adopt and isinstance(theirs, list) else []
    return (prefer_adoptable(node, adoptable[0]) if len(adoptable) == 1 else node), theirs


def _read_docker(host: Host, wanted: Wanted) -> Tuple[Docker, List[Disk]]:
    docker = read_docker(host, wanted.cluster_store.url)
    root = docker.engine.root_dir if isinstance(docker.engine, Engine) else Unknown("")
    roots = [] if isinstance(root, Unknown) else [root]
    written = [*WRITTEN_DIRS, wanted.cni.plugins_dir, wanted.cni.config_dir]
    return docker, read_disks(host, written + roots)


def _read_agent(host: Host, wanted: Wanted) -> Tuple[MesosAgent, Cni]:
    agent = read_mesos_agent(host)
    searched = agent.state.cni_plugins_dirs if isinstance(agent.state, AgentState) else []
    return agent, read_cni(host, wanted.cni, searched)


def _read_node(
    host: Host, wanted: Wanted
) -> Tuple[Union[Container, None, Unknown], Felix, Union[NodeLog, None, Unknown]]:
    node = read_calico_node(host, wanted.calico_node)
    felix = read_felix(host, node, wanted.etcd_endpoints, wanted.calico_node.felix_health)
    return node, felix, read_node_log(host) if needs_log(node, felix) else None
