"""The etcd stand-in for hosts: `etcd --version`, and `etcd gateway start`, which forwards TCP to the members."""

import contextlib
import os
import selectors
import socket
import socketserver
import sys
from collections.abc import Sequence
from pathlib import Path

from calico_dcos.sim.standins.srv import LookupFailedError, look_up_srv, read_name_server

_VERSION = "3.3.12"
_CHUNK_BYTES = 1 << 16
_DIAL_TIMEOUT_S = 2
_SERVICES = ("_etcd-client-ssl._tcp", "_etcd-client._tcp")

Address = tuple[str, int]


class UsageError(Exception):
    """etcd refuses the command line; the message is etcd's."""


def main(_root: str) -> int:
    """Carry out the command line of this process; the host is told by CALICO_DCOS_ROOT, as one archive serves all."""
    match sys.argv[1:]:
        case ["--version"]:
            print(f"etcd Version: {_VERSION}\nGit SHA: stand-in\nGo Version: stand-in\nGo OS/Arch: linux/amd64")
            return 0
        case ["gateway", "start", *arguments]:
            return run_gateway(arguments, Path(os.environ.get("CALICO_DCOS_ROOT", "/")))
    print("the stand-in of etcd has --version and gateway start only", file=sys.stderr)
    return 1


def run_gateway(arguments: Sequence[str], root: Path) -> int:
    """Forward until this process is ended."""
    try:
        listen, members = plan_gateway(arguments, root)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 1
    with _Gateway(listen, members) as gateway:
        print(f"ready to proxy client requests to {members}", file=sys.stderr, flush=True)
        gateway.serve_forever()
    return 0


def plan_gateway(arguments: Sequence[str], root: Path) -> tuple[Address, list[Address]]:
    """Read where to listen and find where to forward to.

    Raises:
        UsageError: there is nothing to forward to.
    """
    options = parse_options(arguments)
    listen = options.get("listen-addr", "127.0.0.1:23790")
    if name := options.get("discovery-srv"):
        # etcd drops plain http endpoints unless told otherwise, and then complains of something else.
        members = discover(name, root) if "insecure-discovery" in options else []
        if not members:
            detail = "should not resolve to the gateway listen addr"
            raise UsageError(f"SRV or endpoint ({listen}->{listen}) {detail} ({listen})")
    else:
        endpoints = options.get("endpoints", "127.0.0.1:2379").split(",")
        members = [parse_address(endpoint.rpartition("//")[2]) for endpoint in endpoints]
    return parse_address(listen), members


def discover(name: str, root: Path) -> list[Address]:
    """Look up the members behind an SRV name; none if it is not known."""
    server = read_name_server(root)
    members: list[Address] = []
    for service in _SERVICES:
        try:
            members += look_up_srv(server, f"{service}.{name}")
        except LookupFailedError as error:
            print(error, file=sys.stderr)
    return members


def parse_options(arguments: Sequence[str]) -> dict[str, str]:
    """Read `--name=value`, `--name value` and `--name`, with one dash or two."""
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, has_value, value = rest.pop(0).lstrip("-").partition("=")
        if not has_value and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        options[name] = value
    return options


def parse_address(text: str) -> Address:
    """Split `host:port`."""
    host, _, port = text.rpartition(":")
    return host, int(port)


class _Gateway(socketserver.ThreadingTCPServer):
    """Listens, and forwards each connection to the first member that takes it."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, listen: Address, members: list[Address]) -> None:
        self.members = members
        super().__init__(listen, _Connection)


class _Connection(socketserver.BaseRequestHandler):
    """One connection; it is dropped if no member takes it."""

    server: _Gateway

    def handle(self) -> None:
        upstream = self._dial()
        if upstream is None:
            return
        with upstream, contextlib.suppress(ConnectionError):
            _copy_both_ways(self.request, upstream)

    def _dial(self) -> socket.socket | None:
        for member in self.server.members:
            with contextlib.suppress(OSError):
                upstream = socket.create_connection(member, _DIAL_TIMEOUT_S)
                upstream.settimeout(None)
                return upstream
        return None


def _copy_both_ways(first: socket.socket, second: socket.socket) -> None:
    """Copy until one side has closed."""
    with selectors.DefaultSelector() as selector:
        selector.register(first, selectors.EVENT_READ, (first, second))
        selector.register(second, selectors.EVENT_READ, (second, first))
        while True:
            for key, _ in selector.select():
                source, sink = key.data
                chunk = source.recv(_CHUNK_BYTES)
                if not chunk:
                    return
                sink.sendall(chunk)
