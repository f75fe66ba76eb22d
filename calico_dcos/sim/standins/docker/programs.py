"""What the process of a container is: the stand-in of calico/node where its image is that one, else an idle process."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.docker.mounts import list_mounts
from calico_dcos.sim.standins.launcher import build_start

CALICO_NODE = "calico/node"

_IDLE = 'echo "$0: a stand-in, it says no more"; exec sleep 2147483647'
_MODULE = "calico_dcos.sim.standins.calico_node.simulated"
_DIRECTORY = "var/lib/docker/containers"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Program:
    """A command line, and its environment."""

    argv: list[str]
    environment: Mapping[str, str]


def build_program(container_id: str, config: Mapping[str, Any], root: Path) -> Program:
    """Build the program of a container from the body of its create call."""
    if is_calico_node(config["Image"]) and config.get("Entrypoint"):
        return Program([*config["Entrypoint"], *(config.get("Cmd") or [])], {"PATH": f"{root}/usr/bin:{_PATH}"})
    if not runs_calico_node(config):
        return Program(["/bin/sh", "-c", _IDLE, config["Image"]], {"PATH": _PATH})
    start = {
        "image": config["Image"],
        "binds": {mount.destination: mount.source for mount in list_mounts(config)},
        "processes": str(find_processes(root, container_id)),
    }
    argv = [sys.executable, "-IS", "-c", build_start(_MODULE, root), json.dumps(start)]
    given = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    return Program(argv, {"PATH": _PATH, "HOSTNAME": root.name, **given})


def runs_calico_node(config: Mapping[str, Any]) -> bool:
    """Whether a container runs what its image calico/node starts; another command is an idle process."""
    return is_calico_node(config["Image"]) and not config.get("Cmd") and not config.get("Entrypoint")


def is_calico_node(image: str) -> bool:
    """Whether an image is calico/node: with another entry point it runs that, with busybox' tools."""
    name, _, tag = image.rpartition(":")
    repository = image if "/" in tag or not name else name
    return f"/{repository}".endswith(f"/{CALICO_NODE}")


def find_log(root: Path, container_id: str) -> Path:
    """Find the file that keeps what a container says."""
    return root / _DIRECTORY / f"{container_id}.log"


def find_processes(root: Path, container_id: str) -> Path:
    """Find the file in which a container tells its processes."""
    return root / _DIRECTORY / f"{container_id}.processes"


def make_files(root: Path, container_id: str) -> None:
    """Make the directory of both, and forget the processes of an earlier run."""
    find_log(root, container_id).parent.mkdir(parents=True, exist_ok=True)
    find_processes(root, container_id).unlink(missing_ok=True)


def remove_files(root: Path, container_id: str) -> None:
    """Remove both, and what it was killed while it wrote."""
    for path in find_log(root, container_id).parent.glob(f"{container_id}.*"):
        path.unlink(missing_ok=True)
