"""Calls to the daemon's socket, for the command line."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import quote, urlencode


class DockerError(Exception):
    """What docker prints, and the status it exits with; by default those of an error that the daemon reported."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(DockerError):
    """The daemon has no such thing."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class Client:
    """Calls the daemon on one socket."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path

    def call(self, method: str, path: str, query: dict[str, str] | None = None, body: object = None) -> bytes:
        """Make a call and read the whole answer.

        Raises:
            NotFoundError: there is no such thing.
            DockerError: the daemon is not there, or refuses.
        """
        connection = _UnixConnection(self._path)
        target = quote(path) + (f"?{urlencode(query)}" if query else "")
        content = json.dumps(body) if body is not None else None
        try:
            connection.request(method, target, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except OSError as error:
            raise DockerError(
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
            ) from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            kind = NotFoundError if response.status == http.client.NOT_FOUND else DockerError
            raise kind(f"Error response from daemon: {json.loads(answer)['message']}")
        return answer

    def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        """GET JSON; raises as `call` does."""
        return json.loads(self.call("GET", path, query))
