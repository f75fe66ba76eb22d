"""Networks that others have set up in the directory of Mesos: none is replaced, and none is doubled."""

from __future__ import annotations

import json

import pytest

from tests.contract.installer_fakes import FakeHost

THEIRS = {
    "name": "calico",
    "cniVersion": "0.1.0",
    "type": "calico",
    "mtu": 1440,
    "ipam": {"type": "calico-ipam", "ipv4_pools": ["10.9.0.0/16"]},
    "etcd_endpoints": "http://etcd.prod:2379",
}


@pytest.mark.parametrize("version", ["1.0.3", "1.9.0"])
@pytest.mark.parametrize("name", ["10-calico.conf", "calico.conf"])
def test_a_network_of_others_keeps_its_place_and_gets_no_twin(host: FakeHost, version: str, name: str) -> None:
    host.change_state(agent={"version": version})
    theirs = host.config_file.parent / name
    theirs.write_text(json.dumps(THEIRS))
    done = host.run("apply", "cni")
    assert done.returncode == 3, done.stdout
    assert name in done.stdout
    assert "remove it" in done.stdout or "move it away" in done.stdout
    assert json.loads(theirs.read_text()) == THEIRS
    assert [path.name for path in theirs.parent.iterdir()] == [name]
    assert list(host.plugins_dir.iterdir()) == []


def test_a_file_that_we_wrote_is_replaced_when_other_options_are_wanted(host: FakeHost) -> None:
    assert host.run("apply", "cni").returncode == 0
    host.wanted["cni"]["config"]["mtu"] = 1440
    assert host.run("apply", "cni").returncode == 0
    assert json.loads(host.config_file.read_text())["mtu"] == 1440
