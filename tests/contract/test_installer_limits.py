"""What the installer asks of others is bounded: how long a program or an answer takes, and how much of it is kept."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from calico_dcos.installer.connectivity.packets import SILENT, connect
from calico_dcos.installer.dns import _ask_whole
from calico_dcos.installer.docker_api import DockerAwayError, read_json
from calico_dcos.installer.facts.cni import read_config
from calico_dcos.installer.facts.netfilter import list_family
from calico_dcos.installer.host import Host, ToolError, run_program
from calico_dcos.installer.program import OUTPUT_MAX_BYTES
from calico_dcos.installer.report import Reporter
from calico_dcos.installer.steps import download as download_module
from calico_dcos.installer.steps.download import download
from calico_dcos.installer.steps.work import StepError
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import Download
from calico_dcos.installer.web import BODY_MAX_BYTES, UnreachableError, fetch, split_address
from tests.contract.installer_fakes import FakeHost, find_pythons

PATH = {"PATH": "/usr/bin:/bin"}
PATIENCE_S = 20
HEAD = b"HTTP/1.1 200 OK\r\n"


def write_tool(directory: Path, text: str) -> str:
    tool = directory / "tool"
    tool.write_text(f"#!/bin/sh\n{text}\n")
    tool.chmod(0o755)
    return str(tool)


@pytest.mark.parametrize("python", find_pythons())
def test_a_child_that_keeps_the_pipe_open_does_not_hold_up_the_timeout(python: str, tmp_path: Path) -> None:
    tool = write_tool(tmp_path, "sleep 60\nexit 0")
    code = f"""
import time
from calico_dcos.installer.host import ToolError, run_program
began = time.monotonic()
try:
    run_program([{tool!r}], {PATH!r}, 0.5)
except ToolError as error:
    print(time.monotonic() - began < {PATIENCE_S}, error)
"""
    done = subprocess.run([python, "-c", code], cwd=FakeHost.project, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"True {tool} did not end within 0.5 s", done.stderr


def test_at_the_timeout_the_whole_session_of_a_program_is_killed(tmp_path: Path) -> None:
    tool = write_tool(tmp_path, f"sleep 60 & echo $! >{tmp_path}/child\nwait")
    with pytest.raises(ToolError, match="did not end within 1 s"):
        run_program([tool], PATH, 1.0)
    child = int((tmp_path / "child").read_text())
    assert wait_until(lambda: not is_running(child))


def test_a_program_has_ended_when_it_has_ended_whoever_still_holds_its_pipe(tmp_path: Path) -> None:
    tool = write_tool(tmp_path, "echo said\nsetsid sleep 60 &\nexit 3")
    began = time.monotonic()
    assert run_program([tool], PATH, 50.0) == (3, "said\n")
    assert time.monotonic() - began < PATIENCE_S


def test_a_program_that_closes_its_pipe_and_stays_runs_into_the_timeout(tmp_path: Path) -> None:
    tool = write_tool(tmp_path, "exec >/dev/null 2>&1\nsleep 60")
    with pytest.raises(ToolError, match=r"did not end within 0\.5 s"):
        run_program([tool], PATH, 0.5)


def test_of_an_endless_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    tool = write_tool(tmp_path, "echo first\nhead -c 20000000 /dev/zero | tr '\\0' x\necho last")
    output = run_program([tool], PATH, 60).output
    assert output.startswith("first\nx")
    assert output.endswith("xlast\n")
    assert "left out" in output
    assert len(output) <= 2 * OUTPUT_MAX_BYTES + 100_000


@pytest.mark.parametrize("begin", [b"", HEAD, HEAD + b"Content-Length: 1000000\r\n\r\n", HEAD + b"\r\n"])
def test_an_answer_that_trickles_has_one_deadline(begin: bytes) -> None:
    with serving(lambda peer: trickle(peer, begin)) as address, pytest.raises(UnreachableError, match=r"within 0\.5 s"):
        fetch(address, "/", 0.5)


def test_docker_that_trickles_is_away(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    docker_host = Host(str(tmp_path), None, {})
    with serving(lambda peer: trickle(peer, HEAD), str(tmp_path / "run/docker.sock")), pytest.raises(DockerAwayError):
        read_json(docker_host, "/info", 0.5)


@pytest.mark.parametrize("length", ["Content-Length: 9000000000\r\n", ""])
def test_an_answer_without_end_is_not_kept(length: str) -> None:
    def flood(peer: socket.socket) -> None:
        peer.sendall(HEAD + length.encode() + b"\r\n")
        while True:
            peer.sendall(b"x" * 65536)

    with serving(flood) as address, pytest.raises(UnreachableError, match=f"longer than {BODY_MAX_BYTES >> 20} MB"):
        fetch(address, "/", 60)


def test_an_answer_that_is_cut_short_is_none() -> None:
    def cut(peer: socket.socket) -> None:
        peer.sendall(HEAD + b"Content-Length: 10\r\n\r\nhalf")

    with serving(cut) as address, pytest.raises(UnreachableError):
        fetch(address, "/", 5)


@pytest.mark.parametrize("python", find_pythons())
def test_a_plugin_whose_child_stays_does_not_hold_up_a_look(host: FakeHost, python: str) -> None:
    plugin = host.plugins_dir / "calico"
    plugin.write_text("#!/bin/sh\nsleep 120\nexit 0\n")
    plugin.chmod(0o755)
    began = time.monotonic()
    done = host.run("inspect", python=python)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 60
    version = host.reports[-1]["facts"]["cni"]["plugins"][0]["version"]
    assert "did not end within 5 s" in json.dumps(version)


def test_tables_whose_tool_leaves_a_child_behind_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    tool = tmp_path / "usr/sbin/iptables-legacy-save"
    tool.write_text("#!/bin/sh\nsleep 120\nexit 0\n")
    tool.chmod(0o755)
    began = time.monotonic()
    family = list_family(Host(str(tmp_path), None, {}), "iptables-legacy-save")
    assert time.monotonic() - began < PATIENCE_S
    assert "did not end within 5 s" in str(family)


def test_a_name_server_that_trickles_over_tcp_has_one_deadline() -> None:
    with serving(lambda peer: trickle(peer, b"\xff\xff")) as address:
        began = time.monotonic()
        assert _ask_whole(split_address(address), b"query") == b""
    assert time.monotonic() - began < PATIENCE_S


def test_a_peer_that_trickles_is_silent(tmp_path: Path) -> None:
    with serving(lambda peer: trickle(peer, b"")) as address:
        tcp = connect(Host(str(tmp_path), None, {}), *split_address(address), "", "run", 0.5)
    assert (tcp.state, tcp.message) == (SILENT, f"TCP to {address}: no answer within 0.5 s")


def test_a_head_of_a_download_that_trickles_has_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "OPEN_TIMEOUT_S", 0.5)
    reporter = Reporter(None, None, io.StringIO(), io.StringIO())
    # Who asks goes on in a thread that nobody waits for: the server has to come to an end by itself.
    with serving(lambda peer: trickle(peer, HEAD, 30)) as address, pytest.raises(StepError, match=r"within 0\.5 s"):
        download(Download(f"http://{address}/calico", None), str(tmp_path / "file"), reporter)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, " " * (2 << 20)], ids=["[", "{", "long"])
def test_a_network_of_others_that_cannot_be_read_is_broken_and_ends_no_look(tmp_path: Path, content: str) -> None:
    (tmp_path / "10-mine.conf").write_text(content)
    network = read_config(str(tmp_path), "10-mine.conf", {}).network
    assert isinstance(network, Unknown)
    assert "nested too deep" in network.reason or "longer than 1024 KB" in network.reason


def trickle(peer: socket.socket, begin: bytes, count: int = 10_000) -> None:
    peer.sendall(begin)
    for _ in range(count):
        time.sleep(0.1)
        peer.sendall(b"x")


@contextmanager
def serving(answer: Callable[[socket.socket], None], path: str = "") -> Iterator[str]:
    """A server that answers one call as it likes."""
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(path or ("127.0.0.1", 0))
    server.listen()

    def serve() -> None:
        peer, _ = server.accept()
        peer.settimeout(1)
        with peer:
            try:
                with suppress(socket.timeout):
                    peer.recv(65536)
                peer.settimeout(None)
                answer(peer)
            except OSError:
                return  # the other side has had enough

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield "" if path else f"127.0.0.1:{server.getsockname()[1]}"
    thread.join()
    server.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so()
