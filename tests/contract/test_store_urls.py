"""What an operator hears when a store URL is wrong, or nothing answers there: one line, the URL, the remedy."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from calico_dcos.scheduler import StoreError
from calico_dcos.store.urls import open_store, parse_store_url
from tests.contract.real_etcd import find_free_port

NOBODY = "127.0.0.1:1"


class EtcdTwo(BaseHTTPRequestHandler):
    """What etcd 2.x says to who asks for its version; of v3 it knows nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"etcdserver": "2.3.7", "etcdcluster": "2.3.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def etcd_two() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EtcdTwo) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def hear(url: str) -> str:
    """Open the store and load it; give what the error says, one line."""
    with pytest.raises(StoreError) as caught:
        open_store(url).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/calico", "unknown kind of store 'mysql'"),
        ("/var/lib/state.db", "unknown kind of store ''"),
        ("", "unknown kind of store ''"),
        ("etcd://[bad/calico", "this is no URL"),
        ("sqlite://state.db", "needs an absolute path"),
        ("sqlite:///", "needs an absolute path"),
        ("etcd://h1:2379", "needs a host and a path"),
        ("etcd:///calico", "needs a host and a path"),
        ("etcd://h1:2379,h2:http/calico", "with a number as port"),
        ("etcd://root@h1:2379/calico", "needs both a user and a password"),
        ("etcd+srv://etcd.mesos", "needs a host and a path"),
        ("zk://h1:2181", "needs a host and a path, as in zk://zk-1.zk:2181"),
        ("zk://h1:2181/", "needs a host and a path"),
        ("zk:///calico", "needs a host and a path"),
        ("zk://h1:port/calico", "with a number as port"),
        ("zk://h1:2181/calico,h2:2181/calico", "all hosts come before it"),
        ("zk://h1:2181//calico", "is no path"),
        ("zk://user@h1:2181/calico", "needs both a user and a password, as in zk://user:password@host/path"),
    ],
)
def test_a_url_that_names_no_store_is_answered_with_what_it_should_look_like(url: str, said: str) -> None:
    message = hear(url)

    assert said in message
    assert "://" in message.partition(": ")[2], "the message shows no example"


def test_a_zookeeper_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calico_dcos.store.zookeeper_client.CONNECT_TIMEOUT_S", 0.3)

    message = hear(f"zk://{NOBODY},127.0.0.1:2/calico")

    assert f"store zk://{NOBODY},127.0.0.1:2/calico cannot be reached" in message
    assert "nothing answers at 127.0.0.1:1,127.0.0.1:2; see that ZooKeeper runs there" in message


def test_an_etcd_that_is_not_there_is_named_with_each_endpoint() -> None:
    message = hear(f"etcd://{NOBODY},127.0.0.1:2/calico")

    assert f"store etcd://{NOBODY},127.0.0.1:2/calico cannot be reached" in message
    assert "127.0.0.1:1: Connection refused; 127.0.0.1:2: Connection refused" in message
    assert "see that etcd runs there" in message


def test_an_etcd_without_v3_api_names_the_zookeeper_way_out(etcd_two: str) -> None:
    message = hear(f"etcd://{etcd_two}/calico")

    assert "etcd 2.3.7 has no v3 API, use a zk://" in message


def test_a_domain_without_srv_record_is_named() -> None:
    assert "no SRV record _etcd-client._tcp.calico-dcos.invalid" in hear("etcd+srv://calico-dcos.invalid/calico")


def test_a_missing_directory_is_not_made_up(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/volume/state.db"

    message = hear(url)

    assert url in message
    assert "its directory must exist" in message
    assert not (tmp_path / "volume").exists()


@pytest.mark.parametrize("name", ["garbage.db", ""])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "garbage.db").write_bytes(b"not a database" * 100)

    assert f"store sqlite://{tmp_path}/{name}".rstrip("/") in hear(f"sqlite://{tmp_path}/{name}")


def test_a_directory_without_permission_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        directory = Path("/proc/self")  # where not even root can create files
    else:
        directory = tmp_path
        directory.chmod(0o500)
    store = open_store(f"sqlite://{directory}/state.db")

    with pytest.raises(StoreError, match=f"store sqlite://{directory}/state.db: .*must exist, be writable"):
        store.acquire("somebody", 0)


@pytest.mark.parametrize(
    "url",
    [
        f"etcd://root:s3cr3t@{NOBODY}/calico",
        f"etcd://root:s3cr3t@{NOBODY}",
        "etcd+srv://root:s3cr3t@calico-dcos.invalid/calico",
        "zk://root:s3cr3t@zk-1.zk:port/calico",
        "mysql://root:s3cr3t@host/calico",
        "etcd://root:s3cr3t/@host/calico",
        "sqlite://root:s3cr3t@/calico",
    ],
)
def test_secrets_of_a_url_are_never_told(url: str) -> None:
    message = hear(url)

    assert "s3cr3t" not in message
    assert "root" not in message


def test_parts_of_a_url_are_decoded() -> None:
    parsed = parse_store_url("etcd://ro%40ot:p%3Aw@h1:2379,h2/a/b/")

    assert (parsed.scheme, parsed.hosts, parsed.path) == ("etcd", ("h1:2379", "h2"), "/a/b")
    assert (parsed.user, parsed.password) == ("ro@ot", "p:w")
    assert parsed.label == "etcd://***@h1:2379,h2/a/b/"
    assert "p:w" not in repr(parsed)


def test_an_endpoint_that_comes_up_later_is_found() -> None:
    port = find_free_port()
    store = open_store(f"etcd://127.0.0.1:{port}/calico")
    with pytest.raises(StoreError, match="Connection refused"):
        store.load()

    with ThreadingHTTPServer(("127.0.0.1", port), EtcdTwo) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        with pytest.raises(StoreError, match="no v3 API"):
            store.load()
        server.shutdown()
