"""A simulated host's Docker: its API and command line, and what becomes of containers when the daemon restarts."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.sim.host import Host, HostPlan, make_host
from calico_dcos.sim.standins.options import HostOptions

STORE = "etcd://127.0.0.1:2379"
MakeHost = Callable[[HostPlan], Host]


class SocketConnection(http.client.HTTPConnection):
    """HTTP to the socket of a host's Docker."""

    def __init__(self, host: Host) -> None:
        super().__init__("docker", timeout=5)
        self._path = host.root / "var/run/docker.sock"

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(host: Host, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = SocketConnection(host)
    content = json.dumps(body) if body is not None else None
    connection.request(method, path, content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    raw = response.read()
    connection.close()
    return response.status, json.loads(raw) if raw.startswith((b"{", b"[")) else raw.decode()


def read_state(host: Host, name: str) -> Any:
    status, container = call(host, "GET", f"/containers/{name}/json")
    assert status == 200
    return container["State"]


def write_daemon_json(host: Host, content: object) -> None:
    (host.root / "etc/docker/daemon.json").write_text(content if isinstance(content, str) else json.dumps(content))


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_log(host: Host) -> str:
    return (host.root / "var/log/docker.log").read_text()


def reload(host: Host) -> str:
    """Send SIGHUP, wait until Docker has dealt with it, and return what it logged."""
    before = len(read_log(host))
    assert host.run("systemctl", "reload", "docker").returncode == 0
    ends = ("Reloaded configuration", "unable to configure", "Error reconfiguring")
    wait_until(lambda: any(end in read_log(host)[before:] for end in ends))
    return read_log(host)[before:]


@pytest.fixture
def start_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeHost]:
    hosts: list[Host] = []

    def start(plan: HostPlan) -> Host:
        host = make_host(tmp_path_factory.mktemp("h"), plan)
        hosts.append(host)
        host.start()
        host.wait_until_booted()
        assert host.run("systemctl", "start", "docker").returncode == 0
        return host

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture
def host(start_host: MakeHost) -> Host:
    return start_host(HostPlan(name="host", containers=("web",)))


def test_info_tells_the_store_only_when_there_is_one(host: Host) -> None:
    status, info = call(host, "GET", "/info")
    assert status == 200
    assert "ClusterStore" not in info
    assert (info["ServerVersion"], info["Swarm"]["LocalNodeState"]) == ("20.10.24", "inactive")
    assert (info["LiveRestoreEnabled"], info["ContainersRunning"]) == (False, 1)


def test_a_reload_takes_a_store_and_touches_neither_daemon_nor_containers(host: Host) -> None:
    pid = host.run("systemctl", "show", "-p", "MainPID", "docker").stdout
    container = read_state(host, "web")
    write_daemon_json(host, {"cluster-store": STORE})
    reload(host)
    assert "ClusterStore" not in call(host, "GET", "/info")[1]
    write_daemon_json(host, {"cluster-store": STORE, "cluster-advertise": ""})
    reload(host)
    assert call(host, "GET", "/v1.24/info")[1]["ClusterStore"] == STORE
    assert host.run("systemctl", "show", "-p", "MainPID", "docker").stdout == pid
    assert read_state(host, "web") == container
    assert host.count_restarts("docker.service") == 0


def test_a_bad_file_is_reported_by_a_reload_and_the_old_configuration_stays(host: Host) -> None:
    write_daemon_json(host, '{"cluster-store": "etcd://x",}')
    expected = (
        "unable to configure the Docker daemon with file /etc/docker/daemon.json: "
        "invalid character '}' looking for beginning of object key string"
    )
    assert expected in reload(host)
    assert read_state(host, "web")["Running"]


def test_docker_does_not_start_with_a_bad_file_and_starts_again_when_it_is_mended(host: Host) -> None:
    write_daemon_json(host, "{")
    failed = host.run("systemctl", "restart", "docker")
    assert failed.returncode == 1
    assert "Job for docker.service failed because the control process exited with error code." in failed.stderr
    assert "unexpected EOF" in read_log(host)
    write_daemon_json(host, {"cluster-store": STORE})
    host.run("systemctl", "reset-failed", "docker")
    assert host.run("systemctl", "restart", "docker").returncode == 0
    assert call(host, "GET", "/info")[1]["ClusterStore"] == STORE
    assert host.count_restarts("docker.service") == 2


def test_docker_23_does_not_start_with_a_store(start_host: MakeHost) -> None:
    host = start_host(HostPlan(name="host", options=HostOptions(docker_version="23.0.0")))
    write_daemon_json(host, {"cluster-store": STORE})
    assert host.run("systemctl", "restart", "docker").returncode == 1
    assert "options have been removed" in host.run("journalctl", "-u", "docker").stdout


def test_a_restart_stops_containers_and_starts_those_with_a_policy(host: Host) -> None:
    host.run("docker", "run", "-d", "--name", "once", "busybox")
    before = read_state(host, "web")
    assert host.run("systemctl", "restart", "docker").returncode == 0
    after = read_state(host, "web")
    assert after["Running"]
    assert (after["Pid"], after["StartedAt"]) != (before["Pid"], before["StartedAt"])
    assert read_state(host, "once")["Status"] == "exited"


def test_with_live_restore_containers_outlive_a_restart_of_the_daemon(start_host: MakeHost) -> None:
    host = start_host(HostPlan(name="host", containers=("web",), daemon_json={"live-restore": True}))
    before = read_state(host, "web")
    host.run("systemctl", "restart", "docker")
    assert read_state(host, "web") == before


def test_a_container_that_dies_is_started_again_by_its_policy(host: Host) -> None:
    before = read_state(host, "web")
    os.kill(before["Pid"], signal.SIGKILL)
    wait_until(lambda: read_state(host, "web")["Pid"] not in (0, before["Pid"]))
    container = call(host, "GET", "/containers/web/json")[1]
    assert container["RestartCount"] == 1
    assert "started container web again after it ended" in [deed.effect for deed in host.read_deeds()]


def test_a_daemon_that_is_killed_comes_back_and_restarts_its_containers(host: Host) -> None:
    before = read_state(host, "web")
    host.run("systemctl", "kill", "-s", "KILL", "--kill-who=main", "docker")
    wait_until(lambda: host.run("systemctl", "is-active", "docker").stdout == "active\n")
    wait_until(lambda: host.run("docker", "ps").returncode == 0)
    assert read_state(host, "web")["Pid"] != before["Pid"]
    assert not Path(f"/proc/{before['Pid']}").exists()


def test_calico_node_is_run_as_asked_and_each_deed_is_recorded(host: Host) -> None:
    options = ["-d", "--restart=always", "--net=host", "--privileged", "--name", "calico-node", "--label", "a=b"]
    started = host.run("docker", "run", *options, "-v", "/lib:/lib", "-e", "X=y z", "calico/node:v1.0.0")
    assert started.returncode == 0
    (container,) = json.loads(host.run("docker", "inspect", "calico-node").stdout)
    assert container["Id"] == started.stdout.strip()
    assert container["Config"]["Image"] == "calico/node:v1.0.0"
    assert "X=y z" in container["Config"]["Env"]
    assert container["Config"]["Labels"] == {"a": "b"}
    assert container["HostConfig"]["NetworkMode"] == "host"
    assert container["HostConfig"]["Privileged"] is True
    assert container["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert container["HostConfig"]["Binds"] == ["/lib:/lib"]
    assert host.run("docker", "rm", "-f", "calico-node").stdout == "calico-node\n"
    assert call(host, "GET", "/containers/calico-node/json") == (404, {"message": "No such container: calico-node"})
    deeds = [deed.effect for deed in host.read_deeds() if "calico" in deed.effect and "again" not in deed.effect]
    assert deeds == [
        "pulled image calico/node:v1.0.0",
        "created container calico-node",
        "started container calico-node",
        "removed container calico-node",
    ]


def test_a_name_is_given_once(host: Host) -> None:
    again = host.run("docker", "run", "-d", "--name", "web", "busybox")
    assert again.returncode == 125
    assert 'Conflict. The container name "/web" is already in use by container' in again.stderr


def test_an_image_that_the_registry_lacks_is_not_pulled(start_host: MakeHost) -> None:
    host = start_host(HostPlan(name="host", options=HostOptions(missing_images=("calico/node:v9",))))
    assert call(host, "GET", "/images/calico/node:v9/json")[0] == 404
    pulled = host.run("docker", "pull", "calico/node:v9")
    assert pulled.returncode == 1
    assert "pull access denied for calico/node" in pulled.stderr


def test_an_api_newer_than_the_daemon_is_refused(start_host: MakeHost) -> None:
    host = start_host(HostPlan(name="host", options=HostOptions(docker_version="1.13.1")))
    assert call(host, "GET", "/v1.24/version")[1]["ApiVersion"] == "1.26"
    status, answer = call(host, "GET", "/v1.41/info")
    assert (status, answer["message"]) == (
        400,
        "client version 1.41 is too new. Maximum supported API version is 1.26",
    )


def test_a_daemon_that_is_down_is_reported_as_docker_does(host: Host) -> None:
    host.run("systemctl", "stop", "docker")
    assert host.run("docker", "ps").returncode == 1
    assert "Cannot connect to the Docker daemon at unix:///var/run/docker.sock" in host.run("docker", "ps").stderr


def test_a_real_docker_command_line_is_content_with_the_daemon(host: Host) -> None:
    docker = shutil.which("docker")
    if docker is None:
        message = "docker is missing: install Debian's docker.io"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)

    def run(*argv: str) -> str:
        command = [docker, "-H", f"unix://{host.root}/run/docker.sock", *argv]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    container_id = run("run", "-d", "--restart=always", "--net=host", "--name", "node", "-e", "A=b", "web:1")
    assert run("inspect", "-f", "{{.State.Running}} {{.HostConfig.NetworkMode}}", "node") == "true host"
    assert run("ps", "--no-trunc", "-q", "--filter", "name=node") == container_id
    assert "a stand-in" in run("logs", "node")
    assert run("version", "-f", "{{.Server.Version}}") == "20.10.24"
    assert run("rm", "-f", "node") == "node"
