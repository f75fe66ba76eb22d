"""Whether Docker and its containers are up: waits for both, starts Docker where it is down, and tells.

A note says that Docker was up when a change to it began, and which containers were: a run that finds the note knows
what another, which was killed, has left to be brought up.
"""

import json
import time
from typing import Dict, List, Optional, Tuple

from . import systemd
from .docker_api import DockerAwayError, NoSuchObjectError, read_container, read_json
from .facts.docker import UNIT, name_container
from .files import FileError, read_file, remove_file, write_file
from .host import STATE_DIR, Host, ToolError

NOTE_FILE = STATE_DIR + "/docker-was-up.json"
POLL_S = 0.2
NAMES_MAX = 20
# What docker.service may take for each container that runs, besides what the option gives for Docker itself: it stops
# all of them at once, in 10 s each at most, and starts those that are to be up before systemd takes it for started. One
# takes about 0.3 s on an idle machine; this leaves room for a loaded disk.
PATIENCE_FOR_EACH_S = 2
# So that a run ends at all: others wait for it, and systemd's own limits are shorter.
PATIENCE_MORE_MAX_S = 600
UP = ("active", "reloading")
ON_ITS_WAY = ("activating", "deactivating")
DOWN = ("inactive", "failed")
NOT_UP = "Docker is not up"

# Pid and start of each running container, by name.
Containers = Dict[str, Tuple[int, str]]


class ContainersError(Exception):
    """Docker does not tell which containers run."""


def compute_patience_s(timeout_s: float, containers: int) -> float:
    """Compute how long Docker may take to stop, start and show its containers, in seconds."""
    return timeout_s + min(containers * PATIENCE_FOR_EACH_S, PATIENCE_MORE_MAX_S)


def begin_change(host: Host, containers: Containers) -> None:
    """Note that Docker is up, and with which containers; FileError if that is not possible."""
    write_file(host, host.path(NOTE_FILE), (json.dumps(sorted(containers)) + "\n").encode("utf-8"))


def end_change(host: Host) -> None:
    """Take the note away: Docker is up again, or nobody can bring it up; FileError if that is not possible."""
    remove_file(host.path(NOTE_FILE))


def read_begun(host: Host) -> Optional[List[str]]:
    """Read which containers ran when a change began that did not end; None where there is none."""
    try:
        content = read_file(host.path(NOTE_FILE))
        names = None if content is None else json.loads(content.decode("utf-8"))
    except (FileError, ValueError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else None


def read_containers(host: Host) -> Containers:
    """Read pid and start of each running container.

    Raises:
        ContainersError: Docker does not tell.
    """
    running = {}  # type: Containers
    try:
        for entry in read_json(host, "/containers/json"):
            try:
                state = read_container(host, entry["Id"])["State"]
            except NoSuchObjectError:
                continue  # it ended since it was listed
            running[name_container(entry)] = (state["Pid"], state["StartedAt"])
    except (DockerAwayError, NoSuchObjectError, KeyError, TypeError) as error:
        raise ContainersError("the running containers cannot be read: {}".format(error)) from error
    return running


def restart_docker_unit(host: Host, patience_s: float) -> None:
    """Restart Docker once; a restart that takes longer goes on by itself, and is waited for, never begun again.

    Raises:
        ToolError: Docker is not up within patience_s.
    """
    deadline = time.monotonic() + patience_s
    try:
        systemd.restart_unit(host, UNIT, patience_s)
    except ToolError:
        if systemd.read_unit(host, UNIT).active_state not in ON_ITS_WAY:
            raise
    unit = wait_for_unit(host, deadline)
    if unit.active_state not in UP:
        raise ToolError("{} is {} {:g} s after its restart began".format(UNIT, unit.active_state, patience_s))


def wait_for_unit(host: Host, deadline: float) -> systemd.Unit:
    """Wait until systemd is done with the unit, whatever came of it.

    Raises:
        ToolError: systemd does not answer.
    """
    while True:
        unit = systemd.read_unit(host, UNIT)
        if unit.active_state not in ON_ITS_WAY or time.monotonic() >= deadline:
            return unit
        time.sleep(POLL_S)


def start_docker_if_down(host: Host, patience_s: float) -> str:
    """Start Docker where it is down, and tell how it is; one that runs, or is on its way, keeps what it has."""
    try:
        unit = wait_for_unit(host, time.monotonic() + patience_s)
        if unit.active_state in UP:
            return "Docker is up (pid {})".format(unit.main_pid)
        if unit.active_state in ON_ITS_WAY:
            return "{}: {} is still {}, and left alone".format(NOT_UP, UNIT, unit.active_state)
        systemd.start_unit(host, UNIT, patience_s)
    except ToolError as error:
        return "Docker is down: {}".format(error)
    return "Docker was started again with it"


def tell_containers(host: Host, before: Containers, patience_s: float) -> str:
    """Tell which of the containers that were running are not up again; Docker needs a moment after its start."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            down = sorted(set(before) - set(read_containers(host)))
            fault = "not up again: {}".format(_name_some(down)) if down else ""
        except ContainersError as error:
            fault = "not up: {} ({})".format(_name_some(sorted(before)), error) if before else str(error)
        if not fault or time.monotonic() >= deadline:
            return fault or "all {} containers are up".format(len(before))
        time.sleep(POLL_S)


def _name_some(names: List[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (", and {} more".format(more) if more > 0 else "")
