"""The gate before Docker on a real host: what systemd and dockerd make of it decides, so they are asked here.

One host; every test leaves Docker as it was laid out. In each of them the installer of before took Docker down, started
a second one, or called a store good that nothing was kept in.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import by_hand, sight, stand_ins
from tests.e2e.harness.bench import Bench, boot_bench
from tests.e2e.harness.by_hand import STORE, change
from tests.e2e.harness.cluster import AgentSpec
from tests.e2e.harness.command import wait_until
from tests.e2e.harness.host import DAEMON_JSON, HostSpec
from tests.e2e.harness.site import Site

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

AGENT = AgentSpec(HostSpec("gate", "10.77.0.14"), mesos_version="1.9.0", dcos_version="2.0.0")
STEP = ("apply", "docker-cluster-store")
FILE = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/system/docker.service.d/made-so.conf"
LATEST = "/etc/systemd/system/docker-latest.service"
DOCKERD = "/usr/sbin/dockerd -H unix:///var/run/docker.sock --containerd=/run/containerd/containerd.sock"
LATEST_UNIT = f"""[Unit]
After=containerd.service
[Service]
Type=notify
ExecStart={DOCKERD}
KillMode=process
Delegate=yes
TimeoutStopSec=5
"""
# A dockerd inside of a shell may outlive it, and leave its PID file behind. It is killed once nobody starts it again:
# one that is just being started would take its time to stop.
UNITS = "docker.service docker.socket docker-latest.service"
STOP = f"""systemctl stop --no-block {UNITS} 2>/dev/null || true
systemctl kill --signal=KILL docker.service docker-latest.service 2>/dev/null || true
pkill -KILL -x dockerd || true
systemctl stop {UNITS} 2>/dev/null || true
systemctl reset-failed {UNITS} 2>/dev/null || true
rm -f /var/run/docker.pid"""
# As Red Hat had it: what Docker says goes through a pipe to somebody else. That the unit's cgroup is empty, systemd is
# not told on every host of these tests: it waits for its time-out.
WRAPPED = f"""[Service]
NotifyAccess=all
KillMode=control-group
TimeoutStopSec=5
ExecStart=
ExecStart=/bin/sh -c '{DOCKERD} 2>&1 | /bin/cat'
"""


@pytest.fixture(scope="module")
def booted(site: Site, image: Path) -> Bench:
    return boot_bench(site, image, AGENT, may_restart=False)


@pytest.fixture
def bench(booted: Bench) -> Iterator[Bench]:
    yield booted
    booted.sh("docker ps -aq | xargs -r docker rm -f || true")
    booted.sh(f"{STOP}; rm -f {DROP_IN} {LATEST}; systemctl daemon-reload")
    booted.write(FILE, DAEMON_JSON)
    booted.sh(
        f"{STOP}; systemctl start docker.socket docker.service || {{ journalctl -u docker.service -n 20; false; }}"
    )
    booted.await_docker()
    booted.sh("docker ps -aq | xargs -r docker rm -f; rm -rf /var/lib/calico-dcos")


def start_work(bench: Bench) -> tuple[str, str]:
    bench.sh(f"docker run -d --name work --restart always {stand_ins.IDLE_IMAGE}")
    return bench.read_docker()


def test_a_shell_around_docker_gets_no_signal(bench: Bench) -> None:
    bench.write(DROP_IN, WRAPPED)
    bench.sh(f"{STOP}; systemctl daemon-reload; systemctl start docker.service")
    before = start_work(bench)
    done = bench.apply(timeout_s=10)
    assert done.status == 3, done.output
    assert "docker.service starts /bin/sh, which runs Docker inside of it" in done.output
    assert bench.read_docker() == before
    assert bench.sh(f"cat {FILE}") == DAEMON_JSON


def test_docker_latest_beside_an_inactive_docker_service_is_left_alone(bench: Bench) -> None:
    bench.write(LATEST, LATEST_UNIT)
    bench.sh(f"{STOP}; systemctl daemon-reload; systemctl start docker-latest")
    before = start_work(bench)
    done = bench.apply(timeout_s=10)
    assert done.status == 3, done.output
    assert "it is run by docker-latest.service" in done.output
    assert bench.read_docker() == before
    assert bench.sh("systemctl is-active docker.service docker-latest.service || true") == "inactive\nactive\n"


def test_an_authorization_plugin_that_is_not_there_is_not_reloaded_into_docker(bench: Bench) -> None:
    before = start_work(bench)
    text = json.dumps({**json.loads(DAEMON_JSON), "authorization-plugins": ["not-installed-yet"]})
    bench.write(FILE, text)
    done = bench.apply(timeout_s=10)
    assert done.status == 3, done.output
    assert "the authorization plugin not-installed-yet is not there" in done.output
    assert bench.read_docker() == before
    assert bench.sh(f"cat {FILE}") == text


def test_a_docker_that_is_slower_than_its_time_is_restarted_once_and_left_up(bench: Bench) -> None:
    other = {**json.loads(DAEMON_JSON), "cluster-store": f"{STORE}/other"}
    bench.write(FILE, json.dumps(other))
    bench.write(DROP_IN, "[Service]\nExecStartPre=/bin/sleep 6\n")
    bench.sh("systemctl daemon-reload; systemctl restart docker.service")
    start_work(bench)
    mark = "journalctl -u docker.service -o cat | grep -c '^Starting ' || true"
    starts = int(bench.sh(mark))
    wanted = dict(change(bench.wanted, "docker_cluster_store", timeout_s=3, replace_existing=True), may_restart=True)
    done = by_hand.run(bench.host, wanted, *STEP)
    assert done.status == 1, done.output
    assert "Docker is up (pid" in done.output, done.output[:3000]
    assert int(bench.sh(mark)) == starts + 1
    assert json.loads(bench.sh(f"cat {FILE}")) == other
    assert bench.sh("docker inspect -f '{{.State.Running}}' work") == "true\n"


def test_a_store_that_docker_shows_after_two_reloads_by_others_is_not_taken_for_used(bench: Bench) -> None:
    for store in (f"{STORE}/other", STORE):
        keys = {"cluster-store": store, "cluster-advertise": ""}
        bench.write(FILE, json.dumps({**json.loads(DAEMON_JSON), **keys}))
        bench.sh("systemctl kill -s HUP --kill-who=main docker.service")
        wait_until(
            lambda store=store: sight.read_docker(bench.host, "/info").get("ClusterStore") == store,  # type: ignore[misc]
            what="Docker shows the store",
            timeout_s=30,
        )
    before = bench.sh("pgrep -x dockerd")
    done = bench.apply(timeout_s=10)
    assert done.status == 3, done.output
    assert f"Docker shows the store {STORE} and does not use it" in done.output
    assert bench.sh("pgrep -x dockerd") == before


def test_a_store_that_docker_was_started_with_is_proven_by_its_log(bench: Bench) -> None:
    bench.write(FILE, json.dumps({**json.loads(DAEMON_JSON), "cluster-store": STORE}))
    bench.sh("systemctl restart docker.service")
    done = bench.apply(timeout_s=10)
    assert done.status == 0, done.output
    assert "its log tells of no other since its start" in done.output
