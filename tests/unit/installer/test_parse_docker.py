"""What Docker, systemd and daemon.json say -> facts; real output, and garbage."""

from __future__ import annotations

from typing import Any

import pytest

from calico_dcos.installer.daemon_edits import merge_store, settle_store
from calico_dcos.installer.facts.daemon_json import parse_daemon_json
from calico_dcos.installer.facts.docker import Engine, Running, parse_engine
from calico_dcos.installer.facts.dockerd_flags import find_cluster_flags, find_config_path, is_daemon
from calico_dcos.installer.systemd import parse_exec_argv, parse_show
from calico_dcos.installer.unit_words import expand_words, parse_environment_file
from calico_dcos.installer.unknown import Unknown
from tests.unit.installer.examples import STORE, build_wanted

DEBIAN_SHOW = """\
MainPID=612
ExecMainStartTimestamp=Mon 2026-11-23 17:26:59 UTC
ExecMainStartTimestampMonotonic=2316531
ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock \
$DOCKER_OPTS ; ignore_errors=no ; start_time=[Mon 2026-11-23 17:26:59 UTC] ; stop_time=[n/a] ; pid=612 ; code=(null) ; \
status=0/0 }
EnvironmentFiles=/etc/default/docker (ignore_errors=yes)
Id=docker.service
LoadState=loaded
ActiveState=active
SubState=running
"""
NOT_FOUND_SHOW = """\
MainPID=0
ExecMainStartTimestamp=
ExecMainStartTimestampMonotonic=0
Id=dcos-mesos-slave.service
LoadState=not-found
ActiveState=inactive
SubState=dead
"""


def test_a_running_unit_is_read() -> None:
    unit = parse_show("docker.service", DEBIAN_SHOW)
    assert (unit.load_state, unit.active_state, unit.main_pid, unit.started) == ("loaded", "active", 612, "2316531")
    assert unit.argv == [
        "/usr/sbin/dockerd",
        "-H",
        "fd://",
        "--containerd=/run/containerd/containerd.sock",
        "$DOCKER_OPTS",
    ]
    assert unit.environment_files == ["/etc/default/docker"]


def test_a_unit_that_does_not_exist_is_read() -> None:
    unit = parse_show("dcos-mesos-slave.service", NOT_FOUND_SHOW)
    assert (unit.load_state, unit.main_pid, unit.argv) == ("not-found", 0, [])


@pytest.mark.parametrize("text", ["", "Failed to connect to bus: Host is down\n", "MainPID=\nExecStart=\n", "\0=\0"])
def test_garbage_from_systemctl_is_no_running_unit(text: str) -> None:
    unit = parse_show("docker.service", text)
    assert (unit.load_state, unit.active_state, unit.main_pid, unit.argv) == ("", "", 0, [])


def test_several_commands_of_a_unit_are_read() -> None:
    value = "{ path=/a ; argv[]=/a one ; ignore_errors=yes ; pid=1 } { path=/b ; argv[]=/b two ; ignore_errors=no ; }"
    assert parse_exec_argv(value) == ["/a", "one", "/b", "two"]


def test_words_are_expanded_as_systemd_expands_them() -> None:
    text = "# comment\nDOCKER_OPTS=\"--cluster-store=etcd://a --debug\"\n\nROOT='/data'\nEMPTY="
    environment = parse_environment_file(text)
    words = ["/usr/bin/dockerd", "$DOCKER_OPTS", "--data-root=${ROOT}/docker", "$UNSET", "$EMPTY"]
    expected = ["/usr/bin/dockerd", "--cluster-store=etcd://a", "--debug", "--data-root=/data/docker"]
    assert expand_words(words, environment) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/usr/bin/dockerd", "-H", "fd://"], True),
        (["/usr/bin/docker", "daemon", "-H", "fd://"], True),
        (["/usr/bin/docker-current", "daemon"], True),
        (["/bin/sh", "-c", "/usr/bin/dockerd --cluster-store=x"], False),
        (["/opt/start-docker.sh"], False),
        ([], False),
    ],
)
def test_only_words_of_the_daemon_itself_tell_its_flags(words: list[str], *, expected: bool) -> None:
    assert is_daemon(words) is expected


def test_cluster_flags_are_found_in_both_forms() -> None:
    words = ["dockerd", "--cluster-store=etcd://a", "--cluster-advertise", "eth0:1", "--cluster-store-opt=kv.x=y"]
    assert find_cluster_flags(words) == ["cluster-advertise", "cluster-store", "cluster-store-opts"]
    assert find_cluster_flags(["dockerd", "--label", "cluster-store"]) == []


@pytest.mark.parametrize(
    ("flags", "path"),
    [
        (["dockerd"], "/etc/docker/daemon.json"),
        (["dockerd", "--config-file=/etc/d.json"], "/etc/d.json"),
        (["dockerd", "--config-file", "/etc/d.json"], "/etc/d.json"),
        (["dockerd", "--config-file"], "/etc/docker/daemon.json"),
        (Unknown("?"), "/etc/docker/daemon.json"),
    ],
)
def test_a_flag_moves_the_daemons_file(flags: list[str] | Unknown, path: str) -> None:
    assert find_config_path(flags) == path


def test_an_engine_is_read() -> None:
    info = {
        "ClusterStore": "etcd://127.0.0.1:2379",
        "ClusterAdvertise": "10.0.0.1:2376",
        "Swarm": {"NodeID": "", "LocalNodeState": "inactive", "ControlAvailable": False},
        "LiveRestoreEnabled": True,
        "ContainersRunning": 1,
        "DockerRootDir": "/var/lib/docker",
    }
    containers = [{"Id": "9f", "Names": ["/web", "/alias/web"], "Image": "nginx:1", "State": "running"}]
    assert parse_engine({"Version": "20.10.24+dfsg1"}, info, containers) == Engine(
        version="20.10.24+dfsg1",
        cluster_store="etcd://127.0.0.1:2379",
        cluster_advertise="10.0.0.1:2376",
        swarm="inactive",
        is_live_restore_on=True,
        root_dir="/var/lib/docker",
        remaps_users=False,
        running_count=1,
        running=[Running("web", "nginx:1")],
    )


@pytest.mark.parametrize(
    ("info", "remaps"),
    [
        ({"SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}, True),
        ({"SecurityOptions": ["seccomp"], "DockerRootDir": "/data/docker/165536.165536"}, True),
        ({"SecurityOptions": None, "DockerRootDir": "/var/lib/docker-1.10"}, False),
    ],
    ids=["from 1.13 on", "before", "none"],
)
def test_a_docker_that_remaps_users_is_known_whatever_its_version(info: Any, *, remaps: bool) -> None:
    engine = parse_engine({"Version": "1.12.6"}, info, [])
    assert isinstance(engine, Engine)
    assert engine.remaps_users is remaps


def test_an_old_engine_without_swarm_and_live_restore_is_read() -> None:
    engine = parse_engine({"Version": "1.11.2"}, {"ClusterStore": ""}, [])
    assert isinstance(engine, Engine)
    assert (engine.cluster_store, engine.swarm, engine.is_live_restore_on) == (None, "inactive", False)


@pytest.mark.parametrize(
    ("version", "info", "containers"),
    [({}, {}, []), ([], {}, []), ({"Version": "1"}, [], []), ({"Version": "1"}, {}, [{}])],
)
def test_garbage_from_docker_is_unknown(version: Any, info: Any, containers: Any) -> None:
    assert isinstance(parse_engine(version, info, containers), Unknown)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "null", '{"a": 1,}', "{} trailing", '{"cluster-store": 1}'])
def test_a_file_that_docker_would_reject_is_not_valid(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_daemon_json(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 100_000, "it is nested too deep"),
        ('{"a": ' * 100_000, "it is nested too deep"),
        ('{"mtu": NaN}', "NaN is no JSON"),
        ('{"mtu": -Infinity}', "-Infinity is no JSON"),
        ('{"cluster-store": "\\ud800"}', "half of a surrogate pair"),
        ('{"\\udfff": {"b": 1}}', "half of a surrogate pair"),
    ],
    ids=["brackets", "braces", "NaN", "Infinity", "half a pair in a value", "half a pair in a key"],
)
def test_what_python_would_take_and_docker_would_not_is_one_clear_fault(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_daemon_json(text)


@pytest.mark.parametrize(
    ("before", "merged", "settled"),
    [
        (
            "{}",
            '{\n    "cluster-store": "S",\n    "cluster-advertise": ""\n}\n',
            '{\n    "cluster-store": "S"\n}\n',
        ),
        (
            '{\n  "zeta": {},\n  "alpha": "é"\n}\n',
            '{\n  "zeta": {},\n  "alpha": "é",\n  "cluster-store": "S",\n  "cluster-advertise": ""\n}\n',
            '{\n  "zeta": {},\n  "alpha": "é",\n  "cluster-store": "S"\n}\n',
        ),
        (
            '{\n\t"cluster-store": "old",\n\t"debug": true\n}',
            '{\n\t"cluster-store": "S",\n\t"debug": true,\n\t"cluster-advertise": ""\n}\n',
            '{\n\t"cluster-store": "S",\n\t"debug": true\n}\n',
        ),
        (
            '{\n  "cluster-advertise": "10.0.0.1:2376"\n}',
            '{\n  "cluster-advertise": "10.0.0.1:2376",\n  "cluster-store": "S"\n}\n',
            '{\n  "cluster-advertise": "10.0.0.1:2376",\n  "cluster-store": "S"\n}\n',
        ),
    ],
)
def test_keys_are_merged_with_order_and_foreign_keys_kept(before: str, merged: str, settled: str) -> None:
    assert merge_store(before, "S") == merged
    assert settle_store(merged, "S") == settled
    assert settle_store(before, "S") == settled
    assert settle_store(settled, "S") == settled


def test_the_store_of_the_examples_is_what_is_wanted() -> None:
    assert build_wanted().cluster_store.url == STORE
