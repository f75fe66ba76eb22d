"""Plans the two services: whether what they run is there and right."""

from typing import List, Optional, Union

from ..facts import Facts
from ..facts.calico_node import Container
from ..facts.etcd import Listener
from ..facts.network import Port, Process, RpFilter
from ..facts.node_log import NodeLog
from ..unknown import Unknown
from ..wanted import CalicoNode, EtcdProxy, compute_settings_hash
from .changes import Action, Decision, change, could_not_look, find_at_fault, prove, refuse

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  (compared with, not bound to)
LOOSE = 2
CLOCK_LIMIT_S = 60
# To Docker it runs all the same.
PAUSED = "paused"


def plan_etcd_proxy(listener: Listener, port: Port, wanted: EtcdProxy) -> Decision:
    """Plan the proxy; an etcd of somebody else that answers where it would listen is as good."""
    if listener.answers == "etcd":
        return prove("{} answers on {}".format(listener.detail, listener.address))
    holder = find_holder(listener, port)
    if listener.answers == "something else" or holder is not None:
        return refuse(
            "{} is taken{} ({})".format(
                listener.address, " by " + holder if holder is not None else "", listener.detail
            ),
            "free the port, or disable this step and point the endpoints elsewhere",
        )
    return change(
        Action.RUN_ETCD_PROXY,
        "run etcd as a proxy on {} to the members behind {}".format(listener.address, wanted.discovery_srv),
        "nothing answers there ({})".format(listener.detail),
        "nothing restarts",
    )


def find_holder(listener: Listener, port: Port) -> Optional[str]:
    """Find who else holds the address; an etcd that does not answer is taken for a proxy whose members are away."""
    host = listener.address.rpartition(":")[0].strip("[]")
    for socket in [] if isinstance(port.sockets, Unknown) else port.sockets:
        process = socket.process
        if socket.address in (host, *EVERY_ADDRESS) and isinstance(process, Process) and process.program != "etcd":
            return "{} (pid {})".format(process.program, process.pid)
    return None


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
    return warnings


def plan_calico_node(
    container: Union[Container, None, Unknown], wanted: CalicoNode, log: Union[NodeLog, None, Unknown]
) -> Decision:
    """Plan the container; log: what it said last, where it does not stay up."""
    if isinstance(container, Unknown):
        return could_not_look("the container calico-node: {}".format(container.reason))
    fault = find_container_fault(container, wanted)
    if fault is None:
        return prove("the container is up as wanted")
    said = "; it said: {}".format(log.last) if isinstance(log, NodeLog) and log.last else ""
    if container is not None and container.is_restarting and is_as_wanted(container, wanted):
        # Docker does all that is left to do, again and again: what ends it is for somebody to mend.
        return find_at_fault(fault + said, "mend what it complains of, and Docker starts it again by itself")
    return change(
        Action.RUN_CALICO_NODE,
        "run container calico-node of {}".format(wanted.image),
        fault + said,
        "nothing restarts" if container is None else "calico-node is replaced: the network stays as it is meanwhile",
    )


def is_as_wanted(container: Container, wanted: CalicoNode) -> bool:
    """Whether the container is the one that is wanted, up or not."""
    return container.settings_hash == compute_settings_hash(wanted.image, wanted.environment)


def find_container_fault(container: Union[Container, None], wanted: CalicoNode) -> Union[str, None]:
    """Find what is wrong with the container; None when it is up and as wanted."""
    if container is None:
        return "there is no container calico-node"
    if container.image != wanted.image:
        return "its image is {}".format(container.image)
    if container.settings_hash != compute_settings_hash(wanted.image, wanted.environment):
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
