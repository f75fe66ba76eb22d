"""What must hold before anything is touched, whatever the step: room on the disk, the right machine, etcd's v2 API."""

import re
from typing import List, Optional
from urllib.parse import urlsplit

from ..facts.disk import Disk
from ..facts.etcd import Endpoint
from ..rollbacks import ROLLBACK_FILE, Rollback, find_rollback
from ..unknown import Unknown
from ..wanted import Wanted
from .changes import Decision, refuse

MEGABYTE = 1 << 20
# What uname -m says of the machines that releases name otherwise.
MACHINES = {
    "amd64": "x86_64",
    "x86_64": "x86_64",
    "arm64": "aarch64",
    "aarch64": "aarch64",
    "armhf": "armv7l",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


def guard(decision: Decision, refusals: List[Optional[Decision]]) -> Decision:
    """Refuse what a decision would change where a condition does not hold; one that changes nothing may stay so."""
    if not decision.changes:
        return decision
    for refusal in refusals:
        if refusal is not None:
            return refusal._replace(warnings=decision.warnings)
    return decision


def refuse_disk(disks: List[Disk], path: str, need_mb: int) -> Optional[Decision]:
    """Refuse to begin what would end halfway: too little room under path, or none that may be written."""
    for disk in disks:
        if disk.path != path or isinstance(disk.room, Unknown):
            continue
        if disk.room.is_read_only:
            return refuse("{} is mounted read-only".format(disk.looked_at), "mount it writable")
        free_mb = disk.room.free_bytes // MEGABYTE
        if free_mb < need_mb:
            return refuse(
                "{} has {} MB left, and {} MB are needed".format(disk.looked_at, free_mb, need_mb), "make room there"
            )
        if disk.room.free_inodes == 0:
            return refuse("{} has no inode left".format(disk.looked_at), "remove files there")
    return None


def refuse_noexec(disks: List[Disk], path: str, what: str) -> Optional[Decision]:
    """Refuse to put a program where none may be run."""
    for disk in disks:
        if disk.path == path and not isinstance(disk.room, Unknown) and disk.room.is_noexec:
            return refuse(
                "{} is mounted noexec, and {} is to be run from {}".format(disk.looked_at, what, path),
                "mount a file system without noexec at {}".format(path),
            )
    return None


def refuse_rolled_back(notes: List[Rollback], restarted: str, wanted: Wanted) -> Optional[Decision]:
    """Refuse to restart again what was rolled back with the same wanted state."""
    note = find_rollback(notes, restarted, wanted)
    if note is None:
        return None
    return refuse(
        "rolled back before, and not tried twice ({})".format(note.reason),
        "mend the cause, then retry this agent (by hand: delete {})".format(ROLLBACK_FILE),
    )


def refuse_architecture(url: str, machine: str) -> Optional[Decision]:
    """Refuse a download whose name tells of another machine; what it really is built for is checked once it is here."""
    name = urlsplit(url).path.rpartition("/")[2]
    named = {MACHINES[word] for word in re.findall("|".join(sorted(MACHINES)), name)}
    if not named or machine in named:
        return None
    return refuse(
        "{} is for {}, and this machine is {}".format(name, " and ".join(sorted(named)), machine),
        "set the option for its URL to one that is built for {}, or leave this host out".format(machine),
    )


def refuse_without_v2(etcd: List[Endpoint], store_url: str) -> Optional[Decision]:
    """Refuse a store whose etcd has no v2 API, the only one that Docker speaks."""
    addresses = urlsplit(store_url).netloc.split(",")
    for endpoint in etcd:
        if endpoint.has_v2 is False and store_url.startswith("etcd:") and urlsplit(endpoint.url).netloc in addresses:
            return refuse(
                "etcd at {} has its v2 API off, and Docker's cluster store speaks no other".format(endpoint.url),
                "start etcd with --enable-v2 (etcd 3.6 has it no more: run an older one)",
            )
    return None
