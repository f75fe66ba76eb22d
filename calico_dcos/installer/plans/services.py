"""Plans the etcd proxy: whether what answers where it would listen is right."""

from typing import Optional

from ..facts.etcd import Listener
from ..facts.network import Port, Process
from ..unknown import Unknown
from ..wanted import EtcdProxy
from .changes import Action, Decision, change, prove, refuse

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  (compared with, not bound to)


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
