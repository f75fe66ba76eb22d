"""Facts: which process answers on Docker's socket. It need not be that of docker.service."""

import os
import socket
import struct
from typing import List, NamedTuple, Union

from .. import systemd
from ..docker_api import find_socket
from ..dockerd_options import find_given
from ..host import Host, ToolError
from ..unknown import Unknown
from ..web import UnixConnection
from .daemon_json import DaemonJson
from .system import read_text

SOCKET_UNIT = "docker.socket"
PID_FILES = ("/var/run/docker.pid", "/run/docker.pid")
TIMEOUT_S = 2
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
SYSTEMD_PID = 1

# listener: the process that listens on the socket, as it is numbered here; 0: in a PID namespace that is not seen; 1:
# systemd, which starts Docker for its socket. listener_unit: the unit of that process; empty where that is not seen.
# started_by_socket: the units that systemd starts for the socket, where it listens. pid_file: the process that wrote
# Docker's PID file, as the host numbers it; null where there is no such file.
Server = NamedTuple(
    "Server",
    [
        ("listener", Union[int, Unknown]),
        ("listener_unit", str),
        ("started_by_socket", Union[List[str], Unknown]),
        ("pid_file", Union[int, None, Unknown]),
    ],
)


def read_server(host: Host, flags: Union[List[str], Unknown], file: Union[DaemonJson, Unknown]) -> Server:
    """Read who answers."""
    listener = read_listener(find_socket(host))
    return Server(
        listener=listener,
        listener_unit=read_unit_of(listener) if isinstance(listener, int) and listener > SYSTEMD_PID else "",
        started_by_socket=_read_started(host) if listener == SYSTEMD_PID else [],
        pid_file=read_pid_file(host, flags, file),
    )


def read_listener(path: str) -> Union[int, Unknown]:
    """Ask the kernel which process listens on a unix socket."""
    connection = UnixConnection(path, TIMEOUT_S)
    try:
        connection.connect()
        answer = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    except OSError as error:
        return Unknown("Docker's socket: {}".format(error.strerror or error))
    finally:
        connection.close()
    return int(CREDENTIALS.unpack(answer)[0])


def read_unit_of(pid: int) -> str:
    """Read the unit of a process from its control groups; empty where it is in none, or not seen."""
    cgroups = read_text("/proc/{}/cgroup".format(pid))
    names = [] if isinstance(cgroups, Unknown) else cgroups.replace("/", "\n").splitlines()
    return next((name for name in names if name.endswith(".service")), "")


def _read_started(host: Host) -> Union[List[str], Unknown]:
    try:
        return systemd.read_unit(host, SOCKET_UNIT).triggers
    except ToolError as error:
        return Unknown(str(error))


def read_pid_file(
    host: Host, flags: Union[List[str], Unknown], file: Union[DaemonJson, Unknown]
) -> Union[int, None, Unknown]:
    """Read Docker's PID file, wherever it is."""
    if isinstance(flags, Unknown) or isinstance(file, Unknown):
        return Unknown("where it is is not known")
    if "pidfile" in file.keys:
        return Unknown("{} moves it".format(file.path))
    for path in find_given(flags).get("pidfile", PID_FILES):
        if os.path.exists(host.path(path)):
            text = read_text(host.path(path))
            if isinstance(text, Unknown):
                return text
            return int(text) if text.isdigit() else Unknown("{} has no number in it".format(path))
    return None
