"""Which address calico-node gets: one that the way of finding it leaves, or none, with those that are there."""

from __future__ import annotations

import socket
import struct

import pytest

from calico_dcos.installer.facts.address import (
    ENTRY_BYTES,
    Address,
    Found,
    choose_address,
    find_address,
    list_addresses,
    list_targets,
    parse_entries,
    parse_ip_addr,
    read_addresses,
    read_source,
    resolve,
)
from calico_dcos.installer.host import Host
from calico_dcos.installer.unknown import Unknown

HOST = Host("/", None, {})
# An agent of DC/OS: its own interface between those that all agents have with the same addresses.
DCOS = [
    Address("lo", "127.0.0.1"),
    Address("docker0", "172.17.0.1"),
    Address("spartan", "198.51.100.1"),
    Address("spartan", "198.51.100.2"),
    Address("spartan", "198.51.100.3"),
    Address("d-dcos", "9.0.1.129"),
    Address("eth0", "10.0.0.7"),
]
TWO = [*DCOS, Address("eth1", "192.168.7.7")]


@pytest.mark.parametrize(
    ("method", "addresses", "found"),
    [
        ("first-found", DCOS, "10.0.0.7"),
        ("first-found", TWO, "10.0.0.7"),
        ("interface=eth0", TWO, "10.0.0.7"),
        ("interface=ens.*,eth1", TWO, "192.168.7.7"),
        ("interface=docker0", TWO, "172.17.0.1"),
        ("skip-interface=eth0", TWO, "192.168.7.7"),
        ("skip-interface=foo,eth1", TWO, "10.0.0.7"),
        ("cidr=10.0.0.0/8", TWO, "10.0.0.7"),
        ("cidr=172.16.0.0/12,192.168.0.0/16", TWO, "192.168.7.7"),
        ("cidr=198.51.100.0/24", DCOS, None),
        ("cidr=10.9.0.0/16", TWO, None),
        ("interface=eth", TWO, None),
        ("interface=spartan", DCOS, None),
        ("interface=bond0", TWO, None),
        ("skip-interface=nothing", TWO, None),
        ("first-found", DCOS[:-1], None),
        ("first-found", [], None),
    ],
)
def test_one_is_chosen_or_none(method: str, addresses: list[Address], found: str | None) -> None:
    assert choose_address(method, addresses).address == found


def test_an_interface_with_198_51_100_1_to_3_is_never_the_host() -> None:
    """DC/OS' spartan has the same three on every agent: calico-node v1.0.0 takes the last address that it finds."""
    for method in ("first-found", "skip-interface=eth9", "cidr=0.0.0.0/0"):
        assert choose_address(method, DCOS) == Found("10.0.0.7", f"{method}: it is on eth0")


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("interface=eth", "interface=eth finds several: eth0 10.0.0.7, eth1 192.168.7.7; this host has lo 127.0.0.1, "),
        ("cidr=10.9.0.0/16", "cidr=10.9.0.0/16 finds none; this host has lo 127.0.0.1, docker0 172.17.0.1, "),
    ],
)
def test_what_finds_none_or_several_is_told_with_the_addresses_that_are_there(method: str, told: str) -> None:
    assert choose_address(method, TWO).how.startswith(told)


def test_two_names_of_one_address_are_one() -> None:
    twice = [Address("bond0", "10.0.0.7"), Address("bond0.1", "10.0.0.7")]

    assert choose_address("interface=bond", twice).address == "10.0.0.7"


def test_without_a_method_the_address_that_a_node_has_stays() -> None:
    """Else a master that moves to another network would make another node of this host."""
    kept = find_address(HOST, "", ["127.0.0.1"], TWO, "192.168.7.7")

    assert kept == Found("192.168.7.7", "calico-node has it")
    assert find_address(HOST, "", ["127.0.0.1"], TWO, "10.66.0.1").address is None
    assert find_address(HOST, "interface=eth0", [], TWO, "192.168.7.7").address == "10.0.0.7"


def test_the_loopback_is_no_address_for_others() -> None:
    found = find_address(HOST, "", ["127.0.0.1", "localhost"], DCOS, "")

    assert found.address is None
    assert "127.0.0.1 is reached from 127.0.0.1; localhost is reached from 127.0.0.1; this host has" in found.how


def test_this_host_has_a_loopback_and_reaches_it_from_there() -> None:
    """The kernel itself: all addresses by one call, the way by a socket that sends nothing."""
    addresses = read_addresses(HOST)

    assert isinstance(addresses, list)
    assert Address("lo", "127.0.0.1") in addresses
    assert read_source(HOST, "127.0.0.1") == "127.0.0.1"


def test_a_name_that_nobody_knows_is_told() -> None:
    assert isinstance(resolve("no-such-name.invalid"), Unknown)
    assert resolve("10.0.0.1") == "10.0.0.1"


def test_the_kernels_entries_are_read() -> None:
    def entry(name: bytes, family: int, address: str) -> bytes:
        content = name.ljust(16, b"\0") + struct.pack("HH", family, 0) + socket.inet_aton(address)
        return content.ljust(ENTRY_BYTES, b"\0")

    content = entry(b"eth0", socket.AF_INET, "10.0.0.7") + entry(b"eth0:1", socket.AF_INET, "10.0.0.8")
    content += entry(b"wg0", socket.AF_INET6, "1.2.3.4")

    assert parse_entries(content + b"half") == [Address("eth0", "10.0.0.7"), Address("eth0", "10.0.0.8")]
    assert parse_entries(b"") == []


def test_the_output_of_ip_is_read() -> None:
    output = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: eth0@if7    inet 10.0.0.7/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever
3: spartan    inet 198.51.100.1/32 scope global spartan\\       valid_lft forever
garbage
"""
    assert parse_ip_addr(output) == [
        Address("lo", "127.0.0.1"),
        Address("eth0", "10.0.0.7"),
        Address("spartan", "198.51.100.1"),
    ]


def test_whom_this_host_has_to_reach_is_asked_for_in_order() -> None:
    endpoints = ["http://localhost:2379", "https://etcd-1.example.com:2379/"]

    assert list_targets("10.0.0.1", endpoints, "10.0.0.7:5051") == [
        "10.0.0.1",
        "localhost",
        "etcd-1.example.com",
        "10.0.0.7",
    ]
    assert list_targets("", ["http://etcd"], None) == ["etcd"]


def test_of_very_many_addresses_some_are_listed() -> None:
    told = list_addresses([Address("eth0", f"10.0.0.{number}") for number in range(50)])

    assert told.endswith("and 30 more")
    assert list_addresses([]) == "no address"
