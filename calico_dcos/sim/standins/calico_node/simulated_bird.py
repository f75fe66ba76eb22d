"""BIRD of a simulated host: its control socket answers as BIRD 1.6 does; sessions are sought when somebody looks.

A session is up if the other node's BIRD answers on its own address and has this node for a peer. It is sought on a
high port: that of BGP belongs to root, and to the machine.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calico_dcos.sim.standins.calico_node.etcd import Etcd, EtcdAwayError
from calico_dcos.sim.standins.calico_node.peers import BGP, Peer, list_peers
from calico_dcos.sim.standins.calico_node.startup import Node

BGP_PORT = 17900  # for 179
SOCKET = "bird.ctl"

_VERSION = "1.6.8"
_IS_ESTABLISHED = b"established\n"
_DIAL_TIMEOUT_S = 1.0
_DIALS_TIMEOUT_S = 5.0
_CACHE_S = 0.5
_MAX_LINE_BYTES = 1024
_NO_SOCKET = "Error: No listening socket"
_REFUSED = "Active        Socket: Connection refused"
_SILENT = "Connect       "
_UNREACHABLE = "Active        Socket: No route to host"
_ESTABLISHED = "Established   "


@dataclass(slots=True)
class SimulatedBird:
    """One run of BIRD."""

    node: Node
    etcd: Etcd
    directory: Path | None
    port_is_taken: bool
    say: Callable[[str], None]
    _peers: list[Peer] = field(default_factory=list)
    _peers_read_s: float = 0.0
    _listens: bool = False
    _since: dict[str, tuple[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Run until the container ends, or die for the want of a place for the control socket."""
        if self.directory is None:
            self.say("bird: Cannot create control socket /var/run/calico/bird.ctl: No such file or directory")
            return
        self._read_peers()
        with socket.socket(socket.AF_UNIX) as control, socket.socket() as bgp:
            path = self.directory / SOCKET
            path.unlink(missing_ok=True)
            control.bind(str(path))
            control.listen()
            threading.Thread(target=self._serve_bgp, args=(bgp,), daemon=True).start()
            while True:
                connection, _ = control.accept()
                threading.Thread(target=self._serve_control, args=(connection,), daemon=True).start()

    def _serve_bgp(self, listener: socket.socket) -> None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.port_is_taken:
            self.say("BGP: Cannot open socket: Address already in use")
            return
        try:
            listener.bind((self.node.address, BGP_PORT))
        except OSError as error:
            self.say(f"BGP: Cannot open socket: {error.strerror}")
            return
        listener.listen(128)
        self._listens = True
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_DIAL_TIMEOUT_S)
                caller = connection.recv(_MAX_LINE_BYTES).decode().strip()
                if any(peer.address == caller for peer in self._read_peers()):
                    connection.sendall(_IS_ESTABLISHED)

    def _serve_control(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall(f"0001 BIRD {_VERSION} ready.\n".encode())
            while line := lines.readline(_MAX_LINE_BYTES):
                connection.sendall(self._answer(line.decode(errors="replace").split()).encode())

    def _answer(self, words: list[str]) -> str:
        if words == ["show", "protocols"]:
            return self._show_protocols()
        if words == ["show", "status"]:
            return f"1000-BIRD {_VERSION}\n1011-Router ID is {self.node.address}\n0013 Daemon is up and running\n"
        return "9001 syntax error\n"

    def _show_protocols(self) -> str:
        rows = [("kernel1", "Kernel", "up", ""), ("device1", "Device", "up", ""), ("direct1", "Direct", "up", "")]
        deadline_s = time.monotonic() + _DIALS_TIMEOUT_S
        for peer in self._read_peers():
            info = self._look_at(peer, deadline_s)
            state = "up" if info == _ESTABLISHED else "down" if info == _NO_SOCKET else "start"
            rows.append((peer.protocol, "BGP", state, info))
        lines = [
            f"{name:<8} {kind:<8} {'master':<8} {state:<5}  {self._tell_since(name, state):<10}  {info}"
            for name, kind, state, info in rows
        ]
        head = "2002-name     proto    table    state  since       info"
        return "\n".join([head, f"1002-{lines[0]}", *(f" {line}" for line in lines[1:]), "0000 \n"])

    def _look_at(self, peer: Peer, deadline_s: float) -> str:
        if not self._listens:
            return _NO_SOCKET
        if not peer.address.startswith("127."):
            return _UNREACHABLE  # only simulated hosts are ever asked
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return _SILENT
        try:
            with socket.create_connection((peer.address, BGP_PORT), min(_DIAL_TIMEOUT_S, left_s)) as session:
                session.sendall(self.node.address.encode() + b"\n")
                return _ESTABLISHED if session.recv(_MAX_LINE_BYTES) == _IS_ESTABLISHED else _REFUSED
        except TimeoutError:
            return _SILENT
        except OSError:
            return _REFUSED

    def _tell_since(self, name: str, state: str) -> str:
        with self._lock:
            known = self._since.get(name)
            if known is None or known[0] != state:
                known = self._since[name] = (state, time.strftime("%H:%M:%S"))
            return known[1]

    def _read_peers(self) -> list[Peer]:
        """Read them from etcd, as confd would have; those that were known while etcd is away."""
        with self._lock:
            if time.monotonic() - self._peers_read_s >= _CACHE_S or not self._peers:
                with contextlib.suppress(EtcdAwayError):
                    self._peers = list_peers(self.etcd.read_tree(BGP), self.node)
                self._peers_read_s = time.monotonic()
            return self._peers
