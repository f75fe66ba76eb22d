"""Whether this program sees the processes of its host: a task of Mesos may have a PID namespace of its own.

systemd's private socket tells: the kernel names who listens on it by the number that it has here, and by 0 where it has
none. By the same sign systemctl refuses to talk to it there ("Failed to connect to bus: No data available").
"""

import os
import socket
import struct
from typing import Optional

from .host import Host

SYSTEMD_SOCKET = "/run/systemd/private"
TIMEOUT_S = 2
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
# The kernel's number for the namespace in which it starts its first process.
FIRST_NAMESPACE = "pid:[4026531836]"
# Both are set for every task, from Mesos 1.0 to 1.12; either will do.
TASK_VARIABLES = ("MESOS_EXECUTOR_ID", "MESOS_SANDBOX")


def is_task(host: Host) -> bool:
    """Whether this program was started by Mesos, and ends with its agent or before."""
    return any(host.variable(name) is not None for name in TASK_VARIABLES)


def sees_host_processes(host: Host) -> bool:
    """Whether /proc shows the host's processes, under the numbers that systemd and Docker know them by.

    Where systemd cannot be asked, a task is taken for one that sees its own alone.
    """
    pid = read_listener_pid(host.path(SYSTEMD_SOCKET))
    if pid is not None:
        return pid != 0
    return not is_task(host) or read_namespace() == FIRST_NAMESPACE


def read_listener_pid(path: str) -> Optional[int]:
    """Read which process listens on a unix socket, by its number here; None where nobody can be asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(path)
            answer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        except OSError:
            return None
    return int(CREDENTIALS.unpack(answer)[0])


def read_namespace() -> str:
    """Read the name of this program's PID namespace; empty where the kernel tells none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
