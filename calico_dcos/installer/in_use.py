"""Finds what on this host still uses the networks that a removal takes away; it reads only.

Three witnesses: Docker (which containers are on networks of Calico's driver, or of its cluster store), the Mesos agent
(which tasks run on networks of the files that we wrote), and the kernel (Felix' interfaces, one for each container,
whoever made it). One that cannot be asked is a doubt, which is told and hinders nothing.
"""

import os
from typing import Any, List, NamedTuple, Set

from .backups import Backup
from .connectivity.docker_objects import PREFIX
from .docker_api import DockerAwayError, NoSuchObjectError, read_json
from .documents import load_json
from .facts.mesos_agent import find_endpoint, read_agent_unit, read_answer
from .files import FileError, read_file
from .host import Host
from .undo import NETWORK_BACKUP, find_backups
from .unknown import Unknown

INTERFACES_DIR = "/sys/class/net"
INTERFACE_PREFIX = "cali"
# Of networks in a cluster store; those of a swarm have scope "swarm".
STORE_SCOPE = "global"
# Docker shows the containers of other hosts on a network of all hosts by this in place of their ids.
ELSEWHERE = "ep-"
LIVE_STATES = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
NAMES_MAX = 5

Use = NamedTuple("Use", [("users", List[str]), ("doubts", List[str])])


def find_use(host: Host) -> Use:
    """Find who uses the networks, and what cannot be told."""
    use = Use([], [])
    try:
        use.users.extend(_read_docker_users(host))
    except DockerAwayError as error:
        use.doubts.append("whether Docker's containers use it is not known: {}".format(error))
    networks = read_our_networks(host)
    if networks:
        answer = read_answer(host, find_endpoint(host), "/state")
        if not isinstance(answer, Unknown):
            use.users.extend(find_tasks(answer, networks))
        elif read_agent_unit(host) is not None:
            use.doubts.append("whether tasks of Mesos use it is not known: {}".format(answer.reason))
    if not use.users:
        use.users.extend(_read_interfaces(host))
    return use


def _read_docker_users(host: Host) -> List[str]:
    try:
        networks = read_json(host, "/networks")
    except NoSuchObjectError:
        return []  # Docker 1.8 has none
    users = []
    for network in networks:
        if str(network.get("Driver")).startswith("calico") or network.get("Scope") == STORE_SCOPE:
            try:
                whole = read_json(host, "/networks/{}".format(network["Id"]))
            except NoSuchObjectError:
                continue  # it went meanwhile
            users += [
                "container {} on Docker's network {}".format(container.get("Name") or key[:12], network["Name"])
                for key, container in sorted((whole.get("Containers") or {}).items())
                if not key.startswith(ELSEWHERE) and not _is_of_test(container)
            ]
    return users


def _is_of_test(container: Any) -> bool:
    """Whether a connectivity test of ours left it: the removal takes it away first."""
    return str(container.get("Name") or "").startswith(PREFIX)


def read_our_networks(host: Host) -> Set[str]:
    """Read the names of the networks in the files that we wrote and that are still there."""
    names = set()
    for change in find_backups(host, "cni"):
        if not change.startswith(NETWORK_BACKUP):
            continue
        try:
            for path in {entry.path for entry in Backup(host, change).read_entries()}:
                names.add(load_json((read_file(host.path(path)) or b"").decode("utf-8"))["name"])
        except (FileError, ValueError, KeyError, TypeError):
            continue  # no network that Mesos knows
    return names


def find_tasks(state: Any, networks: Set[str]) -> List[str]:
    """Find in an agent's state the tasks that run on one of these networks."""
    return [
        "task {} of {} on network {}".format(task.get("id"), framework.get("name"), name)
        for framework in state.get("frameworks") or []
        for executor in framework.get("executors") or []
        for task in executor.get("tasks") or []
        if task.get("state") in LIVE_STATES
        for name in sorted(_find_networks(task) & networks)
    ]


def _find_networks(task: Any) -> Set[Any]:
    """Find the networks of a task: those that it was launched with, and those that its statuses tell."""
    places = [task.get("container")] + [status.get("container_status") for status in task.get("statuses") or []]
    return {info.get("name") for place in places if place for info in place.get("network_infos") or []}


def _read_interfaces(host: Host) -> List[str]:
    """Read the interfaces of containers: the last to know of one that was started in a way not thought of here."""
    try:
        names = sorted(name for name in os.listdir(host.path(INTERFACES_DIR)) if name.startswith(INTERFACE_PREFIX))
    except OSError:
        return []
    return ["the container behind interface {}".format(name) for name in names]


def tell_users(users: List[str]) -> str:
    """Tell the first of them, and how many more there are."""
    more = len(users) - NAMES_MAX
    return ", ".join(users[:NAMES_MAX]) + (", and {} more".format(more) if more > 0 else "")
