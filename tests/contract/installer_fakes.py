"""A host for the installer's tests: a root directory with stand-in tools, and small servers in place of its daemons.

What the daemons would show is one JSON file (``fake/state.json``): the servers read it, the stand-in tools change it.
"""

from __future__ import annotations

import base64
import fcntl
import http.server
import json
import os
import shutil
import socketserver
import stat
import struct
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from calico_dcos.sim.dns import DnsServer, Target, Zone
from tests.contract.calico_fakes import LEGACY, WELL, BirdHandler, answer_key, find_settings, list_pools, list_processes

IP_TOOL = r"""#!/bin/sh
case "$*" in
*route*) echo '10.77.0.1 dev eth0 src 10.77.0.11 uid 0 \    cache ' ;;
*)
    echo '1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever'
    echo '2: eth0    inet 10.77.0.11/24 brd 10.77.0.255 scope global eth0\       valid_lft forever'
    ;;
esac
"""
# Where the members of etcd are: on another loopback address than whatever listens for this host alone.
MEMBER_ADDRESS = "127.0.0.2"
POOLS = "/v2/keys/calico/v1/ipam/v4/pool"
PYENV = Path.home() / ".pyenv/versions"
SYSTEMCTL = r'''#!{python}
"""systemctl of a stand-in host: it does to the state file what the real one's effect would be."""
import fcntl, json, os, sys
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
path = root + "/fake/state.json"
lock = open(path + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
state = json.load(open(path))
args = sys.argv[1:]
state["calls"].append(args)
status = 0
if args[0] == "show":
    unit = state["units"].get(args[-1], {{"LoadState": "not-found", "ActiveState": "inactive", "MainPID": "0"}})
    print("\n".join(key + "=" + str(value) for key, value in unit.items()))
if args[0] == "kill" and state["units"][args[-1]]["MainPID"] == "0":
    print("Failed to kill unit " + args[-1] + ": No main process to kill")
    status = 1
elif args[0] == "kill":
    try:
        file = json.load(open(root + "/etc/docker/daemon.json"))
        if "cluster-advertise" in file and not state["reload_is_ignored"]:
            state["info"]["ClusterStore"] = file.get("cluster-store", "")
    except ValueError:
        state["journal"].append("unable to configure the Docker daemon with file")
    state.update(state["after_reload"])
docker = state["units"].get("docker.service", {{}})
if args[0] == "show" and args[-1] == "docker.service" and docker.get("ActiveState") == "activating":
    state["docker_is_slow_for"] -= 1
    docker["ActiveState"] = "activating" if state["docker_is_slow_for"] > 0 else "active"
if args[0] == "show-environment":
    print("\n".join(state["manager_environment"]))
is_down = state["units"].get("docker.service", {{}}).get("ActiveState") in ("inactive", "failed")
if args == ["restart", "docker.service"] or (args == ["start", "docker.service"] and is_down):
    unit = state["units"][args[1]]
    try:
        file = json.load(open(root + "/etc/docker/daemon.json"))
    except OSError:
        file = {{}}
    if file.get("cluster-store") in state["stores_that_break_docker"]:
        unit["ActiveState"], unit["MainPID"], status = "failed", "0", 1
        state["journal"].append("dockerd: fatal: no such store")
    else:
        unit["ActiveState"], unit["MainPID"] = "active", state["docker_pid"]
        unit["ExecMainStartTimestampMonotonic"] = str(int(unit["ExecMainStartTimestampMonotonic"]) + 1)
        if state["docker_is_slow_for"]:
            unit["ActiveState"] = "activating"
        state["info"]["ClusterStore"] = file.get("cluster-store", "")
elif args[0] == "restart" and not state["agent_is_stuck"]:
    state["agent"]["start_time"] += 1000000
if os.path.exists(path + ".die"):
    sys.exit(9)
json.dump(state, open(path + ".new", "w"))
os.rename(path + ".new", path)
sys.exit(status)
'''
JOURNALCTL = r"""#!{python}
import json, os
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
print("\n".join(json.load(open(root + "/fake/state.json"))["journal"]))
"""
DOCKER = r'''#!{python}
"""docker of a stand-in host: run, rm, start and pull."""
import fcntl, json, os, sys
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
path = root + "/fake/state.json"
lock = open(path + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
state = json.load(open(path))
args = sys.argv[1:]
state["calls"].append(["docker"] + args)
if args[0] == "rm":
    state["containers"].pop(args[-1], None)
if args[0] == "pull":
    state["images"].append(args[-1])
if args[0] == "run":
    pairs = list(zip(args, args[1:]))
    env = [value for key, value in pairs if key == "-e"]
    labels = dict(value.split("=", 1) for key, value in pairs if key == "--label")
    name = args[args.index("--name") + 1]
    state["containers"][name] = {{
        "Name": "/" + name, "RestartCount": 0, "Config": {{"Image": args[-1], "Env": env, "Labels": labels}},
        "HostConfig": {{"NetworkMode": "host", "Privileged": True, "RestartPolicy": {{"Name": "always"}}}},
        "State": {{"Running": True, "Restarting": False, "Status": "running", "Pid": 4242,
                   "StartedAt": state["container_start"]}}}}
if args[0] == "start":
    state["containers"][args[-1]]["State"].update(Running=True, Status="running")
json.dump(state, open(path + ".new", "w"))
os.rename(path + ".new", path)
'''
PLUGIN = '#!/bin/sh\necho \'{"cniVersion": "0.3.1", "supportedVersions": ["0.1.0", "0.2.0", "0.3.1"]}\'\n'


def find_pythons() -> list[str]:
    """This Python, and the oldest supported one that the machine has; DC/OS 1.8 brings 3.5."""
    for minor in range(5, sys.version_info.minor):
        name = f"python3.{minor}"
        places = [shutil.which(name, path="/usr/bin:/usr/local/bin"), *PYENV.glob(f"3.{minor}.*/bin/python3")]
        for place in filter(None, places):
            return [sys.executable, str(place)]
    return [sys.executable]


class FakeHost:
    """A relocated host; close() ends its servers."""

    project = Path(__file__).parents[2]

    def __init__(self, root: Path) -> None:
        self.root = root
        self._servers: list[socketserver.BaseServer] = []
        for directory in ("usr/bin", "etc/docker", "run", "fake", "downloads", "opt/mesosphere/active/cni"):
            (root / directory).mkdir(parents=True)
        (root / "opt/mesosphere/etc/dcos/network/cni").mkdir(parents=True)
        (root / "etc/os-release").write_text('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
        for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL), ("docker", DOCKER)):
            self._write_program(f"usr/bin/{name}", text.format(python=sys.executable))
        for name in ("calico", "calico-ipam"):
            self._write_program(f"downloads/{name}", PLUGIN + f"# {name}\n")
        self.save(_build_state())
        self._write_node()
        self._write_tables()
        self._serve_unix("run/docker.sock", _DockerHandler)
        self._serve_unix("var/run/calico/bird.ctl", BirdHandler)
        for name in ("calico", "calico-ipam"):
            self._serve_unix(f"run/docker/plugins/{name}.sock", _build_plugin_handler(name))
        (root / "run/docker.pid").write_text(str(os.getpid()))
        self.agent_address = self._serve(_AgentHandler)
        self.etcd_address = self._serve(_EtcdHandler)
        self.report_address = self._serve(_ReportHandler)
        self.names = self._serve_names()
        self.wanted = self._build_wanted()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def daemon_json(self) -> Path:
        return self.root / "etc/docker/daemon.json"

    @property
    def config_file(self) -> Path:
        return self.root / "opt/mesosphere/etc/dcos/network/cni/calico.conf"

    @property
    def plugins_dir(self) -> Path:
        return self.root / "opt/mesosphere/active/cni"

    @property
    def state(self) -> Any:
        return json.loads((self.root / "fake/state.json").read_text())

    def save(self, state: Any) -> None:
        new = self.root / "fake/state.test"
        new.write_text(json.dumps(state))
        new.rename(self.root / "fake/state.json")

    def change_state(self, **values: Any) -> None:
        """Change top-level parts of the state; a dict is merged into the one that is there."""
        state = self.state
        for name, value in values.items():
            state[name] = {**state[name], **value} if isinstance(value, dict) else value
        self.save(state)

    @property
    def acts(self) -> list[list[str]]:
        """What was done with tools, looking left out."""
        return [call for call in self.state["calls"] if call[0] not in ("show", "show-environment")]

    @property
    def reports(self) -> list[Any]:
        """What was posted."""
        path = self.root / "fake/reports.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def docker_calls(self) -> list[str]:
        """The calls of Docker's API: method and path."""
        path = self.root / "fake/docker-calls"
        return path.read_text().splitlines() if path.exists() else []

    def environment(self) -> dict[str, str]:
        """The environment of a task on this host; LD_LIBRARY_PATH is there to be dropped."""
        return {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": "/nowhere",
            "CALICO_DCOS_ROOT": str(self.root),
            "CALICO_DCOS_WANTED": json.dumps(self.wanted),
            "CALICO_DCOS_REPORT_URL": f"http://{self.report_address}/v1/reports/task-1",
            "CALICO_DCOS_REPORT_TOKEN": "a-secret",
            "MESOS_AGENT_ENDPOINT": self.agent_address,
        }

    def build_command(self, *arguments: str, python: str = sys.executable) -> list[str]:
        """The command line of the installer, to be run in the project's directory."""
        return [python, "-m", "calico_dcos.installer", *arguments]

    def run(
        self, *arguments: str, python: str = sys.executable, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the installer on this host to its end."""
        return subprocess.run(
            self.build_command(*arguments, python=python),
            cwd=self.project,
            env=environment or self.environment(),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Inode and time of change of every file and directory, the stand-ins' own left out."""
        fake = self.root / "fake"
        found = {}
        for path in [self.root, *self.root.rglob("*")]:
            if path != fake and fake not in path.parents:
                status = path.lstat()
                found[str(path)] = (status.st_ino, status.st_ctime_ns)
        return found

    def _build_wanted(self) -> dict[str, Any]:
        plugins = [
            {"name": name, "url": (self.root / "downloads" / name).as_uri(), "sha256": None}
            for name in ("calico", "calico-ipam")
        ]
        network = {"name": "calico", "cniVersion": "0.1.0", "type": "calico", "ipam": {"type": "calico-ipam"}}
        return {
            "etcd_endpoints": f"http://{self.etcd_address}",
            "etcd_proxy": {
                "enable": True,
                "discovery_srv": "etcd.mesos",
                "listen": self.etcd_address,
                "archive": {"url": "http://127.0.0.1:1/etcd.tar.gz", "sha256": None},
                "refresh_s": 60,
            },
            "docker_cluster_store": {
                "enable": True,
                "cluster_store": f"etcd://{self.etcd_address}",
                "timeout_s": 1,
                "replace_existing": False,
            },
            "cni": {
                "enable": True,
                "plugins": plugins,
                "plugins_dir": "/opt/mesosphere/active/cni",
                "config_dir": "/opt/mesosphere/etc/dcos/network/cni",
                "config": {**network, "etcd_endpoints": f"http://{self.etcd_address}"},
            },
            "agent_restart": {"enable": True, "timeout_s": 1},
            "calico_node": {
                "enable": True,
                "image": "calico/node:v1.0.0",
                "environment": {
                    "ETCD_ENDPOINTS": f"http://{self.etcd_address}",
                    "FELIX_IGNORELOOSERPF": "true",
                    "FELIX_REPORTINGINTERVALSECS": "5",
                    "CALICO_LIBNETWORK_ENABLED": "true",
                },
                "poll_s": 0.1,
                "felix_health": "report",
            },
            "may_restart": True,
            "complete_nodes": [],
        }

    def _write_program(self, name: str, text: str) -> None:
        path = self.root / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def set_tables(self, legacy: str, nft: str) -> None:
        """Set what both families of iptables list."""
        (self.root / "fake/legacy.rules").write_text(legacy)
        (self.root / "fake/nft.rules").write_text(nft)

    def _write_node(self) -> None:
        """Give the host a name, and an address beside its loopback."""
        (self.root / "etc/hostname").write_text("h1\n")
        self._write_program("usr/bin/ip", IP_TOOL)

    def _write_tables(self) -> None:
        self.set_tables(LEGACY, "")
        for tool, family in (("iptables-legacy-save", "legacy"), ("iptables-nft-save", "nft")):
            self._write_program(f"usr/bin/{tool}", f"#!/bin/sh\ncat {self.root}/fake/{family}.rules\n")
        self._write_program("usr/bin/iptables", "#!/bin/sh\necho 'iptables v1.8.9 (nf_tables)'\n")

    def _serve_names(self) -> DnsServer:
        """Serve the name of etcd's cluster, whose one member is the stand-in; on another loopback than the proxy's."""
        target = Target("member.etcd.mesos", int(self.etcd_address.rpartition(":")[2]))
        zone = Zone({"_etcd-client._tcp.etcd.mesos": (target,)}, {"member.etcd.mesos": MEMBER_ADDRESS})
        server = DnsServer(("127.0.0.1", 0), zone)
        self._start(server)
        (self.root / "etc/resolv.conf").write_text(f"nameserver 127.0.0.1:{server.server_address[1]}\n")
        return server

    def _serve_unix(self, path: str, handler: type[socketserver.BaseRequestHandler]) -> None:
        # The kernel limits a socket's path to 107 bytes, and pytest's directories are long: bind from within.
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            root = self.root

            def server_bind(self) -> None:
                here = os.open(".", os.O_RDONLY)
                try:
                    os.chdir(place.parent)
                    super().server_bind()
                finally:
                    os.fchdir(here)
                    os.close(here)

        self._start(Server(place.name, handler))

    def _serve(self, handler: type[_Handler]) -> str:
        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            root = self.root

        # On every loopback address: etcd's member has one, and its proxy another.
        server = Server(("", 0), handler)
        self._start(server)
        return f"127.0.0.1:{server.server_address[1]}"

    def _start(self, server: socketserver.BaseServer) -> None:
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
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


class _DockerHandler(_Handler):
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


class _AgentHandler(_Handler):
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


def _build_plugin_handler(name: str) -> type[_Handler]:
    class Handler(_Handler):
        def do_POST(self) -> None:
            state = self.state
            role = state["calico"]["plugins"].get(name)
            if find_settings(state) is None or role is None or self.path != "/Plugin.Activate":
                self.answer(404, None)
            else:
                self.answer(200, {"Implements": [role]})

    return Handler


class _EtcdHandler(_Handler):
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


class _ReportHandler(_Handler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        report = {**json.loads(body), "authorization": self.headers["Authorization"]}
        # In one piece: it may be read at any time.
        with (self.root / "fake/reports.jsonl").open("ab", buffering=0) as file:
            file.write(json.dumps(report).encode() + b"\n")
        self.send_response(204)
        self.end_headers()


def _build_state() -> dict[str, Any]:
    web = {
        "Name": "/web",
        "RestartCount": 0,
        "Config": {"Image": "nginx:1", "Env": [], "Labels": {}},
        "HostConfig": {},
        "State": {
            "Running": True,
            "Restarting": False,
            "Status": "running",
            "Pid": 99,
            "StartedAt": "2026-11-23T17:27:11Z",
        },
    }
    dockerd = "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// ; ignore_errors=no ; start_time=[n/a] }"
    return {
        "calls": [],
        "after_reload": {},
        "etcd_is_away": False,
        "journal": ["Daemon has completed initialization"],
        "version": {"Version": "20.10.24+dfsg1", "ApiVersion": "1.41"},
        "info": {"ClusterStore": "", "Swarm": {"LocalNodeState": "inactive"}, "LiveRestoreEnabled": False},
        "containers": {"web": web},
        "images": [],
        "containers_that_just_ended": [],
        "networks": [{"Id": "b0", "Name": "bridge", "Driver": "bridge", "Scope": "local", "Containers": {"1": {}}}],
        "container_start": "2026-11-23T17:30:00.123456789Z",
        "units": {
            "docker.service": {
                "Id": "docker.service",
                "LoadState": "loaded",
                "ActiveState": "active",
                # Who listens on the socket of Docker is this very process.
                "MainPID": str(os.getpid()),
                "ExecMainStartTimestampMonotonic": "123456",
                "ExecStart": dockerd,
            },
            "dcos-mesos-slave.service": {"LoadState": "loaded", "ActiveState": "active", "MainPID": "2000"},
        },
        "agent": {
            "version": "1.9.0",
            "start_time": 1.0,
            "flags": {
                "isolation": "cgroups/cpu,network/cni",
                "network_cni_config_dir": "/opt/mesosphere/etc/dcos/network/cni",
                "network_cni_plugins_dir": "/opt/mesosphere/active/cni",
            },
            "frameworks": [],
        },
        "agent_status": 200,
        "agent_login": "",
        "agent_is_stuck": False,
        "reload_is_ignored": False,
        "docker_refuses": "",
        "container_log": "boom\n",
        "stores_that_break_docker": [],
        "docker_pid": str(os.getpid()),
        "docker_is_slow_for": 0,
        "docker_answers_anyway": False,
        "manager_environment": [],
        "store_networks": [],
        "etcd_v2_status": 201,
        "calico": WELL,
        "pools": {},
    }
