"""What else has a hand in a host's network is read from its files and units, and told as a warning."""

from __future__ import annotations

import json
from pathlib import Path

from calico_dcos.installer.facts.network import read_bgp_port
from calico_dcos.installer.facts.surroundings import Mtu, leaves_cali_alone, parse_default_interface, read_mtu
from calico_dcos.installer.host import Host
from calico_dcos.installer.unknown import Unknown
from tests.contract.installer_fakes import FakeHost

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
ROUTES = HEAD + (
    "eth1\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
    "eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)


def test_the_interface_that_leads_out_is_that_of_the_best_default_route() -> None:
    assert parse_default_interface(ROUTES) == "eth0"
    assert parse_default_interface(HEAD) is None


def test_the_mtu_is_read_where_it_can_be(tmp_path: Path) -> None:
    host = Host(str(tmp_path), None, {})
    assert isinstance(read_mtu(host), Unknown)
    write_network(tmp_path, 1460)
    assert read_mtu(host) == Mtu("eth0", 1460)


def test_network_manager_leaves_alone_what_its_files_name(tmp_path: Path) -> None:
    host = Host(str(tmp_path), None, {})
    packaged, directory = tmp_path / "usr/lib/NetworkManager/conf.d", tmp_path / "etc/NetworkManager/conf.d"
    for made in (packaged, directory):
        made.mkdir(parents=True)
    assert not leaves_cali_alone(host)
    (directory / "docker.conf").write_text("[keyfile]\nunmanaged-devices=interface-name:docker0\n")
    assert not leaves_cali_alone(host)
    (directory / "calico.conf").write_text("[keyfile]\nunmanaged-devices=interface-name:cali*;interface-name:tunl*\n")
    assert leaves_cali_alone(host)
    (directory / "calico.conf").rename(packaged / "10-calico.conf")
    assert leaves_cali_alone(host)


def test_a_host_that_shares_a_machine_has_no_port_of_its_own(tmp_path: Path) -> None:
    assert isinstance(read_bgp_port(Host(str(tmp_path), None, {})).sockets, Unknown)
    assert isinstance(read_bgp_port(Host("/", None, {})).sockets, list)


def test_a_look_warns_of_them(host: FakeHost) -> None:
    write_network(host.root, 1460)
    active = {"LoadState": "loaded", "ActiveState": "active", "MainPID": "7"}
    host.change_state(units={"firewalld.service": active, "NetworkManager.service": active})
    assert host.run("inspect").returncode == 0
    warnings = json.dumps(host.reports[-1]["warnings"])
    assert "eth0 lets 1460 through" in warnings
    assert "firewalld is active" in warnings
    assert "NetworkManager manages" in warnings


def write_network(root: Path, mtu: int) -> None:
    (root / "proc/net").mkdir(parents=True)
    (root / "proc/net/route").write_text(ROUTES)
    (root / "sys/class/net/eth0").mkdir(parents=True)
    (root / "sys/class/net/eth0/mtu").write_text(f"{mtu}\n")
