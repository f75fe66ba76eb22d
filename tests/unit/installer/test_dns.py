"""DNS packets and resolv.conf."""

from __future__ import annotations

import struct

import pytest

from calico_dcos.installer.dns import SRV, A, LookupFailedError, Target, build_query, parse_resolv_conf, parse_response

QUESTION = b"\x0c_etcd-client\x04_tcp\x04etcd\x05mesos\x00" + struct.pack(">HH", SRV, 1)
NAME = b"\xc0\x0c"  # points at the question
# Offset of "mesos" in the question, for targets that end in it.
MESOS = struct.pack(">H", 0xC000 | (12 + 13 + 5 + 5))


def build_record(name: bytes, kind: int, content: bytes) -> bytes:
    return name + struct.pack(">HHIH", kind, 1, 60, len(content)) + content


def build_srv(port: int, target: bytes, priority: int = 0) -> bytes:
    return build_record(NAME, SRV, struct.pack(">HHH", priority, 1, port) + target)


def build_response(*records: bytes, answers: int, ident: int = 7, flags: int = 0x8180) -> bytes:
    additionals = max(len(records) - answers, 0)
    return struct.pack(">HHHHHH", ident, flags, 1, answers, 0, additionals) + QUESTION + b"".join(records)


def test_a_query_asks_for_one_name() -> None:
    packet = build_query(7, "_etcd-client._tcp.etcd.mesos.", SRV)
    assert packet == struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + QUESTION


def test_targets_come_in_order_with_the_addresses_that_were_sent_along() -> None:
    packet = build_response(
        build_srv(31002, b"\x01B" + MESOS, priority=2),
        build_srv(31001, b"\x01a" + MESOS, priority=1),
        build_record(b"\x01a" + MESOS, A, bytes([10, 0, 0, 1])),
        build_record(b"\x00", 41, b""),
        answers=2,
    )
    response = parse_response(packet, 7)
    assert response.rcode == 0
    assert response.targets == [Target(1, 1, 31001, "a.mesos"), Target(2, 1, 31002, "b.mesos")]
    assert response.addresses == {"a.mesos": ["10.0.0.1"]}


def test_a_name_that_does_not_exist_has_no_targets() -> None:
    response = parse_response(build_response(answers=0, flags=0x8183), 7)
    assert (response.rcode, response.targets) == (3, [])


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"garbage",
        build_response(build_srv(1, MESOS), answers=2),
        build_response(answers=0, ident=8),
        build_response(build_srv(1, b"\x01a" + MESOS)[:-3], answers=1),
        build_response(build_record(NAME, SRV, b"\x00"), answers=1),
        struct.pack(">HHHHHH", 7, 0x8180, 1, 0, 0, 0) + b"\xc0\x0c" + b"\x00" * 4,
        struct.pack(">HHHHHH", 7, 0x8180, 1, 0, 0, 0) + b"\xc0\x0e\xc0\x0c" + b"\x00" * 4,
        struct.pack(">HHHHHH", 7, 0x8180, 1, 0, 0, 0) + b"\x01\xff\x00" + b"\x00" * 4,
    ],
)
def test_a_packet_that_is_not_understood_is_no_answer(packet: bytes) -> None:
    with pytest.raises(LookupFailedError):
        parse_response(packet, 7)


def test_name_servers_may_carry_a_port() -> None:
    text = "# made by hand\nsearch mesos\nnameserver 10.0.0.1\nnameserver 127.0.0.1:5353\nnameserver\nnameserver ::1\n"
    text += "  nameserver [fe80::1]:5353\noptions ndots:1\n"
    servers = [("10.0.0.1", 53), ("127.0.0.1", 5353), ("::1", 53), ("fe80::1", 5353)]
    assert parse_resolv_conf(text) == servers
