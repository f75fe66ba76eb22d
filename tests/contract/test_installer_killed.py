"""The installer killed before each of its calls that change the host, and run again: the same host as without the kill.

Each run is one order to ``kill_points``. The host is laid out anew for each of them; what it looks like afterwards is
compared file by file, our own directory included. Then one more run must not make a single changing call.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.installer_fakes import FakeHost
from tests.contract.kill_points import KILLED

FOREIGN = '{\n  "mtu": 1450,\n  "log-opts": {"max-size": "9m"}\n}\n'
STATE_DIR = "var/lib/calico-dcos"
LABEL = "org.projectcalico.calico-dcos.settings"
pytestmark = pytest.mark.timeout(900)  # some hundred runs each: seconds on a quiet machine, minutes on a busy one
# Far more than any run makes: a run that never ends its changing calls is a failure too.
CALLS_MAX = 300

Tree = dict[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    status: int
    calls: int


class Bench:
    """A stand-in host that can be laid out again and again, and runs of the installer on it."""

    def __init__(self, host: FakeHost, directory: Path) -> None:
        self.host = host
        self._directory = directory
        self._state: Any = None
        self._runner = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.kill_points"],
            cwd=FakeHost.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._runner.communicate()

    def save(self) -> None:
        """Take the host as it is for the one that is laid out."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()
        for path in self._parts():
            shutil.copytree(path, self._directory / path.relative_to(self.host.root), symlinks=True)
        self._state = copy.deepcopy(self.host.state)

    def lay_out(self) -> None:
        for path in self._parts():
            shutil.rmtree(path)
        for path in find_parts(self._directory):
            shutil.copytree(path, self.host.root / path.relative_to(self._directory), symlinks=True)
        self.host.save(copy.deepcopy(self._state))

    def run(self, *arguments: str, kill_at: int = 0) -> Ended:
        environment = self.host.environment()
        del environment["CALICO_DCOS_REPORT_URL"]
        order = {
            "root": str(self.host.root),
            "arguments": arguments,
            "kill_at": kill_at,
            "environment": environment,
            "log": str(self.host.root / "fake/log"),
        }
        assert self._runner.stdin is not None
        assert self._runner.stdout is not None
        self._runner.stdin.write(json.dumps(order) + "\n")
        self._runner.stdin.flush()
        return Ended(**json.loads(self._runner.stdout.readline()))

    def read_log(self) -> str:
        return (self.host.root / "fake/log").read_text()

    def _parts(self) -> list[Path]:
        return find_parts(self.host.root)


def find_parts(root: Path) -> list[Path]:
    """What of a host is laid out again: the stand-ins' own directories, with their sockets, stay."""
    tops = [path for path in root.iterdir() if path.name not in ("fake", "run", "var")]
    return tops + [path for path in (root / "var").glob("*") if path.name != "run"]


def read_tree(root: Path) -> Tree:
    """Everything on the host: kind, mode, owner, content; of notes not when, nor how often, a file was written."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.split("/", maxsplit=1)[0] in ("fake", "run") or name == "var/run" or name.startswith("var/run/"):
            continue
        status = path.lstat()
        content = read_content(path) if stat.S_ISREG(status.st_mode) else os.fsencode(os.path.realpath(path))
        found[name] = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, content)
    return found


def read_content(path: Path) -> object:
    if path.name == "unread.json":
        return json.loads(path.read_text())["agent_start_epoch_s"]
    if path.name != "meta.json":
        return path.read_bytes()
    meta = json.loads(path.read_text())
    meta["written"] = sorted({identity["sha256"] for identity in meta["written"]})
    meta["kept"] = meta["kept"] and meta["kept"]["sha256"]
    return json.dumps(meta, sort_keys=True)


def leave_out_ours(tree: Tree) -> Tree:
    return {name: entry for name, entry in tree.items() if not name.startswith("var")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("killed") / "host"
    root.mkdir()
    host = FakeHost(root)
    # The second plugin goes the way of the first.
    del host.wanted["cni"]["plugins"][1]
    host.daemon_json.write_text(FOREIGN)
    host.daemon_json.chmod(0o640)
    (host.plugins_dir / "calico").write_text("#!/bin/sh\nexit 1\n")
    (root / "var/lib").mkdir(parents=True)
    host.change_state(agent={"version": "1.0.3", "start_time": time.time() - 100})
    bench = Bench(host, root.parent / "saved")
    yield bench
    bench.close()
    host.close()


@pytest.fixture
def bench(shared: Bench, tmp_path: Path) -> Iterator[Bench]:
    """The host as it is before anything of ours; it is laid out so again after the test."""
    bench = shared
    bench._directory = tmp_path / "saved"
    wanted = copy.deepcopy(bench.host.wanted)
    bench.save()
    pristine, state = tmp_path / "pristine", bench._state
    shutil.copytree(bench._directory, pristine, symlinks=True)
    yield bench
    bench._directory, bench._state, bench.host.wanted = pristine, state, wanted
    bench.lay_out()


def kill_everywhere(bench: Bench, *arguments: str, status: int = 0) -> Iterator[int]:
    """Kill a run before each of its calls in turn, and yield after each kill; ends when a run gets to its end."""
    for n in range(1, CALLS_MAX):
        bench.lay_out()
        ended = bench.run(*arguments, kill_at=n)
        if ended.status != KILLED:
            assert ended == Ended(status, n - 1), bench.read_log()
            assert n > 3, "there was hardly anything to kill"
            return
        yield n
    pytest.fail(f"no end after {CALLS_MAX} calls")


def prepare(bench: Bench, *steps: str) -> None:
    for step in steps:
        assert bench.run("apply", step).status == 0, bench.read_log()
    bench.save()


@pytest.mark.parametrize(
    ("before", "step", "acts"),
    [
        ((), "docker-cluster-store", [["kill", "-s", "HUP", "--kill-who=main", "docker.service"]]),
        ((), "cni", []),
        (("cni",), "agent-restart", [["restart", "dcos-mesos-slave.service"]]),
    ],
    ids=["docker-cluster-store", "cni", "agent-restart"],
)
def test_a_step_that_was_killed_anywhere_and_run_again_ends_at_the_same_host(
    bench: Bench, before: tuple[str, ...], step: str, acts: list[list[str]]
) -> None:
    prepare(bench, *before)
    assert bench.run("apply", step).status == 0, bench.read_log()
    expected, expected_store = read_tree(bench.host.root), bench.host.state["info"]
    for n in kill_everywhere(bench, "apply", step):
        again = bench.run("apply", step)
        assert again.status == 0, (n, bench.read_log())
        assert read_tree(bench.host.root) == expected, n
        assert bench.host.state["info"] == expected_store, n
        assert [act for act in bench.host.acts if act[0] != "reset-failed"] == acts, f"not once after a kill at {n}"
        assert bench.run("apply", step) == Ended(0, 0), f"a run after the last wrote something, {n}"


def test_a_restart_of_docker_that_was_killed_anywhere_happens_once(bench: Bench) -> None:
    bench.host.change_state(version={"Version": "1.10.3"})
    bench.save()
    assert bench.run("apply", "docker-cluster-store").status == 0, bench.read_log()
    expected = leave_out_store_note(read_tree(bench.host.root))
    for n in kill_everywhere(bench, "apply", "docker-cluster-store"):
        assert bench.run("apply", "docker-cluster-store").status == 0, (n, bench.read_log())
        assert leave_out_store_note(read_tree(bench.host.root)) == expected, n
        assert bench.host.acts.count(["restart", "docker.service"]) == 1, n


def leave_out_store_note(tree: Tree) -> Tree:
    """Without the note of which process took the store, whole or torn, and where it is written.

    A run that did not see the process take the store must not write it, and has nothing else to write.
    """
    return {name: entry for name, entry in tree.items() if "docker-store.json" not in name}


def test_a_docker_that_does_not_start_is_up_again_after_the_next_run_wherever_the_first_was_killed(
    bench: Bench,
) -> None:
    store = bench.host.wanted["docker_cluster_store"]["cluster_store"]
    bench.host.wanted["docker_cluster_store"]["timeout_s"] = 0.05
    bench.host.change_state(version={"Version": "1.10.3"}, stores_that_break_docker=[store])
    bench.save()
    before = leave_out_ours(read_tree(bench.host.root))
    for n in kill_everywhere(bench, "apply", "docker-cluster-store", status=1):
        assert bench.run("apply", "docker-cluster-store").status in (1, 3), (n, bench.read_log())
        assert bench.host.state["units"]["docker.service"]["ActiveState"] == "active", (n, bench.read_log())
        assert leave_out_ours(read_tree(bench.host.root)) == before, n
        assert bench.host.acts.count(["restart", "docker.service"]) <= 2, n


def test_undoing_that_was_killed_anywhere_is_undone_by_the_next_run(bench: Bench) -> None:
    """Docker ignores each reload: what was there before is back after the next run, which fails or is refused."""
    bench.host.wanted["docker_cluster_store"]["timeout_s"] = 0.05
    bench.host.change_state(reload_is_ignored=True)
    bench.save()
    before = leave_out_ours(read_tree(bench.host.root))
    for n in kill_everywhere(bench, "apply", "docker-cluster-store", status=1):
        assert bench.run("apply", "docker-cluster-store").status in (1, 3), (n, bench.read_log())
        assert leave_out_ours(read_tree(bench.host.root)) == before, n


def test_a_network_that_is_taken_away_under_kills_is_away_or_there_and_never_half(bench: Bench) -> None:
    """The agent does not come back: whatever is killed, the file is ours, whole, or is not there."""
    bench.host.wanted["agent_restart"]["timeout_s"] = 0.05
    prepare(bench, "cni")
    bench.host.change_state(agent_is_stuck=True)
    bench.save()
    ours = bench.host.config_file.read_bytes()
    for n in kill_everywhere(bench, "apply", "agent-restart", status=1):
        assert not bench.host.config_file.exists() or bench.host.config_file.read_bytes() == ours, n
        assert bench.run("remove").status == 0, (n, bench.read_log())
        assert not bench.host.config_file.exists(), n


def test_a_removal_that_was_killed_anywhere_and_run_again_leaves_nothing(bench: Bench) -> None:
    before = read_tree(bench.host.root)
    container = {"Name": "/calico-node", "Config": {"Labels": {LABEL: "x"}, "Image": "i"}, "State": {"Running": True}}
    prepare(bench, "docker-cluster-store", "cni")
    bench.host.change_state(containers={"calico-node": container})
    bench.save()
    for n in kill_everywhere(bench, "remove"):
        assert bench.run("remove").status == 0, (n, bench.read_log())
        assert read_tree(bench.host.root) == before, n
        assert "calico-node" not in bench.host.state["containers"], n
        assert bench.run("remove") == Ended(0, 0), f"a removal after the last wrote something, {n}"


@pytest.mark.parametrize("step", ["docker-cluster-store", "cni"])
def test_a_step_that_was_killed_anywhere_is_removed_whole(bench: Bench, step: str) -> None:
    before = read_tree(bench.host.root)
    for n in kill_everywhere(bench, "apply", step):
        assert bench.run("remove").status == 0, (n, bench.read_log())
        assert read_tree(bench.host.root) == before, n
