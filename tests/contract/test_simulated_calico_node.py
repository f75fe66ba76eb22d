"""The stand-in of calico/node on simulated hosts, against what the real one said and wrote."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.sim.standins.options import HostOptions
from tests.contract.calico_world import MOUNTS, NAME, Node, World, open_world, read_recording, wait_until

REPORTS = {"FELIX_REPORTINGINTERVALSECS": "5"}
POOL = "/calico/v1/ipam/v4/pool"


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("w")) as world:
        yield world


def even_out(lines: list[str], names: dict[str, str] | None = None) -> list[str]:
    """Leave out what differs from run to run: times, ids, and the addresses and names that are given."""
    text = "\n".join(line.rstrip() for line in lines)
    for pattern, replacement in ((r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME"), (r"\b[0-9a-f]{32}\b", "GUID")):
        text = re.sub(pattern, replacement, text)
    for name, replacement in (names or {}).items():
        text = text.replace(name, replacement)
    return text.splitlines()


def is_reported(world: World, name: str) -> bool:
    keys = {f"/calico/felix/v1/host/{name}/{key}" for key in ("status", "last_reported_status")}
    return keys <= world.read_keys().keys()


def has_felix(node: Node) -> bool:
    return "calico-felix" in node.list_processes()


def test_a_start_is_told_in_the_recorded_lines(world: World) -> None:
    node = world.start_node("h1", {"CALICO_LIBNETWORK_ENABLED": "true"})
    assert even_out(node.read_log(), {node.address: "10.77.0.11"}) == even_out(read_recording("node-start.log"))


def test_two_nodes_write_the_recorded_keys(world: World) -> None:
    first, second = world.start_node("h1"), world.start_node("h2")
    names = {first.address: "10.77.0.11", second.address: "10.77.0.12"}
    written = [json.dumps({"key": key, "value": value}) for key, value in sorted(world.read_keys().items())]
    assert even_out(written, names) == even_out(read_recording("etcd-two-nodes.jsonl"))


def test_its_processes_are_the_recorded_ones(world: World) -> None:
    node = world.start_node("h1", {"CALICO_LIBNETWORK_ENABLED": "true"})
    recorded = [line.split(None, 2)[2] for line in read_recording("node-processes.txt")[1:]]
    wait_until(lambda: len(node.list_processes()) == len(recorded))
    shown = [process.replace(world.endpoints, "http://localhost:2379") for process in node.list_processes()]
    assert sorted(shown) == sorted(recorded)


def test_without_etcd_it_ends_at_once_and_docker_starts_it_again_and_again(world: World) -> None:
    node = world.start_host("h1")
    world.run_container(node, {"ETCD_ENDPOINTS": "http://127.0.0.1:1"}, until="exit status 1")
    wait_until(lambda: node.inspect()["RestartCount"] > 1 and node.inspect()["State"]["Restarting"])
    assert node.inspect()["State"]["ExitCode"] == 1
    recorded = even_out(read_recording("node-without-etcd.log"))
    assert even_out(node.read_log())[: len(recorded)] == recorded


@pytest.mark.parametrize(("given", "start", "end"), [("10.77.0.11", 0, 11), ("nonsense", 11, 20)])
def test_an_address_that_is_wrong_or_held_ends_it_with_the_recorded_lines(
    world: World, given: str, start: int, end: int
) -> None:
    world.write_key("/calico/bgp/v1/host/h1/ip_addr_v4", "10.77.0.11")
    world.write_key("/calico/v1/config/ClusterGUID", "a-guid")
    node = world.start_host("h2")
    world.run_container(node, {"IP": given}, until="Calico node failed to start")
    wait_until(lambda: node.inspect()["RestartCount"])
    recorded = even_out(read_recording("node-bad-ip.log"))[start:end]
    assert recorded
    said = even_out(node.read_log())[: len(recorded)]
    # The line of waiting is lost in the one recording and kept in the other; ours is always there.
    assert [line for line in said if not line.startswith("Waiting")] == [
        line for line in recorded if not line.startswith("Waiting")
    ][: len(said) - ("Waiting for etcd connection..." in said)]
    wait_until(lambda: node.inspect()["State"]["ExitCode"] == 1)


def test_every_agent_of_dcos_takes_the_same_address_and_all_but_the_first_end(world: World) -> None:
    spartan = HostOptions(has_spartan=True)
    first = world.start_node("h1", options=spartan)
    assert "Using auto-detected IPv4 address: 198.51.100.3" in first.read_log()
    second = world.start_node(
        "h2", options=spartan, until="ERROR: IP address 198.51.100.3 is already in use by host h1"
    )
    assert f"{second.address}" not in world.read_keys().values()
    third = world.start_host("h3", spartan)
    world.run_container(third, {"IP": third.address})
    assert world.read_keys()["/calico/bgp/v1/host/h3/ip_addr_v4"] == third.address


def test_from_1_1_on_the_first_address_is_taken(world: World) -> None:
    node = world.start_node("h1", options=HostOptions(has_spartan=True), image="calico/node:v1.1.3")
    assert world.read_keys()["/calico/bgp/v1/host/h1/ip_addr_v4"] == node.address


def test_an_address_that_etcd_has_is_kept(world: World) -> None:
    world.write_key("/calico/bgp/v1/host/h1/ip_addr_v4", "10.1.2.3")
    node = world.start_node("h1")
    assert "Using configured IPv4 address: 10.1.2.3" in node.read_log()
    warning = "WARNING: Could not confirm that the provided IPv4 address is assigned to this host."
    assert warning in node.read_log()


@pytest.mark.parametrize(
    ("given", "name"), [({"NODENAME": "a", "HOSTNAME": "b"}, "a"), ({"HOSTNAME": "b"}, "b"), ({}, "h1")]
)
def test_its_name_is_nodename_then_hostname_then_the_hosts(world: World, given: dict[str, str], name: str) -> None:
    world.start_node("h1", given)
    assert f"/calico/bgp/v1/host/{name}/ip_addr_v4" in world.read_keys()


POOL_SETTINGS = {"CALICO_IPV4POOL_CIDR": "10.5.0.0/16", "CALICO_IPV4POOL_IPIP": "always"}
IPIP = {"ipip": "tunl0", "ipip_mode": "always"}


@pytest.mark.parametrize(
    ("tag", "settings", "pool"),
    [
        ("v1.0.0", POOL_SETTINGS, {"cidr": "192.168.0.0/16"}),
        ("v1.1.3", POOL_SETTINGS, {"cidr": "10.5.0.0/16", **IPIP, "masquerade": True}),
        ("v1.3.0", {"CALICO_IPV4POOL_NAT_OUTGOING": "false"}, {"cidr": "192.168.0.0/16", "masquerade": True}),
        ("v2.4.1", {"CALICO_IPV4POOL_NAT_OUTGOING": "false"}, {"cidr": "192.168.0.0/16"}),
        ("v2.6.12", {}, {"cidr": "192.168.0.0/16", "masquerade": True}),
        ("v2.6.12", {"NO_DEFAULT_POOLS": "true"}, None),
    ],
)
def test_a_release_makes_the_pool_that_it_reads_of(
    world: World, tag: str, settings: dict[str, str], pool: dict[str, object] | None
) -> None:
    world.start_node("h1", settings, image=f"calico/node:{tag}")
    assert [json.loads(value) for value in world.read_keys(POOL).values()] == ([pool] if pool else [])


def test_felix_ends_again_and_again_with_loose_rp_filter_while_the_container_is_up(world: World) -> None:
    node = world.start_node("h1", {"FELIX_IGNORELOOSERPF": "false", **REPORTS})
    log = node.host.root / "var/log/calico/felix/current"
    wait_until(lambda: log.exists() and log.read_text().count("\n") > 1)
    (recorded,) = (line for line in read_recording("felix-loose-rpf.txt") if "FATAL" in line)
    assert log.read_text().splitlines()[0].partition("int_dataplane")[2] == recorded.partition("int_dataplane")[2]
    assert node.inspect()["State"]["Status"] == "running"
    assert "runsv felix" in node.list_processes()
    assert not is_reported(world, "h1")
    assert "cali-" not in node.host.run("iptables-legacy-save").stdout


def test_strict_rp_filter_needs_no_leave(world: World) -> None:
    node = world.start_node("h1", {"FELIX_IGNORELOOSERPF": ""}, HostOptions(rp_filter=1))
    wait_until(lambda: "cali-FORWARD" in node.host.run("iptables-save").stdout)


def test_felix_logs_to_the_container_where_files_are_off(world: World) -> None:
    settings = {"FELIX_IGNORELOOSERPF": "", "CALICO_DISABLE_FILE_LOGGING": "true"}
    node = world.start_node("h1", settings, until="[FATAL]")
    assert not (node.host.root / "var/log/calico/felix").exists()


def test_felix_reports_nothing_unless_it_is_told_to(world: World) -> None:
    silent = world.start_node("h1")
    world.start_node("h2", REPORTS)
    wait_until(lambda: is_reported(world, "h2"))
    assert has_felix(silent)
    assert not is_reported(world, "h1")
    entry = world.etcd.keys.get("/calico/felix/v1/host/h2/status", recursive=False)["node"]
    assert set(json.loads(entry["value"])) == {"time", "uptime", "first_update"}
    assert 80 < entry["ttl"] <= 90
    last = world.etcd.keys.get("/calico/felix/v1/host/h2/last_reported_status", recursive=False)["node"]
    assert "ttl" not in last


@pytest.mark.parametrize(("tag", "answers"), [("v2.3.0", False), ("v2.4.1", True)])
def test_felix_serves_its_health_from_2_4_on(world: World, tag: str, *, answers: bool) -> None:
    node = world.start_node("h1", {"FELIX_HEALTHENABLED": "true"}, image=f"calico/node:{tag}")

    def ask() -> int:
        connection = http.client.HTTPConnection(node.address, 9099, timeout=5)
        try:
            connection.request("GET", "/readiness")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    wait_until(lambda: "cali-FORWARD" in node.host.run("iptables-save").stdout)
    assert (ask() == 200) is answers


def test_felix_writes_the_recorded_chains_into_the_tables_that_docker_uses(world: World) -> None:
    node = world.start_node("h1")
    recorded = {line for line in read_recording("cni.txt") if re.fullmatch(r"cali-[a-zA-Z-]+", line)}
    recorded -= {"cali-pri-calico", "cali-pro-calico"}  # of a workload's profile

    def list_chains() -> set[str]:
        filter_table = node.host.run("iptables-save").stdout.partition("*filter\n")[2].partition("COMMIT")[0]
        return set(re.findall(r"^:(cali-\S+)", filter_table, re.MULTILINE))

    wait_until(lambda: list_chains() == recorded)
    assert node.host.run("iptables", "--version").stdout == "iptables v1.8.9 (legacy)\n"
    assert "-j cali-FORWARD" in node.host.run("iptables-legacy-save").stdout
    assert node.host.run("iptables-nft-save").stdout.startswith("# Warning: iptables-legacy tables present")


def test_on_a_host_with_nftables_docker_drops_what_felix_accepts(world: World) -> None:
    node = world.start_node("h1", options=HostOptions(iptables="nft"))
    wait_until(lambda: "cali-FORWARD" in node.host.run("iptables-legacy-save").stdout)
    saved = node.host.run("iptables-save").stdout
    assert ":FORWARD DROP [0:0]" in saved
    assert "cali-" not in saved
    assert saved.endswith("# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n")
    assert ":FORWARD ACCEPT [0:0]" in node.host.run("iptables-legacy-save").stdout
    assert node.host.run("iptables", "--version").stdout == "iptables v1.8.9 (nf_tables)\n"


def test_a_felix_that_is_killed_is_brought_back_as_another_process(world: World) -> None:
    node = world.start_node("h1")
    wait_until(lambda: has_felix(node))
    before = node.find_process("calico-felix")
    node.host.kill_felix()
    assert before
    # Another process, once it is there: between the two there is none.
    wait_until(lambda: (after := node.find_process("calico-felix")) and after[0] != before[0])
    wait_until(lambda: has_felix(node))
    assert node.inspect()["RestartCount"] == 0


def test_a_felix_that_is_down_leaves_its_supervisor_alone_until_it_is_mended(world: World) -> None:
    node = world.start_node("h1")
    node.host.kill_felix(for_good=True)
    wait_until(lambda: not has_felix(node))
    assert "runsv felix" in node.list_processes()
    node.host.mend_felix()
    wait_until(lambda: has_felix(node))


def test_birds_of_two_nodes_have_a_session_until_one_is_gone(world: World) -> None:
    first, second = world.start_node("h1"), world.start_node("h2")
    wait_until(lambda: first.find_session(second).endswith("Established"))
    wait_until(lambda: second.find_session(first).endswith("Established"))
    greeting, head, *lines, end = first.ask_bird()
    assert greeting == "0001 BIRD 1.6.8 ready."
    assert head == "2002-name     proto    table    state  since       info"
    assert re.fullmatch(r"1002-kernel1  Kernel   master   up     \d\d:\d\d:\d\d    ", lines[0])
    protocol = f"Mesh_{second.address.replace('.', '_')}"
    assert re.fullmatch(rf" {protocol} BGP      master   up     \d\d:\d\d:\d\d    Established   ", lines[-1])
    assert end == "0000 "
    second.call("POST", f"/containers/{NAME}/stop")
    assert first.find_session(second) == "Active Socket: Connection refused"
    assert first.ask_bird("nonsense")[1:] == ["9001 syntax error"]


def test_no_session_comes_up_where_the_port_of_bgp_is_taken(world: World) -> None:
    first = world.start_node("h1")
    second = world.start_node("h2", options=HostOptions(bgp_port_is_taken=True))
    wait_until(lambda: first.find_session(second) and second.find_session(first))
    assert first.find_session(second) == "Active Socket: Connection refused"
    assert second.find_session(first) == "Error: No listening socket"


def test_without_the_mesh_there_are_sessions_with_configured_peers_alone(world: World) -> None:
    first, second = world.start_node("h1"), world.start_node("h2")
    world.write_key("/calico/bgp/v1/global/node_mesh", '{"enabled": false}')
    peer = json.dumps({"ip": second.address, "as_num": "64511"})
    world.write_key(f"/calico/bgp/v1/global/peer_v4/{second.address}", peer)
    wait_until(lambda: first.find_session(second) == "")
    assert [line.split()[0] for line in first.ask_bird() if " BGP " in line] == [
        f"Global_{second.address.replace('.', '_')}"
    ]


def test_bird_dies_without_a_place_for_its_socket(world: World) -> None:
    mounts = [mount for mount in MOUNTS if mount != "/var/run/calico"]
    node = world.start_node("h1", mounts=mounts)
    log = node.host.root / "var/log/calico/bird/current"
    wait_until(lambda: log.exists() and log.read_text().count("Cannot create control socket") > 1)
    assert not (node.host.root / "var/run/calico").exists()


def test_there_is_no_bird_where_the_backend_is_none(world: World) -> None:
    node = world.start_node("h1", {"CALICO_NETWORKING_BACKEND": "none"})
    assert "CALICO_NETWORKING_BACKEND is none - no BGP daemon running" in node.read_log()
    wait_until(lambda: has_felix(node))
    assert not any("bird" in process for process in node.list_processes())
    assert not (node.host.root / "var/run/calico/bird.ctl").exists()


LIBNETWORK = {"CALICO_LIBNETWORK_ENABLED": "true"}
PLUGINS = "run/docker/plugins"
CREATE = {"Name": "net1", "Driver": "calico", "IPAM": {"Driver": "calico-ipam"}}


def has_plugins(node: Node) -> bool:
    return (node.host.root / PLUGINS / "calico-ipam.sock").exists()


def test_the_plugin_for_docker_answers_as_recorded(world: World) -> None:
    node = world.start_node("h1", LIBNETWORK)
    wait_until(lambda: has_plugins(node))
    recorded = [json.loads(line) for line in read_recording("docker-plugins.txt") if line.startswith("{")]
    assert node.call("POST", "/Plugin.Activate", place=f"{PLUGINS}/calico.sock")[1] in recorded
    assert node.call("POST", "/NetworkDriver.GetCapabilities", place=f"{PLUGINS}/calico.sock")[1] in recorded
    activated = node.call("POST", "/Plugin.Activate", place=f"{PLUGINS}/calico-ipam.sock")
    assert activated == (200, {"Implements": ["IpamDriver"]})


@pytest.mark.parametrize(
    ("settings", "mounts"), [(LIBNETWORK, MOUNTS[:3]), ({}, MOUNTS)], ids=["not mounted", "not enabled"]
)
def test_docker_finds_no_plugin_that_is_off_or_whose_sockets_are_not_mounted(
    world: World, settings: dict[str, str], mounts: tuple[str, ...]
) -> None:
    node = world.start_node("h1", settings, mounts=mounts)
    assert node.call("POST", "/networks/create", CREATE) == (404, {"message": 'plugin "calico" not found'})


def test_a_network_needs_the_cluster_store_and_is_known_on_other_hosts_by_it(world: World) -> None:
    store = {"cluster-store": f"etcd://localhost:{world.etcd.server_port}", "cluster-advertise": ""}
    alone = world.start_node("h1", LIBNETWORK)
    wait_until(lambda: has_plugins(alone))
    status, answer = alone.call("POST", "/networks/create", CREATE)
    assert (status, "not a swarm manager" in answer["message"]) == (503, True)
    store["cluster-store"] = world.endpoints.replace("http", "etcd")
    hosts = [world.start_host(name, daemon_json=store) for name in ("h2", "h3")]
    for host in hosts:
        world.run_container(host, LIBNETWORK)
    wait_until(lambda: all(has_plugins(host) for host in hosts))
    status, made = hosts[0].call("POST", "/networks/create", CREATE)
    assert status == 201
    _, network = hosts[1].call("GET", "/networks/net1")
    assert (network["Id"], network["Driver"], network["Scope"]) == (made["Id"], "calico", "global")
    assert "calico" in hosts[1].call("GET", "/info")[1]["Plugins"]["Network"]
    assert hosts[1].call("DELETE", "/networks/net1")[0] == 204
    assert hosts[0].call("GET", "/networks/net1") == (404, {"message": "network net1 not found"})


def test_a_container_that_is_stopped_leaves_no_process_and_one_that_is_removed_no_file(world: World) -> None:
    node = world.start_node("h1")
    pid = node.inspect()["State"]["Pid"]
    node.call("POST", f"/containers/{NAME}/stop")
    assert not Path(f"/proc/{pid}").exists()
    assert node.call("GET", f"/containers/{NAME}/top")[0] == 409
    files = node.host.root / "var/lib/docker/containers"
    (files / f"{node.inspect()['Id']}.new").touch()  # A process of it was killed while it wrote.
    node.call("DELETE", f"/containers/{NAME}")
    assert list(files.iterdir()) == []


def test_the_image_with_another_command_is_no_calico_node(world: World) -> None:
    node = world.start_host("h1")
    node.host.run("docker", "run", "-d", "--name", NAME, "calico/node:v1.0.0", "sleep", "1000")
    assert node.inspect()["State"]["Running"]
    assert world.read_keys() == {}


def test_mounts_are_shown_and_missing_directories_of_the_host_made(world: World) -> None:
    node = world.start_node("h1")
    shown = {mount["Destination"]: (mount["Type"], mount["Source"], mount["RW"]) for mount in node.inspect()["Mounts"]}
    assert shown == {path: ("bind", path, True) for path in MOUNTS}
    assert all((node.host.root / path[1:]).exists() for path in MOUNTS)


def create(node: Node, host_config: dict[str, Any]) -> tuple[int, Any]:
    body = {"Image": "calico/node:v1.0.0", "HostConfig": host_config}
    return node.call("POST", f"/containers/create?name={NAME}", body)


def test_docker_refuses_what_it_cannot_mount_or_run_in_a_user_namespace(world: World) -> None:
    node = world.start_host("h1", daemon_json={"userns-remap": "default"})
    node.pull("calico/node:v1.0.0")
    privileged: dict[str, Any] = {"Privileged": True, "NetworkMode": "host"}
    status, answer = create(node, privileged)
    assert (status, answer["message"].split(".")[0]) == (400, "privileged mode is incompatible with user namespaces")
    mount = {"Type": "bind", "Source": "/missing", "Target": "/x"}
    in_host = {**privileged, "UsernsMode": "host"}
    expected = {"message": 'invalid mount config for type "bind": bind source path does not exist: /missing'}
    assert create(node, {**in_host, "Mounts": [mount]}) == (400, expected)
    assert create(node, in_host)[0] == 201
    assert node.inspect()["HostConfig"]["UsernsMode"] == "host"
