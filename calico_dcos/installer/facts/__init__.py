"""Facts: what this host is, has and runs; each module asks (``read_``) and reads the answers (``parse_``)."""

from typing import List, NamedTuple, Union

from ..host import Host
from ..unknown import Unknown
from ..wanted import Wanted
from .calico_node import Container, read_calico_node
from .cni import Cni, read_cni
from .docker import Docker, read_docker
from .etcd import Endpoint, Listener, read_endpoints, read_listener
from .mesos_agent import MesosAgent, read_mesos_agent
from .system import Dcos, System, read_clock, read_dcos, read_system

Facts = NamedTuple(
    "Facts",
    [
        ("system", System),
        ("dcos", Dcos),
        ("docker", Docker),
        ("mesos_agent", MesosAgent),
        ("cni", Cni),
        ("calico_node", Union[Container, None, Unknown]),
        ("etcd", List[Endpoint]),
        ("etcd_listener", Listener),
    ],
)


def read_facts(host: Host, wanted: Wanted) -> Facts:
    """Read all facts of this host; nothing on it is changed."""
    return Facts(
        system=read_system(host, read_clock()),
        dcos=read_dcos(host),
        docker=read_docker(host),
        mesos_agent=read_mesos_agent(host),
        cni=read_cni(host, wanted.cni),
        calico_node=read_calico_node(host, wanted.calico_node),
        etcd=read_endpoints(host, wanted.etcd_endpoints),
        etcd_listener=read_listener(host, wanted.etcd_proxy.listen),
    )
