"""Which node a host is: its name and address before anything is done, the kernel and the pool, and nodes of others."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.installer_fakes import FakeHost

LIMIT_S = 60
# An agent of DC/OS: what every agent has between its loopback and its own interface.
ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: eth0    inet 10.0.0.7/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever preferred_lft forever
3: spartan    inet 198.51.100.1/32 scope global spartan\\       valid_lft forever preferred_lft forever
3: spartan    inet 198.51.100.2/32 scope global spartan\\       valid_lft forever preferred_lft forever
3: spartan    inet 198.51.100.3/32 scope global spartan\\       valid_lft forever preferred_lft forever
"""
ROUTE = "10.0.0.1 dev eth0 src 10.0.0.7 uid 0 \\    cache "
THEIRS: dict[str, Any] = {
    "Name": "/calico-node",
    "RestartCount": 0,
    "Config": {
        "Image": "calico/node:v1.0.2",
        "Labels": {},
        "Env": [
            "NODENAME=rack7-u12",
            "IP=127.0.0.1",
            "AS=64777",
            "ETCD_ENDPOINTS=http://etcd.prod:2379",
            "SECRET=hush",
        ],
    },
    "HostConfig": {"NetworkMode": "host", "Privileged": True, "RestartPolicy": {"Name": "always"}},
    "State": {
        "Running": True,
        "Restarting": False,
        "Status": "running",
        "Pid": 4000,
        "StartedAt": "2025-01-01T00:00:00Z",
    },
}


def supervise_until(host: FakeHost, is_seen: Callable[[], bool]) -> str:
    """Supervise calico-node until something is seen, or it ends by itself; return what it said."""
    process = subprocess.Popen(
        host.build_command("supervise", "calico-node"),
        cwd=host.project,
        env=host.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + LIMIT_S
    while not is_seen() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=LIMIT_S)[0]


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def read_facts(host: FakeHost) -> Any:
    return json.loads(host.run("inspect").stdout)["facts"]


def is_ours_up(host: FakeHost) -> bool:
    node = host.state["containers"].get("calico-node")
    return bool(node and node["Config"]["Labels"] and node["State"]["Running"])


def read_environment(host: FakeHost) -> dict[str, str]:
    variables = host.state["containers"]["calico-node"]["Config"]["Env"]
    return dict(variable.split("=", 1) for variable in variables)


@pytest.fixture
def node(host: FakeHost) -> FakeHost:
    """A host with a name and the image of calico-node."""
    (host.root / "etc/hostname").write_text("node-001\n")
    host.change_state(images=["calico/node:v1.0.0"])
    return host


def test_an_interface_with_198_51_100_1_to_3_gives_no_node_its_address(node: FakeHost) -> None:
    """Calico-node v1.0.0 takes the last that it finds: without IP, every agent of DC/OS would be 198.51.100.3."""
    script = f"#!/bin/sh\ncase \"$*\" in *route*) echo '{ROUTE}';; *) cat <<'END'\n{ADDRESSES}END\n;; esac\n"
    write_program(node.root / "usr/bin/ip", script)
    node.wanted["reach"] = "10.0.0.1"

    told = node.run("apply", "all", "--dry-run").stdout
    supervise_until(node, lambda: is_ours_up(node))

    assert "would run container calico-node of calico/node:v1.0.0 as node-001 with 10.0.0.7" in told
    environment = read_environment(node)
    assert (environment["NODENAME"], environment["HOSTNAME"]) == ("node-001", "node-001")
    assert environment["IP"] == "10.0.0.7"


def test_a_method_that_finds_none_is_refused_before_anything_is_done(node: FakeHost) -> None:
    node.wanted["calico_node"]["address_method"] = "interface=eth9"
    before = node.snapshot()

    report = json.loads(node.run("inspect").stdout)
    done = node.run("supervise", "calico-node")

    assert (
        "interface=eth9 finds none; this host has lo 127.0.0.1, eth0 10.77.0.11: set ip-autodetection-method"
        in (report["refusals"]["calico-node"])
    )
    assert report["node"] is None
    assert (done.returncode, node.state["containers"].get("calico-node")) == (3, None)
    assert node.snapshot() == before


def test_name_and_address_are_reported_before_anything_is_done(node: FakeHost) -> None:
    report = json.loads(node.run("inspect").stdout)

    assert report["node"] == {"name": "node-001", "address": "10.77.0.11"}
    assert [report["facts"]["node"][name] for name in ("host_name", "container_name", "network_name")] == [
        "node-001",
        None,
        None,
    ]


def test_an_own_node_name_reaches_neither_network_nor_node(node: FakeHost) -> None:
    node.wanted["calico_node"]["environment"]["NODENAME"] = "edge-1.example.com"

    done = node.run("apply", "cni")

    assert done.returncode == 3
    assert "take NODENAME out of extra-environment" in done.stdout
    assert not node.config_file.exists()


def test_a_host_that_got_another_name_is_told(node: FakeHost) -> None:
    supervise_until(node, lambda: is_ours_up(node))
    (node.root / "etc/hostname").write_text("node-001.example.com\n")

    told = node.run("apply", "all", "--dry-run").stdout

    assert "this host is called node-001.example.com, and its calico-node was made when it was called node-001" in told


def test_a_calico_node_of_somebody_elses_is_refused_and_left_alone(node: FakeHost) -> None:
    node.change_state(containers={"calico-node": THEIRS})

    report = json.loads(node.run("inspect").stdout)
    done = node.run("supervise", "calico-node")

    refusal = report["refusals"]["calico-node"]
    for differs in (
        "its name is rack7-u12, not node-001",
        "its AS number is 64777, not the cluster's",
        "its etcd is http://etcd.prod:2379",
        "it lacks the mounts",
    ):
        assert differs in refusal
    assert done.returncode == 3
    assert node.state["containers"]["calico-node"] == THEIRS
    assert "hush" not in json.dumps(report)


def test_it_is_adopted_whole_and_can_be_brought_back(node: FakeHost) -> None:
    node.change_state(containers={"calico-node": THEIRS})
    node.wanted["calico_node"]["adopt_existing"] = True
    assert json.loads(node.run("inspect").stdout)["node"] == {"name": "rack7-u12", "address": "127.0.0.1"}

    told = supervise_until(node, lambda: is_ours_up(node))
    node.run("apply", "cni")
    after = json.loads(node.run("inspect").stdout)

    environment = read_environment(node)
    assert [environment[name] for name in ("NODENAME", "IP", "AS")] == ["rack7-u12", "127.0.0.1", "64777"]
    assert "took container calico-node away; its name, address and AS number are kept" in told
    assert json.loads(node.config_file.read_text())["hostname"] == "rack7-u12"
    assert (after["facts"]["node"]["network_name"], after["facts"]["theirs"]) == ("rack7-u12", [])
    note = node.root / "var/lib/calico-dcos/adopted.json"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    created = json.loads(note.read_text())["create"]
    assert (created["Env"], created["HostConfig"]) == (THEIRS["Config"]["Env"], THEIRS["HostConfig"])

    removed = node.run("remove", "--force")

    assert "how to bring it back: docker rm -f calico-node" in removed.stdout
    kept = node.root / "var/lib/calico-dcos/replaced-calico-node.json"
    assert json.loads(kept.read_text())["create"] == created
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert node.run("remove").stdout.startswith("nothing to remove")


def test_one_that_something_else_starts_again_is_not_adopted(node: FakeHost) -> None:
    options = {**THEIRS["HostConfig"], "RestartPolicy": {"Name": "no"}, "AutoRemove": True}
    node.change_state(containers={"calico-node": {**THEIRS, "HostConfig": options}})
    node.wanted["calico_node"]["adopt_existing"] = True

    assert "it cannot be adopted: something other than Docker" in node.run("supervise", "calico-node").stdout
    assert node.state["containers"]["calico-node"]["Config"] == THEIRS["Config"]


def test_the_unit_that_starts_it_is_switched_off_first(node: FakeHost) -> None:
    units = node.root / "etc/systemd/system"
    units.mkdir(parents=True)
    (units / "calico.service").write_text("[Service]\nExecStart=/usr/bin/docker run --rm --name=calico-node x\n")
    node.change_state(containers={"calico-node": THEIRS})
    node.wanted["calico_node"]["adopt_existing"] = True

    supervise_until(node, lambda: is_ours_up(node))

    acts = node.acts
    assert acts.index(["disable", "--now", "calico.service"]) < acts.index(["docker", "rm", "calico-node"])
    assert is_ours_up(node)


def write_setting(host: FakeHost, name: str, value: str) -> Path:
    path = host.root / "proc/sys/net" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")
    return path


def test_the_kernel_is_made_ready_and_put_back_on_removal(node: FakeHost) -> None:
    forward = write_setting(node, "ipv4/ip_forward", "0")
    forward6 = write_setting(node, "ipv6/conf/all/forwarding", "1")
    tracked = write_setting(node, "netfilter/nf_conntrack_max", "2000000")
    changes = json.loads(node.run("inspect").stdout)["changes"]["calico-node"]
    assert changes[0]["message"] == "let the kernel forward IPv4"

    told = supervise_until(node, lambda: is_ours_up(node))

    assert "set /proc/sys/net/ipv4/ip_forward to 1, it was 0" in told
    assert [path.read_text() for path in (forward, forward6, tracked)] == ["1\n", "1\n", "2000000\n"]

    removed = node.run("remove", "--force").stdout

    assert "set /proc/sys/net/ipv4/ip_forward to 0, as it was before" in removed
    assert [path.read_text() for path in (forward, forward6, tracked)] == ["0\n", "1\n", "2000000\n"]


def test_a_kernel_that_is_told_again_not_to_forward_is_made_to(node: FakeHost) -> None:
    forward = write_setting(node, "ipv4/ip_forward", "1")
    was_reset: list[bool] = []

    def is_set_again() -> bool:
        if not was_reset and is_ours_up(node):
            forward.write_text("0\n")
            was_reset.append(True)
        return bool(was_reset) and forward.read_text() == "1\n"

    assert "set /proc/sys/net/ipv4/ip_forward to 1, it was 0" in supervise_until(node, is_set_again)


def test_room_for_connections_is_raised_and_not_put_back_over_somebody_elses(node: FakeHost) -> None:
    tracked = write_setting(node, "netfilter/nf_conntrack_max", "65536")
    supervise_until(node, lambda: is_ours_up(node))
    assert tracked.read_text() == "1000000\n"

    tracked.write_text("3000000\n")
    node.run("remove", "--force")

    assert tracked.read_text() == "3000000\n"


def test_the_pool_is_written_once_where_the_image_cannot_be_told(node: FakeHost) -> None:
    node.wanted["calico_node"]["pool"] = {
        "cidr": "10.9.0.0/16",
        "ipip": "always",
        "nat_outgoing": "true",
        "is_written_by_us": True,
    }
    supervise_until(node, lambda: bool(node.state["pools"]))

    ((path, text),) = node.state["pools"].items()
    assert path == "/v2/keys/calico/v1/ipam/v4/pool/10.9.0.0-16"
    assert json.loads(text) == {
        "cidr": "10.9.0.0/16",
        "ipip": "tunl0",
        "ipip_mode": "always",
        "masquerade": True,
        "ipam": True,
        "disabled": False,
    }
    assert read_facts(node)["pools"] == [
        {"cidr": "10.9.0.0/16", "ipip": "always", "nat_outgoing": True, "is_disabled": False}
    ]


def test_a_pool_that_is_there_is_left_and_told_of(node: FakeHost) -> None:
    node.change_state(pools={"/v2/keys/calico/v1/ipam/v4/pool/192.168.0.0-16": '{"cidr": "192.168.0.0/16"}'})
    node.wanted["calico_node"]["pool"] = {
        "cidr": "10.9.0.0/16",
        "ipip": "off",
        "nat_outgoing": "false",
        "is_written_by_us": True,
    }
    supervise_until(node, lambda: is_ours_up(node))

    assert len(node.state["pools"]) == 1
    (warning,) = json.loads(node.run("inspect").stdout)["warnings"]["calico-node"]
    assert warning.startswith(
        "etcd has the pool 192.168.0.0/16, IP-in-IP off, without NAT, and the options say 10.9.0.0/16"
    )
