"""The health check of a service, for Mesos: quick, and by the same proof as its supervisor's.

Until the supervisor has proven the service there is nothing to be healthy. From then on what could not be looked at is
the supervisor's to judge, who knows for how long that has been so.
"""

import calendar
import re
import time
from typing import Optional, TextIO, Union

from ..facts.calico_node import Container, read_calico_node
from ..facts.identity import complete_as_it_is
from ..facts.node import read_identity
from ..host import Host
from ..plans.calico_node import find_container_fault
from ..plans.changes import Decision, describe_unproven
from ..unknown import Unknown
from ..wanted import CalicoNode, Wanted
from . import calico_node, etcd_proxy
from .proven import was_proven

# A container that crashes over and over is never up for this many polls.
STEADY_POLLS = 2


def check_health(service: str, host: Host, wanted: Wanted, err: TextIO) -> int:
    """Return 0 if the service is healthy; else say why not, and return 1."""
    fault = find_fault(service, host, wanted)
    if fault is None:
        return 0
    err.write("{} is not healthy: {}\n".format(service, fault))
    return 1


def find_fault(service: str, host: Host, wanted: Wanted) -> Optional[str]:
    """Find what keeps a service from being healthy."""
    if not was_proven(host, service):
        return "its supervisor has not seen it work yet"
    return FINDERS[service](host, wanted)


def _find_proxy_fault(host: Host, wanted: Wanted) -> Optional[str]:
    return find_lack(etcd_proxy.judge(etcd_proxy.read_look(host, wanted.etcd_proxy), wanted.etcd_proxy))


def _find_node_fault(host: Host, wanted: Wanted) -> Optional[str]:
    # Which node it is to be, its supervisor sees to: finding that out may take name servers.
    own = complete_as_it_is(wanted.calico_node, read_identity(host))
    container = read_calico_node(host, own)
    if isinstance(container, Unknown):
        return None
    fault = find_node_fault(container, own, time.time())
    if fault is not None or container is None:
        return fault
    return find_lack(calico_node.look(host, wanted._replace(calico_node=own), container, is_whole=False))


FINDERS = {"etcd-proxy": _find_proxy_fault, "calico-node": _find_node_fault}


def find_lack(decision: Decision) -> Optional[str]:
    """Find what a look says that a service lacks; what could not be looked at is no lack yet."""
    return None if decision.unknown is not None else describe_unproven(decision) or None


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


def parse_time(text: str) -> float:
    """Read a time as Docker writes it (``2026-11-23T17:27:11.57081Z``), in seconds of the epoch; 0 for none."""
    match = re.match(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)", text)
    if match is None:
        return 0.0
    return float(calendar.timegm(tuple(int(part) for part in match.groups())))
