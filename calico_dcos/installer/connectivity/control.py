"""The unix socket between a probe and the workload on its host: one question in JSON a connection, and its answer."""

import contextlib
import json
import os
import shutil
import socket
from typing import Any, Dict

from ..host import Host

DIRECTORY = "/run/calico-dcos/connectivity"
SOCKET = "workload"
MESSAGE_MAX = 65536


class WorkloadAwayError(Exception):
    """The workload does not answer; the text says why."""


def find_directory(host: Host, run: str) -> str:
    """Find the directory of a run."""
    return host.path("{}/{}".format(DIRECTORY, run))


def ask(host: Host, run: str, question: Dict[str, Any], timeout_s: float) -> Dict[str, Any]:
    """Ask the workload on this host.

    Raises:
        WorkloadAwayError: no answer within timeout_s.
    """
    try:
        with _open_directory(find_directory(host, run)) as directory, socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(timeout_s)
            peer.connect("{}/{}".format(directory, SOCKET))
            peer.sendall(json.dumps(question).encode("utf-8") + b"\n")
            return read_message(peer)
    except (OSError, ValueError) as error:
        raise WorkloadAwayError(
            "the workload does not answer on its socket in {}: {}".format(DIRECTORY, error)
        ) from error


def listen(host: Host, run: str) -> socket.socket:
    """Listen for probes, in a directory that nobody but root enters; OSError if that is not possible."""
    path = find_directory(host, run)
    os.makedirs(path, mode=0o700, exist_ok=True)
    with _open_directory(path) as directory:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, SOCKET))
        server = socket.socket(socket.AF_UNIX)
        server.bind("{}/{}".format(directory, SOCKET))
        server.listen(8)
        return server


def read_message(peer: socket.socket) -> Dict[str, Any]:
    """Read one line of JSON; ValueError if it is none, OSError if it does not come."""
    line = b""
    while not line.endswith(b"\n"):
        part = peer.recv(4096)
        if not part or len(line) > MESSAGE_MAX:
            raise ValueError("it ends in the middle of a message")
        line += part
    content = json.loads(line.decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  (whoever reads it asks for a message, not a type)
    return content


def forget(host: Host, run: str) -> None:
    """Remove the directory of a run."""
    shutil.rmtree(find_directory(host, run), ignore_errors=True)


def sweep(host: Host) -> None:
    """Remove the directories of runs whose workload does not listen any more."""
    try:
        runs = os.listdir(host.path(DIRECTORY))
    except OSError:
        return
    for run in runs:
        if not _is_alive(host, run):
            forget(host, run)


def _is_alive(host: Host, run: str) -> bool:
    try:
        with _open_directory(find_directory(host, run)) as directory, socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(1)
            peer.connect("{}/{}".format(directory, SOCKET))
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        # One that is about to listen has its directory already; its age tells nothing, so it stays.
        return not os.path.exists(os.path.join(find_directory(host, run), SOCKET))


@contextlib.contextmanager
def _open_directory(path: str) -> Any:
    """Name a directory by a short path: those of sockets must fit into 107 bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield "/proc/self/fd/{}".format(descriptor)
    finally:
        os.close(descriptor)
