"""Facts: Docker, as its API and systemd tell; the command line of the daemon is read where it can be."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Union

from .. import systemd
from ..docker_api import DockerAwayError, NoSuchObjectError, read_json
from ..host import Host, ToolError
from ..pid_namespace import sees_host_processes
from ..unknown import Unknown
from .daemon_json import DEFAULT_PATH, DaemonJson, read_daemon_json
from .system import read_text

UNIT = "docker.service"
PROGRAMS = ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd", "/usr/bin/docker")
DAEMON_NAMES = ("dockerd", "docker", "dockerd-current", "docker-current")

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
        ("running_count", int),
        ("running", List[Running]),
    ],
)
# is_installed: a daemon that does not run is another matter than none.
Docker = NamedTuple(
    "Docker",
    [
        ("is_installed", bool),
        ("engine", Union[Engine, Unknown]),
        ("unit", Union[systemd.Unit, Unknown]),
        ("flags", Union[List[str], Unknown]),
        ("daemon_json", Union[DaemonJson, Unknown]),
    ],
)


def read_docker(host: Host) -> Docker:
    """Read everything about Docker; what does not answer is unknown, with its reason."""
    unit = read_unit(host, UNIT)
    flags = read_flags(host, unit)
    path = find_config_path(flags)
    return Docker(
        is_installed=is_installed(host, unit),
        engine=read_engine(host),
        unit=unit,
        flags=flags,
        daemon_json=read_daemon_json(host, path),
    )


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
            running_count=len(containers),
            running=[Running(name_container(entry), entry.get("Image", "")) for entry in containers],
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        return Unknown("Docker's answer is not understood: {!r}".format(error))


def name_container(entry: Any) -> str:
    """Name a container of the list; links give it further names, below those of the containers that use it."""
    names = [name.lstrip("/") for name in entry["Names"]]  # type: List[str]
    return next((name for name in names if "/" not in name), names[0])


def read_flags(host: Host, unit: Union[systemd.Unit, Unknown]) -> Union[List[str], Unknown]:
    """Read the daemon's words: those of the unit, and those of the process where the host's processes are seen.

    Both count: the unit may have been edited since the daemon started.
    """
    if isinstance(unit, Unknown):
        return unit
    files = [read_text(host.path(path)) for path in unit.environment_files]
    environment = parse_environment([text for text in files if isinstance(text, str)], unit.environment)
    words = expand_words(unit.argv, environment)
    process = read_process_words(unit.main_pid) if sees_host_processes(host) else []
    if not (is_daemon(words) or is_daemon(process)):
        return Unknown("{} starts {!r}, which is not dockerd".format(unit.name, " ".join(unit.argv[:1])))
    return words + [word for word in process if word not in words]


def parse_environment(files: List[str], assignments: List[str]) -> Dict[str, str]:
    """Read ``NAME=value`` lines as systemd does: files win over the unit's own assignments."""
    values = {}  # type: Dict[str, str]
    for line in assignments + [line.strip() for text in files for line in text.splitlines()]:
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            values[name] = value.strip().strip("\"'")
    return values


def expand_words(words: List[str], environment: Dict[str, str]) -> List[str]:
    """Expand ``$NAME`` (split into words) and ``${NAME}`` (inside of a word) as systemd does; unset ones are empty."""
    expanded = []  # type: List[str]
    for word in words:
        if re.match(r"\$\w+$", word):
            expanded.extend(environment.get(word[1:], "").split())
        else:
            expanded.append(re.sub(r"\$\{(\w+)\}", lambda match: environment.get(match.group(1), ""), word))
    return expanded


def read_process_words(pid: int) -> List[str]:
    """Read the command line of the main process; empty where that is not Docker."""
    comm = read_text("/proc/{}/comm".format(pid)) if pid else ""
    if comm not in DAEMON_NAMES:
        return []
    cmdline = read_text("/proc/{}/cmdline".format(pid))
    return [] if isinstance(cmdline, Unknown) else cmdline.strip("\0").split("\0")


def find_wrapper(host: Host, unit: systemd.Unit, proc: str = "/proc") -> Optional[str]:
    """Find what the unit's main process is if it is not Docker but a shell around it, which a SIGHUP would end.

    Where the host's processes are not seen, by what the unit starts.
    """
    if not sees_host_processes(host):
        program = unit.argv[0].rpartition("/")[2] if unit.argv else "a program that systemd does not tell"
        return None if program in DAEMON_NAMES else program
    comm, cgroup = [read_text("{}/{}/{}".format(proc, unit.main_pid, name)) for name in ("comm", "cgroup")]
    if isinstance(comm, Unknown) or isinstance(cgroup, Unknown) or UNIT not in cgroup:
        return None
    return None if comm.startswith("docker") else comm


def is_daemon(words: List[str]) -> bool:
    """Whether these words start Docker's daemon: ``dockerd``, or ``docker daemon`` as it was before 1.12."""
    return any(word.rpartition("/")[2] in DAEMON_NAMES for word in words)


def find_config_path(flags: Union[List[str], Unknown]) -> str:
    """Find where the daemon reads its file; ``--config-file`` moves it."""
    if isinstance(flags, Unknown):
        return DEFAULT_PATH
    for index, word in enumerate(flags):
        if word.startswith("--config-file="):
            return word.partition("=")[2]
        if word == "--config-file" and index + 1 < len(flags):
            return flags[index + 1]
    return DEFAULT_PATH


def find_cluster_flags(flags: List[str]) -> List[str]:
    """Find the ``cluster-*`` options among the daemon's words."""
    return sorted({word.partition("=")[0][2:] for word in flags if word.startswith("--cluster-")})
