"""The health check of a service, for Mesos: stateless and quick; what is asked is the service itself."""

import calendar
import re
import time
from typing import Optional, TextIO, Union

from ..facts.calico_node import Container, read_calico_node
from ..facts.etcd import ask_etcd
from ..facts.felix import HEALTH_PORT, ask_health
from ..facts.identity import complete_as_it_is
from ..facts.node import read_identity
from ..host import Host
from ..plans.calico_node import find_container_fault
from ..unknown import Unknown
from ..wanted import CalicoNode, EtcdProxy, Wanted
from ..web import UnreachableError, split_address

# A container that crashes over and over is never up for this many polls.
STEADY_POLLS = 2


def check_health(service: str, host: Host, wanted: Wanted, err: TextIO) -> int:
    """Return 0 if the service is healthy; else say why not, and return 1."""
    if service == "etcd-proxy":
        fault = find_proxy_fault(host, wanted.etcd_proxy)
    else:
        # Which node it is to be, its supervisor sees to: finding that out may take name servers.
        own = complete_as_it_is(wanted.calico_node, read_identity(host))
        fault = find_node_fault(read_calico_node(host, own), own, time.time())
        fault = fault or find_felix_fault(host, own)
    if fault is None:
        return 0
    err.write("{} is not healthy: {}\n".format(service, fault))
    return 1


def find_proxy_fault(host: Host, wanted: EtcdProxy) -> Optional[str]:
    """Ask the port itself: a proxy whose members are away runs, and is of no use."""
    try:
        hostname, port = split_address(wanted.listen)
        etcd = ask_etcd("{}:{}".format(host.dial(hostname), port))
    except UnreachableError as error:
        return str(error)
    return None if etcd.is_healthy else "etcd says that it is not"


def find_node_fault(
    container: Union[Container, None, Unknown], wanted: CalicoNode, now_epoch_s: float
) -> Optional[str]:
    """Find what keeps the container from being healthy."""
    if isinstance(container, Unknown):
        return container.reason
    fault = find_container_fault(container, wanted)
    if fault is not None or container is None:
        return fault
    up_s = now_epoch_s - parse_time(container.started_at)
    # A negative time: the clock was set back, which says nothing about the container.
    if 0 <= up_s < STEADY_POLLS * wanted.poll_s:
        return "it is up for {:.0f} s only".format(up_s)
    return None


def find_felix_fault(host: Host, wanted: CalicoNode) -> Optional[str]:
    """Ask Felix, where its settings have it answer: that its container is up says little of it."""
    if wanted.environment.get("FELIX_HEALTHENABLED", "").lower() != "true":
        return None
    felix = ask_health(host)
    if felix is None:
        return "Felix does not answer on port {}".format(HEALTH_PORT)
    return None if felix.is_ready is True else "Felix is not ready: {}".format(felix.detail)


def parse_time(text: str) -> float:
    """Read a time as Docker writes it (``2026-11-23T17:27:11.57081Z``), in seconds of the epoch; 0 for none."""
    match = re.match(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)", text)
    if match is None:
        return 0.0
    return float(calendar.timegm(tuple(int(part) for part in match.groups())))
