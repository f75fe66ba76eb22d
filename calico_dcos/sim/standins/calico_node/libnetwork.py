"""The plugin for Docker's networks: two sockets in the directory where Docker looks for plugins."""

import json
import socketserver
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

DIRECTORY = "/run/docker/plugins"

_CONTENT_TYPE = "application/vnd.docker.plugins.v1.1+json"
_NOTHING: dict[str, Any] = {}
_NETWORK = {
    "/Plugin.Activate": {"Implements": ["NetworkDriver"]},
    "/NetworkDriver.GetCapabilities": {"Scope": "global"},
    "/NetworkDriver.CreateNetwork": _NOTHING,
    "/NetworkDriver.DeleteNetwork": _NOTHING,
    "/NetworkDriver.DiscoverNew": _NOTHING,
    "/NetworkDriver.DiscoverDelete": _NOTHING,
}
_IPAM = {
    "/Plugin.Activate": {"Implements": ["IpamDriver"]},
    "/IpamDriver.GetCapabilities": _NOTHING,
    "/IpamDriver.GetDefaultAddressSpaces": {
        "LocalDefaultAddressSpace": "CalicoLocalAddressSpace",
        "GlobalDefaultAddressSpace": "CalicoGlobalAddressSpace",
    },
    "/IpamDriver.RequestPool": {
        "PoolID": "CalicoPoolIPv4",
        "Pool": "0.0.0.0/0",
        "Data": {"com.docker.network.gateway": "0.0.0.0/0"},
    },
    "/IpamDriver.ReleasePool": _NOTHING,
    "/IpamDriver.ReleaseAddress": _NOTHING,
}
SOCKETS: Mapping[str, Mapping[str, Any]] = {"calico.sock": _NETWORK, "calico-ipam.sock": _IPAM}

Act = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Carries out a call of Docker, and answers it; DriverError tells Docker why not."""


class DriverError(Exception):
    """The driver refuses; the message is what Docker tells."""


class _Server(socketserver.ThreadingUnixStreamServer):
    """One socket."""

    daemon_threads = True

    def __init__(self, path: Path, answers: Mapping[str, Any], acts: Mapping[str, Act]) -> None:
        self.answers = answers
        self.acts = acts
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Handler)
        path.chmod(0o660)


class _Handler(BaseHTTPRequestHandler):
    """One call of Docker."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def address_string(self) -> str:
        """Name the caller, which has no address."""
        return "docker"

    def do_POST(self) -> None:
        """Answer."""
        question = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self._answer(question)
        content = b"404 page not found\n" if answer is None else json.dumps(answer).encode() + b"\n"
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if answer is None else _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, question: bytes) -> Mapping[str, Any] | None:
        act = self.server.acts.get(self.path)
        if act is None:
            return self.server.answers.get(self.path)
        try:
            return act(json.loads(question or b"{}"))
        except DriverError as error:
            return {"Err": str(error)}

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(directory: Path, acts: Mapping[str, Act] | None = None) -> None:
    """Serve both sockets in a directory until the process ends; `acts` carry out what is no mere question."""
    servers = [_Server(directory / name, answers, acts or {}) for name, answers in SOCKETS.items()]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()
