"""The parts of the connectivity test in network namespaces of the kernel, with real packets between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from calico_dcos.installer.connectivity.control import DIRECTORY
from calico_dcos.sim.etcd import EtcdServer

RUN = "0123456789ab"
CLIENT, SERVER = "192.168.77.1", "192.168.77.2"
LABEL = {"name": "calico-dcos-connectivity", "value": f"{RUN}-1"}
POLICIES = "/v2/keys/calico/v1/policy/tier/default/policy"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Wire:
    """Two namespaces with a veth between them, and an etcd."""

    def __init__(self, root: Path) -> None:
        self.names = (f"conn-a-{os.getpid()}", f"conn-b-{os.getpid()}")
        # Both workloads are on this one machine: each has a root of its own, with the machine's tools.
        self.roots = (root / "a", root / "b")
        self.etcd = EtcdServer(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.etcd.server_address[1]}"
        self.tasks: list[subprocess.Popen[str]] = []
        self._is_over = threading.Event()

    def lay(self) -> None:
        for name, root in zip(self.names, self.roots, strict=True):
            ip("netns", "add", name)
            (root / "usr/sbin").mkdir(parents=True)
            (root / "usr/sbin/ip").symlink_to(shutil.which("ip") or "/sbin/ip")
        first, second = self.names
        ip("link", "add", "eth0", "netns", first, "type", "veth", "peer", "name", "eth0", "netns", second)
        for name, own, other in ((first, CLIENT, SERVER), (second, SERVER, CLIENT)):
            ip("-n", name, "addr", "add", f"{own}/32", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "mtu", "1440", "up")
            ip("-n", name, "route", "add", other, "dev", "eth0")
        threading.Thread(target=self.etcd.serve_forever, daemon=True).start()
        self.felix = threading.Thread(target=self._apply_policies, daemon=True)
        self.felix.start()

    def take_up(self) -> None:
        self._is_over.set()
        self.felix.join()
        for task in self.tasks:
            task.kill()
            task.communicate()
        self.etcd.shutdown()
        self.etcd.server_close()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)

    def start(self, place: int, part: str, order: dict[str, Any], *, is_inside: bool) -> subprocess.Popen[str]:
        wanted = {
            **WANTED,
            "etcd_endpoints": self.url,
            "connectivity": {"id": RUN, "port": 9199, "lifetime_s": 60, **order},
        }
        inside = ["ip", "netns", "exec", self.names[place]] if is_inside else []
        command = [*inside, sys.executable, "-m", "calico_dcos.installer", "connectivity", part]
        environment = {
            **os.environ,
            "CALICO_DCOS_WANTED": json.dumps(wanted),
            "CALICO_DCOS_ROOT": str(self.roots[place]),
        }
        task = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.tasks.append(task)
        return task

    def _apply_policies(self) -> None:
        """Do what Felix does with the test's policy: drop what comes to the server while it is in etcd."""
        is_dropping = False
        while not self._is_over.wait(0.1):
            document = requests.get(f"{self.url}{POLICIES}", timeout=5).json()
            wants_drop = bool(document.get("node", {}).get("nodes"))
            if wants_drop != is_dropping:
                way = ["blackhole", CLIENT] if wants_drop else [CLIENT, "dev", "eth0"]
                ip("-n", self.names[1], "route", "del", CLIENT)
                ip("-n", self.names[1], "route", "add", *way)
                is_dropping = wants_drop


WANTED: dict[str, Any] = {}


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        said = "namespaces need root, and Debian package iproute2"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(said)
    from calico_dcos.config import build_wanted, read_config  # noqa: PLC0415

    required = {"CALICO_DCOS_MASTER": "127.0.0.1:5050", "CALICO_DCOS_STATE_STORE": "sqlite:///tmp/none.db"}
    WANTED.update(build_wanted(read_config(required)))
    laid = Wire(tmp_path)
    laid.lay()
    yield laid
    laid.take_up()


def test_workloads_in_two_namespaces_reach_each_other_and_a_policy_keeps_them_apart(wire: Wire) -> None:
    for place in (0, 1):
        wire.start(place, "workload", {}, is_inside=True)
    mesos = {"client_address": CLIENT, "server_address": SERVER, "label": LABEL}
    order = {"client": "h1", "server": "h2", "mesos": mesos, "docker": None}
    begun_at = time.monotonic()
    output, _ = wire.start(0, "probe", order, is_inside=False).communicate(timeout=120)
    told = dict(line.split(": ", 1) for line in output.splitlines() if line.startswith("mesos "))
    assert told["mesos address"] == f"passed: {CLIENT} on eth0 with an MTU of 1440", output
    assert told["mesos tcp"].startswith(f"passed: TCP to {SERVER}:9199 answers in "), output
    assert told["mesos source"] == f"passed: h2 sees {CLIENT}"
    assert told["mesos ping"] == "passed: 3 of 3 answered"
    assert told["mesos mtu"] == "passed: 1430 bytes pass unfragmented"
    assert told["mesos policy"].startswith("passed: one that forbids it holds within ")
    assert told["mesos policy-removed"].startswith("passed: TCP answers again within ")
    assert time.monotonic() - begun_at < 100
    for task in wire.tasks[:2]:
        task.terminate()
        assert task.wait(20) == 0
    assert [list(root.glob(f"{DIRECTORY[1:]}/*")) for root in wire.roots] == [[], []]
