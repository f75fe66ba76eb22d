"""Plans the two services: whether what they run is there and right."""

from typing import Union

from ..facts.calico_node import Container
from ..facts.etcd import Listener
from ..unknown import Unknown
from ..wanted import CalicoNode, EtcdProxy, compute_settings_hash
from .changes import DONE, Action, Decision, change, refuse


def plan_etcd_proxy(listener: Listener, wanted: EtcdProxy) -> Decision:
    """Plan the proxy; an etcd of somebody else that answers where it would listen is as good."""
    if listener.answers == "etcd":
        return DONE
    if listener.answers == "something else":
        return refuse(
            "{} is taken ({})".format(listener.address, listener.detail),
            "free the port, or disable this step and point the endpoints elsewhere",
        )
    return change(
        Action.RUN_ETCD_PROXY,
        "run etcd as a proxy on {} to the members behind {}".format(listener.address, wanted.discovery_srv),
        "nothing answers there ({})".format(listener.detail),
        "nothing restarts",
    )


def plan_calico_node(container: Union[Container, None, Unknown], wanted: CalicoNode) -> Decision:
    """Plan the container."""
    if isinstance(container, Unknown):
        return refuse(
            "the container's state is not known ({})".format(container.reason), "see that Docker is installed and runs"
        )
    fault = find_container_fault(container, wanted)
    if fault is None:
        return DONE
    return change(
        Action.RUN_CALICO_NODE,
        "run container calico-node of {}".format(wanted.image),
        fault,
        "nothing restarts" if container is None else "calico-node is replaced: the network stays as it is meanwhile",
    )


def find_container_fault(container: Union[Container, None], wanted: CalicoNode) -> Union[str, None]:
    """Find what is wrong with the container; None when it is up and as wanted."""
    if container is None:
        return "there is no container calico-node"
    if container.image != wanted.image:
        return "its image is {}".format(container.image)
    if container.settings_hash != compute_settings_hash(wanted.image, wanted.environment):
        return "its settings differ"
    if container.is_restarting:
        return "it restarts over and over ({} times so far)".format(container.restarts)
    if not container.is_running:
        return "it is {}".format(container.status)
    return None
