"""The whole walk with its connectivity test: real packets between three real hosts, routed by BIRD, filtered by Felix.

Tasks have PID namespaces, and every host the addresses of spartan. On the second a route of somebody else's leads the
packets for the first astray: the walk has to stop there, though each step of that host is complete. A fourth host, with
Docker's rules in nftables, is refused before its first change and keeps nobody waiting.
"""

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.sim.standins.calico_node.ipam import list_blocks
from tests.e2e.harness import calico_image, cluster, servers, sight
from tests.e2e.harness.cluster import REPOSITORY, AgentSpec, Scheduler
from tests.e2e.harness.command import CommandError, wait_until
from tests.e2e.harness.host import Host, HostSpec, Iptables
from tests.e2e.harness.site import Site

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

NAMES = ("one", "two", "three")
AGENTS = [
    AgentSpec(HostSpec(name, f"10.77.0.2{number}", has_spartan=True), mesos_version="1.9.0", dcos_version="2.0.0")
    for number, name in enumerate(NAMES, start=1)
]
ONE, TWO, THREE = AGENTS
NFT = AgentSpec(
    HostSpec("nft", "10.77.0.24", iptables=Iptables.NFT, has_spartan=True), mesos_version="1.9.0", dcos_version="2.0.0"
)
POOL = "192.168.0.0/16"
TOKEN = "the-token-of-the-operator"
PATIENCE_S = 300
TESTED = {
    *(("mesos", action) for action in ("address", "tcp", "source", "ping", "mtu", "policy", "policy-removed")),
    *(("docker", action) for action in ("address", "tcp", "ping")),
}


@dataclass(frozen=True, slots=True)
class Walked:
    """A cluster whose walk has stopped at its second agent, and was helped on."""

    site: Site
    hosts: Mapping[str, Host]
    untouched: Mapping[str, sight.File]
    scheduler: Scheduler
    stopped: Mapping[str, Any] = field(default_factory=dict)
    waiting: str = ""
    operators: str = ""
    last: Mapping[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def walked(site: Site, image: Path) -> Walked:
    downloads = servers.start_all(site)
    cluster.start_master(site, mesos_version="1.9.0")
    specs = (*AGENTS, NFT)
    hosts = {spec.host.name: cluster.boot_agent(site, image, spec) for spec in specs}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: calico_image.import_calico_node(host, image), hosts.values()))
    lead_astray(hosts["two"], "add")
    for spec in (ONE, TWO, NFT):
        cluster.start_agent(site, hosts[spec.host.name], spec)
    untouched = sight.read_files(hosts["nft"])
    more = {"CONNECTIVITY_TEST": "true", "OPERATOR_TOKEN": TOKEN, "MAX_CONCURRENT_AGENTS": "2"}
    scheduler = cluster.start_scheduler(site, state=site.directory / "walk.db", downloads=downloads, more=more)
    begun = Walked(site, hosts, untouched, scheduler)
    stopped = await_run(begun, who="the walk", status="failed")
    cluster.start_agent(site, hosts["three"], THREE)
    waiting = await_wait(begun, THREE)
    lead_astray(hosts["two"], "del")
    operators = site.run(build_command(scheduler), timeout_s=PATIENCE_S)
    last = await_run(begun, who="the walk", status="passed")
    return Walked(site, hosts, untouched, scheduler, stopped, waiting, operators, last)


def lead_astray(host: Host, word: str) -> None:
    """Have a host lose what is for the first half of the block of the first host; BIRD leaves such a route alone."""
    half = next(next(list_blocks(POOL, "one")).subnets())
    host.run(["ip", "route", word, "blackhole", str(half), "proto", "kernel"])


def build_command(scheduler: Scheduler) -> list[str]:
    own = [sys.executable, "-m", "calico_dcos", "connectivity-test", "--url", scheduler.url, "--token", TOKEN]
    return ["env", f"PYTHONPATH={REPOSITORY}", *own]


def fetch(walked: Walked, path: str) -> Any:
    try:
        return json.loads(servers.fetch(walked.site, f"{walked.scheduler.url}{path}"))
    except CommandError:
        return {}


def await_run(walked: Walked, *, who: str, status: str) -> Mapping[str, Any]:
    def read() -> Mapping[str, Any]:
        return fetch(walked, "/v1/connectivity").get("run") or {}

    try:
        wait_until(
            lambda: (read().get("who"), read().get("status")) == (who, status),
            what=f"a run of {who} that {status}",
            timeout_s=PATIENCE_S,
            poll_s=0.5,
        )
    except TimeoutError as error:
        raise AssertionError(f"{error}: {read()}\n{walked.scheduler.log.read_text()}") from error
    return read()


def await_wait(walked: Walked, agent: AgentSpec) -> str:
    def read() -> str:
        rows = [row for row in fetch(walked, "/v1/agents")["agents"] if row["hostname"] == agent.host.address]
        return str(rows[0]["message"]) if rows else ""

    wait_until(lambda: read().startswith("the walk waits"), what=f"{agent.host.name} waits", timeout_s=60, poll_s=0.5)
    return read()


def read_row(walked: Walked, agent: AgentSpec) -> Mapping[str, Any]:
    rows = fetch(walked, "/v1/agents")["agents"]
    return next(row for row in rows if row["hostname"] == agent.host.address)


def test_where_packets_do_not_arrive_the_walk_stops_with_the_reason(walked: Walked) -> None:
    failed = {
        (pair["client"], one["test"], one["action"]): one["message"]
        for pair in walked.stopped["pairs"]
        for one in pair["results"]
        if one["outcome"] == "failed"
    }
    assert {(client, test) for client, test, action in failed if action == "tcp"} == {
        (agent.host.address, test) for agent in (ONE, TWO) for test in ("mesos", "docker")
    }
    assert "dev blackhole" in failed[TWO.host.address, "mesos", "tcp"]
    assert "mesos tcp: failed: TCP to 192.168." in walked.waiting


def test_once_they_do_an_operators_test_passes_and_lets_the_walk_go_on(walked: Walked) -> None:
    assert "connectivity test: all 2 pairs of agents passed" in walked.operators
    assert {read_row(walked, agent)["status"] for agent in AGENTS} == {"COMPLETE"}
    assert THREE.host.address in {pair["client"] for pair in walked.last["pairs"]}
    for pair in walked.last["pairs"]:
        assert {(one["test"], one["action"]) for one in pair["results"]} == TESTED
        assert {one["outcome"] for one in pair["results"]} == {"passed"}, pair


def test_bird_gave_each_host_the_routes_to_the_others_blocks(walked: Walked) -> None:
    for name in ("two", "three"):
        (route,) = walked.hosts[name].run(["ip", "route", "show", str(next(list_blocks(POOL, "one")))]).splitlines()
        assert route.split() == [
            str(next(list_blocks(POOL, "one"))),
            "via",
            ONE.host.address,
            *("dev", "host0", "proto", "bird"),
        ]


def test_nothing_of_the_test_is_left(walked: Walked) -> None:
    def find_left() -> list[str]:
        left = [read_etcd(walked, "/calico/v1/policy/tier/default/policy")]
        for agent in AGENTS:
            host = walked.hosts[agent.host.name]
            left.append(read_etcd(walked, f"/calico/v1/host/{agent.host.name}/workload"))
            links = host.run(["ip", "-oneline", "link", "show", "type", "veth"])
            left += [line for line in links.splitlines() if ": cali" in line or ": temp" in line]
            left += [name for name in sight.read_container_names(host) if name != "calico-node"]
            left += [one["Name"] for one in sight.read_docker(host, "/networks") if one["Driver"] == "calico"]
            left.append(host.run(["find", "/run/calico-dcos", "/run/netns", "-mindepth", "2"], statuses=(0, 1)))
        return [one for one in left if one]

    wait_until(lambda: not find_left(), what="nothing is left", timeout_s=60)


def read_etcd(walked: Walked, key: str) -> str:
    """Read the values below a key, a line each; directories alone are nothing."""
    try:
        tree = json.loads(servers.fetch(walked.site, f"{servers.ETCD_URL}/v2/keys{key}?recursive=true"))
    except CommandError:
        return ""
    nodes, values = [tree["node"]], []
    while nodes:
        node = nodes.pop()
        nodes += node.get("nodes", [])
        values += [node["value"]] if "value" in node else []
    return "\n".join(values)


def test_a_host_with_dockers_rules_on_nftables_is_refused_before_its_first_change(walked: Walked) -> None:
    row, host = read_row(walked, NFT), walked.hosts["nft"]
    assert row["status"] == "ERROR"
    told = json.dumps(fetch(walked, "/v1/agents"))
    assert '"refused"' in told
    assert "calico-node refused: " in told
    assert "nftables" in told
    assert sight.find_differences(walked.untouched, sight.read_files(host)) == []
    assert not sight.read_docker(host, "/info").get("ClusterStore")
