"""A host for the installer's tests: a root directory with stand-in tools, and small servers in place of its daemons.

What the daemons would show is one JSON file (``fake/state.json``): the servers read it, the stand-in tools change it.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socketserver
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from calico_dcos.sim.dns import DnsServer, Target, Zone
from tests.contract.calico_fakes import LEGACY, WELL, BirdHandler
from tests.contract.fake_daemons import (
    AgentHandler,
    DockerHandler,
    EtcdHandler,
    Handler,
    ReportHandler,
    build_plugin_handler,
)
from tests.contract.fake_tools import DOCKER, IP_TOOL, JOURNALCTL, PLUGIN, SYSTEMCTL

# Where the members of etcd are: on another loopback address than whatever listens for this host alone.
MEMBER_ADDRESS = "127.0.0.2"
PYENV = Path.home() / ".pyenv/versions"


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
        self._serve_unix("run/docker.sock", DockerHandler)
        self._serve_unix("var/run/calico/bird.ctl", BirdHandler)
        for name in ("calico", "calico-ipam"):
            self._serve_unix(f"run/docker/plugins/{name}.sock", build_plugin_handler(name))
        (root / "run/docker.pid").write_text(str(os.getpid()))
        self.agent_address = self._serve(AgentHandler)
        self.etcd_address = self._serve(EtcdHandler)
        self.report_address = self._serve(ReportHandler)
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

    def _serve(self, handler: type[Handler]) -> str:
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
