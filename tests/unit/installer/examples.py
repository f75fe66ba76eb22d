"""Facts and wanted state of an ordinary host, for tables that say only what differs."""

from __future__ import annotations

import json
from typing import Any

from calico_dcos.installer.facts import Facts
from calico_dcos.installer.facts.address import Address
from calico_dcos.installer.facts.bird import Bird, Session
from calico_dcos.installer.facts.calico_etcd import CalicoEtcd, EtcdNode
from calico_dcos.installer.facts.calico_node import Container
from calico_dcos.installer.facts.clock import Clock
from calico_dcos.installer.facts.cni import Cni, ConfigFile, PluginDir, PluginFile, find_broken, find_duplicates
from calico_dcos.installer.facts.daemon_json import ABSENT, DaemonJson
from calico_dcos.installer.facts.disk import Disk, Room
from calico_dcos.installer.facts.docker import Docker, Engine, Running
from calico_dcos.installer.facts.docker_drivers import Driver
from calico_dcos.installer.facts.docker_server import Server
from calico_dcos.installer.facts.etcd import Endpoint, EtcdAnswer, Listener
from calico_dcos.installer.facts.etcd_cluster import Cluster, Reached
from calico_dcos.installer.facts.etcd_members import Behind, Members
from calico_dcos.installer.facts.felix import Felix
from calico_dcos.installer.facts.identity import complete_node
from calico_dcos.installer.facts.kernel import Kernel
from calico_dcos.installer.facts.mesos_agent import AgentState, MesosAgent
from calico_dcos.installer.facts.netfilter import Family, Netfilter
from calico_dcos.installer.facts.network import Port, RpFilter
from calico_dcos.installer.facts.node import Node
from calico_dcos.installer.facts.pools import IpPool
from calico_dcos.installer.facts.store_use import StoreUse
from calico_dcos.installer.facts.surroundings import Mtu, Surroundings
from calico_dcos.installer.facts.system import Dcos, System
from calico_dcos.installer.facts.theirs import Theirs
from calico_dcos.installer.systemd import Unit
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import CalicoNode, Wanted, compute_settings_hash, parse_wanted

STORE = "etcd://localhost:2379"
OTHER_STORE = "consul://10.0.0.1:8500"
PLUGINS_DIR = "/opt/mesosphere/active/cni"
CONFIG_DIR = "/opt/mesosphere/etc/dcos/network/cni"
SUM = "a" * 64
OTHER_SUM = "b" * 64
CLUSTER = Cluster("bf9f788948ddee22", None)
PLUGIN_URL = "http://10.0.0.1/artifacts/calico"

WANTED: dict[str, Any] = {
    "etcd_endpoints": "http://localhost:2379",
    "etcd_proxy": {
        "enable": True,
        "discovery_srv": "etcd.mesos",
        "listen": "127.0.0.1:2379",
        "archive": {"url": "https://example.org/etcd-v3.3.12-linux-amd64.tar.gz", "sha256": None},
        "refresh_s": 60,
    },
    "docker_cluster_store": {"enable": True, "cluster_store": STORE, "timeout_s": 60, "replace_existing": False},
    "cni": {
        "enable": True,
        "plugins": [{"name": "calico", "url": PLUGIN_URL, "sha256": SUM}],
        "plugins_dir": PLUGINS_DIR,
        "config_dir": CONFIG_DIR,
        "config": {"name": "calico", "cniVersion": "0.1.0", "type": "calico", "ipam": {"type": "calico-ipam"}},
    },
    "agent_restart": {"enable": True, "timeout_s": 120},
    "calico_node": {"enable": True, "image": "calico/node:v1.0.0", "environment": {"A": "1"}, "poll_s": 5},
}


def build_wanted(section: str = "", **values: object) -> Wanted:
    """The wanted state, with values of one section replaced."""
    document = json.loads(json.dumps(WANTED))
    if section:
        document[section].update(values)
    return parse_wanted(json.dumps(document))


def build_unit(name: str = "docker.service", **values: Any) -> Unit:
    unit = Unit(
        name,
        "loaded",
        "active",
        "running",
        1000,
        "123456",
        ["/usr/bin/dockerd", "-H", "fd://"],
        [],
        [],
        needs_daemon_reload=False,
        triggers=[],
    )
    return unit._replace(**values)


def build_engine(**values: Any) -> Engine:
    engine = Engine(
        version="20.10.24",
        cluster_store=None,
        cluster_advertise=None,
        swarm="inactive",
        is_live_restore_on=False,
        root_dir="/var/lib/docker",
        remaps_users=False,
        running_count=2,
        running=[Running("web", "nginx:1"), Running("db", "postgres:9")],
    )
    return engine._replace(**values)


def build_daemon_json(**values: Any) -> DaemonJson:
    kinds = {key.replace("_", "-"): "text" for key in values if key.startswith("cluster")}
    return ABSENT._replace(
        is_present=True, keys=list(kinds), kinds=kinds, mode="0644", owner="0:0", mtime_epoch_s=1.0
    )._replace(**values)


def build_server(**values: Any) -> Server:
    return Server(listener=1000, listener_unit="docker.service", started_by_socket=[], pid_file=1000)._replace(**values)


def build_store_use(**values: Any) -> StoreUse:
    return StoreUse(in_store=["cal0"], elsewhere=[], not_shown=0, not_taken=None, is_noted=False)._replace(**values)


def build_docker(
    engine: Engine | Unknown | None = None,
    daemon_json: DaemonJson | Unknown | None = None,
    unit: Unit | Unknown | None = None,
    flags: list[str] | Unknown | None = None,
    **values: Any,
) -> Docker:
    return Docker(
        is_installed=True,
        engine=engine or build_engine(),
        unit=unit or build_unit(),
        flags=["/usr/bin/dockerd"] if flags is None else flags,
        daemon_json=daemon_json or ABSENT,
        server=values.get("server", build_server()),
        authorization_plugins=values.get("authorization_plugins", []),
        store_use=values.get("store_use", build_store_use()),
    )


def build_agent_state(**values: Any) -> AgentState:
    state = AgentState(
        version="1.9.0",
        start_time_epoch_s=1000.0,
        isolation="cgroups/cpu,network/cni",
        is_cni_isolator_on=True,
        cni_config_dir=CONFIG_DIR,
        cni_plugins_dirs=[PLUGINS_DIR],
        running_tasks=3,
    )
    return state._replace(**values)


def build_plugin(**values: Any) -> PluginFile:
    plugin = PluginFile("calico", SUM, is_executable=True, version="0.3.1", mtime_epoch_s=500.0, pin=None)
    return plugin._replace(**values)


def build_config(**values: Any) -> ConfigFile:
    config = ConfigFile(
        "calico.conf", "calico", "calico", "calico-ipam", is_wanted=True, is_ours=True, mtime_epoch_s=600.0
    )
    return config._replace(**values)


def build_cni(plugins: list[PluginFile] | None = None, configs: list[ConfigFile] | Unknown | None = None) -> Cni:
    configs = [build_config()] if configs is None else configs
    return Cni(
        plugins_dir=PLUGINS_DIR,
        plugins=[build_plugin()] if plugins is None else plugins,
        plugin_dirs=[PluginDir(PLUGINS_DIR, ["calico", "calico-ipam", "mesos-cni-port-mapper", "noop"])],
        config_dir=CONFIG_DIR,
        configs=configs,
        duplicates=find_duplicates(configs),
        broken=find_broken(configs),
    )


def build_node(**values: Any) -> Node:
    """The host h1, whose calico-node is ours."""
    node = Node(
        name="h1",
        address="10.0.0.2",
        found="this host reaches 10.0.0.1 from it",
        host_name="h1",
        container_name="h1",
        is_ours=True,
        network_name="h1",
        addresses=[Address("eth0", "10.0.0.2"), Address("spartan", "198.51.100.1")],
        adopted=None,
    )
    return node._replace(**values)


def build_theirs(**values: Any) -> Theirs:
    """A calico-node of calicoctl's, with a name of its own."""
    theirs = Theirs(
        container="calico-node",
        image="calico/node:v1.0.2",
        name="rack7-u12",
        address="10.0.0.2",
        as_number="64777",
        differs=["its name is rack7-u12, not h1"],
        starter=None,
    )
    return theirs._replace(**values)


def build_own_wanted(node: Node | None = None) -> CalicoNode:
    """What is wanted of calico-node on the host h1 in particular."""
    return complete_node(build_wanted().calico_node, node or build_node())


def build_container(**values: Any) -> Container:
    container = Container(
        image="calico/node:v1.0.0",
        settings_hash=compute_settings_hash(build_own_wanted()),
        status="running",
        is_running=True,
        is_restarting=False,
        pid=77,
        started_at="2026-11-23T17:27:11.570819261Z",
        restarts=0,
        exit_code=0,
        error="",
        settings=build_own_wanted().environment,
        differing=[],
    )
    return container._replace(**values)


def build_disk(path: str = "/var/lib/calico-dcos", **values: Any) -> Disk:
    room = Room(free_bytes=10**10, total_bytes=10**11, free_inodes=10**6, is_read_only=False, is_noexec=False)
    return Disk(path, path, room._replace(**values))


def build_endpoint(**values: Any) -> Endpoint:
    etcd = EtcdAnswer("3.3.12", is_healthy=True, latency_ms=1.0)
    return Endpoint("http://localhost:2379", etcd, has_v2=True, has_v3=True)._replace(**values)


def build_felix(**values: Any) -> Felix:
    felix = Felix(is_ready=True, asked="etcd", detail="Felix reported to etcd 3 s ago", age_s=600, container_s=602)
    return felix._replace(**values)


def build_family(**values: Any) -> Family:
    family = Family("DROP", None, has_docker=True, verdict="DROP", accepts_calico=False)
    return family._replace(**values)


def build_bird(states: dict[str, str]) -> Bird:
    """A BIRD with sessions: address of the other end -> state."""
    sessions = [Session("Mesh", peer, state, "11:24:46", "") for peer, state in states.items()]
    return Bird(is_up=True, detail="BIRD 1.6.8 ready.", sessions=sessions)


def build_calico_etcd(**values: Any) -> CalicoEtcd:
    own, other = EtcdNode("h1", "10.0.0.2"), EtcdNode("h2", "10.77.0.12")
    return CalicoEtcd("h1", own, 2, [own, other], is_mesh_on=True, peers=[])._replace(**values)


def build_agent(state: Any = None, **values: Any) -> MesosAgent:
    """An agent that answers, unless state says otherwise; values are of its state."""
    told = state if state is not None else build_agent_state(**values)
    return MesosAgent(
        unit=build_unit("dcos-mesos-slave.service"),
        endpoint="10.0.0.2:5051",
        version=told.version if isinstance(told, AgentState) else told,
        wants_login=False,
        state=told,
        unread=None,
    )


def build_facts(**values: Any) -> Facts:
    """A host on which everything is as wanted."""
    listener = Listener("127.0.0.1:2379", "etcd", "etcd 3.3.12")
    facts = Facts(
        system=System("Debian", "4.9", "x86_64", "systemd", "v1", "b00t", 100.0, sees_host_processes=True),
        clock=Clock(2000.0, 0),
        disks=[build_disk()],
        rp_filter=RpFilter(1, 1, {"0": 2}),
        surroundings=Surroundings(Mtu("eth0", 1500), has_firewalld=False, manages_cali=False),
        dcos=Dcos("1.9.0", []),
        docker=build_docker(build_engine(cluster_store=STORE), build_daemon_json(cluster_store=STORE)),
        mesos_agent=build_agent(),
        cni=build_cni(),
        node=build_node(),
        theirs=[],
        kernel=Kernel(1, 1, 1_000_000, has_route=True, modules={"ip6_tables": "loaded", "xt_set": "built in"}),
        pools=[IpPool("192.168.0.0/16", "off", nat_outgoing=False, is_disabled=False)],
        calico_node=build_container(),
        node_image=True,
        bgp_port=Port(179, []),
        felix=build_felix(),
        node_log=None,
        calico_etcd=build_calico_etcd(),
        bird=build_bird({"10.77.0.12": "Established"}),
        quiet_nodes=[],
        netfilter=Netfilter("legacy", build_family(calico="cali-FORWARD"), None),
        docker_drivers=[
            Driver("/run/docker/plugins/calico.sock", "NetworkDriver", ["NetworkDriver"]),
            Driver("/run/docker/plugins/calico-ipam.sock", "IpamDriver", ["IpamDriver"]),
        ],
        etcd=[build_endpoint()],
        etcd_listener=listener,
        etcd_listener_cluster=CLUSTER,
        etcd_port=Port(2379, []),
        etcd_behind=Behind("etcd.mesos", Members(["10.77.0.1:2379"], []), CLUSTER),
        etcd_reached=[Reached("localhost:2379", CLUSTER)],
        rollbacks=[],
    )
    return facts._replace(**values)
