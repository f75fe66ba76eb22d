"""What ties a simulated workload to the network: takes its connections, and passes on what the network would."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import calico_dcos
from calico_dcos.sim.standins.network.etcd_keys import is_kept_out
from calico_dcos.sim.standins.network.faults import find_fault
from calico_dcos.sim.standins.network.places import PING_PORT, PORT, Place, find_host

# For how long a packet that is lost keeps its sender waiting: longer than anybody waits.
_LOST_S = 30.0
_CHUNK = 1 << 16
_MTU = 1500


@dataclass(frozen=True, slots=True)
class End:
    """One end of the network: the workload that the wire is tied to."""

    root: Path
    host_address: str
    address: str
    behind: str
    labels: dict[str, str]
    etcd: str

    @property
    def directory(self) -> Path:
        """Where the roots of all hosts are."""
        return self.root.parent

    def find_loss(self, client: str, kinds: tuple[str, ...]) -> str | None:
        """Why a packet from an address does not arrive, None if it does."""
        host = find_host(self.directory, client)
        if not host:
            return "comes from nowhere"
        for kind in kinds:
            if find_fault(self.directory, kind, host, self.root.name) is not None:
                return kind
        has_policies = find_fault(self.directory, "no-policy", host, self.root.name) is None
        return "policy" if self.labels and has_policies and is_kept_out(self.etcd, self.labels) else None


def build_command(root: Path, place: Place) -> list[str]:
    """Build the command line of a wire."""
    project = str(Path(calico_dcos.__file__).parent.parent)
    code = f"import sys; sys.path.insert(0, {project!r}); from {__name__} import main; main(sys.argv[1])"
    _, network, host, _ = place.address.split(".")
    end = {
        "root": str(root),
        "host_address": f"127.0.{network}.{host}",
        "address": place.address,
        "behind": place.behind,
        "labels": place.labels,
        "etcd": place.etcd,
    }
    return [sys.executable, "-IS", "-c", code, json.dumps(end)]


def main(text: str) -> None:
    """Serve until killed."""
    fields: dict[str, Any] = json.loads(text)
    end = End(**{**fields, "root": Path(fields["root"])})
    passing = socket.create_server((end.address, PORT))
    pinged = socket.create_server((end.address, PING_PORT))
    print("up", flush=True)
    threading.Thread(target=_accept, args=(pinged, _answer_ping, end), daemon=True).start()
    _accept(passing, _pass_on, end)


def _accept(server: socket.socket, act: Any, end: End) -> None:
    while True:
        peer, (client, _) = server.accept()
        threading.Thread(target=_act, args=(act, peer, client, end), daemon=True).start()


def _act(act: Any, peer: socket.socket, client: str, end: End) -> None:
    with peer, contextlib.suppress(OSError, ValueError):
        act(peer, client, end)


def _pass_on(peer: socket.socket, client: str, end: End) -> None:
    """Pass a connection on, or lose it: its sender then hears nothing more."""
    if end.find_loss(client, ("cut", "no-route")) is not None:
        _lose(peer)
        return
    host = find_host(end.directory, client)
    is_masked = find_fault(end.directory, "masquerade", host, end.root.name) is not None
    source = end.host_address if is_masked else client
    with socket.create_connection((end.behind, PORT), 5, (source, 0)) as behind:
        _join(peer, behind)


def _lose(peer: socket.socket) -> None:
    peer.settimeout(_LOST_S)
    while peer.recv(_CHUNK):
        pass


def _join(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until both have ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while selector.get_map():
            for key, _ in selector.select(_LOST_S):
                source: Any = key.fileobj
                data = source.recv(_CHUNK)
                if data:
                    key.data.sendall(data)
                    continue
                selector.unregister(source)
                with contextlib.suppress(OSError):
                    key.data.shutdown(socket.SHUT_WR)


def _answer_ping(peer: socket.socket, client: str, end: End) -> None:
    """Answer a ping of {"length": bytes, "is_whole": bool}, or lose it."""
    wanted = json.loads(peer.recv(_CHUNK))
    loss = end.find_loss(client, ("cut", "no-route", "no-ping"))
    narrow = find_fault(end.directory, "mtu", find_host(end.directory, client), end.root.name)
    mtu = _MTU if narrow is None else narrow.mtu
    is_too_long = wanted["is_whole"] and wanted["length"] > mtu
    peer.sendall(json.dumps({"is_answered": loss is None and not is_too_long}).encode())
