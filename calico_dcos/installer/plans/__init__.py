"""Plans: from facts and the wanted state to what is still to do in each step, or what proves it; no I/O."""

from typing import Dict, List, Optional

from ..facts import Facts
from ..facts.calico_node import Container
from ..facts.identity import complete_network
from ..facts.kernel import Way
from ..facts.node_look import NodeLook, find_address
from ..host import STATE_DIR
from ..rollbacks import DOCKER, MESOS_AGENT
from ..unknown import Unknown
from ..wanted import STEPS, Wanted
from .calico_node import plan_calico_node, refuse_bgp_port, refuse_names, refuse_users, warn_of_node
from .changes import Action, Decision, could_not_look, refuse, warn
from .checks import settle
from .cni import plan_cni
from .conditions import guard, refuse_architecture, refuse_disk, refuse_noexec, refuse_rolled_back, refuse_without_v2
from .docker_store import plan_docker_store, warn_of_pending_edits
from .gate import check_docker, warn_of_faults
from .mesos_agent import await_busy_agent, plan_agent_restart
from .node_proof import check_pools, prove_calico_node, refuse_route
from .proofs import ProxyLook, prove_cni, prove_docker_store, prove_etcd_proxy, refuse_other_store
from .services import plan_etcd_proxy
from .surroundings import warn_of_mtu, warn_of_services
from .tables import refuse_tables

# etcd's archive and what comes out of it; two plugins, downloaded and in place; files of settings and their backups.
ETCD_MB, PLUGINS_MB, FILE_MB = 80, 64, 1
# The image of calico-node, as it is pulled and as it lies on the disk.
IMAGE_MB = 400
NATIVE_CNI_TYPE = "mesos-cni-port-mapper"


def plan_changes(facts: Facts, wanted: Wanted) -> Dict[str, Decision]:
    """Plan every step; one that is proven is done, whoever made it so."""
    signs = find_native_calico(facts)
    if signs:
        refusal = refuse(
            "this DC/OS carries its own Calico ({})".format(", ".join(signs)), "nothing is touched; use that one"
        )
        return dict.fromkeys(STEPS, refusal)
    if isinstance(facts.dcos.native_calico, Unknown):
        unknown = could_not_look(
            "whether this DC/OS carries its own Calico: {}".format(facts.dcos.native_calico.reason)
        )
        return dict.fromkeys(STEPS, unknown)
    network = complete_network(wanted.cni, facts.node)
    cni = _guard_cni(plan_cni(facts.cni, facts.mesos_agent, network), facts, wanted)
    reached = facts.etcd_reached
    return {
        "etcd-proxy": prove_etcd_proxy(_plan_proxy(facts, wanted), _build_proxy_look(facts)),
        "docker-cluster-store": prove_docker_store(
            _guard_store(plan_docker_store(facts.docker, wanted.cluster_store), facts, wanted), reached, wanted
        ),
        "cni": prove_cni(cni, facts.cni, reached, wanted),
        "agent-restart": guard(
            plan_agent_restart(facts, wanted.cni, cni.changes),
            [refuse_rolled_back(facts.rollbacks, MESOS_AGENT, wanted)],
        ),
        "calico-node": settle(
            prove_calico_node(_plan_node(facts, wanted), build_node_look(facts), wanted), [check_pools(facts.pools)]
        ),
    }


def _plan_node(facts: Facts, wanted: Wanted) -> Decision:
    warnings = warn_of_node(facts, wanted.calico_node) + warn_of_services(facts.surroundings)
    planned = warn(plan_calico_node(facts, wanted), warnings)
    refusals = [refuse_tables(facts.netfilter), refuse_route(facts.kernel), refuse_users(facts.docker.engine)]
    refusals += [refuse_bgp_port(facts, wanted.calico_node), _refuse_image(facts, planned)]
    return guard(planned, refusals)


def _refuse_image(facts: Facts, planned: Decision) -> Optional[Decision]:
    """Refuse to pull calico-node's image to where there is no room for it."""
    engine = facts.docker.engine
    is_to_run = any(change.action is Action.RUN_CALICO_NODE for change in planned.changes)
    if facts.node_image is not False or not is_to_run or isinstance(engine, Unknown):
        return None
    return None if isinstance(engine.root_dir, Unknown) else refuse_disk(facts.disks, engine.root_dir, IMAGE_MB)


def build_node_look(facts: Facts) -> NodeLook:
    """Take out of all facts what the proof of calico-node goes by."""
    etcd = facts.calico_etcd
    return NodeLook(
        name=etcd.name,
        address=find_address(facts.calico_node) if isinstance(facts.calico_node, Container) else None,
        felix=facts.felix,
        own=etcd.own,
        etcd=etcd,
        way=Way(facts.kernel.ipv4_forwarding, facts.kernel.has_route),
        netfilter=facts.netfilter,
        bird=facts.bird,
        bgp_port=facts.bgp_port,
        quiet=facts.quiet_nodes,
        drivers=facts.docker_drivers,
        log=facts.node_log,
    )


def _build_proxy_look(facts: Facts) -> ProxyLook:
    return ProxyLook(facts.etcd_listener, facts.etcd_listener_cluster, facts.etcd_behind, facts.etcd_port)


def _plan_proxy(facts: Facts, wanted: Wanted) -> Decision:
    return guard(
        plan_etcd_proxy(facts.etcd_listener, facts.etcd_port, wanted.etcd_proxy),
        [
            refuse_architecture(wanted.etcd_proxy.archive.url, facts.system.architecture),
            refuse_disk(facts.disks, STATE_DIR, ETCD_MB),
            refuse_noexec(facts.disks, STATE_DIR, "etcd"),
        ],
    )


def _guard_store(decision: Decision, facts: Facts, wanted: Wanted) -> Decision:
    return guard(
        warn(decision, warn_of_pending_edits(decision, facts) + warn_of_faults(decision, facts.docker)),
        [
            check_docker(decision, facts.docker),
            refuse_rolled_back(facts.rollbacks, DOCKER, wanted),
            refuse_disk(facts.disks, "/etc/docker", FILE_MB),
            refuse_disk(facts.disks, STATE_DIR, FILE_MB),
            refuse_without_v2(facts.etcd, wanted.cluster_store.url),
            refuse_other_store(facts.etcd_reached, wanted),
            await_busy_agent(decision, facts.mesos_agent),
        ],
    )


def _guard_cni(decision: Decision, facts: Facts, wanted: Wanted) -> Decision:
    decision = warn(decision, warn_of_mtu(facts.surroundings, wanted.cni.config, has_ipip=has_tunnel(facts, wanted)))
    architectures = [
        refuse_architecture(plugin.download.url, facts.system.architecture)
        for plugin in wanted.cni.plugins
        if any(change.subject == plugin.name for change in decision.changes)
    ]
    brings_plugins = any(change.action is Action.INSTALL_PLUGIN for change in decision.changes)
    needs_room = PLUGINS_MB if brings_plugins else FILE_MB
    # A plugin is tried where it is downloaded to, before it is put in its place.
    run_from = [wanted.cni.plugins_dir, STATE_DIR] if brings_plugins else []
    return guard(
        decision,
        [
            # The network that an agent did not start with must not come back before somebody has looked.
            refuse_rolled_back(facts.rollbacks, MESOS_AGENT, wanted),
            refuse_names(facts.node, wanted),
            *architectures,
            refuse_disk(facts.disks, wanted.cni.plugins_dir, needs_room),
            refuse_disk(facts.disks, STATE_DIR, needs_room),
            refuse_disk(facts.disks, wanted.cni.config_dir, FILE_MB),
            *[refuse_noexec(facts.disks, path, "a CNI plugin") for path in run_from],
        ],
    )


def has_tunnel(facts: Facts, wanted: Wanted) -> bool:
    """Whether packets between hosts go through IP-in-IP: by the options, or by a pool that is there."""
    there = [] if isinstance(facts.pools, Unknown) else [pool.ipip for pool in facts.pools if not pool.is_disabled]
    return any(mode not in ("", "off") for mode in [wanted.calico_node.pool.ipip, *there])


def find_native_calico(facts: Facts) -> List[str]:
    """Find the signs of the Calico that DC/OS 2.1 and later carry."""
    configs = [] if isinstance(facts.cni.configs, Unknown) else facts.cni.configs
    ported = [config.file for config in configs if config.network == "calico" and config.type == NATIVE_CNI_TYPE]
    signs = facts.dcos.native_calico
    return ([] if isinstance(signs, Unknown) else signs) + ported
