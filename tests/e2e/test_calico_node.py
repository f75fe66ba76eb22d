"""The image that stands in for calico/node, on real hosts: real BIRD, real tables, real Docker, a real etcd.

Two hosts as DC/OS has them, with the interface `spartan`; the second leaves its rules to nftables, as new ones do.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.e2e.harness import calico_image, servers, sight
from tests.e2e.harness.command import CommandError, wait_until
from tests.e2e.harness.host import Host, HostSpec, Iptables
from tests.e2e.harness.site import Site

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

NAME = "calico-node"
SPECS = (
    HostSpec("h1", "10.77.0.11", has_spartan=True),
    HostSpec("h2", "10.77.0.12", has_spartan=True, iptables=Iptables.NFT),
)
MOUNTS = ("/lib/modules", "/var/run/calico", "/var/log/calico", "/run/docker/plugins", "/var/run/docker.sock")


@pytest.fixture(scope="module")
def hosts(site: Site, image: Path) -> Sequence[Host]:
    servers.start_dns(site)
    servers.start_etcd(site)
    hosts = [Host(spec, site=site, image=image) for spec in SPECS]
    for host in hosts:
        host.prepare(lambda _: None)
        host.boot()
        set_cluster_store(host)
        calico_image.import_calico_node(host, image)
    return hosts


@pytest.fixture
def nodes(hosts: Sequence[Host]) -> Iterator[Sequence[Host]]:
    for host in hosts:
        start_node(host, {"IP": host.spec.address, "FELIX_REPORTINGINTERVALSECS": "5"})
    yield hosts
    for host in hosts:
        host.run(["docker", "rm", "--force", NAME])


def set_cluster_store(host: Host) -> None:
    path = "/etc/docker/daemon.json"
    config = {**json.loads(host.run(["cat", path])), "cluster-store": f"etcd://{servers.ETCD_URL[7:]}"}
    host.run(["tee", path], stdin=json.dumps({**config, "cluster-advertise": ""}).encode())
    host.run(["systemctl", "reload", "docker"])
    wait_until(lambda: "ClusterStore" in sight.read_docker(host, "/info"), what="Docker has a store", timeout_s=60)


def start_node(host: Host, environment: Mapping[str, str], mounts: Sequence[str] = MOUNTS) -> None:
    settings = {
        "ETCD_ENDPOINTS": servers.ETCD_URL,
        "CALICO_LIBNETWORK_ENABLED": "true",
        "FELIX_IGNORELOOSERPF": "true",
        **environment,
    }
    variables = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
    volumes = [word for path in mounts for word in ("--volume", f"{path}:{path}")]
    options = ["--restart=always", "--net=host", "--privileged", "--name", NAME]
    host.run(["docker", "run", "--detach", *options, *variables, *volumes, calico_image.CALICO_NODE_IMAGE])


def read_keys(site: Site, key: str) -> str:
    try:
        return servers.fetch(site, f"{servers.ETCD_URL}/v2/keys{key}?recursive=true")
    except CommandError:
        return ""


def list_processes(host: Host) -> list[str]:
    shown = sight.read_docker(host, f"/containers/{NAME}/top?ps_args=-eo%20pid,ppid,etime,args")
    return [row[3] for row in shown["Processes"]]


def show_protocols(host: Host) -> str:
    script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/var/run/calico/bird.ctl'); "
    script += "s.sendall(b'show protocols\\n'); f = s.makefile(); print(f.readline(), end='')\n"
    script += "for line in f:\n    print(line, end='')\n    if line[:5] == '0000 ': break\n"
    return host.run(["python3", "-c", script], statuses=(0, 1))


def has_session(host: Host, other: Host) -> bool:
    protocol = f"Mesh_{other.spec.address.replace('.', '_')}"
    return any(protocol in line and "Established" in line for line in show_protocols(host).splitlines())


def test_without_its_sockets_mounted_docker_finds_no_plugin(hosts: Sequence[Host]) -> None:
    host = hosts[0]  # before its Docker has ever seen the plugin, which it would remember
    start_node(host, {"IP": host.spec.address}, MOUNTS[:3])
    try:
        wait_until(lambda: "libnetwork-plugin" in list_processes(host), what="the plugin runs", timeout_s=60)
        with pytest.raises(CommandError, match='plugin "calico" not found'):
            host.run(["docker", "network", "create", "--driver", "calico", "net2"])
    finally:
        host.run(["docker", "rm", "--force", NAME])


def test_bird_has_real_sessions_and_felix_reports(site: Site, nodes: Sequence[Host]) -> None:
    first, second = nodes
    started = time.monotonic()
    wait_until(lambda: has_session(first, second) and has_session(second, first), what="sessions", timeout_s=120)
    print(f"sessions after {time.monotonic() - started:.1f} s")
    for host in nodes:
        held = read_keys(site, f"/calico/bgp/v1/host/{host.spec.name}/ip_addr_v4")
        assert json.loads(held)["node"]["value"] == host.spec.address
    key = "/calico/felix/v1/host/h1/status"
    wait_until(lambda: "ttl" in read_keys(site, key), what="Felix reports", timeout_s=60)
    assert 80 <= json.loads(read_keys(site, key))["node"]["ttl"] <= 90


def test_the_processes_are_runits_and_a_felix_that_is_killed_is_brought_back(nodes: Sequence[Host]) -> None:
    host = nodes[0]
    wanted = {"/sbin/runsvdir -P /etc/service/enabled", "runsv felix", "calico-felix", "libnetwork-plugin"}
    wanted |= {"bird -R -s /var/run/calico/bird.ctl -d -c /etc/calico/confd/config/bird.cfg"}
    wait_until(lambda: wanted <= set(list_processes(host)), what="all processes", timeout_s=60)
    before = host.run(["pgrep", "--full", "--exact", "calico-felix"])
    host.run(["kill", "-KILL", before.strip()])
    wait_until(lambda: "calico-felix" in list_processes(host), what="Felix is back", timeout_s=60)
    assert host.run(["pgrep", "--full", "--exact", "calico-felix"]) != before


def test_felix_writes_to_the_legacy_tables_and_docker_to_its_own(nodes: Sequence[Host]) -> None:
    def has_chains(host: Host) -> bool:
        return "-j cali-FORWARD" in host.run(["iptables-legacy-save"])

    wait_until(lambda: all(map(has_chains, nodes)), what="chains", timeout_s=60)
    legacy, nft = (host.run(["iptables-save"]) for host in nodes)
    assert ":DOCKER-USER" in legacy
    assert "-j cali-FORWARD" in legacy
    assert ":DOCKER-USER" in nft
    assert "cali-" not in nft
    assert "(nf_tables)" in nodes[1].run(["iptables", "--version"])
    assert "(legacy)" in nodes[0].run(["iptables", "--version"])


def test_a_network_of_the_plugin_is_known_on_the_other_host(nodes: Sequence[Host]) -> None:
    first, second = nodes

    def has_sockets(host: Host) -> bool:
        return "calico-ipam.sock" in host.run(["ls", "/run/docker/plugins"], statuses=(0, 2))

    wait_until(lambda: all(map(has_sockets, nodes)), what="the plugin's sockets", timeout_s=60)
    first.run(["docker", "network", "create", "--driver", "calico", "--ipam-driver", "calico-ipam", "net1"])
    wait_until(lambda: "net1" in second.run(["docker", "network", "ls"]), what="the network is known", timeout_s=60)
    first.run(["docker", "network", "rm", "net1"])


def test_without_an_address_every_host_takes_that_of_spartan_and_the_second_ends(hosts: Sequence[Host]) -> None:
    said = "ERROR: IP address 198.51.100.3 is already in use by host first"
    try:
        start_node(hosts[0], {"NODENAME": "first"})
        wait_until(
            lambda: "Calico node started successfully" in hosts[0].run(["docker", "logs", NAME]),
            what="the first has started",
            timeout_s=60,
        )
        start_node(hosts[1], {"NODENAME": "second"})
        wait_until(lambda: said in hosts[1].run(["docker", "logs", NAME]), what="the second ends", timeout_s=60)
    finally:
        for host in hosts:
            host.run(["docker", "rm", "--force", NAME], statuses=(0, 1))


def test_loose_rp_filter_kills_felix_while_the_container_is_up(hosts: Sequence[Host]) -> None:
    host = hosts[0]
    host.run(["sysctl", "--write", "net.ipv4.conf.all.rp_filter=2"])
    start_node(host, {"IP": host.spec.address, "FELIX_IGNORELOOSERPF": ""})
    try:
        log = ["cat", "/var/log/calico/felix/current"]
        wait_until(lambda: "[FATAL]" in host.run(log, statuses=(0, 1)), what="Felix ends", timeout_s=60)
        assert sight.read_docker(host, f"/containers/{NAME}/json")["State"]["Status"] == "running"
    finally:
        host.run(["docker", "rm", "--force", NAME])
