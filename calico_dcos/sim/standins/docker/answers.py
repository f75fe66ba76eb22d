"""The JSON of Docker's answers; pure."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from calico_dcos.sim.standins.docker.containers import Container
from calico_dcos.sim.standins.docker.known_keys import Version
from calico_dcos.sim.standins.docker.mounts import list_mounts
from calico_dcos.sim.standins.docker.settings import Settings, get_api_version

_HAS_SWARM_AND_LIVE_RESTORE = (1, 12)
_TELLS_DEPRECATIONS = (20, 10)
_DEPRECATION = (
    "WARNING: node discovery and overlay networks with an external k/v store (cluster-advertise, cluster-store, "
    "cluster-store-opt) are deprecated and will be removed in a future release."
)
_IMAGE_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # nearly every image sets it
_NEVER = "0001-01-01T00:00:00Z"

Json = dict[str, Any]


def build_version(text: str, version: Version) -> Json:
    """Build /version."""
    return {
        "Version": text,
        "ApiVersion": get_api_version(version),
        "MinAPIVersion": "1.12",
        "GitCommit": "stand-in",
        "GoVersion": "stand-in",
        "Os": "linux",
        "Arch": "amd64",
        "KernelVersion": "stand-in",
    }


def build_info(
    name: str, text: str, version: Version, settings: Settings, containers: Sequence[Container], image_count: int
) -> Json:
    """Build /info; what a version does not tell is left out."""
    running = sum(container.status == "running" for container in containers)
    info: Json = {
        "ID": _compute_id(name)[:12],
        "Containers": len(containers),
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": len(containers) - running,
        "Images": image_count,
        "Driver": "overlay2",
        "Name": name,
        "ServerVersion": text,
        "OperatingSystem": "stand-in",
        "OSType": "linux",
        "Architecture": "x86_64",
        "Labels": list(settings.labels),
        "DockerRootDir": "/var/lib/docker",
    }
    if settings.cluster_store:
        info["ClusterStore"] = settings.cluster_store
    if settings.cluster_advertise:
        info["ClusterAdvertise"] = settings.cluster_advertise
    if version >= _HAS_SWARM_AND_LIVE_RESTORE:
        info["LiveRestoreEnabled"] = settings.live_restore
        info["Swarm"] = {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False}
    if version >= _TELLS_DEPRECATIONS:
        info["Warnings"] = [_DEPRECATION] if settings.cluster_store else None
    return info


def build_inspection(container: Container) -> Json:
    """Build /containers/<name>/json."""
    config, host_config = container.config, container.config.get("HostConfig") or {}
    image = config["Image"]
    return {
        "Id": container.id,
        "Created": format_time(container.created_s),
        "Path": (config.get("Cmd") or ["/start"])[0],
        "Args": (config.get("Cmd") or [])[1:],
        "State": _build_state(container),
        "Image": build_image_id(image),
        "Name": f"/{container.name}",
        "RestartCount": container.restarts,
        "HostConfig": {
            **host_config,
            "Binds": host_config.get("Binds"),
            "NetworkMode": host_config.get("NetworkMode") or "default",
            "UsernsMode": host_config.get("UsernsMode") or "",
            "Privileged": host_config.get("Privileged") or False,
            "RestartPolicy": host_config.get("RestartPolicy") or {"Name": "no", "MaximumRetryCount": 0},
        },
        "Config": {
            "Hostname": container.id[:12],
            "Image": image,
            "Env": [*(config.get("Env") or []), _IMAGE_PATH],
            "Labels": config.get("Labels") or {},
            "Cmd": config.get("Cmd"),
            "Entrypoint": config.get("Entrypoint"),
            "Tty": config.get("Tty") or False,
        },
        "NetworkSettings": {"Networks": {}},
        "Mounts": [mount.render() for mount in list_mounts(config)],
    }


def build_summary(container: Container, now_s: float) -> Json:
    """Build an entry of /containers/json."""
    config = container.config
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": config["Image"],
        "ImageID": build_image_id(config["Image"]),
        "Command": " ".join(config.get("Cmd") or ["/start"]),
        "Created": int(container.created_s),
        "Ports": [],
        "Labels": config.get("Labels") or {},
        "State": container.status,
        "Status": _describe(container, now_s),
        "HostConfig": {"NetworkMode": (config.get("HostConfig") or {}).get("NetworkMode") or "default"},
        "Mounts": [mount.render() for mount in list_mounts(config)],
    }


def build_image(reference: str) -> Json:
    """Build /images/<name>/json; it serves as an entry of /images/json, too."""
    return {
        "Id": build_image_id(reference),
        "RepoTags": [complete_reference(reference)],
        "Created": 0,
        "Size": 0,
        "Os": "linux",
        "Architecture": "amd64",
        "Config": {"Env": [_IMAGE_PATH]},
    }


def build_image_id(reference: str) -> str:
    """Make up the id of an image."""
    return f"sha256:{_compute_id(complete_reference(reference))}"


def complete_reference(reference: str) -> str:
    """Add the tag that one may leave out, and leave out the registry that one may add."""
    short = reference.removeprefix("docker.io/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def match_filters(container: Container, filters: Mapping[str, Any]) -> bool:
    """Tell whether a container passes the filters of a list: name (a part of it), id, label, status."""
    labels = container.config.get("Labels") or {}
    tests: dict[str, Callable[[str], bool]] = {
        "name": lambda wanted: wanted.strip("^$/") in container.name,
        "id": container.id.startswith,
        "status": lambda wanted: wanted == container.status,
        "label": lambda wanted: wanted in labels or wanted in [f"{key}={value}" for key, value in labels.items()],
    }
    return all(any(tests[name](value) for value in values) for name, values in filters.items())


def format_time(seconds: float) -> str:
    """Format a time as Docker does; 0 for never."""
    if not seconds:
        return _NEVER
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{round(seconds % 1 * 1e9):09d}Z"


def _build_state(container: Container) -> Json:
    return {
        "Status": container.status,
        # As in Docker, a container between two runs counts as running.
        "Running": container.status in ("running", "restarting"),
        "Paused": False,
        "Restarting": container.status == "restarting",
        "OOMKilled": False,
        "Dead": False,
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": "",
        "StartedAt": format_time(container.started_s),
        "FinishedAt": format_time(container.finished_s),
    }


def _describe(container: Container, now_s: float) -> str:
    match container.status:
        case "created":
            return "Created"
        case "running":
            return f"Up {_format_age(now_s - container.started_s)}"
        case "restarting":
            return f"Restarting ({container.exit_code}) {_format_age(now_s - container.finished_s)} ago"
        case "exited":
            return f"Exited ({container.exit_code}) {_format_age(now_s - container.finished_s)} ago"


def _format_age(seconds: float) -> str:
    minute, hour = 60, 3600
    if seconds < 1:
        return "Less than a second"
    if seconds < minute:
        return f"{int(seconds)} seconds"
    return f"{int(seconds // minute)} minutes" if seconds < hour else f"{int(seconds // hour)} hours"


def _compute_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
