"""Plans: from facts and the wanted state to the changes that are still to do, or a refusal; no I/O."""

from typing import Dict, List

from ..facts import Facts
from ..unknown import Unknown
from ..wanted import Wanted
from .changes import STEPS, Decision, refuse
from .cni import plan_cni
from .docker_store import plan_docker_store
from .mesos_agent import plan_agent_restart
from .services import plan_calico_node, plan_etcd_proxy

NATIVE_CNI_TYPE = "mesos-cni-port-mapper"


def plan_changes(facts: Facts, wanted: Wanted) -> Dict[str, Decision]:
    """Plan every step; a step without changes and refusal is done, whoever made it so."""
    signs = find_native_calico(facts)
    if signs:
        refusal = refuse(
            "this DC/OS carries its own Calico ({})".format(", ".join(signs)), "nothing is touched; use that one"
        )
        return dict.fromkeys(STEPS, refusal)
    cni = plan_cni(facts.cni, facts.mesos_agent.state, wanted.cni)
    return {
        "etcd-proxy": plan_etcd_proxy(facts.etcd_listener, wanted.etcd_proxy),
        "docker-cluster-store": plan_docker_store(facts.docker, wanted.cluster_store),
        "cni": cni,
        "agent-restart": plan_agent_restart(facts, wanted.cni, cni.changes),
        "calico-node": plan_calico_node(facts.calico_node, wanted.calico_node),
    }


def find_native_calico(facts: Facts) -> List[str]:
    """Find the signs of the Calico that DC/OS 2.1 and later carry."""
    configs = [] if isinstance(facts.cni.configs, Unknown) else facts.cni.configs
    ported = [config.file for config in configs if config.network == "calico" and config.type == NATIVE_CNI_TYPE]
    return facts.dcos.native_calico + ported
