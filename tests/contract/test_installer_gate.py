"""The gate before Docker on a whole host: each state in which a reload, a restart or a new key would do harm."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.installer_fakes import FakeHost

HUP = ["kill", "-s", "HUP", "--kill-who=main", "docker.service"]
STEP = ("apply", "docker-cluster-store")
OLD_DOCKER = {"Version": "1.10.3"}
OTHER = "etcd://old.store:2379"


def change_unit(host: FakeHost, **values: str) -> None:
    host.change_state(units={"docker.service": {**host.state["units"]["docker.service"], **values}})


def build_start(words: str) -> str:
    return f"{{ path={words.split(maxsplit=1)[0]} ; argv[]={words} ; ignore_errors=no ; start_time=[n/a] }}"


def get_store(host: FakeHost) -> str:
    return str(host.wanted["docker_cluster_store"]["cluster_store"])


def check_refused(host: FakeHost, reason: str) -> None:
    before, acts = host.snapshot(), host.acts
    done = host.run(*STEP)
    assert done.returncode == 3, done.stdout
    assert reason in done.stdout
    assert (host.snapshot(), host.acts) == (before, acts)


def test_a_docker_of_another_unit_is_left_alone(host: FakeHost) -> None:
    (host.root / "run/docker.pid").unlink()
    change_unit(host, ActiveState="inactive", MainPID="0")
    host.change_state(docker_answers_anyway=True)
    check_refused(host, "docker.service is inactive, and yet Docker answers")


def test_a_docker_beside_an_active_docker_service_is_left_alone(host: FakeHost) -> None:
    change_unit(host, MainPID="4242")
    check_refused(host, f"Docker is run by process {os.getpid()}")


@pytest.mark.parametrize("version", [{"Version": "20.10.24"}, OLD_DOCKER])
@pytest.mark.parametrize("start", ["/bin/sh -c exec dockerd | logger", "/opt/bin/start-docker.sh"])
def test_what_wraps_docker_gets_no_signal_and_no_restart(host: FakeHost, start: str, version: dict[str, str]) -> None:
    change_unit(host, ExecStart=build_start(start))
    host.change_state(version=version)
    check_refused(host, f"docker.service starts {start.split(maxsplit=1)[0]}, which runs Docker inside of it")


@pytest.mark.parametrize("version", [{"Version": "20.10.24"}, OLD_DOCKER])
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ({"hosts": ["tcp://127.0.0.1:2375"]}, "hosts is given by a flag of dockerd (--host) as well"),
        ({"log-opt": {"max-size": "9m"}}, "knows no key log-opt"),
        ({"labels": "a=b"}, "labels is text, and Docker takes list of texts there"),
        ({"log-opts": {"max-file": 3}}, "log-opts is object, and Docker takes object of texts there"),
        ({"authorization-plugins": ["not-there"]}, "the authorization plugin not-there is not there"),
    ],
)
def test_what_others_left_pending_in_the_file_is_refused_on_every_path(
    host: FakeHost, file: dict[str, Any], reason: str, version: dict[str, str]
) -> None:
    host.daemon_json.write_text(json.dumps(file))
    host.change_state(version=version)
    check_refused(host, reason)


def test_an_authorization_plugin_with_a_specification_is_there(host: FakeHost) -> None:
    host.daemon_json.write_text('{"authorization-plugins": ["opa"]}')
    (host.root / "etc/docker/plugins").mkdir()
    (host.root / "etc/docker/plugins/opa.spec").write_text("tcp://127.0.0.1:1")
    assert host.run(*STEP).returncode == 0


@pytest.mark.parametrize("style", ["quoted", "escaped", "file", "continued", "spaced", "manager"])
def test_a_store_in_flags_of_the_environment_is_found_however_it_is_written(host: FakeHost, style: str) -> None:
    store = get_store(host)
    options = f"--tlsverify --cluster-store={store} -H=unix:///var/run/docker.sock"
    start = build_start("/usr/lib/coreos/dockerd --icc=false $DOCKER_OPTS")
    lines = {
        "file": f"DOCKER_OPTS='{options}'\n",
        "continued": "# options\nDOCKER_OPTS=--tlsverify \\\n  " + options.partition(" ")[2] + "\n",
        "spaced": f'DOCKER_OPTS = "{options}"\n',
    }
    assignment = {"quoted": f'"DOCKER_OPTS={options}"', "escaped": f"DOCKER_OPTS={options}".replace(" ", "\\x20")}
    (host.root / "etc/default").mkdir()
    (host.root / "etc/default/docker").write_text(lines.get(style, ""))
    files = "/etc/default/docker (ignore_errors=yes)"
    change_unit(host, ExecStart=start, Environment=assignment.get(style, ""), EnvironmentFiles=files)
    manager = [f"DOCKER_OPTS={options}".replace(" ", "\\x20")] if style == "manager" else []
    host.change_state(info={"ClusterStore": store}, manager_environment=manager)
    done = host.run(*STEP)
    assert (done.returncode, done.stdout.startswith("nothing to do: ")) == (0, True), done.stdout
    assert not host.daemon_json.exists()


@pytest.mark.parametrize(
    ("unit", "file", "reason"),
    [
        ({"Environment": '"DOCKER_OPTS=--debug'}, "", "a quote is not closed"),
        ({}, "DOCKER_OPTS='--debug\n", "/etc/default/docker: a quote is not closed"),
        ({}, "export DOCKER_OPTS=--debug\n", "which systemd does not take"),
        ({"NeedDaemonReload": "yes"}, "", "systemd has not read them yet"),
        ({"ExecStart": build_start("/usr/bin/dockerd ${DOCKER_OPTS:-}")}, "", "no reference that systemd knows"),
    ],
)
def test_flags_that_cannot_be_known_whole_are_refused_and_never_empty(
    host: FakeHost, unit: dict[str, str], file: str, reason: str
) -> None:
    (host.root / "etc/default").mkdir()
    (host.root / "etc/default/docker").write_text(file)
    start = {"ExecStart": build_start("/usr/bin/dockerd $DOCKER_OPTS"), "EnvironmentFiles": "/etc/default/docker"}
    change_unit(host, **{**start, **unit})
    check_refused(host, reason)


def test_leave_to_restart_counts_for_the_plan_that_is_made_under_the_lock(host: FakeHost) -> None:
    """Another run, under way when this one began, makes Docker take a store that only a restart can change."""
    host.wanted["may_restart"] = False
    host.wanted["docker_cluster_store"]["replace_existing"] = True
    lock = host.root / "var/lib/calico-dcos/lock/changes"
    lock.parent.mkdir(parents=True)
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run = subprocess.Popen(
            host.build_command(*STEP), cwd=host.project, env=host.environment(), stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while not is_waiting_for(lock, run.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        host.change_state(info={"ClusterStore": OTHER})
        host.daemon_json.write_text(json.dumps({"cluster-store": OTHER}))
    output = run.communicate(timeout=60)[0]
    assert run.returncode == 1
    assert "needs leave to restart docker" in output
    assert host.acts == []
    assert json.loads(host.daemon_json.read_text()) == {"cluster-store": OTHER}


def is_waiting_for(lock: Path, pid: int) -> bool:
    """Whether a process has the lock's file open."""
    try:
        return any(path.resolve() == lock for path in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def test_a_docker_slower_than_its_patience_is_not_restarted_into_its_start(host: FakeHost) -> None:
    host.change_state(version=OLD_DOCKER, docker_is_slow_for=4)
    done = host.run(*STEP)
    assert done.returncode == 0, done.stdout
    assert [act for act in host.acts if act[0] != "reset-failed"] == [["restart", "docker.service"]]


def test_a_docker_that_does_not_come_up_in_time_is_left_to_its_start_and_told(host: FakeHost) -> None:
    host.change_state(version=OLD_DOCKER, docker_is_slow_for=10_000, containers={})
    done = host.run(*STEP)
    assert done.returncode == 1
    assert [act for act in host.acts if act[0] != "reset-failed"] == [["restart", "docker.service"]]
    assert "Docker is not up: docker.service is still activating" in done.stdout
    assert "not up: web" in done.stdout.splitlines()[-1] or "not up: web" in done.stdout
    assert not host.daemon_json.exists()


def test_a_store_that_docker_shows_and_does_not_use_is_refused(host: FakeHost) -> None:
    host.daemon_json.write_text(json.dumps({"cluster-store": get_store(host)}))
    host.change_state(
        info={"ClusterStore": get_store(host)},
        networks=[{"Id": "c0", "Name": "cal0", "Driver": "calico", "Scope": "global", "Containers": {}}],
    )
    check_refused(host, "does not use it (its network cal0 is not in it)")
    host.change_state(store_networks=["c0"])
    done = host.run(*STEP)
    assert (done.returncode, "its network cal0 is kept there" in done.stdout) == (0, True)


def test_a_store_that_docker_logged_not_to_take_is_refused(host: FakeHost) -> None:
    line = "Failed to reload configuration with network controller: cannot accept new configuration because it modifies"
    host.daemon_json.write_text(json.dumps({"cluster-store": get_store(host)}))
    host.change_state(info={"ClusterStore": get_store(host)}, journal=["API listen on /var/run/docker.sock", line])
    check_refused(host, "does not use it (it logged")
