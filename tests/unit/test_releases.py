"""Releases of Calico: one option for all that belongs together, and what the others' options make of it."""

from __future__ import annotations

from typing import Any

import pytest

from calico_dcos.config import ConfigError, build_wanted, read_config
from calico_dcos.config.release import RELEASES, Release

ROWS = pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))


def want(**settings: str) -> dict[str, Any]:
    return build_wanted(read_config({f"CALICO_DCOS_{name.upper()}": text for name, text in settings.items()}))


def test_the_default_is_the_release_of_the_mesos_guide() -> None:
    wanted = want()

    assert wanted["calico_node"]["image"] == "calico/node:v1.0.0"
    assert [plugin["url"].split("/")[-2:] for plugin in wanted["cni"]["plugins"]] == [
        ["v1.5.5", "calico"],
        ["v1.5.5", "calico-ipam"],
    ]


@ROWS
def test_image_and_plugins_are_chosen_together(release: Release) -> None:
    wanted = want(calico_release=release.name)

    assert wanted["calico_node"]["image"] == release.node_image
    assert {plugin["name"]: plugin["url"] for plugin in wanted["cni"]["plugins"]} == {
        name: download.url for name, download in release.plugins.items()
    }
    assert all(plugin["sha256"] is None for plugin in wanted["cni"]["plugins"])
    assert wanted["cni"]["name_keys"] == list(release.name_keys)
    assert wanted["calico_node"]["mounts"] == list(release.mounts)


@ROWS
def test_an_override_wins_over_the_release(release: Release) -> None:
    wanted = want(
        calico_release=release.name, node_image="ours:1", cni_calico_url="http://x/c", cni_calico_sha256="ab" * 32
    )

    assert wanted["calico_node"]["image"] == "ours:1"
    assert wanted["cni"]["plugins"][0] == {"name": "calico", "url": "http://x/c", "sha256": "ab" * 32}


@ROWS
def test_felix_is_made_to_tell_that_it_lives(release: Release) -> None:
    node = want(calico_release=release.name)["calico_node"]

    assert node["felix_health"] == release.felix_health
    told = {name: text for name, text in node["environment"].items() if "HEALTH" in name or "REPORT" in name}
    report = {"FELIX_REPORTINGINTERVALSECS": "5"}
    expected = {"report": report, "endpoint": {**report, "FELIX_HEALTHENABLED": "true"}}
    assert told == expected[release.felix_health]


@pytest.mark.parametrize(
    "settings", [{"node_ip_pool": "10.9.0.0/16"}, {"node_ipip": "always"}, {"node_nat_outgoing": "false"}]
)
@ROWS
def test_the_pool_options_take_effect_with_every_release(release: Release, settings: dict[str, str]) -> None:
    """Read by the image, or written to etcd by us; never both, and never neither."""
    node = want(calico_release=release.name, **settings)["calico_node"]
    ((name, text),) = settings.items()
    variables, pool = node["environment"], node["pool"]

    if name in release.pool_variables:
        assert variables[release.pool_variables[name]] == text
        assert not pool["is_written_by_us"]
        assert "NO_DEFAULT_POOLS" not in variables
    else:
        assert variables["NO_DEFAULT_POOLS"] == "true"
        assert pool["is_written_by_us"]
        assert not any(variable.startswith("CALICO_IPV4POOL") for variable in variables)
        assert all(pool[key] for key in ("cidr", "ipip", "nat_outgoing"))


def test_without_options_the_image_makes_its_own_pool() -> None:
    node = want()["calico_node"]

    assert node["pool"] == {"cidr": "", "ipip": "", "nat_outgoing": "", "is_written_by_us": False}
    assert "NO_DEFAULT_POOLS" not in node["environment"]


@pytest.mark.parametrize(("ipip", "told"), [("always", "true"), ("off", None)])
def test_felix_is_told_of_ip_in_ip_where_the_pool_is_ours(ipip: str, told: str | None) -> None:
    assert want(node_ipip=ipip)["calico_node"]["environment"].get("FELIX_IPINIPENABLED") == told


def test_a_mode_that_a_release_does_not_know_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigError) as raised:
        want(node_ipip="cross-subnet")

    (fault,) = raised.value.faults
    assert fault.startswith("CALICO_DCOS_NODE_IPIP='cross-subnet' is wrong: Calico 2.0 knows only off and always")
    assert want(node_ipip="cross-subnet", calico_release="2.1")


@pytest.mark.parametrize("name", ["NODENAME", "HOSTNAME", "FELIX_FELIXHOSTNAME", "IP"])
def test_one_name_or_address_for_all_agents_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        want(node_environment=f"{name}=edge-1.example.com")

    (fault,) = raised.value.faults
    assert fault.startswith(f"CALICO_DCOS_NODE_ENVIRONMENT sets {name}: all agents would be one node")


@pytest.mark.parametrize(
    "method",
    [
        "first-found",
        "can-reach=10.0.0.1",
        "interface=eth.*,ens3",
        "skip-interface=spartan",
        "cidr=10.0.0.0/8,172.20.0.0/16",
    ],
)
def test_each_way_of_finding_the_address_is_taken(method: str) -> None:
    assert want(node_ip_autodetection=method)["calico_node"]["address_method"] == method


@pytest.mark.parametrize(
    "method",
    ["eth0", "interface=", "interface=eth(", "interface=eth0,", "cidr=10.0.0.0/8/8", "can-reach", "cidr=fd80::/64"],
)
def test_a_way_that_cannot_be_read_is_refused_at_once(method: str) -> None:
    with pytest.raises(ConfigError, match="first-found, can-reach=ADDRESS"):
        want(node_ip_autodetection=method)
