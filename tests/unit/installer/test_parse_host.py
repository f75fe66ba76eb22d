"""What the rest of a host says -> facts: Mesos, CNI plugins, etcd, the system; real output, and garbage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.installer.facts.cni import parse_plugin_version
from calico_dcos.installer.facts.etcd import parse_etcd_version, parse_health
from calico_dcos.installer.facts.etcd_members import parse_members
from calico_dcos.installer.facts.mesos_agent import AgentState, parse_agent_state
from calico_dcos.installer.facts.system import is_dcos_with_calico, parse_cgroups, parse_os_name
from calico_dcos.installer.services.etcd_binary import Binary, build_proxy_command, parse_etcd_output
from calico_dcos.installer.services.health import parse_time
from calico_dcos.installer.steps.download import find_program_fault
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.versions import parse_version

RECORDING = Path(__file__).parents[2] / "contract/recordings/inventory.jsonl"
ELF_HEAD = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"
MOUNT = "31 23 0:27 / {} rw,nosuid - {} {} rw"


def read_recorded_states() -> list[Any]:
    answers = [json.loads(line).get("http-response") for line in RECORDING.read_text().splitlines()]
    return [
        answer["body"] for answer in answers if answer and isinstance(answer["body"], dict) and "pid" in answer["body"]
    ]


def test_the_state_of_real_agents_is_read() -> None:
    states = [parse_agent_state(state) for state in read_recorded_states() if state["pid"].startswith("slave")]
    assert len(states) == 2
    assert states[0] == AgentState(
        version="1.12.0",
        start_time_epoch_s=1795457052.269432,
        isolation="posix/cpu,posix/mem",
        is_cni_isolator_on=True,
        cni_config_dir=None,
        cni_plugins_dirs=[],
        running_tasks=0,
    )


def test_cni_flags_and_tasks_of_an_agent_are_read() -> None:
    state = parse_agent_state(
        {
            "version": "1.4.0",
            "start_time": 1.5,
            "flags": {"network_cni_config_dir": "/c", "network_cni_plugins_dir": "/a:/b/", "isolation": "network/cni"},
            "frameworks": [{"executors": [{"tasks": [{}, {}]}, {"tasks": []}]}, {}],
        }
    )
    assert (state.cni_config_dir, state.cni_plugins_dirs, state.running_tasks) == ("/c", ["/a", "/b/"], 2)


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ('{"cniVersion":"0.3.1","supportedVersions":["0.1.0","0.2.0","0.3.1"]}', "0.3.1"),
        ('{"cniVersion": "0.2.0"}\n', "0.2.0"),
    ],
)
def test_a_plugins_answer_is_read(output: str, version: str) -> None:
    assert parse_plugin_version(output) == version


@pytest.mark.parametrize("output", ["", "Segmentation fault", "[]", "{}", "<html>", '{"code": 4, "msg": "no"}'])
def test_what_does_not_answer_as_a_plugin_is_unknown(output: str) -> None:
    assert isinstance(parse_plugin_version(output), Unknown)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}', "3.4.23"),
        ("etcd 2.0.13", "2.0.13"),
        ("<html>hello</html>", None),
        ("{}", None),
        ("[]", None),
    ],
)
def test_etcd_is_known_by_its_version(text: str, version: str | None) -> None:
    assert parse_etcd_version(text) == version


@pytest.mark.parametrize(
    ("status", "text", "is_healthy"),
    [
        (200, '{"health":"true"}', True),
        (200, '{"health": true}', True),
        (200, '{"health":"false"}', False),
        (503, '{"health":"true"}', False),
        (404, "404 page not found", True),
        (200, "garbage", False),
        (200, "[]", False),
    ],
)
def test_etcds_health_is_read(status: int, text: str, *, is_healthy: bool) -> None:
    assert parse_health(status, text) is is_healthy


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("20.10.24+dfsg1", (20, 10)),
        ("17.03.2-ce", (17, 3)),
        ("1.12.6-cs8", (1, 12)),
        ("1.0.3-rc1", (1, 0)),
        ("v3.3.12", (3, 3)),
        ("2.1", (2, 1)),
        ("dev", None),
        ("", None),
    ],
)
def test_the_leading_two_numbers_of_a_version_count(text: str, version: tuple[int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "has"), [("1.8.8", False), ("2.0.6", False), ("2.1.0", True), ("2.10", True), ("?", False)]
)
def test_dcos_carries_calico_from_2_1_on(version: str, *, has: bool) -> None:
    assert is_dcos_with_calico(version) is has


@pytest.mark.parametrize(
    ("mounts", "cgroups"),
    [
        ([("/sys/fs/cgroup", "tmpfs"), ("/sys/fs/cgroup/systemd", "cgroup")], "v1"),
        (
            [("/sys/fs/cgroup", "tmpfs"), ("/sys/fs/cgroup/unified", "cgroup2"), ("/sys/fs/cgroup/cpu", "cgroup")],
            "hybrid",
        ),
        ([("/sys/fs/cgroup", "cgroup2")], "unified"),
        ([("/", "ext4")], "unknown"),
        ([], "unknown"),
    ],
)
def test_how_systemd_tracks_units_is_seen_in_the_mounts(mounts: list[tuple[str, str]], cgroups: str) -> None:
    assert parse_cgroups("\n".join(MOUNT.format(path, kind, kind) for path, kind in mounts)) == cgroups


def test_the_name_of_the_system_is_read() -> None:
    text = 'NAME="CentOS Linux"\nVERSION="7 (Core)"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n\n'
    assert parse_os_name(text) == "CentOS Linux 7 (Core)"
    assert parse_os_name("NAME=Arch\n") == "Arch"
    assert parse_os_name("") == ""


@pytest.mark.parametrize(
    ("head", "machine", "fault"),
    [
        (ELF_HEAD + b"\x3e\x00", "x86_64", None),
        (ELF_HEAD + b"\xb7\x00", "x86_64", "is built for aarch64, and this machine is x86_64"),
        (ELF_HEAD + b"\xff\xff", "x86_64", "is built for an unknown machine, and this machine is x86_64"),
        (b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16", "s390x", None),
        (b"#!/bin/sh\n", "x86_64", None),
        (b"<!DOCTYPE html>", "x86_64", "is no program"),
        (b"\x7fELF", "x86_64", "is no program"),
        (b"", "x86_64", "is no program"),
    ],
)
def test_a_program_is_known_by_its_first_bytes(head: bytes, machine: str, fault: str | None) -> None:
    assert find_program_fault(head, machine) == fault


@pytest.mark.parametrize(
    ("output", "version"),
    [
        (
            "etcd Version: 3.4.23\nGit SHA: Not provided (use ./build instead of go build)\nGo Version: go1.19.5\n",
            "3.4.23",
        ),
        ("etcd version 2.0.13\n", "2.0.13"),
        ("bash: etcd: not found\n", None),
    ],
)
def test_the_version_of_an_etcd_binary_is_read(output: str, version: str | None) -> None:
    assert parse_etcd_output(output) == version


def test_etcd_3_is_a_gateway_to_the_members_that_were_found() -> None:
    command = build_proxy_command(
        Binary("/bin/etcd", "3.3.12"), "127.0.0.1:2379", "etcd.mesos", ["10.0.0.1:1", "10.0.0.2:2"], "/data"
    )
    listen = ["--listen-addr", "127.0.0.1:2379"]
    assert command == ["/bin/etcd", "gateway", "start", *listen, "--endpoints=10.0.0.1:1,10.0.0.2:2"]


def test_etcd_2_is_a_v2_proxy_that_looks_for_itself() -> None:
    command = build_proxy_command(Binary("/bin/etcd", "2.3.7"), "127.0.0.1:2379", "etcd.mesos", ["10.0.0.1:1"], "/data")
    options = ["--listen-client-urls", "http://127.0.0.1:2379", "--discovery-srv", "etcd.mesos", "--data-dir", "/data"]
    assert command == ["/bin/etcd", "--proxy", "on", *options]


def test_the_clients_addresses_in_a_peers_answer_are_read() -> None:
    text = (
        '[{"id":"1","name":"a","peerURLs":["http://10.0.0.1:2380"],"clientURLs":["http://10.0.0.1:2379/"]},{"id":"2"}]'
    )
    assert parse_members(text) == ["10.0.0.1:2379"]
    assert [parse_members(garbage) for garbage in ("", "{}", "[1]", "null")] == [[], [], [], []]


def test_docker_times_are_read() -> None:
    assert parse_time("1970-01-02T00:00:01.570819261Z") == 86401
    assert parse_time("0001-01-01T00:00:00Z") < 0
    assert parse_time("") == 0
