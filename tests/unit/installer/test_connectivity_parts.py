"""What a probe reads: ping's words, routes, endpoints, greetings, orders; and what it puts into etcd and Docker."""

from __future__ import annotations

import json

import pytest

from calico_dcos.installer.connectivity.docker_objects import build_body, find_address
from calico_dcos.installer.connectivity.docker_probe import parse_output
from calico_dcos.installer.connectivity.icmp import build_request, compute_checksum, is_reply
from calico_dcos.installer.connectivity.order import Label, parse_container, parse_probe, parse_workload
from calico_dcos.installer.connectivity.packets import build_greeting, parse_greeting, parse_interfaces
from calico_dcos.installer.connectivity.ping import Ping, parse_ping
from calico_dcos.installer.connectivity.policies import build_policy, name_policy, parse_endpoints
from calico_dcos.installer.connectivity.routes import Route, parse_routes, tell_sessions
from calico_dcos.installer.facts.bird import Bird, parse_sessions
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import WantedError

IPUTILS = """\
PING 192.168.1.4 (192.168.1.4) 56(84) bytes of data.
64 bytes from 192.168.1.4: icmp_seq=1 ttl=62 time=0.312 ms

--- 192.168.1.4 ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time 402ms
rtt min/avg/max/mdev = 0.231/0.287/0.312/0.036 ms
"""
BUSYBOX = """\
PING 192.168.1.4 (192.168.1.4): 56 data bytes
64 bytes from 192.168.1.4: seq=0 ttl=62 time=0.410 ms

--- 192.168.1.4 ping statistics ---
3 packets transmitted, 2 packets received, 33% packet loss
round-trip min/avg/max = 0.300/0.355/0.410 ms
"""
TOO_LONG = """\
PING 192.168.1.4 (192.168.1.4) 1472(1500) bytes of data.
ping: local error: message too long, mtu=1440

--- 192.168.1.4 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 310ms
"""
UNREACHABLE = """\
PING 192.168.1.4 (192.168.1.4) 56(84) bytes of data.
From 10.77.0.11 icmp_seq=1 Destination Host Unreachable

--- 192.168.1.4 ping statistics ---
3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 620ms
"""


@pytest.mark.parametrize(
    ("output", "seen"),
    [
        (IPUTILS, Ping(3, 3, 0.287, "ping: 0 % lost")),
        (BUSYBOX, Ping(3, 2, 0.355, "ping: 33 % lost")),
        (TOO_LONG, Ping(2, 0, None, "ping: 100 % lost, ping: local error: message too long, mtu=1440")),
        (UNREACHABLE, Ping(3, 0, None, "ping: 100 % lost, From 10.77.0.11 icmp_seq=1 Destination Host Unreachable")),
        ("ping: socket: Operation not permitted\n", "ping: socket: Operation not permitted"),
        ("connect: Network is unreachable\n", "connect: Network is unreachable"),
        ("", "ping says nothing"),
    ],
)
def test_what_ping_says_is_read_whoever_made_it(output: str, seen: Ping | str) -> None:
    assert parse_ping(output) == seen


def test_the_addresses_of_a_namespace_are_read_with_their_mtu() -> None:
    addresses = (
        "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
        "3: eth0    inet 192.168.192.128/32 scope global eth0\\       valid_lft forever preferred_lft forever\n"
    )
    links = (
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT\n"
        "3: eth0@if6: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1440 qdisc noqueue state UP mode DEFAULT\n"
    )
    assert [tuple(one) for one in parse_interfaces(addresses, links)] == [("eth0", "192.168.192.128", 1440)]


def test_a_server_tells_whose_it_is_and_whom_it_sees() -> None:
    greeting = build_greeting("0123abcd", "192.168.1.4")
    assert parse_greeting(greeting, "0123abcd") == "192.168.1.4"
    assert parse_greeting(greeting, "another") is None
    for garbled in (b"", b"HTTP/1.1 400 Bad Request\r\n", b"[]\n", b"\xff\n", b'{"run": "0123abcd"}\n'):
        assert parse_greeting(garbled, "0123abcd") is None


def test_routes_are_read_as_ip_writes_them() -> None:
    text = (
        "default via 10.77.0.1 dev host0 \n"
        "192.168.129.64/26 via 10.77.0.12 dev host0 proto bird \n"
        "blackhole 192.168.129.0/26 proto bird \n"
        "192.168.129.5 dev cali1 scope link \n"
    )
    assert parse_routes(text) == [
        Route("default", "10.77.0.1", "host0", ""),
        Route("192.168.129.64/26", "10.77.0.12", "host0", "bird"),
        Route("192.168.129.0/26", "", "blackhole", "bird"),
        Route("192.168.129.5", "", "cali1", ""),
    ]


def build_endpoints(labels: dict[str, str] | None) -> str:
    value = {"ipv4_nets": ["192.168.1.4/32"], **({} if labels is None else {"labels": labels})}
    key = "/calico/v1/host/h2/workload/cni/c1/endpoint/eth0"
    leaf = {"key": key, "value": json.dumps(value)}
    other = {"key": key.replace("c1", "c2"), "value": json.dumps({"ipv4_nets": ["192.168.1.41/32"]})}
    tree = {"key": "/calico/v1/host/h2", "dir": True, "nodes": [other, leaf, {"key": "/calico/v1/host/h2/bird_ip"}]}
    return json.dumps({"action": "get", "node": {"key": "/calico/v1/host", "dir": True, "nodes": [tree]}})


def test_the_endpoint_of_an_address_is_found_with_its_labels() -> None:
    found = parse_endpoints(build_endpoints({"a": "b"}), "192.168.1.4")
    assert found is not None
    assert (found.key, found.labels) == ("/calico/v1/host/h2/workload/cni/c1/endpoint/eth0", {"a": "b"})
    unlabelled = parse_endpoints(build_endpoints(None), "192.168.1.4")
    assert unlabelled is not None
    assert unlabelled.labels == {}
    assert parse_endpoints(build_endpoints(None), "192.168.1.5") is None
    assert parse_endpoints('{"errorCode": 100}', "192.168.1.4") is None


def test_a_policy_selects_nothing_but_the_one_workload_of_the_test() -> None:
    label = Label("calico-dcos-connectivity", "0123abcd-1")
    policy = build_policy(label)
    assert policy["selector"] == "calico-dcos-connectivity == '0123abcd-1'"
    assert policy["inbound_rules"] == [{"action": "deny"}]
    assert name_policy(label) == "calico-dcos-connectivity-0123abcd-1"


def test_a_container_is_on_the_network_of_its_run_whatever_its_image_starts() -> None:
    body = build_body("calico/node:v1.0.0", "0123abcd", "sleep 1")
    assert body["HostConfig"]["NetworkMode"] == "calico-dcos-connectivity-0123abcd"
    assert (body["Entrypoint"], body["Cmd"]) == (["/bin/sh", "-c"], ["sleep 1"])
    inspected = {"NetworkSettings": {"Networks": {"n": {"IPAddress": "192.168.1.9"}}}}
    assert find_address(inspected, "n") == "192.168.1.9"
    assert find_address(inspected, "m") == find_address({}, "n") == ""


def test_what_a_container_printed_is_read() -> None:
    seen = parse_output(f"tcp=\ntcp=0123abcd\ntcp=0123abcd\n{BUSYBOX}", "0123abcd")
    assert (seen.tries, parse_ping(seen.ping)) == (1, parse_ping(BUSYBOX))
    lost = parse_output("tcp=nc: timed out\ntcp=nc: timed out\n", "0123abcd")
    assert (lost.tries, lost.said) == (None, "nc: timed out")


def test_orders_are_read_and_what_is_wrong_is_named() -> None:
    order = {"id": "0123abcd", "port": 9199, "lifetime_s": 60}
    assert parse_workload(json.dumps({"connectivity": order})).port == 9199
    with pytest.raises(WantedError, match="has no object connectivity"):
        parse_workload("{}")
    with pytest.raises(WantedError, match=r"connectivity.port is not valid: 0; connectivity.lifetime_s is not valid"):
        parse_workload(json.dumps({"connectivity": {**order, "port": 0, "lifetime_s": True}}))
    container = {**order, "agent": "h1", "makes_network": True, "made_by": "h1"}
    assert parse_container(json.dumps({"connectivity": container})).makes_network
    probe = {**order, "client": "h1:5052", "server": "h2", "docker": None}
    mesos = {"client_address": "192.168.1.4", "server_address": "192.168.2.4", "label": {"name": "l", "value": "v"}}
    read = parse_probe(json.dumps({"connectivity": {**probe, "mesos": mesos}}))
    assert read.mesos is not None
    assert (read.mesos.label, read.docker) == (Label("l", "v"), None)
    for wrong in ({"server_address": "../x"}, {"label": None}, {"client_address": ""}):
        with pytest.raises(WantedError, match=r"connectivity.mesos"):
            parse_probe(json.dumps({"connectivity": {**probe, "mesos": {**mesos, **wrong}}}))


def test_an_echo_request_has_the_checksum_of_the_internet_and_its_reply_is_known() -> None:
    request = build_request(0x1234, 1, 3)
    assert (len(request), compute_checksum(request), request[0]) == (11, 0, 8)
    header = bytes([0x45, *[0] * 19])
    assert is_reply(header + b"\0" + request[1:], 0x1234, 1)
    assert not is_reply(header + b"\0" + request[1:], 0x1234, 2)
    assert not is_reply(header + request, 0x1234, 1)
    for garbled in (b"", header, b"\x4f" + bytes(30)):
        assert not is_reply(garbled, 0x1234, 1)


UP = " Mesh_10_77_0_13 BGP      master   up     11:24:46    Established   "
REFUSED = " Mesh_10_77_0_12 BGP      master   start  11:24:45    Active        Socket: Connection refused"


def build_bird(*rows: str) -> Bird:
    return Bird(is_up=True, detail="", sessions=parse_sessions(list(rows)))


@pytest.mark.parametrize(
    ("bird", "told"),
    [
        (
            build_bird(UP, REFUSED),
            "its BGP session with 10.77.0.12 is Active (Socket: Connection",
        ),
        (build_bird(REFUSED, REFUSED), ", and so with 1 more of 2: look at TCP port 179"),
        (build_bird(UP), "its BGP sessions are Established: look at what the other host tells"),
        (build_bird(), "it has no BGP session"),
        (
            Bird(is_up=False, detail="No such file or directory", sessions=[]),
            "it does not answer (No such file or directory)",
        ),
        (Bird(Unknown("BIRD does not answer within 2 s"), "", []), "BIRD does not answer within 2 s"),
    ],
)
def test_where_no_route_was_learnt_birds_sessions_tell_why(bird: Bird, told: str) -> None:
    assert told in tell_sessions(bird)
