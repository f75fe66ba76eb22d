"""The wanted state: what is taken, and that every fault is reported at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from calico_dcos.installer.wanted import WantedError, compute_settings_hash, parse_wanted
from tests.unit.installer.examples import WANTED, build_wanted


def test_a_full_document_is_read() -> None:
    wanted = build_wanted()
    assert wanted.etcd_endpoints == ["http://localhost:2379"]
    assert wanted.cni.plugins[0].download.sha256 == "a" * 64
    assert wanted.cni.config["ipam"] == {"type": "calico-ipam"}
    assert wanted.calico_node.poll_s == 5


def test_unknown_keys_and_a_trailing_slash_are_no_fault() -> None:
    assert build_wanted("cni", later="x", config_dir="/etc/cni/").cni.config_dir == "/etc/cni"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_what_is_no_object_is_malformed(text: str) -> None:
    with pytest.raises(WantedError, match="wanted state is no JSON"):
        parse_wanted(text)


@pytest.mark.parametrize(
    ("section", "values", "fault"),
    [
        ("etcd_proxy", {"enable": "yes"}, "etcd_proxy.enable is neither true nor false"),
        ("etcd_proxy", {"discovery_srv": "a b; rm -rf /"}, "etcd_proxy.discovery_srv is not valid"),
        ("etcd_proxy", {"discovery_srv": "--x"}, "etcd_proxy.discovery_srv is not valid"),
        ("etcd_proxy", {"listen": "2379"}, "etcd_proxy.listen is not valid"),
        ("etcd_proxy", {"archive": None}, "etcd_proxy.archive is no object"),
        ("etcd_proxy", {"archive": {"url": "ftp://x"}}, "etcd_proxy.archive.url is not valid"),
        ("etcd_proxy", {"refresh_s": 0}, "etcd_proxy.refresh_s is no positive number"),
        ("etcd_proxy", {"refresh_s": True}, "etcd_proxy.refresh_s is no positive number"),
        ("docker_cluster_store", {"cluster_store": "localhost:2379"}, "cluster_store is not valid"),
        ("docker_cluster_store", {"timeout_s": "60"}, "timeout_s is no positive number"),
        ("cni", {"plugins": "calico"}, "cni.plugins is no list of objects"),
        ("cni", {"plugins": [{"name": "../x", "url": "http://a/b"}]}, "cni.plugins[0].name is not valid"),
        ("cni", {"plugins": [{"name": "x", "url": "http://a/b", "sha256": "A"}]}, "cni.plugins[0].sha256 is not valid"),
        ("cni", {"plugins_dir": "relative"}, "cni.plugins_dir is not valid"),
        ("cni", {"config_dir": "/a/../../b"}, "cni.config_dir is not valid"),
        ("cni", {"config_dir": "/"}, "cni.config_dir is not valid"),
        ("cni", {"config": {"name": "calico"}}, "cni.config.type is not valid"),
        ("calico_node", {"image": "--privileged"}, "calico_node.image is not valid"),
        ("calico_node", {"environment": {"A": 1}}, "calico_node.environment is no object of texts"),
    ],
)
def test_a_fault_is_reported_with_its_place(section: str, values: dict[str, Any], fault: str) -> None:
    with pytest.raises(WantedError) as raised:
        build_wanted(section, **values)
    assert fault in str(raised.value)


def test_every_fault_is_reported_at_once() -> None:
    document = json.loads(json.dumps(WANTED))
    del document["cni"]
    document["etcd_endpoints"] = "localhost:2379"
    document["agent_restart"]["timeout_s"] = -1
    with pytest.raises(WantedError) as raised:
        parse_wanted(json.dumps(document))
    assert [fault.split()[0] for fault in str(raised.value).split("; ")] == [
        "cni",
        "etcd_endpoints",
        "agent_restart.timeout_s",
    ]


def test_another_image_or_setting_gives_another_mark_and_order_does_not() -> None:
    node = build_wanted("calico_node", image="image:1", environment={"A": "1", "B": "2"}).calico_node
    mark = compute_settings_hash(node)
    assert compute_settings_hash(node._replace(environment={"B": "2", "A": "1"})) == mark
    assert compute_settings_hash(node._replace(image="image:2")) != mark
    assert compute_settings_hash(node._replace(environment={"A": "1", "B": "3"})) != mark
    assert compute_settings_hash(node._replace(mounts=["/run"])) != mark
