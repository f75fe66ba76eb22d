"""Conditions of later steps on a real host: its kernel, its mounts and its Docker decide, so they are asked here.

One host; every test leaves it as it was laid out. In each of them the installer of before began, and could not end.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import by_hand, calico_image, servers, sight, stand_ins
from tests.e2e.harness.bench import Bench, boot_bench
from tests.e2e.harness.cluster import AgentSpec
from tests.e2e.harness.command import wait_until
from tests.e2e.harness.host import DAEMON_JSON, HostSpec
from tests.e2e.harness.site import Site

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

AGENT = AgentSpec(HostSpec("odd", "10.77.0.14"), mesos_version="1.9.0", dcos_version="2.0.0")
FILE = "/etc/docker/daemon.json"
STATE_DIR = "/var/lib/calico-dcos"
CGROUP = "/sys/fs/cgroup/memory/small"
# What is left of a task's 64 MB and its executor's 32 MB beside the executor.
LIMIT_MB, PLUGIN_MB = 66, 32
ENVIRONMENT = {"ETCD_ENDPOINTS": servers.ETCD_URL, "FELIX_IGNORELOOSERPF": "true", "FELIX_REPORTINGINTERVALSECS": "5"}
PLUGIN = """#!/bin/sh
echo '{"cniVersion": "0.2.0"}'
exit 0
"""


@pytest.fixture(scope="module")
def bench(site: Site, image: Path) -> Bench:
    return boot_bench(site, image, AGENT, may_restart=False)


@contextmanager
def mounted(bench: Bench, path: str, options: str) -> Iterator[None]:
    """A file system of its own on a directory."""
    bench.sh(f"mkdir -p {path}; mount -t tmpfs -o {options} tmpfs {path}")
    try:
        yield
    finally:
        bench.sh(f"umount -l {path}; rmdir {path} || true")


@pytest.mark.parametrize("step", ["cni", "etcd-proxy"])
def test_where_nothing_can_be_run_nothing_is_downloaded(bench: Bench, step: str) -> None:
    with mounted(bench, STATE_DIR, "noexec"):
        before = sight.read_files(bench.host)
        command = ("supervise", step) if step == "etcd-proxy" else ("apply", step)
        done = by_hand.run(bench.host, bench.wanted, *command)
        assert done.status == 3, done.output
        assert f"{STATE_DIR} is mounted noexec" in done.output
        assert sight.find_differences(before, sight.read_files(bench.host)) == []
        assert bench.sh(f"find {STATE_DIR} -type f") == ""


def test_where_no_plugin_could_be_run_none_is_put(bench: Bench) -> None:
    place = bench.sh(f"readlink -f {stand_ins.PLUGINS_DIR}").strip()
    bench.sh(f"mount --bind {place} {place}; mount -o remount,bind,noexec {place}")
    try:
        done = bench.apply_step("cni")
    finally:
        bench.sh(f"umount {place}")
    assert done.status == 3, done.output
    assert "is mounted noexec, and a CNI plugin is to be run from" in done.output
    assert bench.sh(f"ls {stand_ins.PLUGINS_DIR}") == "noop\n"


def test_where_backups_find_no_room_docker_is_left_alone(bench: Bench) -> None:
    dockerd = bench.sh("pgrep -x dockerd")
    with mounted(bench, STATE_DIR, "size=2m"):
        bench.sh(f"head -c 4M /dev/zero > {STATE_DIR}/full || true")
        done = bench.apply(timeout_s=10)
    assert done.status == 3, done.output
    assert f"{STATE_DIR} has 0 MB left, and 1 MB are needed" in done.output
    assert bench.sh(f"cat {FILE}") == DAEMON_JSON
    assert bench.sh("pgrep -x dockerd") == dockerd


def test_where_somebody_else_speaks_bgp_calico_node_is_refused(bench: Bench) -> None:
    listen = "import socket, time; s = socket.create_server(('', 179)); time.sleep(600)"
    bench.host.run(["systemd-run", "--quiet", "--unit=quagga", "python3", "-c", listen])
    try:
        wait_until(lambda: ":179 " in bench.sh("ss -ltn"), what="it listens", timeout_s=20)
        dry = by_hand.run(bench.host, bench.wanted, "apply", "calico-node", "--dry-run")
    finally:
        bench.sh("systemctl stop quagga")
    assert dry.status == 3, dry.output
    assert "tcp port 179, which BIRD needs for BGP, is taken by python3" in dry.output


def test_an_upgrade_of_the_plugins_and_its_removal_fit_the_default_memory_of_their_task(bench: Bench) -> None:
    bench.sh(f"mkdir -p {CGROUP}; echo $(({LIMIT_MB} << 20)) > {CGROUP}/memory.limit_in_bytes")
    enter = ("sh", "-c", f'echo $$ > {CGROUP}/cgroup.procs; exec "$@"', "sh")
    for version in ("v1", "v2"):
        plugins = []
        for name in ("calico", "calico-ipam"):
            bench.write(f"/root/{name}-{version}", PLUGIN)
            bench.sh(f"head -c {PLUGIN_MB}M /dev/urandom >> /root/{name}-{version}")
            plugins.append({"name": name, "url": f"file:///root/{name}-{version}", "sha256": None})
        done = bench.apply_step("cni", enter, cni={"plugins": plugins})
        assert done.status == 0, done.output[-2000:]
        bench.sh(f"cmp /root/calico-{version} {stand_ins.PLUGINS_DIR}/calico")
    removed = by_hand.run(bench.host, bench.wanted, "remove", before=enter)
    assert removed.status == 0, removed.output[-2000:]
    assert bench.sh(f"ls {stand_ins.PLUGINS_DIR}") == "noop\n"
    bench.sh(f"rmdir {CGROUP}; rm /root/calico*")


def test_calico_node_runs_under_a_docker_that_remaps_users(bench: Bench, image: Path) -> None:
    bench.write(FILE, json.dumps({**json.loads(DAEMON_JSON), "userns-remap": "default"}))
    bench.sh("systemctl reset-failed docker.service || true; systemctl restart docker.service")
    try:
        bench.await_docker()
        assert "name=userns" in sight.read_docker(bench.host, "/info")["SecurityOptions"]
        calico_image.import_calico_node(bench.host, image)
        dry = by_hand.run(bench.host, bench.wanted, "apply", "calico-node", "--dry-run")
        assert "would run container calico-node" in dry.output, dry.output
        wanted = by_hand.change(bench.wanted, "calico_node", environment=ENVIRONMENT)
        done = by_hand.run(bench.host, wanted, "supervise", "calico-node", before=("timeout", "30"))
        assert "the container is up as wanted; node odd is in etcd with 10.77.0.14" in done.output, done.output[-2000:]
        node = sight.read_container(bench.host, "calico-node")
        assert node.is_privileged
        assert node.network == "host"
    finally:
        bench.sh("docker rm -f calico-node || true")
        bench.write(FILE, DAEMON_JSON)
        bench.sh(f"systemctl restart docker.service; rm -rf {STATE_DIR}")
