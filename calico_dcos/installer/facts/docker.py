"""Facts: Docker, as its API and systemd tell; the command line of the daemon is read where it can be."""

import os
import re
from typing import Any, List, NamedTuple, Optional, Union

from .. import systemd
from ..docker_api import DockerAwayError, NoSuchObjectError, read_json
from ..dockerd_options import find_given
from ..host import Host, ToolError
from ..unknown import Unknown
from .authorization import AuthorizationPlugin, read_authorization_plugins
from .daemon_json import AUTHORIZATION_KEY, DaemonJson, read_daemon_json
from .docker_server import Server, read_server
from .dockerd_flags import find_config_path, read_flags
from .store_use import StoreUse, read_store_use

UNIT = "docker.service"
PROGRAMS = ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd", "/usr/bin/docker")

Running = NamedTuple("Running", [("name", str), ("image", str)])
Engine = NamedTuple(
    "Engine",
    [
        ("version", str),
        ("cluster_store", Optional[str]),
        ("cluster_advertise", Optional[str]),
        ("swarm", str),
        ("is_live_restore_on", bool),
        ("root_dir", Union[str, Unknown]),
        ("remaps_users", bool),
        ("running_count", int),
        ("running", List[Running]),
    ],
)
# is_installed: a daemon that does not run is another matter than none. store_use: null where another store, or none, is
# in effect.
Docker = NamedTuple(
    "Docker",
    [
        ("is_installed", bool),
        ("engine", Union[Engine, Unknown]),
        ("unit", Union[systemd.Unit, Unknown]),
        ("flags", Union[List[str], Unknown]),
        ("daemon_json", Union[DaemonJson, Unknown]),
        ("server", Server),
        ("authorization_plugins", List[AuthorizationPlugin]),
        ("store_use", Optional[StoreUse]),
    ],
)


def read_docker(host: Host, store: str) -> Docker:
    """Read everything about Docker; what does not answer is unknown, with its reason. Store: the one that is wanted."""
    unit = read_unit(host, UNIT)
    engine = read_engine(host)
    flags = read_flags(host, unit)
    file = read_daemon_json(host, find_config_path(flags))
    is_in_effect = isinstance(engine, Engine) and engine.cluster_store == store
    return Docker(
        is_installed=is_installed(host, unit),
        engine=engine,
        unit=unit,
        flags=flags,
        daemon_json=file,
        server=read_server(host, flags, file),
        authorization_plugins=read_authorization_plugins(host, _find_authorization(flags, file)),
        store_use=read_store_use(host, store, unit) if is_in_effect else None,
    )


def _find_authorization(flags: Union[List[str], Unknown], file: Union[DaemonJson, Unknown]) -> List[str]:
    given = [] if isinstance(flags, Unknown) else find_given(flags).get(AUTHORIZATION_KEY, [])
    in_file = [] if isinstance(file, Unknown) else file.authorization_plugins
    return sorted({*given, *in_file})


def is_installed(host: Host, unit: Union[systemd.Unit, Unknown]) -> bool:
    """Whether there is a Docker at all: its unit, or one of its programs; a systemd that does not tell may have it."""
    if isinstance(unit, Unknown):
        if systemd.runs(host):
            return True
    elif unit.load_state == "loaded":
        return True
    return any(os.path.exists(host.path(path)) for path in PROGRAMS)


def read_unit(host: Host, name: str) -> Union[systemd.Unit, Unknown]:
    """Read a unit of systemd."""
    try:
        return systemd.read_unit(host, name)
    except ToolError as error:
        return Unknown(str(error))


def read_engine(host: Host) -> Union[Engine, Unknown]:
    """Ask the API for the state in effect."""
    try:
        return parse_engine(read_json(host, "/version"), read_json(host, "/info"), read_json(host, "/containers/json"))
    except (DockerAwayError, NoSuchObjectError) as error:
        return Unknown(str(error))


def parse_engine(version: Any, info: Any, containers: Any) -> Union[Engine, Unknown]:
    """Read the answers of ``/version``, ``/info`` and ``/containers/json``."""
    try:
        return Engine(
            version=str(version["Version"]),
            # Absent when empty, and always absent from Docker 23 on.
            cluster_store=info.get("ClusterStore") or None,
            cluster_advertise=info.get("ClusterAdvertise") or None,
            # Absent before Docker 1.12, which had no swarm mode.
            swarm=(info.get("Swarm") or {}).get("LocalNodeState") or "inactive",
            is_live_restore_on=bool(info.get("LiveRestoreEnabled")),
            root_dir=info.get("DockerRootDir") or Unknown("Docker does not tell"),
            # Told from 1.13 on; in every version, the directory is then named after the first user and group.
            remaps_users="name=userns" in (info.get("SecurityOptions") or [])
            or re.search(r"/\d+\.\d+$", info.get("DockerRootDir") or "") is not None,
            running_count=len(containers),
            running=[Running(name_container(entry), entry.get("Image", "")) for entry in containers],
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        return Unknown("Docker's answer is not understood: {!r}".format(error))


def name_container(entry: Any) -> str:
    """Name a container of the list; links give it further names, below those of the containers that use it."""
    names = [name.lstrip("/") for name in entry["Names"]]  # type: List[str]
    return next((name for name in names if "/" not in name), names[0])
