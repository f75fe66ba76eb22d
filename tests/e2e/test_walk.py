"""A walk over real hosts: systemd, Docker 20.10, etcd behind DNS SRV. What is asserted is read off the hosts.

The new host needs no restart. The old ones need their agent's restart (Mesos 1.0): on one of them tasks live on, on the
other they die with the agent. A container of somebody else's runs on each from before.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import calico_image, cluster, servers, sight, stand_ins
from tests.e2e.harness.cluster import AgentSpec
from tests.e2e.harness.host import DAEMON_JSON, Cgroups, Host, HostSpec
from tests.e2e.harness.site import Site, end
from tests.e2e.harness.stand_ins import CNI_CONFIG_DIR, FOREIGN_CNI_CONFIG, PLUGINS_DIR, Download

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

NEW = AgentSpec(HostSpec("new", "10.77.0.11", has_spartan=True), mesos_version="1.9.0", dcos_version="2.0.0")
OLD = AgentSpec(HostSpec("old", "10.77.0.12"), mesos_version="1.0.1", dcos_version="1.8.4", is_public=True)
HYBRID = AgentSpec(
    HostSpec("hybrid", "10.77.0.13", Cgroups.HYBRID, has_spartan=True), mesos_version="1.0.1", dcos_version="1.8.4"
)
AGENTS = (NEW, OLD, HYBRID)
FOREIGN = "somebody-elses"
OURS = (
    "/etc/docker",
    "/opt/mesosphere/packages/cni--stand-in",
    CNI_CONFIG_DIR,
    "/var/lib/calico-dcos",
)
WALK_TIMEOUT_S = 600

each_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.host.name)


@dataclass(frozen=True, slots=True)
class Standing:
    """What runs on a host, and its files."""

    docker: sight.Process
    agent: sight.Process
    containers: Mapping[str, sight.Container]
    files: Mapping[str, sight.File]


@dataclass(frozen=True, slots=True)
class Walked:
    """A cluster that was walked once."""

    site: Site
    hosts: Mapping[AgentSpec, Host]
    before: Mapping[AgentSpec, Standing]
    downloads: Mapping[str, Download]
    scheduler: cluster.Scheduler


@pytest.fixture(scope="module")
def walked(site: Site, image: Path) -> Walked:
    downloads = servers.start_all(site)
    cluster.start_master(site, mesos_version="1.9.0")
    hosts = {agent: boot(site, image, agent) for agent in AGENTS}
    before = {agent: read_standing(host, agent) for agent, host in hosts.items()}
    scheduler = cluster.start_scheduler(site, state=site.directory / "first.db", downloads=downloads)
    cluster.await_complete(site, scheduler, agents=len(hosts), timeout_s=WALK_TIMEOUT_S)
    return Walked(site, hosts, before, downloads, scheduler)


def boot(site: Site, image: Path, agent: AgentSpec) -> Host:
    host = cluster.boot_agent(site, image, agent)
    calico_image.import_calico_node(host, image)
    stand_ins.import_idle_image(host)
    host.run(["docker", "run", "--detach", "--name", FOREIGN, stand_ins.IDLE_IMAGE])
    cluster.start_agent(site, host, agent)
    return host


def read_standing(host: Host, agent: AgentSpec) -> Standing:
    return Standing(
        docker=sight.read_unit(host, "docker.service"),
        agent=sight.read_unit(host, agent.unit),
        containers={name: sight.read_container(host, name) for name in sight.read_container_names(host)},
        files=sight.read_files(host),
    )


@each_agent
def test_docker_uses_the_cluster_store_and_was_not_restarted(walked: Walked, agent: AgentSpec) -> None:
    host = walked.hosts[agent]
    assert sight.read_docker(host, "/info")["ClusterStore"] == "etcd://localhost:2379"
    assert sight.read_unit(host, "docker.service") == walked.before[agent].docker
    assert sight.read_container(host, FOREIGN) == walked.before[agent].containers[FOREIGN]


def test_tasks_in_a_pid_namespace_docker_cluster_store_is_really_done(walked: Walked) -> None:
    """Its step was complete, and Docker had no store."""
    host = walked.hosts[NEW]
    # Health checks come and go meanwhile.
    script = "for task in $(grep -alsF supervise /proc/[0-9]*/cmdline); do readlink ${task%cmdline}ns/pid || :; done"
    namespaces = set(host.run(["sh", "-c", script]).split())
    assert len(namespaces - set(host.run(["readlink", "/proc/1/ns/pid"]).split())) == 2, "two services, each apart"
    assert "Cluster Store: etcd://localhost:2379" in host.run(["docker", "info"])
    assert host.run(["journalctl", "--output", "cat", "--grep", "Started .*calico-dcos: apply docker-cluster-store"])


@each_agent
def test_daemon_json_gains_one_key_and_keeps_the_rest_in_order(walked: Walked, agent: AgentSpec) -> None:
    path = "/etc/docker/daemon.json"
    kept = list(json.loads(DAEMON_JSON).items())
    written = list(json.loads(walked.hosts[agent].run(["cat", path])).items())
    assert written == [*kept, ("cluster-store", "etcd://localhost:2379")]
    before, after = walked.before[agent].files[path], sight.read_file(walked.hosts[agent], path)
    assert (after.mode, after.owner) == (before.mode, before.owner) == ("-rw-r-----", "root:root")


@each_agent
def test_nothing_else_is_written_on_a_host(walked: Walked, agent: AgentSpec) -> None:
    written = sight.find_differences(walked.before[agent].files, sight.read_files(walked.hosts[agent]))
    assert "/etc/docker/daemon.json" in written
    assert [path for path in written if not path.startswith(OURS)] == ["/var/lib"]  # it holds our directory now


@each_agent
def test_cni_plugins_and_network_are_in_place_beside_what_was_there(walked: Walked, agent: AgentSpec) -> None:
    host = walked.hosts[agent]
    assert host.run(["ls", PLUGINS_DIR]).split() == ["calico", "calico-ipam", "noop"]
    for plugin in ("calico", "calico-ipam"):
        path = f"{PLUGINS_DIR}/{plugin}"
        assert host.run(["sha256sum", path]).split()[0] == walked.downloads[plugin].sha256
        assert sight.read_file(host, path).mode == "-rwxr-xr-x"
    assert host.run(["ls", "-A", CNI_CONFIG_DIR]).split() == ["calico.conf", "dummy.cni"]
    assert sight.read_file(host, FOREIGN_CNI_CONFIG) == walked.before[agent].files[FOREIGN_CNI_CONFIG]
    network = f"{CNI_CONFIG_DIR}/calico.conf"
    assert json.loads(host.run(["cat", network])) == {
        "name": "calico",
        "cniVersion": "0.1.0",
        "type": "calico",
        "ipam": {"type": "calico-ipam"},
        "etcd_endpoints": "http://localhost:2379",
    }
    assert sight.read_file(host, network).mode == "-rw-r--r--"


def test_an_agent_that_finds_networks_by_itself_is_not_restarted(walked: Walked) -> None:
    assert sight.read_unit(walked.hosts[NEW], NEW.unit) == walked.before[NEW].agent


@pytest.mark.parametrize("agent", [OLD, HYBRID], ids=lambda agent: agent.host.name)
def test_an_agent_that_has_to_be_restarted_is_restarted_once(walked: Walked, agent: AgentSpec) -> None:
    host = walked.hosts[agent]
    assert sight.read_unit(host, agent.unit) != walked.before[agent].agent
    starts = host.run(["journalctl", "--unit", agent.unit, "--output", "cat", "--grep", "^Started "])
    assert len(starts.splitlines()) == 2, starts


@pytest.mark.parametrize(("agent", "lives_on"), [(OLD, True), (HYBRID, False)], ids=["old", "hybrid"])
def test_both_outcomes_of_an_agents_restart_were_met(walked: Walked, agent: AgentSpec, *, lives_on: bool) -> None:
    """The proxy was started before the agent's restart: it is that one still, or one that was started again."""
    proxy = sight.read_listener(walked.hosts[agent], 2379)
    assert (proxy.start_ticks < sight.read_unit(walked.hosts[agent], agent.unit).start_ticks) is lives_on


@each_agent
def test_calico_node_runs_as_dockers_own_with_the_wanted_settings(walked: Walked, agent: AgentSpec) -> None:
    host = walked.hosts[agent]
    container = sight.read_container(host, "calico-node")
    assert container.image == calico_image.CALICO_NODE_IMAGE
    assert (container.restart_policy, container.is_privileged, container.network) == ("always", True, "host")
    wanted = {"ETCD_ENDPOINTS": "http://localhost:2379", "FELIX_IGNORELOOSERPF": "true"}
    assert wanted.items() <= container.environment.items()


@each_agent
def test_each_node_has_its_hosts_address_and_none_that_of_spartan(walked: Walked, agent: AgentSpec) -> None:
    key = f"{servers.ETCD_URL}/v2/keys/calico/bgp/v1/host/{agent.host.name}/ip_addr_v4"
    assert json.loads(servers.fetch(walked.site, key))["node"]["value"] == agent.host.address


@each_agent
def test_etcd_is_reached_through_the_hosts_own_port(walked: Walked, agent: AgentSpec) -> None:
    key = f"/v2/keys/written-on-{agent.host.name}"
    put = ["curl", "--silent", "--show-error", "--fail", "--request", "PUT", "--data", "value=here"]
    walked.hosts[agent].run([*put, f"http://localhost:2379{key}"])
    assert json.loads(servers.fetch(walked.site, f"{servers.ETCD_URL}{key}"))["node"]["value"] == "here"


def test_a_second_walk_that_remembers_nothing_changes_nothing(walked: Walked) -> None:
    before = {agent: read_standing(host, agent) for agent, host in walked.hosts.items()}
    end(walked.scheduler.process)
    second = cluster.start_scheduler(walked.site, state=walked.site.directory / "second.db", downloads=walked.downloads)
    cluster.await_complete(walked.site, second, agents=len(walked.hosts), timeout_s=WALK_TIMEOUT_S)
    for agent, host in walked.hosts.items():
        after = read_standing(host, agent)
        assert sight.find_differences(before[agent].files, after.files) == []
        assert after == before[agent]
