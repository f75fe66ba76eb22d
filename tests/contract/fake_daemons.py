"""The daemons of the installer's stand-in host: they show what its state file has, and write there what they do."""

from __future__ import annotations

import base64
import fcntl
import http.server
import json
import struct
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.contract.calico_fakes import answer_key, find_settings, list_pools, list_processes

POOLS = "/v2/keys/calico/v1/ipam/v4/pool"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def root(self) -> Path:
        root: Path = self.server.root  # type: ignore[attr-defined]
        return root

    @property
    def state(self) -> Any:
        return json.loads((self.root / "fake/state.json").read_text())

    def answer(self, status: int, content: Any) -> None:
        self.answer_bytes(status, b"" if content is None else json.dumps(content).encode())

    def answer_bytes(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.wfile.write(body)

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the standard library's name)
        pass


class DockerHandler(Handler):
    def list_all(self, state: Any) -> Any:
        """What is asked for without naming one thing; None for other paths."""
        containers = state["containers"].values()
        match self.path:
            case "/version" | "/info":
                return state[self.path[1:]]
            case "/containers/json":
                running = [c for c in containers if c["State"]["Running"]]
                return [*map(list_container, running), *state["containers_that_just_ended"]]
            case "/containers/json?all=1":
                return [*map(list_container, containers)]
            case "/plugins":
                return []
            case "/networks":
                return [{**network, "Containers": {}} for network in state["networks"]]
            case _:
                return None

    def do_GET(self) -> None:
        with (self.root / "fake/docker-calls").open("a") as file:
            file.write(f"GET {self.path}\n")
        state = self.state
        is_up = state["units"]["docker.service"]["ActiveState"] == "active"
        if not is_up and not state["docker_answers_anyway"]:
            self.answer(500, {"message": "dockerd is down"})
        elif (whole := self.list_all(state)) is not None:
            self.answer(200, whole)
        elif self.path.startswith("/networks/"):
            found = [network for network in state["networks"] if network["Id"] == self.path.split("/")[2]]
            self.answer(200 if found else 404, found[0] if found else {"message": "No such network"})
        elif "/top?" in self.path:
            is_up = find_settings(state) is not None
            self.answer(200 if is_up else 404, list_processes(state) if is_up else {"message": "No such container"})
        elif "/logs?" in self.path:
            line = state["container_log"].encode()
            self.answer_bytes(200, struct.pack(">BxxxL", 2, len(line)) + line)
        elif self.path.startswith("/images/"):
            name = self.path.split("/", 2)[2].removesuffix("/json")
            self.answer(200 if name in state["images"] else 404, {"message": "no such image"})
        else:
            container = state["containers"].get(self.path.split("/")[2])
            self.answer(200 if container else 404, container or {"message": "No such container"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path, _, query = self.path.partition("?")
        with changing_state(self.root) as state:
            if path == "/images/create":
                status, message = 200, ""
                image = urllib.parse.parse_qs(query)
                state["calls"].append(["docker", "POST", self.path])
                state["images"].append("{}:{}".format(image["fromImage"][0], image["tag"][0]))
            elif state["docker_refuses"]:
                status, message = 500, state["docker_refuses"]
            elif path == "/containers/create":
                status, message = _create_container(state, query.removeprefix("name="), body)
            else:
                status, message = _start_container(state, path.split("/")[2])
        self.answer(status, {"message": message} if message else None)

    def do_DELETE(self) -> None:
        with changing_state(self.root) as state:
            _, kind, name = self.path.partition("?")[0].split("/")
            if kind == "networks":
                left = [network for network in state["networks"] if network["Name"] != name]
                is_there, state["networks"] = left != state["networks"], left
            else:
                state["calls"].append(["docker", "rm", name])
                is_there = state["containers"].pop(name, None) is not None
        self.answer(204 if is_there else 404, None if is_there else {"message": f"No such container: {name}"})


def list_container(container: Any) -> Any:
    """An entry of Docker's list; links give a container other names before its own."""
    names = [*container.get("Links", []), container["Name"]]
    return {"Id": container["Name"][1:], "Names": names, "Image": container["Config"]["Image"]}


def _create_container(state: Any, name: str, body: Any) -> tuple[int, str]:
    state["calls"].append(["docker", "create", name])
    if name in state["containers"]:
        return 409, f'Conflict. The container name "/{name}" is already in use'
    if body["Image"] not in state["images"]:
        return 404, f"No such image: {body['Image']}"
    state["containers"][name] = {
        "Name": f"/{name}",
        "RestartCount": 0,
        "Config": {"Hostname": "node-001", **{key: body[key] for key in ("Image", "Env", "Labels")}},
        "HostConfig": body["HostConfig"],
        "State": {"Running": False, "Restarting": False, "Status": "created", "Pid": 0, "StartedAt": ""},
    }
    return 201, ""


def _start_container(state: Any, name: str) -> tuple[int, str]:
    state["calls"].append(["docker", "start", name])
    if name not in state["containers"]:
        return 404, f"No such container: {name}"
    started = {"Running": True, "Status": "running", "Pid": 4242, "StartedAt": state["container_start"]}
    state["containers"][name]["State"].update(started)
    return 204, ""


@contextmanager
def changing_state(root: Path) -> Iterator[Any]:
    """What the daemons show, to be changed: under the lock that the stand-in tools take."""
    path = root / "fake/state.json"
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads(path.read_text())
        yield state
        new = Path(f"{path}.new")
        new.write_text(json.dumps(state))
        new.rename(path)


class AgentHandler(Handler):
    def do_GET(self) -> None:
        state = self.state
        login = base64.b64encode(state["agent_login"].encode()).decode()
        if login and self.headers["Authorization"] != f"Basic {login}":
            state = {**state, "agent_status": 401}
        whole = self.root / "fake/agent-state"
        if whole.exists() and self.path == "/state":  # too long to be made anew for each question
            with suppress(ConnectionError):  # who asks reads no more than the head
                self.answer_bytes(200, whole.read_bytes())
        elif self.path == "/version":  # told without a login, and while the agent recovers
            self.answer(200, {"version": state["agent"]["version"]})
        elif self.path == "/flags":
            self.answer(state["agent_status"], {"flags": state["agent"]["flags"]})
        elif self.path.startswith("/metrics/snapshot"):
            running = sum(len(e["tasks"]) for f in state["agent"]["frameworks"] for e in f["executors"])
            self.answer(state["agent_status"], {"slave/tasks_running": running})
        else:
            self.answer(state["agent_status"], state["agent"])


def build_plugin_handler(name: str) -> type[Handler]:
    class PluginHandler(Handler):
        def do_POST(self) -> None:
            state = self.state
            role = state["calico"]["plugins"].get(name)
            if find_settings(state) is None or role is None or self.path != "/Plugin.Activate":
                self.answer(404, None)
            else:
                self.answer(200, {"Implements": [role]})

    return PluginHandler


class EtcdHandler(Handler):
    def do_GET(self) -> None:
        state = self.state
        if self.path.startswith(POOLS):
            pools = [{"key": key, "value": text} for key, text in list_pools(state).items()]
            self.answer(200 if pools else 404, {"node": {"nodes": pools}} if pools else {"errorCode": 100})
            return
        if self.path.startswith("/v2/keys/calico"):
            self.answer_etcd(*answer_key(state, self.path))
            return
        if self.path == "/v2/keys/docker/network/v1.0/network":
            names = state["store_networks"]
            nodes = [{"key": f"/docker/network/v1.0/network/{name}"} for name in names]
            self.answer_etcd(200 if names else 404, {"node": {"nodes": nodes}} if names else {"errorCode": 100})
            return
        answers = {
            "/version": {"etcdserver": "3.4.23", "etcdcluster": "3.4.0"},
            "/health": {"health": "true"},
            "/v2/members": {"members": [{}, {}, {}]},
        }
        self.answer_etcd(200, answers.get(self.path, {}))

    def answer_etcd(self, status: int, content: Any) -> None:
        if self.state["etcd_is_away"]:
            self.answer(503, {"message": "no leader"})
            return
        headers = {"X-Etcd-Cluster-Id": self.state["calico"]["cluster_id"]}
        self.answer_bytes(status, json.dumps(content).encode(), headers)

    def do_PUT(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        if self.path.startswith(POOLS):
            with changing_state(self.root) as state:
                is_there = self.path in state["pools"]
                state["pools"].setdefault(self.path, form["value"][0])
            self.answer(412 if is_there else 201, {})
            return
        self.answer(self.state["etcd_v2_status"], {})
        with (self.root / "fake/etcd-puts").open("a") as file:
            file.write(self.path + "\n")


class ReportHandler(Handler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        report = {**json.loads(body), "authorization": self.headers["Authorization"]}
        # In one piece: it may be read at any time.
        with (self.root / "fake/reports.jsonl").open("ab", buffering=0) as file:
            file.write(json.dumps(report).encode() + b"\n")
        self.send_response(204)
        self.end_headers()
