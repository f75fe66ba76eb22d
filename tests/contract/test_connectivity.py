"""The connectivity test on a simulated cluster: real tasks, real packets, faults of the network, and kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from calico_dcos.__main__ import main
from calico_dcos.sim.cluster import Cluster
from calico_dcos.sim.cluster_plan import AgentPlan
from calico_dcos.sim.standins.network.faults import Fault, write_faults
from calico_dcos.sim.standins.process_tree import list_descendants
from tests.contract.scheduler_process import SchedulerProcess, build_scheduler

# A walk and a run after it, on a machine that others use as well.
PATIENCE_S = 400.0
TOKEN = "open-sesame-0123456789"
AGENTS = (
    AgentPlan(number=1, mesos_version="1.9.0", docker_version="20.10.24"),
    AgentPlan(number=2, mesos_version="1.9.0", docker_version="20.10.24"),
    AgentPlan(number=3, mesos_version="1.0.1", docker_version="20.10.24"),
)


def wait_for(read: Callable[[], Any], log: Path) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := read()):
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")[-4000:]
        time.sleep(0.1)
    return found


class Site:
    """A walked cluster whose network can be made to fail."""

    def __init__(self, cluster: Cluster, scheduler: SchedulerProcess) -> None:
        self.cluster = cluster
        self.scheduler = scheduler

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.scheduler.port}/v1/connectivity"

    def spoil(self, *faults: Fault) -> None:
        write_faults(self.cluster.directory, faults)

    def start(self, *agents: str) -> requests.Response:
        body = {"command": "start", "agents": list(agents)}
        return requests.post(self.url, json=body, headers={"X-Calico-Token": TOKEN}, timeout=30)

    def read_run(self) -> Any:
        document = self.scheduler.get("/v1/connectivity")
        return None if document is None else document["run"]

    def run(self, *agents: str) -> Any:
        answer = self.start(*agents)
        assert answer.status_code == 200, answer.text
        return self.wait_for_end()

    def wait_for_end(self) -> Any:
        return wait_for(lambda: (run := self.read_run()) and run["status"] != "running" and run, self.scheduler.log)

    def list_left(self) -> list[str]:
        """What is left of runs on any host and in etcd."""
        left: list[str] = []
        for host in self.cluster.hosts:
            for place in ("run/calico-dcos/connectivity", "run/stand-in/wires", "run/stand-in/docker-namespaces"):
                directory = host.root / place
                left += [str(path) for path in (directory.iterdir() if directory.exists() else ())]
            left += [name for name in host.run("docker", "ps", "-a").stdout.split() if "connectivity" in name]
        left += [
            name
            for name in self.cluster.hosts[0].run("docker", "network", "ls").stdout.split()
            if "connectivity" in name
        ]
        etcd = f"http://{self.cluster.addresses.etcd_address}:{self.cluster.addresses.etcd_port}/v2/keys"
        for key in ("/calico/v1/policy", "/calico/v1/host"):
            nodes = [requests.get(f"{etcd}{key}?recursive=true", timeout=5).json().get("node", {})]
            while nodes:
                node = nodes.pop()
                nodes += node.get("nodes", [])
                left += (
                    [node["key"]]
                    if "/endpoint/" in node.get("key", "") or "/policy/calico" in node.get("key", "")
                    else []
                )
        return left

    def wait_until_clean(self) -> None:
        wait_for(lambda: not self.list_left(), self.scheduler.log)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Cluster(AGENTS) as cluster:
        scheduler = build_scheduler(
            cluster,
            tmp_path_factory.mktemp("scheduler"),
            OPERATOR_TOKEN=TOKEN,
            MAX_CONCURRENT_AGENTS="3",
        )
        scheduler.start()
        try:
            wait_for(lambda: scheduler.read_summary().get("complete") == 3, scheduler.log)
            yield Site(cluster, scheduler)
        finally:
            scheduler.stop()


@pytest.fixture(autouse=True)
def mended(site: Site) -> None:
    site.spoil()


def get_results(run: Any, client: str) -> dict[str, tuple[str, str]]:
    pair = next(pair for pair in run["pairs"] if pair["client"] == client)
    mesos = [result for result in pair["results"] if result["test"] == "mesos"]
    return {result["action"]: (result["outcome"], result["message"]) for result in mesos}


def list_failures(run: Any) -> list[str]:
    return [
        f"{pair['client']} -> {pair['server']}: {result['action']}: {result['message']}"
        for pair in run["pairs"]
        for result in pair["results"]
        if result["outcome"] == "failed"
    ]


def test_two_agents_reach_each_other_in_every_way(site: Site) -> None:
    run = site.run("agent-1", "agent-2")
    assert list_failures(run) == []
    assert run["status"] == "passed"
    for pair in run["pairs"]:
        outcomes = {f"{one['test']} {one['action']}": one["outcome"] for one in pair["results"]}
        mesos = ("address", "tcp", "source", "ping", "mtu", "policy", "policy-removed")
        expected = [*(f"mesos {action}" for action in mesos), "docker address", "docker tcp", "docker ping"]
        assert outcomes == dict.fromkeys(expected, "passed")
        measured = {one["action"]: (one["rtt_ms"], one["mtu"]) for one in pair["results"] if one["test"] == "mesos"}
        assert measured["tcp"][0] is not None
        assert measured["ping"][0] is not None
        assert measured["mtu"][1] == 1500
    site.wait_until_clean()


def test_the_command_follows_a_run_and_ends_with_what_came_out(site: Site) -> None:
    environment = {"CALICO_DCOS_URL": f"http://127.0.0.1:{site.scheduler.port}", "CALICO_DCOS_OPERATOR_TOKEN": TOKEN}

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, ["connectivity-test", *words], env=environment)

    done = call("--agents", "agent-1,agent-2")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "the connectivity test begins on 2 agents: agent-1, agent-2"
    assert done.output.splitlines()[-1] == "connectivity test: all 2 pairs of agents passed"
    assert "agent-1 -> agent-2: mesos source: ok: agent-2 sees 127." in done.output
    last = call("--last", "--json")
    assert (last.exit_code, json.loads(last.output)["status"]) == (0, "passed")
    assert call("--agents", "agent-1").exit_code == 2
    site.spoil(Fault("masquerade"))
    assert call("--agents", "agent-1,agent-2").exit_code == 1
    assert call("--stop").output == "no connectivity test is running\n"


def test_what_fails_is_told_with_its_cause_and_all_else_passes(site: Site) -> None:
    site.spoil(
        Fault("no-route", "agent-1", "agent-2"),
        Fault("masquerade", "agent-2", "agent-3"),
        Fault("mtu", "agent-3", "agent-1", mtu=1300),
    )
    run = site.run()
    assert run["status"] == "failed"
    lost = get_results(run, "agent-1")
    assert lost["tcp"][0] == lost["ping"][0] == "failed"
    assert "no answer within 3 s (tried for 15 s); agent-1 has no route to" in lost["tcp"][1]
    assert "100 % lost" in lost["ping"][1]
    assert [lost[action][0] for action in ("source", "mtu", "policy")] == ["not tested"] * 3
    masked = get_results(run, "agent-2")
    assert masked["source"][0] == "failed"
    assert "packets between workloads are masqueraded" in masked["source"][1]
    assert masked["ping"][0] == "passed"
    narrow = get_results(run, "agent-3")
    assert narrow["mtu"][0] == "failed"
    assert "packets of 1400 bytes do not pass unfragmented from agent-3 to agent-1" in narrow["mtu"][1]
    assert narrow["policy-removed"][0] == "passed"
    site.wait_until_clean()


def test_a_policy_that_is_not_applied_fails_and_one_that_cannot_be_aimed_is_not_tested(site: Site) -> None:
    site.spoil(
        Fault("no-policy", "agent-1", "agent-2"),
        Fault("no-ping", "agent-3", "agent-1"),
        Fault("mtu", "agent-2", "agent-3", mtu=1450),
    )
    run = site.run()
    ignored = get_results(run, "agent-1")
    assert ignored["policy"][0] == "failed"
    assert "Felix on agent-2 does not apply policies" in ignored["policy"][1]
    assert ignored["policy-removed"] == ("not tested", "the policy did not hold")
    # The Mesos of agent-3 tells plugins nothing of labels.
    aimless = get_results(run, "agent-2")
    assert aimless["policy"][0] == "not tested"
    assert "Mesos before 1.1" in aimless["policy"][1]
    assert aimless["mtu"] == ("passed", "1450 bytes pass unfragmented")
    deaf = get_results(run, "agent-3")
    assert (deaf["tcp"][0], deaf["ping"][0]) == ("passed", "failed")
    assert "TCP passes: something drops ICMP" in deaf["ping"][1]
    site.wait_until_clean()


def test_a_host_without_the_network_fails_in_the_words_of_mesos(site: Site) -> None:
    (config,) = (site.cluster.hosts[1].root / "opt/mesosphere/etc/dcos/network/cni").glob("calico.conf")
    aside = site.cluster.directory / "aside.conf"
    config.rename(aside)
    try:
        run = site.run("agent-1", "agent-2")
    finally:
        aside.rename(config)
    for client in ("agent-1", "agent-2"):
        outcome, message = get_results(run, client)["start"]
        assert outcome == "failed"
        assert message.startswith("agent-2: no workload on the CNI network: TASK_FAILED: ")
        assert message.endswith("Unknown CNI network 'calico'")
    site.wait_until_clean()


def test_one_run_at_a_time_and_only_for_who_has_the_token(site: Site) -> None:
    site.spoil(Fault("cut"))
    assert requests.post(site.url, json={"command": "start"}, timeout=30).status_code == 401
    assert site.start("agent-1", "agent-9").status_code == 400
    assert site.start("agent-1", "agent-2").status_code == 200
    again = site.start("agent-1", "agent-2")
    assert (again.status_code, again.json()["message"]) == (
        409,
        "a connectivity test is running: wait for its end, or stop it",
    )
    stopped = requests.post(site.url, json={"command": "stop"}, headers={"X-Calico-Token": TOKEN}, timeout=30)
    assert stopped.status_code == 200
    assert site.wait_for_end()["status"] == "not tested"
    site.wait_until_clean()


def find_tasks(words: str) -> list[int]:
    """Find processes of the cluster by the end of their command line."""
    found = []
    for pid in list_descendants(os.getpid()):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if command[-2:] == words.encode().split() and b"installer.pyz" in command[-3]:
                found.append(pid)
    return found


def begin_and_await(site: Site, words: str, count: int) -> list[int]:
    """Begin a run in which nothing arrives, and wait until tasks of a kind are at work."""
    site.spoil(Fault("cut"))
    assert site.start("agent-1", "agent-2").status_code == 200
    found: list[int] = wait_for(lambda: tasks if len(tasks := find_tasks(words)) == count else None, site.scheduler.log)
    return found


@pytest.mark.parametrize("part", ["workload", "probe"])
def test_a_task_that_is_killed_fails_its_pairs_with_a_word_and_leaves_nothing(site: Site, part: str) -> None:
    begin_and_await(site, "connectivity probe", 2)
    wait_for(lambda: all(pair["results"] for pair in site.read_run()["pairs"]), site.scheduler.log)
    for pid in find_tasks(f"connectivity {part}"):
        os.kill(pid, signal.SIGKILL)
    run = site.wait_for_end()
    assert run["status"] == "failed"
    messages = " ".join(result["message"] for pair in run["pairs"] for result in pair["results"])
    assert {
        "workload": "the workload does not answer on its socket",
        "probe": "the probe on agent-1 ended: TASK_FAILED: Command terminated with signal Killed",
    }[part] in messages
    site.wait_until_clean()


def test_a_run_goes_on_when_its_scheduler_is_killed(site: Site) -> None:
    begin_and_await(site, "connectivity probe", 2)
    before = site.read_run()["id"]
    site.scheduler.signal(signal.SIGKILL)
    site.scheduler.wait()
    site.spoil()
    site.scheduler.start()
    run = site.wait_for_end()
    assert list_failures(run) == []
    assert (run["id"], run["status"]) == (before, "passed")
    site.wait_until_clean()


def test_a_run_outlives_the_kill_of_an_agent(site: Site) -> None:
    begin_and_await(site, "connectivity probe", 2)
    host = site.cluster.hosts[0]
    pid = host.run("systemctl", "show", "--value", "-p", "MainPID", "dcos-mesos-slave").stdout
    os.kill(int(pid), signal.SIGKILL)
    site.spoil()
    run = site.wait_for_end()
    assert run["ended_at"] is not None
    site.wait_until_clean()
