"""The installer's services: a real etcd behind a real gateway, found by SRV; and the container on stand-in Docker."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import struct
import subprocess
import tarfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from calico_dcos.installer.dns import SRV, A
from calico_dcos.installer.host import Host
from calico_dcos.installer.services.calico_node import describe_failure
from tests.contract.calico_fakes import DOCKER_NFT, WELL
from tests.contract.fake_daemons import changing_state
from tests.contract.installer_fakes import MEMBER_ADDRESS, FakeHost

ETCD = which("etcd")
needs_etcd = pytest.mark.skipif(
    ETCD is None and os.environ.get("CI") != "true", reason="no etcd is installed: Debian's etcd-server has it"
)
NXDOMAIN = 3


class NameServer:
    """Answers for names under mesos from a table that tests change: SRV name -> ports, all of one member's address."""

    def __init__(self) -> None:
        self.ports: dict[str, list[int]] = {}
        table = self.ports

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                packet, channel = self.request
                channel.sendto(build_answer(packet, table), self.client_address)

        self._server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def build_answer(query: bytes, ports: dict[str, list[int]]) -> bytes:
    end = query.index(b"\0", 12)
    labels, offset = [], 12
    while offset < end:
        labels.append(query[offset + 1 : offset + 1 + query[offset]].decode())
        offset += 1 + query[offset]
    name, kind = ".".join(labels), struct.unpack_from(">H", query, end + 1)[0]
    records = [struct.pack(">HHH", 0, 0, port) + b"\x06member\x05mesos\x00" for port in ports.get(name, [])]
    if kind == A:
        records = [socket.inet_aton(MEMBER_ADDRESS)] if name == "member.mesos" else []
    assert kind in (A, SRV)
    flags = 0x8180 | (0 if records else NXDOMAIN)
    header = query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
    body = [struct.pack(">HHHIH", 0xC00C, kind, 1, 1, len(content)) + content for content in records]
    return header + query[12 : end + 5] + b"".join(body)


@pytest.fixture
def names(host: FakeHost) -> Iterator[NameServer]:
    server = NameServer()
    (host.root / "etc/resolv.conf").write_text(f"nameserver {server.address}\n")
    yield server
    server.close()


@pytest.fixture
def start_etcd(tmp_path: Path) -> Iterator[Callable[..., tuple[int, int]]]:
    started = []

    def start(*, advertises_localhost: bool = False) -> tuple[int, int]:
        client, peer = find_port(), find_port()
        urls = (f"http://{MEMBER_ADDRESS}:{client}", f"http://{MEMBER_ADDRESS}:{peer}")
        advertised = f"{urls[0]},http://localhost:{client}" if advertises_localhost else urls[0]
        options = ["--listen-client-urls", urls[0], "--advertise-client-urls", advertised, "--enable-v2"]
        options += ["--listen-peer-urls", urls[1]]
        options += ["--initial-advertise-peer-urls", urls[1], "--initial-cluster", f"default={urls[1]}"]
        data = ["--data-dir", str(tmp_path / f"etcd-{client}"), "--unsafe-no-fsync"]
        command = [str(ETCD), *options, *data]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: is_answering(client, MEMBER_ADDRESS))
        return client, peer

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def supervise(host: FakeHost) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started = []

    def start(service: str) -> subprocess.Popen[str]:
        command = host.build_command("supervise", service)
        process = subprocess.Popen(
            command,
            env=host.environment(),
            cwd=host.project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def end(process: subprocess.Popen[str], *, after: Callable[[], bool]) -> None:
    wait_until(after)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_answering(port: int, address: str = "127.0.0.1") -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/version", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(is_true: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def has_told(host: FakeHost, text: str) -> bool:
    return any(text in report.get("message", "") + report.get("reason", "") for report in host.reports)


def get_kinds(host: FakeHost) -> list[str]:
    return [report["kind"] for report in host.reports]


def prepare_proxy(host: FakeHost, tmp_path: Path, **values: Any) -> int:
    """Have a proxy wanted on a free port, of an archive with the real etcd in it, as releases are made."""
    port = find_port()
    archive = tmp_path / "etcd-linux-amd64.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(str(ETCD), "etcd-linux-amd64/etcd")
    download = {"url": archive.as_uri(), "sha256": None}
    host.wanted["etcd_proxy"].update({"listen": f"localhost:{port}", "archive": download, "refresh_s": 0.2, **values})
    return port


@needs_etcd
def test_the_proxy_leads_to_the_members_behind_the_name_and_follows_them(
    host: FakeHost,
    names: NameServer,
    tmp_path: Path,
    start_etcd: Callable[..., tuple[int, int]],
    supervise: Callable[[str], subprocess.Popen[str]],
) -> None:
    port = prepare_proxy(host, tmp_path)
    first, second = start_etcd(), start_etcd()
    assert host.run("supervise", "etcd-proxy", "--health").returncode == 1
    names.ports["_etcd-client._tcp.etcd.mesos"] = [first[0]]
    process = supervise("etcd-proxy")
    wait_until(lambda: "inspection" in get_kinds(host))
    assert host.run("supervise", "etcd-proxy", "--health").returncode == 0
    assert "it is the cluster behind etcd.mesos" in host.reports[-1]["proofs"]["etcd-proxy"]
    names.ports["_etcd-client._tcp.etcd.mesos"] = [second[0]]
    wait_until(
        lambda: has_told(host, f"members moved from {MEMBER_ADDRESS}:{first[0]} to {MEMBER_ADDRESS}:{second[0]}")
    )
    wait_until(lambda: is_answering(port))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert not is_answering(port)


@needs_etcd
def test_where_only_peers_are_known_they_are_asked_for_their_clients_addresses(
    host: FakeHost,
    names: NameServer,
    tmp_path: Path,
    start_etcd: Callable[..., tuple[int, int]],
    supervise: Callable[[str], subprocess.Popen[str]],
) -> None:
    port = prepare_proxy(host, tmp_path)
    client, peer = start_etcd()
    names.ports["_etcd-server._tcp.etcd.mesos"] = [peer]
    supervise("etcd-proxy")
    wait_until(lambda: is_answering(port))
    assert has_told(host, f"for {MEMBER_ADDRESS}:{client}")


@needs_etcd
def test_a_supervisor_that_is_killed_takes_its_proxy_along(
    host: FakeHost,
    names: NameServer,
    tmp_path: Path,
    start_etcd: Callable[..., tuple[int, int]],
    supervise: Callable[[str], subprocess.Popen[str]],
) -> None:
    port = prepare_proxy(host, tmp_path)
    names.ports["_etcd-client._tcp.etcd.mesos"] = [start_etcd()[0]]
    process = supervise("etcd-proxy")
    wait_until(lambda: is_answering(port))
    process.kill()
    wait_until(lambda: not is_answering(port))


@needs_etcd
def test_addresses_of_a_member_that_lead_back_to_the_agent_are_left_out_and_told(
    host: FakeHost,
    names: NameServer,
    tmp_path: Path,
    start_etcd: Callable[..., tuple[int, int]],
    supervise: Callable[[str], subprocess.Popen[str]],
) -> None:
    prepare_proxy(host, tmp_path)
    client, peer = start_etcd(advertises_localhost=True)
    names.ports["_etcd-server._tcp.etcd.mesos"] = [peer]
    supervise("etcd-proxy")
    wait_until(lambda: "inspection" in get_kinds(host))
    assert has_told(host, f"for {MEMBER_ADDRESS}:{client}")
    assert has_told(host, f"advertise localhost:{client}, which leads every agent back to itself, and is left out")
    assert "--advertise-client-urls" in host.reports[-1]["warnings"]["etcd-proxy"][0]


@needs_etcd
def test_somebody_elses_etcd_where_the_proxy_would_listen_is_refused_with_both_ids(
    host: FakeHost, names: NameServer, start_etcd: Callable[..., tuple[int, int]]
) -> None:
    names.ports["_etcd-client._tcp.etcd.mesos"] = [start_etcd()[0]]
    assert host.run("supervise", "etcd-proxy").returncode == 3
    assert has_told(host, "is another etcd (cluster bf9f788948ddee22) than the one behind etcd.mesos (cluster ")
    assert host.run("supervise", "etcd-proxy", "--health").returncode == 1


def test_an_etcd_of_somebody_else_is_left_alone_and_counts(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = supervise("etcd-proxy")
    wait_until(lambda: has_told(host, "another etcd 3.4.23 answers"))
    wait_until(lambda: "inspection" in get_kinds(host))
    assert host.run("supervise", "etcd-proxy", "--health").returncode == 0
    assert process.poll() is None


def test_a_port_that_is_taken_by_something_else_is_not_fought_for(host: FakeHost) -> None:
    host.wanted["etcd_proxy"]["listen"] = host.agent_address
    assert host.run("supervise", "etcd-proxy").returncode == 3
    assert has_told(host, "is taken")


def test_a_name_without_members_is_waited_for(
    host: FakeHost, names: NameServer, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    del names
    archive = host.root / "downloads/etcd.tar.gz"
    (host.root / "downloads/etcd").write_text("#!/bin/sh\necho etcd Version: 3.3.12\n")
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(host.root / "downloads/etcd", "etcd")
    download = {"url": archive.as_uri(), "sha256": None}
    host.wanted["etcd_proxy"].update({"listen": f"127.0.0.1:{find_port()}", "archive": download})
    process = supervise("etcd-proxy")
    wait_until(lambda: has_told(host, "waits for members: neither _etcd-client._tcp.etcd.mesos nor"))
    assert process.poll() is None


def test_a_proxy_that_crashes_is_started_again_and_its_words_are_told(
    host: FakeHost, names: NameServer, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    names.ports["_etcd-client._tcp.etcd.mesos"] = [find_port()]
    program = host.root / "downloads/etcd"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo etcd Version: 3.3.12 && exit\necho no such luck\nexit 7\n'
    )
    archive = host.root / "downloads/etcd.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(program, "etcd")
    download = {"url": archive.as_uri(), "sha256": None}
    host.wanted["etcd_proxy"].update({"listen": f"127.0.0.1:{find_port()}", "archive": download})
    supervise("etcd-proxy")
    wait_until(lambda: has_told(host, "etcd ended with status 7; starting it again in 2 s; it said: no such luck"))


def test_calico_node_is_run_watched_and_left_running(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    assert host.run("supervise", "calico-node", "--health").returncode == 1
    process = supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    assert [call[1] for call in host.acts] == ["pull", "create", "start"]
    assert host.run("supervise", "calico-node", "--health").returncode == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert host.state["containers"]["calico-node"]["State"]["Running"]


def test_without_dockers_command_the_daemon_is_asked_to_pull(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    (host.root / "usr/bin/docker").unlink()
    supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    assert host.acts[0] == ["docker", "POST", "/images/create?fromImage=calico%2Fnode&tag=v1.0.0"]
    assert [call[1] for call in host.acts] == ["POST", "create", "start"]


@pytest.mark.parametrize("directory", ["usr/local/bin", "opt/bin"])
def test_dockers_command_is_found_where_no_package_puts_it(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]], directory: str
) -> None:
    (host.root / directory).mkdir(parents=True)
    tool = host.root / directory / "docker"
    (host.root / "usr/bin/docker").rename(host.root / "usr/bin/real-docker")
    tool.write_text(f'#!/bin/sh\nexec {host.root}/usr/bin/real-docker "$@"\n')
    tool.chmod(0o755)
    supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    assert [call[1] for call in host.acts] == ["pull", "create", "start"]


def test_a_container_that_is_paused_is_woken(host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]) -> None:
    end(supervise("calico-node"), after=lambda: "inspection" in get_kinds(host))
    containers = host.state["containers"]
    containers["calico-node"]["State"]["Status"] = "paused"
    host.change_state(containers=containers)
    assert host.run("supervise", "calico-node", "--health").returncode == 1
    supervise("calico-node")
    wait_until(lambda: host.state["containers"]["calico-node"]["State"]["Status"] == "running")


def test_a_container_that_is_right_is_left_alone_and_one_with_other_settings_is_replaced(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    end(supervise("calico-node"), after=lambda: "inspection" in get_kinds(host))
    end(supervise("calico-node"), after=lambda: get_kinds(host).count("inspection") == 2)
    assert [call[1] for call in host.acts] == ["pull", "create", "start"]
    host.wanted["calico_node"]["environment"]["NEW"] = "1"
    assert host.run("supervise", "calico-node", "--health").returncode == 1
    supervise("calico-node")
    wait_until(lambda: get_kinds(host).count("inspection") == 3)
    assert [call[1] for call in host.acts] == ["pull", "create", "start", "rm", "create", "start"]
    assert host.run("supervise", "calico-node", "--health").returncode == 0


def test_a_supervisor_waits_for_its_turn_however_long_the_one_before_it_lives(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    first = supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    host.wanted["calico_node"]["environment"]["NEW"] = "1"
    second = supervise("calico-node")
    wait_until(lambda: has_told(host, "waits for its turn: another supervisor of calico-node runs on this host"))
    assert [call[1] for call in host.acts] == ["pull", "create", "start"]
    end(first, after=lambda: True)
    wait_until(lambda: get_kinds(host).count("inspection") == 2)
    assert [call[1] for call in host.acts] == ["pull", "create", "start", "rm", "create", "start"]
    assert second.poll() is None


def test_a_supervisor_that_waits_can_be_asked_to_end(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    host.wanted["calico_node"]["environment"]["NEW"] = "1"
    end(supervise("calico-node"), after=lambda: has_told(host, "waits for its turn"))
    assert [call[1] for call in host.acts] == ["pull", "create", "start"]


def test_settings_reach_the_container_and_no_command_line(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    host.wanted["calico_node"]["environment"]["ETCD_PASSWORD"] = "s3cr3t"
    supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    container = host.state["containers"]["calico-node"]
    assert "ETCD_PASSWORD=s3cr3t" in container["Config"]["Env"]
    assert container["HostConfig"]["RestartPolicy"] == {"Name": "always"}
    # The only tool that is run is `docker pull`; the rest goes through the socket.
    assert "s3cr3t" not in json.dumps([host.acts, host.reports])


def test_a_docker_that_refuses_is_tried_again_and_its_words_are_told(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    host.change_state(docker_refuses="no space left on device")
    process = supervise("calico-node")
    wait_until(lambda: has_told(host, "with status 500: no space left on device"))
    assert process.poll() is None
    with changing_state(host.root) as state:
        state["docker_refuses"] = ""
    wait_until(lambda: "inspection" in get_kinds(host))


def test_why_a_container_crashes_is_told(host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]) -> None:
    supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    with changing_state(host.root) as state:
        crashed = {"Restarting": True, "Status": "restarting", "ExitCode": 3}
        state["containers"]["calico-node"]["State"].update(crashed)
    wait_until(lambda: has_told(host, "calico-node ended with status 3, Docker starts it again; it said: boom"))
    assert host.run("supervise", "calico-node", "--health").returncode == 1


def test_the_last_line_of_a_container_that_ends_again_and_again_is_part_of_the_fault(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    line = "ERROR: IP address 198.51.100.3 is already in use by host h2."
    end(supervise("calico-node"), after=lambda: "inspection" in get_kinds(host))
    with changing_state(host.root) as state:
        state["container_log"] = f"Using IPv4 address\n{line}\n"
        state["containers"]["calico-node"]["State"].update({"Restarting": True, "Running": False, "ExitCode": 1})
    assert line in json.loads(host.run("inspect").stdout)["faults"]["calico-node"]
    here = Host(str(host.root), None, {})
    assert describe_failure(here, "it never stays up for long", "")[0].endswith(f"it said: {line}")


def set_calico(host: FakeHost, **values: Any) -> None:
    """Break something of what calico-node shows of itself, or mend it."""
    with changing_state(host.root) as state:
        state["calico"].update(values)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"has_felix": False}, "Felix does not run in calico-node; it said: boom"),
        ({"felix_age": "00:01"}, "Felix ends again and again: it is up for 1 s, in a container that is up for 602 s"),
        ({"felix_ttl_s": 40}, "Felix has not reported to etcd for 50 s"),
        ({"felix_ttl_s": 0}, "Felix has reported nothing to etcd lately"),
        ({"address": "198.51.100.3"}, "etcd holds 198.51.100.3 as the address of node h1, and this host's is 10.77."),
        ({"nodes": {"h2": "10.77.0.11"}}, "the address 10.77.0.11 of node h1 is held by node h2 too"),
        ({"has_bird": False}, "could not look: BIRD: BIRD's answer on"),
        ({"nodes": {"h2": "10.77.0.12"}}, "the BGP session with node h2 (10.77.0.12) is not configured in BIRD"),
        ({"is_mesh_on": False, "nodes": {"h2": "10.77.0.12"}}, "the mesh of nodes is off and no BGP peer"),
        ({"plugins": {}}, 'Docker finds no plugin "calico"'),
    ],
)
def test_a_container_that_is_up_is_not_healthy_before_calico_works(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]], broken: dict[str, Any], words: str
) -> None:
    host.wanted["complete_nodes"] = [{"name": "h2", "address": "10.77.0.12"}]
    # Another node's Felix reports: it lives, and a session with it is missed.
    set_calico(host, **broken)
    process = supervise("calico-node")
    wait_until(lambda: has_told(host, words))
    assert "inspection" not in get_kinds(host)
    assert process.poll() is None
    done = host.run("supervise", "calico-node", "--health")
    assert (done.returncode, "its supervisor has not seen it work yet" in done.stderr) == (1, True)
    set_calico(host, **WELL)
    wait_until(lambda: "inspection" in get_kinds(host))
    assert "Felix reported to etcd 3 s ago" in host.reports[-1]["proofs"]["calico-node"]
    assert host.run("supervise", "calico-node", "--health").returncode == 0


def test_once_proven_felix_is_missed_and_others_sessions_are_not(
    host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]
) -> None:
    host.wanted["complete_nodes"] = [{"name": "h2", "address": "10.77.0.12"}]
    set_calico(host, nodes={"h2": "10.77.0.12"}, sessions={"10.77.0.12": "Established"})
    supervise("calico-node")
    wait_until(lambda: "inspection" in get_kinds(host))
    set_calico(host, sessions={"10.77.0.12": "Connect"})
    assert host.run("supervise", "calico-node", "--health").returncode == 0
    set_calico(host, has_felix=False)
    done = host.run("supervise", "calico-node", "--health")
    assert (done.returncode, "Felix does not run" in done.stderr) == (1, True)


def test_a_host_whose_docker_is_on_nftables_is_refused_before_its_first_change(host: FakeHost) -> None:
    host.set_tables("", DOCKER_NFT)
    assert host.run("supervise", "calico-node").returncode == 3
    assert has_told(
        host, "Docker's rules are in nftables with FORWARD policy DROP, Calico 2's are in the legacy tables"
    )
    assert has_told(host, "update-alternatives --set iptables /usr/sbin/iptables-legacy")
    assert host.acts == []


def test_a_docker_that_is_away_is_waited_for(host: FakeHost, supervise: Callable[[str], subprocess.Popen[str]]) -> None:
    state = host.state
    state["units"]["docker.service"]["ActiveState"] = "inactive"
    host.save(state)
    process = supervise("calico-node")
    wait_until(lambda: has_told(host, "waits for Docker"))
    state["units"]["docker.service"]["ActiveState"] = "active"
    host.save(state)
    wait_until(lambda: "inspection" in get_kinds(host))
    assert process.poll() is None
