"""The way back from a change to Docker that did not work out: the old file, Docker up where it was up, and no more.

Whatever fails on it is told, and it goes on: its last words are always what is up and what is not.
"""

from typing import List

from . import systemd
from .backups import OPEN
from .docker_up import (
    DOWN,
    NOT_UP,
    Containers,
    compute_patience_s,
    end_change,
    read_begun,
    start_docker_if_down,
    tell_containers,
)
from .facts.docker import UNIT
from .files import FileError
from .host import Host
from .rollbacks import DOCKER, save_rollback
from .undo import STORE_BACKUP, undo_change
from .wanted import Wanted

INTERRUPTED = "a run that changed Docker was ended before its end"


def bring_back(host: Host, wanted: Wanted, reason: str, containers: Containers) -> List[str]:
    """Put the old file back, note that this is not tried twice, and bring Docker up where it is down.

    After a reload the file alone: a second SIGHUP with another value is what hangs Docker. A Docker that is on its way
    up is waited for, not started anew.
    """
    told = []  # type: List[str]
    try:
        told += undo_change(host, STORE_BACKUP, states=(OPEN,)) or ["daemon.json is as it was before"]
        # Not before: a run that is refused for this note undoes nothing.
        told += save_rollback(host, DOCKER, wanted, reason)
    except (FileError, OSError) as error:
        told.append("putting things back failed: {}".format(error))
    return told + tell_what_is_up(host, wanted, containers)


def tell_what_is_up(host: Host, wanted: Wanted, containers: Containers) -> List[str]:
    """Bring Docker up where it is down, and tell whether it is, and its containers."""
    patience_s = compute_patience_s(wanted.cluster_store.timeout_s, len(containers))
    first = start_docker_if_down(host, patience_s)
    containers_told = tell_containers(host, containers, patience_s)
    # The wait for the containers may have seen it come up.
    told = [start_docker_if_down(host, patience_s) if first.startswith(NOT_UP) else first, containers_told]
    try:
        end_change(host)
    except FileError as error:
        told.insert(0, "the note that Docker was up cannot be taken away: {}".format(error))
    return told


def is_docker_left_down(host: Host) -> bool:
    """Whether a run was ended in the middle of a change to Docker, which is down now; ToolError if that is not told."""
    return read_begun(host) is not None and systemd.read_unit(host, UNIT).active_state in DOWN


def bring_back_left(host: Host, wanted: Wanted) -> List[str]:
    """Bring back what a run left that was ended in the middle of a change."""
    return bring_back(host, wanted, INTERRUPTED, _read_left(host))


def tell_what_is_left_up(host: Host, wanted: Wanted) -> List[str]:
    """Tell what is up after a change to Docker that was begun and whose end was not reached; nothing without one."""
    return [] if read_begun(host) is None else tell_what_is_up(host, wanted, _read_left(host))


def _read_left(host: Host) -> Containers:
    return dict.fromkeys(read_begun(host) or [], (0, ""))
