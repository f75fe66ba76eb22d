"""What simulated hosts find beside Mesos: a name server, an etcd whose v2 answers are etcd's, and downloads."""

import contextlib
import http.client
import io
import json
import os
import re
import socket
import socketserver
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from calico_dcos.sim.dns import DnsServer, Target, Zone
from calico_dcos.sim.etcd import EtcdServer
from calico_dcos.sim.packages import ETCD_RELEASE, PackageServer
from tests.contract.real_etcd import find_free_port, start_etcd

LOOPBACK = "127.0.0.1"
Ask = Callable[..., tuple[int, Any]]
S = TypeVar("S", bound=socketserver.BaseServer)


@contextlib.contextmanager
def serve(server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def build_zone(etcd_port: int) -> Zone:
    member = Target("etcd-1.etcd.mesos", etcd_port)
    return Zone(services={"_etcd-client._tcp.etcd.mesos": (member,)}, addresses={"etcd-1.etcd.mesos": LOOPBACK})


@pytest.fixture
def name_server() -> Iterator[DnsServer]:
    with serve(DnsServer((LOOPBACK, 0), build_zone(1234))) as server:
        yield server


def query(server: DnsServer, name: str, kind: str) -> dns.message.Message:
    port: int = server.server_address[1]
    return dns.query.udp(dns.message.make_query(name, kind), LOOPBACK, port=port, timeout=30)


def test_a_service_is_answered_with_its_targets_and_their_addresses(name_server: DnsServer) -> None:
    answer = query(name_server, "_etcd-client._tcp.etcd.mesos", "SRV")
    assert [record.to_text() for record in answer.answer[0]] == ["0 0 1234 etcd-1.etcd.mesos."]
    assert answer.additional[0].to_text() == f"etcd-1.etcd.mesos. 60 IN A {LOOPBACK}"
    assert query(name_server, "ETCD-1.etcd.mesos", "A").answer[0][0].to_text() == LOOPBACK


@pytest.mark.parametrize("name", ["_etcd-client-ssl._tcp.etcd.mesos", "example.org"])
def test_another_name_does_not_exist(name_server: DnsServer, name: str) -> None:
    assert query(name_server, name, "SRV").rcode() is dns.rcode.NXDOMAIN


def test_a_known_name_without_such_a_record_has_an_empty_answer(name_server: DnsServer) -> None:
    answer = query(name_server, "etcd-1.etcd.mesos", "AAAA")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_members_that_move_are_found_where_they_are_now(name_server: DnsServer) -> None:
    name_server.zone = build_zone(4321)
    assert "4321" in query(name_server, "_etcd-client._tcp.etcd.mesos", "SRV").answer[0].to_text()


def build_ask(address: tuple[str, int]) -> Ask:
    def ask(method: str, path: str, form: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection(*address, timeout=30)
        connection.request(method, path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        with contextlib.suppress(ValueError):
            return response.status, normalize(json.loads(text))
        return response.status, text

    return ask


def normalize(answer: Any) -> Any:
    """Leave out indexes, which count from another beginning, and put the keys of a directory in order."""
    if isinstance(answer, list):
        return sorted((normalize(entry) for entry in answer), key=lambda entry: entry["key"])
    if isinstance(answer, dict):
        return {key: normalize(value) for key, value in answer.items() if not re.fullmatch("index|.*Index", key)}
    return answer


@pytest.fixture(scope="module", params=["stand-in", "real"])
def etcd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    if request.param == "stand-in":
        with serve(EtcdServer((LOOPBACK, 0))) as server:
            yield build_ask((LOOPBACK, server.server_port))
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETCD_ENABLE_V2", "true")
        real = start_etcd(tmp_path_factory.mktemp("etcd"))
    yield build_ask((LOOPBACK, real.client_port))
    real.stop()


def test_etcd_tells_health_and_version(etcd: Ask) -> None:
    assert etcd("GET", "/health") == (200, {"health": "true"})
    status, version = etcd("GET", "/version")
    assert (status, set(version)) == (200, {"etcdserver", "etcdcluster"})


def test_etcd_keeps_values(etcd: Ask) -> None:
    key = "/v2/keys/values/a"
    node = {"key": "/values/a", "value": "1"}
    assert etcd("PUT", key, "value=1") == (201, {"action": "set", "node": node})
    assert etcd("GET", key) == (200, {"action": "get", "node": node})
    changed = {"key": "/values/a", "value": "2"}
    assert etcd("PUT", key, "value=2") == (200, {"action": "set", "node": changed, "prevNode": node})
    compared = etcd("PUT", key, "value=3&prevValue=2")
    assert (compared[0], compared[1]["action"]) == (200, "compareAndSwap")
    deleted = {"action": "delete", "node": {"key": "/values/a"}, "prevNode": {"key": "/values/a", "value": "3"}}
    assert etcd("DELETE", key) == (200, deleted)


def test_etcd_makes_a_directory_once(etcd: Ask) -> None:
    path = "/v2/keys/docker/nodes?dir=true&prevExist=false"
    assert etcd("PUT", path) == (201, {"action": "create", "node": {"key": "/docker/nodes", "dir": True}})
    refusal = {"errorCode": 105, "message": "Key already exists", "cause": "/docker/nodes"}
    assert etcd("PUT", path) == (412, refusal)


def test_etcd_lists_a_directory(etcd: Ask) -> None:
    etcd("PUT", "/v2/keys/list/b/c", "value=1")
    etcd("PUT", "/v2/keys/list/a", "value=2")
    leaf, inner = {"key": "/list/a", "value": "2"}, {"key": "/list/b", "dir": True}
    directory = {"key": "/list", "dir": True, "nodes": [leaf, inner]}
    assert etcd("GET", "/v2/keys/list") == (200, {"action": "get", "node": directory})
    deep = {**directory, "nodes": [leaf, {**inner, "nodes": [{"key": "/list/b/c", "value": "1"}]}]}
    assert etcd("GET", "/v2/keys/list?recursive=true") == (200, {"action": "get", "node": deep})


@pytest.mark.parametrize(
    ("method", "path", "form", "status", "code", "message"),
    [
        ("GET", "/none", "", 404, 100, "Key not found"),
        ("DELETE", "/none", "", 404, 100, "Key not found"),
        ("PUT", "/none?prevExist=true", "value=1", 404, 100, "Key not found"),
        ("PUT", "/none", "value=1&prevValue=0", 404, 100, "Key not found"),
        ("PUT", "/file", "value=1&prevValue=0", 412, 101, "Compare failed"),
        ("PUT", "/file?prevExist=false", "value=1", 412, 105, "Key already exists"),
        ("PUT", "/file/below", "value=1", 400, 104, "Not a directory"),
        ("PUT", "/full", "value=1", 403, 102, "Not a file"),
        ("PUT", "/full", "dir=true", 403, 102, "Not a file"),
        ("DELETE", "/full", "", 403, 102, "Not a file"),
        ("DELETE", "/full?dir=true", "", 403, 108, "Directory not empty"),
        ("PUT", "/", "value=1", 400, 107, "Root is read only"),
    ],
)
def test_etcd_refuses_in_its_own_words(
    etcd: Ask, method: str, path: str, form: str, status: int, code: int, message: str
) -> None:
    etcd("PUT", "/v2/keys/errors/file", "value=old")
    etcd("PUT", "/v2/keys/errors/full/x", "value=old")
    place = "/v2/keys" if path == "/" else "/v2/keys/errors"
    answered, refusal = etcd(method, place + path, form)
    assert (answered, refusal["errorCode"], refusal["message"]) == (status, code, message)


def test_etcd_removes_a_directory_with_all_that_it_holds(etcd: Ask) -> None:
    etcd("PUT", "/v2/keys/gone/x/y", "value=1")
    node = {"key": "/gone", "dir": True}
    assert etcd("DELETE", "/v2/keys/gone?recursive=true") == (200, {"action": "delete", "node": node, "prevNode": node})
    assert etcd("GET", "/v2/keys/gone/x/y")[0] == 404


def test_etcd_has_no_other_paths(etcd: Ask) -> None:
    assert etcd("GET", "/v2/nope") == (404, "404 page not found\n")


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[PackageServer]:
    with serve(PackageServer((LOOPBACK, 0), tmp_path / "packages")) as server:
        yield server


def fetch(packages: PackageServer, name: str) -> bytes:
    connection = http.client.HTTPConnection(LOOPBACK, packages.server_port, timeout=30)
    connection.request("GET", urlsplit(packages.packages[name].url).path)
    content = connection.getresponse().read()
    connection.close()
    return content


@pytest.mark.parametrize("name", ["calico", "calico-ipam"])
def test_a_plugin_answers_which_versions_it_speaks(packages: PackageServer, tmp_path: Path, name: str) -> None:
    plugin = tmp_path / name
    plugin.write_bytes(fetch(packages, name))
    plugin.chmod(0o755)
    answer = subprocess.run([plugin], env={"CNI_COMMAND": "VERSION"}, stdout=subprocess.PIPE, check=True).stdout
    assert json.loads(answer) == {"cniVersion": "0.2.0"}, "as v1.5.5 answers"
    added = subprocess.run([plugin], env={"CNI_COMMAND": "ADD"}, input=b"", stdout=subprocess.PIPE, check=False)
    assert (added.returncode, json.loads(added.stdout)["code"]) == (1, 100)


def test_sums_are_those_of_the_downloads(packages: PackageServer) -> None:
    for name, package in packages.packages.items():
        sums = subprocess.run(["sha256sum"], input=fetch(packages, name), stdout=subprocess.PIPE, check=True).stdout
        assert sums.decode().split()[0] == package.sha256


@pytest.fixture
def etcd_program(packages: PackageServer, tmp_path: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(fetch(packages, f"{ETCD_RELEASE}.tar.gz"))) as archive:
        entry = archive.extractfile(f"{ETCD_RELEASE}/etcd")
        assert entry is not None
        program = tmp_path / "etcd"
        program.write_bytes(entry.read())
    program.chmod(0o755)
    return program


def test_the_archived_etcd_tells_its_version(etcd_program: Path) -> None:
    answer = subprocess.run([etcd_program, "--version"], stdout=subprocess.PIPE, check=True).stdout
    assert answer.startswith(b"etcd Version: 3.3.12\n")


@contextlib.contextmanager
def run_gateway(program: Path, *options: str, root: Path = Path("/")) -> Iterator[tuple[str, int]]:
    listen = (LOOPBACK, find_free_port())
    command = [str(program), "gateway", "start", f"--listen-addr={listen[0]}:{listen[1]}", *options]
    environment = {**os.environ, "CALICO_DCOS_ROOT": str(root)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as gateway:
        try:
            assert gateway.stderr is not None
            said = iter(gateway.stderr.readline, "")
            assert any("ready to proxy client requests" in line for line in said)
            yield listen
        finally:
            gateway.kill()


def test_the_gateway_forwards_to_the_members_behind_a_name(etcd_program: Path, tmp_path: Path) -> None:
    with serve(EtcdServer((LOOPBACK, 0))) as member:
        zone = build_zone(member.server_port)
        with serve(DnsServer((LOOPBACK, 0), zone)) as server:
            (tmp_path / "etc").mkdir()
            (tmp_path / "etc/resolv.conf").write_text(f"nameserver {LOOPBACK}:{server.server_address[1]}\n")
            options = ("--discovery-srv", "etcd.mesos", "--insecure-discovery")
            with run_gateway(etcd_program, *options, root=tmp_path) as listen:
                assert build_ask(listen)("PUT", "/v2/keys/a", "value=1")[0] == 201
            assert server.queried[:2] == ["_etcd-client-ssl._tcp.etcd.mesos", "_etcd-client._tcp.etcd.mesos"]
            bare = [str(etcd_program), "gateway", "start", "--discovery-srv=etcd.mesos"]
            refused = subprocess.run(bare, env={"CALICO_DCOS_ROOT": str(tmp_path)}, stderr=subprocess.PIPE, check=False)
            assert refused.returncode == 1
            assert b"should not resolve to the gateway listen addr" in refused.stderr


def test_the_gateway_passes_over_a_member_that_is_away(etcd_program: Path) -> None:
    with serve(EtcdServer((LOOPBACK, 0))) as member:
        endpoints = f"--endpoints={LOOPBACK}:{find_free_port()},{LOOPBACK}:{member.server_port}"
        with run_gateway(etcd_program, endpoints) as listen:
            assert build_ask(listen)("GET", "/health") == (200, {"health": "true"})


def test_the_gateway_takes_a_connection_and_drops_it_when_all_members_are_away(etcd_program: Path) -> None:
    with (
        run_gateway(etcd_program, f"--endpoints={LOOPBACK}:{find_free_port()}") as listen,
        socket.create_connection(listen, timeout=30) as client,
    ):
        assert client.recv(1) == b""
