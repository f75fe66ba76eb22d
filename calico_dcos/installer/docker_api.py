"""Docker's API over its socket: the only place where Docker's state is read; the text of its CLI differs by version."""

import json
import os
from typing import Any
from urllib.parse import quote

from .host import Host
from .web import NOT_FOUND, OK, UnixConnection, UnreachableError, call

SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")


class DockerAwayError(Exception):
    """Docker does not answer, in time or at all."""


class NoSuchObjectError(Exception):
    """Docker answers that there is no such thing."""


def read_json(host: Host, path: str, timeout_s: float = 10) -> Any:
    """Read one resource, without a version prefix: each daemon answers in its own.

    Raises:
        DockerAwayError: no answer within timeout_s, or an error.
        NoSuchObjectError: there is no such thing.
    """
    answer = None
    try:
        answer = call(UnixConnection(_find_socket(host), timeout_s), "GET", path)
        content = json.loads(answer.body.decode("utf-8"))
    except UnreachableError as error:
        raise DockerAwayError("Docker does not answer {}: {}".format(path, error)) from error
    except ValueError as error:
        status = answer.status if answer else 0
        raise DockerAwayError("Docker answers {} with status {} and no JSON".format(path, status)) from error
    if answer.status == NOT_FOUND:
        raise NoSuchObjectError(str(content.get("message", path)))
    if answer.status != OK:
        raise DockerAwayError("Docker answers {} with status {}: {}".format(path, answer.status, content))
    return content


def read_container(host: Host, name: str) -> Any:
    """Read one container by its name or id; raises as read_json does."""
    return read_json(host, "/containers/{}/json".format(quote(name, safe="")))


def _find_socket(host: Host) -> str:
    """Choose the first socket that is there; the last one is named where there is none."""
    for path in SOCKETS:
        if os.path.exists(host.path(path)):
            return host.path(path)
    return host.path(SOCKETS[-1])
