"""What connectivity tests that were killed left on this host, for a removal to take away."""

import os
import shutil
from functools import partial
from typing import List

from ..docker_api import DockerAwayError, NoSuchObjectError
from ..host import Host
from ..undo import Deed
from .control import DIRECTORY
from .docker_objects import list_left_containers, list_left_networks, remove_container, remove_network


def plan_sweep(host: Host) -> List[Deed]:
    """Plan to remove the test's containers, networks and sockets; what Docker does not tell is left alone."""
    deeds = [Deed("removed {}".format(DIRECTORY), partial(_remove_sockets, host))] if _has_sockets(host) else []
    try:
        containers, networks = list_left_containers(host), list_left_networks(host)
    except (DockerAwayError, NoSuchObjectError):
        return deeds
    deeds += [Deed("removed container {}".format(name), partial(remove_container, host, name)) for name in containers]
    return deeds + [Deed("removed network {}".format(name), partial(_remove_network, host, name)) for name in networks]


def _has_sockets(host: Host) -> bool:
    return os.path.isdir(host.path(DIRECTORY))


def _remove_sockets(host: Host) -> None:
    shutil.rmtree(host.path(os.path.dirname(DIRECTORY)))


def _remove_network(host: Host, name: str) -> None:
    """Remove a network; one that a container of another host is on goes with that host's part."""
    remove_network(host, name)
