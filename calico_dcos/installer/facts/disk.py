"""Facts: how much room is left where something is to be written."""

import os
from typing import List, NamedTuple, Union

from ..host import Host
from ..unknown import Unknown

# looked_at: the nearest directory that exists; free_inodes: -1 where the file system counts none.
Room = NamedTuple(
    "Room",
    [("free_bytes", int), ("total_bytes", int), ("free_inodes", int), ("is_read_only", bool), ("is_noexec", bool)],
)
Disk = NamedTuple("Disk", [("path", str), ("looked_at", str), ("room", Union[Room, Unknown])])


def read_disks(host: Host, paths: List[str]) -> List[Disk]:
    """Read the room under each path, in the order given, each once."""
    return [read_disk(host, path) for path in sorted(set(paths), key=paths.index)]


def read_disk(host: Host, path: str) -> Disk:
    """Read the room under one path; where it does not exist yet, under what it will be made in."""
    nearest = path
    while nearest != "/" and not os.path.isdir(host.path(nearest)):
        nearest = os.path.dirname(nearest)
    try:
        status = os.statvfs(host.path(nearest))
    except OSError as error:
        return Disk(path, nearest, Unknown("{}: {}".format(nearest, error.strerror)))
    return Disk(
        path,
        nearest,
        Room(
            free_bytes=status.f_bavail * status.f_frsize,
            total_bytes=status.f_blocks * status.f_frsize,
            # Some file systems (btrfs) count no inodes, and say 0 of 0.
            free_inodes=status.f_favail if status.f_files else -1,
            is_read_only=bool(status.f_flag & os.ST_RDONLY),
            is_noexec=bool(status.f_flag & os.ST_NOEXEC),
        ),
    )
