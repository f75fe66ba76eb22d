"""Docker's API over its socket: the only place where Docker's state is read; the text of its CLI differs by version."""

import json
import os
import struct
from typing import Any, List
from urllib.parse import quote

from .documents import load_json
from .host import Host
from .redaction import hide_secrets
from .web import NOT_FOUND, OK, Answer, UnixConnection, UnreachableError, call

# The last of the answers that say: done. 304: it is so already.
NOT_MODIFIED = 304
# How the lines of a log come, one of its streams at a time.
FRAME = struct.Struct(">BxxxL")
STREAMS = (0, 1, 2)
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
    return _parse(path, _call(host, "GET", path, timeout_s))


def read_bytes(host: Host, path: str, timeout_s: float = 10) -> bytes:
    """Read one resource that is no JSON; raises as read_json does."""
    return _call(host, "GET", path, timeout_s).body


def act(host: Host, method: str, path: str, timeout_s: float, body: Any = None) -> bytes:
    """Have something done, and return what Docker tells; that it is so already is as good. Raises as read_json does."""
    return _call(host, method, path, timeout_s, body).body


def _call(host: Host, method: str, path: str, timeout_s: float, body: Any = None) -> Answer:
    """Call, and sort out the errors; Docker's words for them are in its answer."""
    encoded = None if body is None else json.dumps(body).encode("utf-8")
    headers = {} if body is None else {"Content-Type": "application/json"}
    try:
        answer = call(UnixConnection(find_socket(host), timeout_s), method, path, encoded, headers)
    except UnreachableError as error:
        raise DockerAwayError("Docker does not answer {}: {}".format(path, error)) from error
    if answer.status == NOT_FOUND:
        raise NoSuchObjectError(_find_message(path, answer))
    if not OK <= answer.status <= NOT_MODIFIED:
        raise DockerAwayError(
            "Docker answers {} with status {}: {}".format(path, answer.status, _find_message(path, answer))
        )
    return answer


def _find_message(path: str, answer: Answer) -> str:
    """Find what Docker says; its older versions say it without JSON."""
    text = answer.body.decode("utf-8", "replace").strip()
    try:
        return str(load_json(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text or path


def _parse(path: str, answer: Answer) -> Any:
    try:
        return load_json(answer.body.decode("utf-8"))
    except ValueError as error:
        raise DockerAwayError("Docker answers {} with status {} and no JSON".format(path, answer.status)) from error


def read_container(host: Host, name: str) -> Any:
    """Read one container by its name or id; raises as read_json does."""
    return read_json(host, "/containers/{}/json".format(quote(name, safe="")))


def has_image(host: Host, image: str) -> bool:
    """Whether the image is here; DockerAwayError as with read_json."""
    try:
        read_json(host, "/images/{}/json".format(image))
    except NoSuchObjectError:
        return False
    return True


def parse_log(content: bytes) -> List[str]:
    """Read the lines of a log: in frames of stdout and stderr, or plain where the container has a terminal.

    Secrets are hidden here, where the lines are still together: a line of a key tells nothing of what it is.
    """
    text = b""
    offset = 0
    while offset + FRAME.size <= len(content):
        stream, length = FRAME.unpack_from(content, offset)
        if stream not in STREAMS or content[offset + 1 : offset + 4] != b"\0\0\0":
            return hide_secrets(content.decode("utf-8", "replace")).splitlines()
        text += content[offset + FRAME.size : offset + FRAME.size + length]
        offset += FRAME.size + length
    return hide_secrets(text.decode("utf-8", "replace")).splitlines()


def find_socket(host: Host) -> str:
    """Choose the first socket that is there; the last one is named where there is none."""
    for path in SOCKETS:
        if os.path.exists(host.path(path)):
            return host.path(path)
    return host.path(SOCKETS[-1])
