"""Simulated hosts that share an etcd, and a container of calico/node on each: what its tests start and look at."""

import http.client
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from calico_dcos.sim.cluster import choose_port, reserve_network
from calico_dcos.sim.etcd import EtcdServer
from calico_dcos.sim.host import Host, HostPlan, make_host
from calico_dcos.sim.standins.options import HostOptions

NAME = "calico-node"
STARTED = "Calico node started successfully"
RECORDINGS = Path(__file__).parent / "recordings/calico"
MOUNTS = ("/lib/modules", "/var/run/calico", "/var/log/calico", "/run/docker/plugins", "/var/run/docker.sock")
ALLOWS_LOOSE = {"FELIX_IGNORELOOSERPF": "true"}


class Connection(http.client.HTTPConnection):
    """HTTP to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("unix", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Node:
    """A host with a container."""

    host: Host
    address: str

    def call(self, method: str, path: str, body: object = None, place: str = "run/docker.sock") -> tuple[int, Any]:
        """Call Docker, or another socket of the host."""
        status, raw = self._call(method, path, body, place)
        return status, json.loads(raw) if raw.startswith((b"{", b"[")) else raw.decode(errors="replace")

    def read(self, path: str) -> bytes:
        """Read what is no JSON."""
        return self._call("GET", path, None, "run/docker.sock")[1]

    def _call(self, method: str, path: str, body: object, place: str) -> tuple[int, bytes]:
        connection = Connection(self.host.root / place)
        content = json.dumps(body) if body is not None else None
        try:
            connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def has_docker(self) -> bool:
        """Whether Docker answers."""
        try:
            return self.call("GET", "/_ping")[0] == HTTPStatus.OK
        except OSError:
            return False

    def inspect(self) -> Any:
        """What Docker tells of the container."""
        return self.call("GET", f"/containers/{NAME}/json")[1]

    def read_log(self) -> list[str]:
        """The lines of the container's log."""
        content = self.read(f"/containers/{NAME}/logs?stdout=1&stderr=1")
        return [line.decode() for line in _split_frames(content)]

    def list_processes(self) -> list[str]:
        """The command lines of the container's processes; none while it does not run."""
        status, answer = self.call("GET", f"/containers/{NAME}/top?ps_args=-eo%20pid,ppid,etime,args")
        return [row[3] for row in answer["Processes"]] if status == 200 else []

    def pull(self, image: str) -> None:
        """Pull an image."""
        self._call("POST", f"/images/create?fromImage={image}", None, "run/docker.sock")

    def find_process(self, command: str) -> tuple[int, str] | None:
        """Process id and age of a process."""
        status, answer = self.call("GET", f"/containers/{NAME}/top?ps_args=-eo%20pid,ppid,etime,args")
        assert status == 200, answer
        return next(((int(row[0]), row[2]) for row in answer["Processes"] if row[3] == command), None)

    def ask_bird(self, command: str = "show protocols") -> list[str]:
        """What BIRD answers, line by line, its greeting first."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10)
            control.connect(str(self.host.root / "var/run/calico/bird.ctl"))
            control.sendall(f"{command}\n".encode())
            answer = b""
            while not re.search(rb"^\d{4} ?.*\n\Z", answer.partition(b"\n")[2], re.MULTILINE):
                answer += control.recv(65536)
        return answer.decode().splitlines()

    def find_session(self, other: "Node") -> str:
        """The words of BIRD's line for the session with another node, joined; empty without one, or without BIRD."""
        protocol = f"Mesh_{other.address.replace('.', '_')}"
        try:
            lines = self.ask_bird()
        except (FileNotFoundError, ConnectionRefusedError):
            return ""
        return next((" ".join(line.split()[5:]) for line in lines if line.split()[:1] == [protocol]), "")


@dataclass(slots=True)
class World:
    """A network of its own with an etcd."""

    directory: Path
    network: str
    etcd: EtcdServer
    stack: ExitStack
    nodes: list[Node] = field(default_factory=list)

    @property
    def endpoints(self) -> str:
        """Where etcd is."""
        return f"http://{self.network}.253:{self.etcd.server_port}"

    def start_host(self, name: str, options: HostOptions | None = None, **plan: Any) -> Node:
        """Start a host with Docker."""
        address = f"{self.network}.{len(self.nodes) + 1}"
        options = replace(options or HostOptions(), address=address)
        host = make_host(self.directory, HostPlan(name=name, options=options, **plan))
        self.stack.callback(host.stop)
        host.start()
        host.wait_until_booted()
        node = Node(host, address)
        wait_until(node.has_docker)
        self.nodes.append(node)
        return node

    def run_container(
        self,
        node: Node,
        environment: Mapping[str, str] | None = None,
        *,
        image: str = "calico/node:v1.0.0",
        mounts: Sequence[str] = MOUNTS,
        until: str = STARTED,
    ) -> None:
        """Run the container as calicoctl does, with etcd told and loose rp_filter allowed; wait for its words."""
        settings = {"ETCD_ENDPOINTS": self.endpoints, **ALLOWS_LOOSE, **(environment or {})}
        body = {
            "Image": image,
            "Env": [f"{name}={value}" for name, value in settings.items()],
            "HostConfig": {
                "NetworkMode": "host",
                "Privileged": True,
                "RestartPolicy": {"Name": "always"},
                "Binds": [f"{path}:{path}" for path in mounts],
            },
        }
        node.pull(image)
        status, answer = node.call("POST", f"/containers/create?name={NAME}", body)
        assert status == HTTPStatus.CREATED, answer
        assert node.call("POST", f"/containers/{NAME}/start")[0] == HTTPStatus.NO_CONTENT
        wait_until(lambda: any(until in line for line in node.read_log()))

    def start_node(
        self, name: str, environment: Mapping[str, str] | None = None, options: HostOptions | None = None, **how: Any
    ) -> Node:
        """Start a host and its container."""
        node = self.start_host(name, options)
        self.run_container(node, environment, **how)
        return node

    def read_keys(self, key: str = "/calico") -> dict[str, str]:
        """All keys below one, with their values."""
        with self.etcd.lock:
            try:
                return dict(_list_values(self.etcd.keys.get(key, recursive=True)["node"]))
            except Exception:  # noqa: BLE001 - there is none
                return {}

    def write_key(self, key: str, value: str) -> None:
        """Write a key."""
        with self.etcd.lock:
            self.etcd.keys.put(key, {"value": value})


@contextmanager
def open_world(directory: Path) -> Iterator[World]:
    """Open a world; leaving it switches off its hosts and its etcd."""
    with ExitStack() as stack:
        network = stack.enter_context(reserve_network())
        server = EtcdServer((f"{network}.253", choose_port([f"{network}.253"], 2379)))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        yield World(directory, network, server, stack)


def wait_until(is_so: Callable[[], object], timeout_s: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_recording(name: str) -> list[str]:
    """Read the lines of a recording."""
    return (RECORDINGS / name).read_text(encoding="utf-8").splitlines()


def _split_frames(content: bytes) -> Iterator[bytes]:
    while content:
        (length,) = struct.unpack_from(">xxxxL", content)
        yield content[8 : 8 + length].rstrip(b"\n")
        content = content[8 + length :]


def _list_values(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "value" in node:
        yield node["key"], node["value"]
    for child in node.get("nodes", ()):
        yield from _list_values(child)
