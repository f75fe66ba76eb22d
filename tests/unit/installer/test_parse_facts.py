"""What the kernel, a clock and the CNI directory say -> facts; and what is hidden on the way out."""

from __future__ import annotations

from typing import Any

import pytest

from calico_dcos.installer.facts.clock import compute_offset
from calico_dcos.installer.facts.cni import Duplicate, find_broken, find_duplicates, parse_config
from calico_dcos.installer.facts.mesos_agent import is_cni_isolator_on
from calico_dcos.installer.facts.network import (
    Socket,
    choose_own_address,
    count_values,
    parse_address,
    parse_sockets,
)
from calico_dcos.installer.redaction import hide_all, hide_secrets, is_secret_name
from calico_dcos.installer.unknown import Unknown, to_json
from tests.unit.installer.examples import build_config

# Of a real host: sshd on all addresses, etcd on the loopback address, and one connection that is no listener.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16021 1 0000000000000000 100 0 0 10 0
   1: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 45277 1 0000000000000000 100 0 0 10 0
   2: 0100007F:094B 0100007F:B6A2 01 00000000:00000000 00:00000000 00000000     0        0 45301 1 0000000000000000 20 4 30 10 -1
"""  # noqa: E501  (as the kernel prints it)
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:094B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 51234 1 0000000000000000 100 0 0 10 0
"""  # noqa: E501  (as the kernel prints it)
UNREAD = Unknown("not looked for")


def test_the_sockets_that_listen_on_a_port_are_read() -> None:
    assert parse_sockets(TCP, 2379) == [Socket("127.0.0.1", 45277, UNREAD)]
    assert parse_sockets(TCP, 22) == [Socket("0.0.0.0", 16021, UNREAD)]
    assert parse_sockets(TCP6, 2379) == [Socket("::", 51234, UNREAD)]
    assert parse_sockets(TCP, 80) == []


def test_interfaces_are_counted_by_their_filter() -> None:
    assert count_values({"eth0": 1, "cali1": 2, "cali2": 2}) == {"1": 1, "2": 2}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("0200000A", "10.0.0.2"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
        ("B80D01200000000000000000 01000000".replace(" ", ""), "2001:db8:0:0:0:0:0:1"),
    ],
)
def test_the_kernels_addresses_are_read(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("now_epoch_s", "ahead"), [(1000000000.0, 0), (1000000000.9, 0), (1000000012.5, 12), (999999000.0, -1000)]
)
def test_a_clock_is_compared_with_an_http_date(now_epoch_s: float, ahead: int) -> None:
    assert compute_offset("Sun, 09 Sep 2001 01:46:40 GMT", now_epoch_s) == ahead


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_date_tells_nothing_of_the_clock(date: str | None) -> None:
    assert isinstance(compute_offset(date, 1.0), Unknown)


@pytest.mark.parametrize(
    ("isolation", "is_on"),
    [
        ("cgroups/cpu,network/cni", True),
        ("posix/cpu,posix/mem", True),
        ("", True),
        ("network/port_mapping", False),
        ("network/port_mapping, network/cni", True),
    ],
)
def test_mesos_uses_cni_unless_another_network_isolator_is_named(isolation: str, *, is_on: bool) -> None:
    assert is_cni_isolator_on(isolation) is is_on


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([], "it is no JSON object"),
        ({"cniVersion": "0.3.1", "name": "list", "plugins": []}, "it lacks type"),
        ({"type": "bridge"}, "it lacks name"),
        ({"name": "a", "type": "bridge", "ipam": {}}, None),
        ({"name": "a", "type": "bridge", "ipam": {"subnet": "10.0.0.0/8"}}, "it lacks ipam.type"),
        ({"name": "a", "type": "bridge", "ipam": {"type": "host-local"}}, None),
        ({"name": 1, "type": "bridge"}, "it lacks name"),
    ],
)
def test_a_file_is_a_network_as_mesos_understands_it(content: Any, fault: str | None) -> None:
    config = parse_config("10-a.conf", content, 1.0, {})
    if fault is None:
        assert config.network == "a"
    else:
        assert config.network == Unknown("no network configuration: " + fault)


def test_duplicates_and_broken_files_are_found() -> None:
    configs = [
        build_config(),
        build_config(file="old.conf", is_wanted=False),
        build_config(file="dummy.cni", network="dummy"),
        build_config(file="README", network=Unknown("no JSON")),
    ]
    assert find_duplicates(configs) == [Duplicate("calico", ["calico.conf", "old.conf"])]
    assert find_broken(configs) == ["README"]
    assert (find_duplicates(Unknown("?")), find_broken(Unknown("?"))) == ([], [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:word@proxy:3128/x", "http://(hidden)@proxy:3128/x"),
        ("http://10.0.0.1:2379,http://u:p@h:1", "http://10.0.0.1:2379,http://(hidden)@h:1"),
        ("splunk-token=abc", "splunk-token=(hidden)"),
        ("ETCD_PASSWORD=abc", "ETCD_PASSWORD=(hidden)"),
        ("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=(hidden)"),
        ("--storage-driver=overlay2", "--storage-driver=overlay2"),
        ("etcd://localhost:2379", "etcd://localhost:2379"),
        ("a@b.example", "a@b.example"),
    ],
)
def test_secrets_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown
    assert hide_all(to_json([text, {"a": text}, Unknown(text)])) == [shown, {"a": shown}, {"unknown": shown}]


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [("ETCD_KEY", True), ("ETCD_KEY_FILE", False), ("Token", True), ("FELIX_LOGSEVERITY", False), ("API_KEY", True)],
)
def test_names_tell_of_secrets(name: str, *, is_secret: bool) -> None:
    assert is_secret_name(name) is is_secret


@pytest.mark.parametrize(
    ("addresses", "chosen"),
    [
        ([], None),
        (["0.0.0.0"], None),
        (["::"], None),
        (["10.0.0.7", "127.0.0.1"], None),
        (["10.0.0.7"], "10.0.0.7"),
        (["fd00:0:0:0:0:0:0:7"], "[fd00:0:0:0:0:0:0:7]"),
    ],
)
def test_what_listens_on_one_address_alone_is_asked_there(addresses: list[str], chosen: str | None) -> None:
    assert choose_own_address(addresses) == chosen
