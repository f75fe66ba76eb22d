"""The installer on hosts that are set up otherwise: locales, proxies, agents with TLS or one address, access lists."""

from __future__ import annotations

import io
import os
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import pytest

from calico_dcos.installer.dns import SRV, look_up
from calico_dcos.installer.facts.docker import is_installed
from calico_dcos.installer.facts.mesos_agent import AgentState, read_agent_state
from calico_dcos.installer.facts.network import find_own_address
from calico_dcos.installer.files import write_file
from calico_dcos.installer.host import Host
from calico_dcos.installer.report import Reporter
from calico_dcos.installer.steps.download import download
from calico_dcos.installer.steps.work import StepError
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import Download
from tests.contract.installer_fakes import FakeHost
from tests.contract.test_installer_supervise import build_answer

STATE = b'{"version": "1.9.0", "start_time": 1.5}'
ACCESS_LIST = "system.posix_acl_access"
# Tag, permissions and id of an entry: the owner, user 12, the group, the mask, and all others.
ENTRIES = [(0x01, 6, -1), (0x02, 4, 12), (0x04, 0, -1), (0x10, 4, -1), (0x20, 0, -1)]


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(STATE)))
        self.end_headers()
        self.wfile.write(STATE)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    yield server
    server.shutdown()
    server.server_close()


def serve(server: HTTPServer) -> str:
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def open_both_on_one_port() -> tuple[socket.socket, socket.socket]:
    """Open a TCP and a UDP socket on one port; now and then the kernel's choice for one is taken for the other."""
    while True:
        stream = socket.create_server(("127.0.0.1", 0))
        packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            packets.bind(stream.getsockname())
        except OSError:
            stream.close()
            packets.close()
            continue
        return stream, packets


def test_without_a_locale_what_a_tool_says_in_other_letters_is_told_all_the_same(host: FakeHost) -> None:
    host.change_state(version={"Version": "20.10.24"}, docker_refuses="")
    host.daemon_json.write_bytes(b'{"data-root": "/srv/\xc3\xbc"')
    host.wanted["cni"]["plugins"][0]["url"] = "file:///nowhere/ü"
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = host.run("apply", "cni", environment={**host.environment(), **ascii_only})
    assert done.returncode == 1
    assert "failed: file:///nowhere/\\xfc cannot be downloaded" in done.stdout
    assert [report["kind"] for report in host.reports if report["kind"] == "failure"] == ["failure"]


def test_the_scheduler_is_not_asked_through_a_proxy(
    server: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = serve(server)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    source = Download(f"http://{address}/artifacts/0/calico", None)
    reporter = Reporter(f"http://{address}/v1/reports/task-1", None, io.StringIO(), io.StringIO())
    download(source, str(tmp_path / "file"), reporter)
    assert (tmp_path / "file").read_bytes() == STATE
    by_hand = Reporter(None, None, io.StringIO(), io.StringIO())
    with pytest.raises(StepError, match="refused"):
        download(source, str(tmp_path / "file"), by_hand)


def test_an_agent_that_speaks_tls_alone_is_asked_over_tls(server: HTTPServer, tmp_path: Path) -> None:
    certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=agent"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=120)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state = read_agent_state(Host("/", None, {}), serve(server))
    assert isinstance(state, AgentState)
    assert state.version == "1.9.0"


def test_a_program_that_listens_on_one_address_alone_is_found() -> None:
    with socket.create_server(("127.0.0.9", 0)) as one:
        assert find_own_address(one.getsockname()[1]) == "127.0.0.9"
    with socket.create_server(("0.0.0.0", 0)) as every:
        assert find_own_address(every.getsockname()[1]) is None


def test_a_file_that_is_written_anew_keeps_its_access_list(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    access_list = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in ENTRIES)
    try:
        os.setxattr(path, ACCESS_LIST, access_list)
    except OSError:
        access_list = b""  # this file system has none: written it must be all the same
    mode = path.stat().st_mode
    assert write_file(Host(str(tmp_path), None, {}), str(path), b'{"a": 1}')
    assert path.read_bytes() == b'{"a": 1}'
    assert path.stat().st_mode == mode
    assert not access_list or os.getxattr(path, ACCESS_LIST) == access_list


def test_containers_that_end_meanwhile_and_links_do_not_disturb_a_reload(host: FakeHost) -> None:
    linked = {**host.state["containers"]["web"], "Links": ["/front/web"]}
    ended = {"Id": "gone", "Names": ["/gone"], "Image": "nginx:1"}
    host.change_state(containers={"web": linked}, containers_that_just_ended=[ended])
    done = host.run("apply", "docker-cluster-store")
    assert done.returncode == 0, done.stdout
    assert "1 running containers untouched" in done.stdout


@pytest.mark.parametrize("speaks_tcp", [True, False])
def test_members_that_do_not_fit_into_a_packet_are_asked_for_over_tcp(*, speaks_tcp: bool) -> None:
    members = {"_etcd-client._tcp.etcd.mesos": [31001, 31002]}
    stream, packets = open_both_on_one_port()

    def answer() -> None:
        query, client = packets.recvfrom(512)
        part = bytearray(build_answer(query, {name: ports[:1] for name, ports in members.items()}))
        part[2] |= 0x02
        packets.sendto(bytes(part), client)
        channel, _ = stream.accept()
        with channel, channel.makefile("rwb") as file:
            if speaks_tcp:
                whole = build_answer(file.read(int.from_bytes(file.read(2), "big")), members)
                file.write(len(whole).to_bytes(2, "big") + whole)

    with stream, packets:
        threading.Thread(target=answer, daemon=True).start()
        response = look_up([packets.getsockname()], "_etcd-client._tcp.etcd.mesos", SRV)
    assert [target.port for target in response.targets] == ([31001, 31002] if speaks_tcp else [31001])


@pytest.mark.parametrize(("has_systemd", "is_there"), [(True, True), (False, False)])
def test_a_docker_whose_unit_cannot_be_asked_for_is_not_taken_for_none(
    tmp_path: Path, *, has_systemd: bool, is_there: bool
) -> None:
    if has_systemd:
        (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert is_installed(Host(str(tmp_path), None, {}), Unknown("Failed to connect to bus")) is is_there
