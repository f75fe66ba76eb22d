"""The test's containers and networks in Docker: made, looked at, and swept away by their names."""

import re
import time
from typing import Any, Dict, List, Optional
from urllib.parse import quote

from ..docker_api import DockerAwayError, NoSuchObjectError, act, parse_log, read_bytes, read_json
from ..host import Host

PREFIX = "calico-dcos-connectivity-"
LABEL = "calico-dcos.connectivity"
DRIVER, IPAM_DRIVER = "calico", "calico-ipam"
TIMEOUT_S = 30
POLL_S = 0.3
LOG_LINES = 40


def name_network(run: str) -> str:
    """Name the network of a run."""
    return PREFIX + run


def name_container(run: str, part: str, agent: str) -> str:
    """Name an agent's container: on a network that all hosts know, Docker takes each name once."""
    return "{}{}-{}-{}".format(PREFIX, run, part, re.sub("[^A-Za-z0-9_.-]", "-", agent))


def make_network(host: Host, run: str) -> None:
    """Make the network; DockerAwayError with Docker's own words if it will not."""
    body = {
        "Name": name_network(run),
        "Driver": DRIVER,
        "IPAM": {"Driver": IPAM_DRIVER},
        "CheckDuplicate": True,
        "Labels": {LABEL: run},
    }
    act(host, "POST", "/networks/create", TIMEOUT_S, body)


def has_network(host: Host, run: str) -> bool:
    """Whether this Docker knows the network; DockerAwayError if it does not say."""
    try:
        network = read_json(host, "/networks/{}".format(name_network(run)))
    except NoSuchObjectError:
        return False
    return isinstance(network, dict) and network.get("Driver") == DRIVER


def remove_network(host: Host, name: str) -> Optional[str]:
    """Remove a network; why not, or None: where a container of another host is on it, that host does it."""
    try:
        act(host, "DELETE", "/networks/{}".format(quote(name, safe="")), TIMEOUT_S)
    except NoSuchObjectError:
        return None
    except DockerAwayError as error:
        return str(error)
    return None


def build_body(image: str, run: str, script: str) -> Dict[str, Any]:
    """Build the body of the call that creates a container; its image need have no more than a shell."""
    network = name_network(run)
    return {
        "Image": image,
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": [script],
        "Labels": {LABEL: run},
        "HostConfig": {"NetworkMode": network, "RestartPolicy": {"Name": "no"}},
        "NetworkingConfig": {"EndpointsConfig": {network: {}}},
    }


def run_container(host: Host, name: str, image: str, run: str, script: str) -> str:
    """Run a shell script in a container on the network of a run, and return its address there.

    Raises:
        DockerAwayError, NoSuchObjectError: Docker does not, or will not.
    """
    remove_container(host, name)
    act(host, "POST", "/containers/create?name={}".format(name), TIMEOUT_S, build_body(image, run, script))
    act(host, "POST", "/containers/{}/start".format(name), TIMEOUT_S)
    return find_address(read_json(host, "/containers/{}/json".format(name)), name_network(run))


def find_address(container: Any, network: str) -> str:
    """Find a container's address on a network; empty if it has none."""
    try:
        return str(container["NetworkSettings"]["Networks"][network]["IPAddress"] or "")
    except (KeyError, TypeError):
        return ""


def is_running(host: Host, name: str) -> bool:
    """Whether a container runs; DockerAwayError if Docker does not say."""
    try:
        container = read_json(host, "/containers/{}/json".format(name))
        return bool(container["State"]["Running"])
    except NoSuchObjectError:
        return False
    except (KeyError, TypeError):
        return False


def wait_for_end(host: Host, name: str, limit_s: float) -> bool:
    """Wait until a container has ended; False if it has not within the limit. DockerAwayError as above."""
    ends_at_s = time.monotonic() + limit_s
    while is_running(host, name):
        if time.monotonic() >= ends_at_s:
            return False
        time.sleep(POLL_S)
    return True


def read_output(host: Host, name: str) -> str:
    """Read the last lines of a container; raises as run_container does."""
    path = "/containers/{}/logs?stdout=1&stderr=1&tail={}".format(name, LOG_LINES)
    return "\n".join(parse_log(read_bytes(host, path, TIMEOUT_S)))


def remove_container(host: Host, name: str) -> None:
    """Remove a container, running or not; one that is gone is as good. DockerAwayError if Docker does not."""
    try:
        act(host, "DELETE", "/containers/{}?force=1".format(name), TIMEOUT_S)
    except NoSuchObjectError:
        return


def list_left_containers(host: Host, except_run: str = "") -> List[str]:
    """List the names of containers of any run but one; DockerAwayError if Docker does not say."""
    try:
        found = read_json(host, "/containers/json?all=1")
    except NoSuchObjectError:
        return []
    return [
        name
        for container in found
        if isinstance(container, dict)
        for name in [str(one).lstrip("/") for one in container.get("Names") or []]
        if name.startswith(PREFIX) and not (except_run and name.startswith(PREFIX + except_run))
    ]


def list_left_networks(host: Host, except_run: str = "") -> List[str]:
    """List the names of networks of any run but one; DockerAwayError if Docker does not say."""
    try:
        found = read_json(host, "/networks")
    except NoSuchObjectError:
        return []  # Docker 1.8 has none
    names = [str(network.get("Name")) for network in found if isinstance(network, dict)]
    return [name for name in names if name.startswith(PREFIX) and name != PREFIX + except_run]


def sweep(host: Host, except_run: str = "") -> None:
    """Remove what runs left that were killed; what does not go is left for the next sweep. DockerAwayError as above."""
    for name in list_left_containers(host, except_run):
        remove_container(host, name)
    for name in list_left_networks(host, except_run):
        remove_network(host, name)
