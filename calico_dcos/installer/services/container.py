"""Acts on the container calico-node through Docker's API.

Never with ``docker run``: its command line, with every setting and so every secret, is on the process list of the host.
An image is pulled with the command all the same, which knows the host's credentials for registries.
"""

import re
from typing import Any, Dict
from urllib.parse import quote

from ..docker_api import DockerAwayError, NoSuchObjectError, act, parse_log, read_bytes
from ..facts.calico_node import HASH_LABEL, NAME
from ..host import TOOL_DIRS, Host, ToolError
from ..wanted import CalicoNode, compute_settings_hash

PULL_TIMEOUT_S = 900
ACT_TIMEOUT_S = 120
LOG_LINES = 20


def build_body(wanted: CalicoNode) -> Dict[str, Any]:
    """Build the body of the call that creates the container, as ``calicoctl node run`` of that release has it.

    UsernsMode: a Docker that remaps users refuses the host's network to whoever does not have its users, too.
    """
    return {
        "Image": wanted.image,
        "Env": ["{}={}".format(name, value) for name, value in sorted(wanted.environment.items())],
        "Labels": {HASH_LABEL: compute_settings_hash(wanted)},
        "HostConfig": {
            "NetworkMode": "host",
            "Privileged": True,
            "RestartPolicy": {"Name": "always"},
            "UsernsMode": "host",
            "Binds": ["{0}:{0}".format(path) for path in wanted.mounts],
        },
    }


def create_container(host: Host, wanted: CalicoNode) -> None:
    """Create the container; it does not run yet. DockerAwayError if Docker does not, or will not."""
    act(host, "POST", "/containers/create?name={}".format(NAME), ACT_TIMEOUT_S, build_body(wanted))


def start_container(host: Host) -> None:
    """Start the container; NoSuchObjectError if it is gone, DockerAwayError if it does not start."""
    act(host, "POST", "/containers/{}/start".format(NAME), ACT_TIMEOUT_S)


def unpause_container(host: Host) -> None:
    """Let the container run on; raises as start_container does."""
    act(host, "POST", "/containers/{}/unpause".format(NAME), ACT_TIMEOUT_S)


def restart_container(host: Host) -> None:
    """Start the container anew; raises as start_container does."""
    act(host, "POST", "/containers/{}/restart".format(NAME), ACT_TIMEOUT_S)


def remove_container(host: Host, name: str = NAME) -> None:
    """Remove a container, running or not; one that is gone is as good. DockerAwayError as above."""
    try:
        act(host, "DELETE", "/containers/{}?force=1".format(quote(name, safe="")), ACT_TIMEOUT_S)
    except NoSuchObjectError:
        return


def pull_image(host: Host, image: str) -> None:
    """Pull an image: with Docker's command, or without a login where there is none.

    Raises:
        ToolError: it cannot be had.
        DockerAwayError: Docker does not answer.
    """
    if not host.has_tool("docker"):
        _pull_through_socket(host, image)
        return
    done = host.run(["docker", "pull", image], PULL_TIMEOUT_S)
    if done.status != 0:
        raise ToolError("docker pull: {}".format(done.output.strip()[-500:]))


def _pull_through_socket(host: Host, image: str) -> None:
    """Have the daemon pull; its answer begins before it has, and only the end of it tells whether it could."""
    name, colon, tag = image.rpartition(":")
    if not colon or "/" in tag or "@" in name:
        name, tag = image, "" if "@" in image else "latest"
    path = "/images/create?fromImage={}&tag={}".format(quote(name, safe=""), quote(tag, safe=""))
    try:
        progress = act(host, "POST", path, PULL_TIMEOUT_S)
    except NoSuchObjectError as error:
        raise ToolError("Docker has no such image: {}".format(error)) from error
    for line in progress.decode("utf-8", "replace").splitlines():
        fault = re.search(r'"error"\s*:\s*"((?:[^"\\]|\\.)*)"', line)
        if fault is not None:
            told = "Docker cannot pull {}: {} (its command, which knows logins of registries, is in none of {})"
            raise ToolError(told.format(image, fault.group(1), ":".join(TOOL_DIRS)))


def read_log(host: Host) -> str:
    """Read the last lines of the container; why there are none is told in their place."""
    path = "/containers/{}/logs?stdout=1&stderr=1&tail={}".format(NAME, LOG_LINES)
    try:
        return "\n".join(parse_log(read_bytes(host, path, ACT_TIMEOUT_S)))
    except (DockerAwayError, NoSuchObjectError) as error:
        return "(no log: {})".format(error)
