"""What is planned for calico-node: refused where names or addresses would differ; each change is told before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from calico_dcos.installer.adoption import Adopted
from calico_dcos.installer.facts.identity import complete_network, complete_wanted
from calico_dcos.installer.facts.kernel import Kernel, find_module
from calico_dcos.installer.facts.pools import IpPool, parse_pools
from calico_dcos.installer.plans import plan_changes
from calico_dcos.installer.plans.calico_node import warn_of_pools
from calico_dcos.installer.plans.changes import Action, Decision
from calico_dcos.installer.report import build_node as build_reported_node
from calico_dcos.installer.services.pool import build_path, build_value
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import Pool
from tests.unit.installer.examples import build_container, build_facts, build_node, build_theirs, build_wanted

OURS = Pool("192.168.0.0/16", "always", "true", is_written_by_us=True)
OURS_JSON = {"cidr": "192.168.0.0/16", "ipip": "always", "nat_outgoing": "true", "is_written_by_us": True}


def plan(facts: dict[str, Any], **wanted: Any) -> Decision:
    return plan_changes(build_facts(**facts), build_wanted("calico_node", **wanted))["calico-node"]


def list_actions(decision: Decision) -> list[Action]:
    return [change.action for change in decision.changes]


def test_a_node_that_is_as_wanted_is_left_alone() -> None:
    assert plan({}).proof


@pytest.mark.parametrize("variable", ["NODENAME", "HOSTNAME", "FELIX_FELIXHOSTNAME"])
def test_an_option_that_names_the_node_is_refused_for_cni_and_node_alike(variable: str) -> None:
    wanted = build_wanted("calico_node", environment={variable: "edge-1.example.com"})
    facts = build_facts(calico_node=None, cni=build_facts().cni._replace(configs=[]))
    decisions = plan_changes(facts, wanted)

    for step in ("cni", "calico-node"):
        refusal = decisions[step].refusal or ""
        assert refusal.startswith(
            f"extra-environment sets {variable} to edge-1.example.com, and the CNI plugins go by h1"
        )
        assert f"take {variable} out of extra-environment" in refusal


def test_a_host_that_was_renamed_is_refused_with_both_names() -> None:
    decision = plan(
        {"node": build_node(name="h1.example.com", host_name="h1.example.com", network_name="h1.example.com")}
    )

    assert decision.refusal is not None
    assert decision.refusal.startswith(
        "this host is called h1.example.com, and its calico-node was made when it was called h1:"
    )
    assert "name the host h1 again" in decision.refusal


def test_plugins_of_another_name_are_refused_where_nobody_writes_their_file() -> None:
    facts = build_facts(node=build_node(network_name="other"))
    off = build_wanted("cni", enable=False)

    assert "goes by the name other, and calico-node by h1" in (plan_changes(facts, off)["calico-node"].refusal or "")
    assert plan_changes(facts, build_wanted())["calico-node"].refusal is None


def test_no_address_is_refused_and_an_unknown_one_looked_for_again() -> None:
    lost = build_node(address=None, found="cidr=10.9.0.0/16 finds none; this host has eth0 10.0.0.2")

    assert plan({"node": lost}).refusal == (
        "no address for calico-node: cidr=10.9.0.0/16 finds none; this host has eth0 10.0.0.2: "
        "set ip-autodetection-method (Run Calico-Node) so that exactly one of this host's addresses is meant"
    )
    assert plan({"node": build_node(address=Unknown("no answer"))}).unknown == "this host's address: no answer"


def test_a_node_with_another_address_is_replaced_and_the_new_one_told() -> None:
    decision = plan({"node": build_node(address="10.0.0.9")})

    assert list_actions(decision) == [Action.RUN_CALICO_NODE]
    assert decision.changes[0].message == "run container calico-node of calico/node:v1.0.0 as h1 with 10.0.0.9"


@pytest.mark.parametrize("theirs", [build_theirs(), build_theirs(container="k8s")])
def test_a_calico_node_of_somebody_elses_is_refused_with_what_differs(theirs: Any) -> None:
    decision = plan({"theirs": [theirs], "calico_node": None})

    assert decision.refusal == (
        "a calico-node of somebody else's is here: its name is rack7-u12, not h1: remove it, or set adopt-existing "
        "(Run Calico-Node), which replaces it and keeps its name, address and AS"
    )


def test_it_is_adopted_where_the_option_says_so() -> None:
    adopted = Adopted("calico-node", "rack7-u12", "10.0.0.2", "64777", "")
    node = build_node(name="rack7-u12", adopted=adopted, is_ours=False, container_name="rack7-u12")
    decision = plan(
        {"theirs": [build_theirs()], "node": node, "calico_node": build_container(settings_hash=None)},
        adopt_existing=True,
    )

    assert list_actions(decision) == [Action.ADOPT_NODE, Action.RUN_CALICO_NODE]
    assert decision.changes[0].message == (
        "replace container calico-node of calico/node:v1.0.2, and keep its name rack7-u12, address 10.0.0.2 "
        "and AS number 64777"
    )
    assert "/var/lib/calico-dcos/adopted.json" in decision.changes[0].impact


@pytest.mark.parametrize(
    ("theirs", "fault"),
    [
        (build_theirs(starter="Kubernetes"), "it cannot be adopted: Kubernetes starts it"),
        (build_theirs(address=""), "it cannot be adopted: its address is not known: start it with IP"),
        (build_theirs(name=""), "it cannot be adopted: its name is not known: start it with NODENAME"),
    ],
)
def test_one_that_cannot_be_adopted_is_refused_with_the_reason(theirs: Any, fault: str) -> None:
    assert fault in (plan({"theirs": [theirs]}, adopt_existing=True).refusal or "")


def test_one_that_a_unit_starts_can_be_adopted() -> None:
    decision = plan({"theirs": [build_theirs(starter="unit calico-node.service")]}, adopt_existing=True)

    assert "its unit calico-node.service is switched off" in decision.changes[0].impact


def test_several_are_refused_even_so() -> None:
    both = [build_theirs(), build_theirs(container="k8s")]

    assert "several calico-nodes of somebody else's are here (calico-node and k8s)" in (
        plan({"theirs": both}, adopt_existing=True).refusal or ""
    )


def test_where_docker_does_not_tell_nothing_is_said() -> None:
    assert plan({"theirs": Unknown("refused")}).unknown == "whether somebody else runs a calico-node here: refused"


def test_a_note_that_cannot_be_read_is_refused() -> None:
    assert "adopted.json is not understood" in (
        plan({"node": build_node(adopted=Unknown("adopted.json is not understood"))}).refusal or ""
    )


@pytest.mark.parametrize(
    ("keys", "network"),
    [
        (["hostname"], {"hostname": "rack7"}),
        (["hostname", "nodename"], {"hostname": "rack7", "nodename": "rack7"}),
        (["nodename"], {"nodename": "rack7"}),
    ],
)
def test_the_network_names_the_node_as_its_plugins_read_it_where_it_is_not_the_hosts_name(
    keys: list[str], network: dict[str, str]
) -> None:
    wanted = build_wanted("cni", name_keys=keys).cni
    plain = wanted.config

    assert complete_network(wanted, build_node()).config == plain
    assert complete_network(wanted, build_node(name="rack7")).config == plain | network


def test_to_complete_what_is_wanted_twice_changes_nothing() -> None:
    once = complete_wanted(build_wanted(), build_node(name="rack7"))

    assert complete_wanted(once, build_node(name="rack7")) == once


@pytest.mark.parametrize(
    ("kernel", "messages"),
    [
        (Kernel(0, 1, 65536, has_route=True, modules={}), ["let the kernel forward IPv4"]),
        (
            Kernel(0, 0, 65536, has_route=True, modules={}),
            ["let the kernel forward IPv4", "let the kernel forward IPv6"],
        ),
        (Kernel(1, Unknown("no IPv6"), Unknown("no tracking"), has_route=True, modules={}), []),
    ],
)
def test_a_kernel_that_does_not_forward_is_told_before_it_is_changed(kernel: Kernel, messages: list[str]) -> None:
    decision = plan({"kernel": kernel})

    assert [change.message for change in decision.changes] == messages


def test_a_host_without_a_default_route_is_refused_before_calico_node_is_run() -> None:
    kernel = Kernel(1, 1, 1_000_000, has_route=False, modules={})

    assert plan({"kernel": kernel, "calico_node": None}).refusal == (
        "this host has no default route, and so answers no container for 169.254.1.1, the gateway of all: "
        "give it one (ip route add default via ROUTER), and retry"
    )
    assert (plan({"kernel": kernel}).fault or "").startswith("this host has no default route")


def test_a_module_that_is_absent_is_told_and_keeps_nothing_from_being_done() -> None:
    decision = plan(
        {"kernel": Kernel(1, 1, 65536, has_route=True, modules={"xt_set": "absent", "ip6_tables": "built in"})}
    )

    assert decision.proof
    assert decision.warnings == [
        "the kernel has no module xt_set, which Felix may need",
        "nf_conntrack_max is 65536: with many connections packets get lost",
    ]


@pytest.mark.parametrize(
    ("loaded", "built_in", "loadable", "state"),
    [
        ("xt_set 16384 2 - Live 0x0\n", "", "", "loaded"),
        ("xt_set_other 1\n", "kernel/net/netfilter/xt_set.ko\n", "", "built in"),
        ("", "", "kernel/net/netfilter/xt_set.ko: kernel/net/x.ko\n", "can be loaded"),
        ("", "", "kernel/net/netfilter/xt_set.ko.xz:\n", "can be loaded"),
        ("", "", "kernel/other.ko:\n", "absent"),
        (Unknown("x"), Unknown("x"), Unknown("x"), "not known"),
    ],
)
def test_a_module_is_found(loaded: Any, built_in: Any, loadable: Any, state: str) -> None:
    assert find_module("xt_set", loaded, built_in, loadable) == state


def test_the_pool_is_written_where_there_is_none_and_the_image_cannot_be_told() -> None:
    written = plan({"pools": []}, pool=OURS_JSON)

    assert Action.WRITE_POOL in list_actions(written)
    assert written.changes[0].message == "write the pool 192.168.0.0/16, IP-in-IP always, with NAT to etcd"
    assert Action.WRITE_POOL not in list_actions(plan({"pools": []}))
    assert Action.WRITE_POOL not in list_actions(plan({"pools": Unknown("away")}, pool=OURS_JSON))
    assert Action.WRITE_POOL not in list_actions(plan({}, pool=OURS_JSON))


def test_a_pool_that_differs_from_the_options_is_a_warning_that_says_both() -> None:
    there = IpPool("10.1.0.0/16", "off", nat_outgoing=False, is_disabled=False)

    (warning,) = warn_of_pools([there], OURS)
    assert warning.startswith(
        "etcd has the pool 10.1.0.0/16, IP-in-IP off, without NAT, and the options say 192.168.0.0/16"
    )
    assert warning.endswith("IP-in-IP always, with NAT: change it with calicoctl, or the options")
    assert warn_of_pools([there], Pool("", "off", "", is_written_by_us=False)) == []
    assert warn_of_pools([there], Pool("", "", "", is_written_by_us=False)) == []
    assert warn_of_pools([], OURS) == []


def test_the_pool_is_written_as_calicoctl_writes_it() -> None:
    assert build_path("192.168.0.0/16") == "/v2/keys/calico/v1/ipam/v4/pool/192.168.0.0-16"
    assert build_value(OURS) == {
        "cidr": "192.168.0.0/16",
        "ipip": "tunl0",
        "ipip_mode": "always",
        "masquerade": True,
        "ipam": True,
        "disabled": False,
    }
    plain = build_value(Pool("10.0.0.0/8", "off", "false", is_written_by_us=True))
    assert (plain["ipip"], plain["ipip_mode"], plain["masquerade"]) == ("", "", False)


def test_pools_are_read_as_every_release_writes_them() -> None:
    values = ['{"cidr": "192.168.0.0/16"}', json.dumps(build_value(OURS)), '{"cidr": "10.0.0.0/8", "ipip": "tunl0"}']
    nodes = [{"key": f"/calico/v1/ipam/v4/pool/{number}", "value": text} for number, text in enumerate(values)]

    assert parse_pools(200, json.dumps({"node": {"dir": True, "nodes": nodes}})) == [
        IpPool("192.168.0.0/16", "off", nat_outgoing=False, is_disabled=False),
        IpPool("192.168.0.0/16", "always", nat_outgoing=True, is_disabled=False),
        IpPool("10.0.0.0/8", "always", nat_outgoing=False, is_disabled=False),
    ]
    assert parse_pools(404, "{}") == []


@pytest.mark.parametrize(
    ("status", "text"), [(200, ""), (200, "{}"), (200, '{"node": {"nodes": [{"value": "1"}]}}'), (500, "{}")]
)
def test_garbage_about_pools_is_unknown(status: int, text: str) -> None:
    assert isinstance(parse_pools(status, text), Unknown)


def test_name_and_address_are_reported() -> None:
    assert build_reported_node(build_node()) == {"name": "h1", "address": "10.0.0.2"}
    assert build_reported_node(build_node(address=None)) is None
