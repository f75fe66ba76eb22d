"""The hosts that the other end-to-end tests trust boot, are what they claim to be, and leave nothing."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.harness import cluster, servers, sight
from tests.e2e.harness.cluster import AgentSpec
from tests.e2e.harness.host import DAEMON_JSON, Cgroups, Host, HostSpec
from tests.e2e.harness.site import ADDRESS, Site, open_site
from tests.e2e.harness.stand_ins import Download

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

LEGACY = AgentSpec(HostSpec("legacy", "10.77.0.11"), mesos_version="1.9.0", dcos_version="2.0.0")
HYBRID = AgentSpec(
    HostSpec("hybrid", "10.77.0.12", Cgroups.HYBRID), mesos_version="1.0.1", dcos_version="1.8.4", is_public=True
)
AGENTS = (LEGACY, HYBRID)


@pytest.fixture(scope="module")
def downloads(site: Site) -> Mapping[str, Download]:
    return servers.start_all(site)


@pytest.fixture(scope="module")
def hosts(site: Site, image: Path) -> Mapping[AgentSpec, Host]:
    return {agent: cluster.boot_agent(site, image, agent) for agent in AGENTS}


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.host.name)
def agent(request: pytest.FixtureRequest) -> AgentSpec:
    agent: AgentSpec = request.param
    return agent


@pytest.fixture
def host(hosts: Mapping[AgentSpec, Host], agent: AgentSpec) -> Host:
    return hosts[agent]


def test_a_host_is_a_machine_of_its_own_on_the_sites_network(host: Host) -> None:
    assert host.run(["hostname"]).strip() == host.spec.name
    assert host.run(["systemctl", "--failed", "--no-legend"]) == ""
    for address in (ADDRESS, *(agent.host.address for agent in AGENTS)):
        host.run(["ping", "-c", "1", "-W", "5", address])


def test_systemd_tracks_units_in_the_hierarchy_that_was_asked_for(hosts: Mapping[AgentSpec, Host]) -> None:
    assert "0::/" in hosts[LEGACY].run(["cat", "/proc/1/cgroup"]).splitlines()
    assert "0::/init.scope" in hosts[HYBRID].run(["cat", "/proc/1/cgroup"]).splitlines()


def test_docker_knows_cluster_store_and_keeps_the_configuration_of_the_host(host: Host) -> None:
    facts = sight.read_docker(host, "/info")
    assert facts["ServerVersion"].startswith("20.10.")
    assert "ClusterStore" not in facts
    assert facts["DefaultRuntime"] == "runc-without-sys-resource"
    assert host.run(["cat", "/etc/docker/daemon.json"]) == DAEMON_JSON


def test_etcds_own_gateway_on_a_host_finds_the_sites_etcd_by_srv(
    host: Host, downloads: Mapping[str, Download], site: Site
) -> None:
    archive = downloads["etcd"].url
    host.run(["sh", "-euc", 'cd /opt && curl --silent --fail "$0" | tar -xz --strip-components=1', archive])
    gateway = ["/opt/etcd", "gateway", "start", "--discovery-srv", servers.ETCD_DOMAIN, "--insecure-discovery"]
    host.run(["systemd-run", "--unit=gateway", *gateway, "--listen-addr=127.0.0.1:2379"])
    call = ["curl", "--silent", "--fail", "--retry-connrefused", "--retry", "5"]
    host.run([*call, "--request", "PUT", "--data", "value=written", f"http://localhost:2379/v2/keys/{host.spec.name}"])
    kept = json.loads(servers.fetch(site, f"{servers.ETCD_URL}/v2/keys/{host.spec.name}"))
    assert kept["node"]["value"] == "written"
    assert json.loads(host.run([*call, "--data", "{}", "http://localhost:2379/v3/maintenance/status"]))["version"]


def test_agents_run_as_units_of_their_hosts_and_register_with_the_master(
    site: Site, hosts: Mapping[AgentSpec, Host]
) -> None:
    cluster.start_master(site, mesos_version="1.9.0")
    for agent, host in hosts.items():
        cluster.start_agent(site, host, agent)
        assert sight.read_unit(host, agent.unit).pid > 1


def test_a_host_that_is_stopped_boots_again_with_its_changes(host: Host) -> None:
    host.run(["touch", "/etc/changed"])
    host.stop()
    host.boot()
    host.run(["test", "-e", "/etc/changed"])
    host.run(["docker", "info"])


_KILLED = """
import sys, time
from pathlib import Path
from tests.e2e.harness.host import Host, HostSpec
from tests.e2e.harness.site import open_site

with open_site(Path(sys.argv[1])) as site:
    host = Host(HostSpec("left", "10.77.0.13"), site=site, image=Path(sys.argv[2]))
    host.prepare(lambda _: None)
    host.boot()
    print(site.name, flush=True)
    time.sleep(600)
"""


def test_a_killed_run_leaves_no_process_and_the_next_one_sweeps_its_files(cache: Path, image: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(cache), str(image)], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        name = killed.stdout.readline().strip()
        assert (cache / "sites" / name).is_dir()
        killed.kill()
    cgroups = list(Path("/sys/fs/cgroup").glob(f"*/{name}-left"))
    assert cgroups
    with open_site(cache):
        assert not (cache / "sites" / name).exists()
        assert not any(cgroup.exists() for cgroup in cgroups)
    assert name not in Path("/proc/self/mounts").read_text()


def test_a_closed_site_leaves_nothing(cache: Path) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    with open_site(cache) as site:
        process = site.start(["sleep", "600"], log=site.directory / "sleep.log")
        site.build_cgroup("empty")
    assert process.returncode == -signal.SIGKILL
    assert not site.directory.exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{site.name}-*"))
    assert Path("/proc/self/mounts").read_text() == mounts
