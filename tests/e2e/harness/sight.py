"""What tests read off a host with their own eyes, asking nothing of ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.harness.host import Host

_PASSING = (  # logs, sandboxes and containers change all the time
    "/run",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/mesos",
    "/var/log",
)
_PRINTED = r"%p\t%i\t%M\t%u:%g\t%T@\n"


@dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be taken for a later one with the same id."""

    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container as Docker describes it, and the process that is in it."""

    id: str
    image: str
    process: Process
    environment: Mapping[str, str]
    restart_policy: str
    is_privileged: bool
    network: str


@dataclass(frozen=True, slots=True)
class File:
    """What tells whether a file was written again, even with what it held before."""

    inode: str
    mode: str
    owner: str
    modified: str


def read_docker(host: Host, path: str) -> Any:
    """Ask Docker's API, over its socket on the host."""
    return json.loads(
        host.run(["curl", "--silent", "--fail", "--unix-socket", "/run/docker.sock", f"http://docker{path}"])
    )


def read_container(host: Host, name: str) -> Container:
    """Return a running container."""
    found = read_docker(host, f"/containers/{name}/json")
    return Container(
        id=found["Id"],
        image=found["Config"]["Image"],
        process=read_process(host, found["State"]["Pid"]),
        environment=dict(setting.split("=", 1) for setting in found["Config"]["Env"] or []),
        restart_policy=found["HostConfig"]["RestartPolicy"]["Name"],
        is_privileged=found["HostConfig"]["Privileged"],
        network=found["HostConfig"]["NetworkMode"],
    )


def read_container_names(host: Host) -> list[str]:
    """Return the names of the running containers."""
    return sorted(found["Names"][0].removeprefix("/") for found in read_docker(host, "/containers/json"))


def read_unit(host: Host, unit: str) -> Process:
    """Return the main process of a systemd unit that is up."""
    return read_process(host, int(host.run(["systemctl", "show", "--property=MainPID", "--value", unit])))


def read_process(host: Host, pid: int) -> Process:
    """Return a process of the host; `pid` is the host's."""
    after_name = host.run(["cat", f"/proc/{pid}/stat"]).rpartition(")")[2].split()
    return Process(pid, int(after_name[19]))  # field 22 of proc(5), counted behind the name


def read_listener(host: Host, port: int) -> Process:
    """Return the process that listens on a TCP port."""
    listed = host.run(["ss", "--no-header", "--listening", "--tcp", "--processes", "--numeric", f"sport = :{port}"])
    return read_process(host, int(listed.partition("pid=")[2].partition(",")[0]))


def read_file(host: Host, path: str) -> File:
    """Return what is known of one file."""
    return _parse_files(host.run(["find", path, "-maxdepth", "0", "-printf", _PRINTED]))[path]


def read_files(host: Host) -> Mapping[str, File]:
    """Return every file and directory of the host's root file system, less what changes all the time."""
    pruned = [word for path in _PASSING for word in ("-path", path, "-prune", "-o")]
    return _parse_files(host.run(["find", "/", "-xdev", *pruned, "-printf", _PRINTED]))


def _parse_files(printed: str) -> dict[str, File]:
    return {path: File(*fields) for path, *fields in (line.split("\t") for line in printed.splitlines())}


def find_differences(before: Mapping[str, File], after: Mapping[str, File]) -> list[str]:
    """Return the paths of files that came, went, or were written again."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
