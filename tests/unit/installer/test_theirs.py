"""Containers of calico-node that somebody else made: as good as ours, or different in what is told."""

from __future__ import annotations

from typing import Any

import pytest

from calico_dcos.installer.adoption import Adopted, build_create_body, describe_way_back
from calico_dcos.installer.facts.calico_node import Container, parse_container
from calico_dcos.installer.facts.comparison import HASH_LABEL, list_endpoints, list_mounts, parse_identity
from calico_dcos.installer.facts.node import prefer_adoptable
from calico_dcos.installer.facts.theirs import parse_names, parse_theirs, parse_unit
from calico_dcos.installer.plans.calico_node import find_container_fault
from calico_dcos.installer.services.calico_node import Need, find_need
from calico_dcos.installer.services.container import build_body
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import compute_settings_hash
from tests.unit.installer.examples import build_node, build_own_wanted, build_theirs

WANTED = build_own_wanted()


def build_answer(*, environment: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """What Docker says of a container that an operator made by the guide."""
    variables = WANTED.environment | (environment or {})
    body = build_body(WANTED)
    return {
        "State": {"Status": "running", "Running": True, "Pid": 7, "StartedAt": "2026-11-23T17:27:11Z"},
        "Config": {
            "Image": WANTED.image,
            "Env": [*(f"{name}={text}" for name, text in variables.items() if text), "PATH=/bin"],
            "Labels": None,
            "Hostname": "h1",
        },
        "HostConfig": body["HostConfig"] | options,
        "RestartCount": 0,
    }


def test_one_that_differs_in_nothing_that_counts_is_as_good_as_ours() -> None:
    container = parse_container(build_answer(), WANTED)

    assert isinstance(container, Container)
    assert container.settings_hash == compute_settings_hash(WANTED)
    assert parse_theirs("calico-node", build_answer(), WANTED) is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"Binds": ["/lib/modules:/lib/modules"]}, "it lacks the mounts"),
        ({"RestartPolicy": {"Name": "no"}}, "its restart policy is no, not always"),
        ({"Privileged": False}, "it is not privileged"),
        ({"NetworkMode": "bridge"}, "its network is bridge, not host"),
    ],
)
def test_one_of_ours_that_was_changed_by_hand_is_told_and_replaced(options: dict[str, Any], told: str) -> None:
    answer = build_answer(**options)
    answer["Config"]["Labels"] = {HASH_LABEL: compute_settings_hash(WANTED)}
    container = parse_container(answer, WANTED)

    assert isinstance(container, Container)
    assert told in (find_container_fault(container, WANTED) or "")
    assert find_need(container, WANTED) is Need.REPLACE


def test_one_by_hand_may_do_without_what_means_the_same() -> None:
    """HOSTNAME in the place of NODENAME, etcd by its address, its logs elsewhere, its modules to be read only."""
    wanted = WANTED._replace(environment=WANTED.environment | {"ETCD_ENDPOINTS": "http://localhost:2379"})
    binds = [bind for bind in build_body(WANTED)["HostConfig"]["Binds"] if "log" not in bind and "lib" not in bind]
    by_hand = {"NODENAME": "", "ETCD_AUTHORITY": "127.0.0.1:2379"}
    answer = build_answer(environment=by_hand, Binds=[*binds, "/lib/modules:/lib/modules:ro", "/logs:/var/log/calico"])

    assert parse_theirs("calico-node", answer, wanted) is None


@pytest.mark.parametrize(
    ("environment", "options", "differs"),
    [
        ({"NODENAME": "rack7"}, {}, "its name is rack7, not h1"),
        ({"IP": "10.20.7.12"}, {}, "its address is 10.20.7.12, not 10.0.0.2"),
        ({"IP": ""}, {}, "its address is the one that it finds, not 10.0.0.2"),
        ({"AS": "64777"}, {}, "its AS number is 64777, not the cluster's"),
        (
            {"ETCD_ENDPOINTS": "http://etcd.prod:2379"},
            {},
            "its etcd is http://etcd.prod:2379, not http://localhost:2379",
        ),
        ({"CALICO_NETWORKING_BACKEND": "gobgp"}, {}, "its backend is gobgp, not bird"),
        ({"CALICO_LIBNETWORK_ENABLED": "true"}, {}, "its plugin for Docker is on, not off"),
        ({"A": "2"}, {}, "its settings A differ"),
        ({}, {"NetworkMode": "bridge"}, "its network is bridge, not host"),
        ({}, {"Privileged": False}, "it is not privileged"),
        ({}, {"RestartPolicy": {"Name": "no"}}, "its restart policy is no, not always"),
        ({}, {"Binds": None}, "it lacks the mounts /var/log/calico, /var/run/calico, /lib/modules"),
        ({}, {"Binds": ["/run/docker/plugins:/run/docker/plugins:ro"]}, "/run/docker/plugins"),
    ],
)
def test_what_differs_is_told(environment: dict[str, str], options: dict[str, Any], differs: str) -> None:
    answer = build_answer(environment=environment, **options)
    theirs = parse_theirs("calico-node", answer, WANTED)
    container = parse_container(answer, WANTED)

    assert theirs is not None
    assert any(differs in told for told in theirs.differs), theirs.differs
    assert isinstance(container, Container)
    assert container.settings_hash is None


def test_one_with_our_label_is_ours_whatever_its_settings() -> None:
    answer = build_answer(environment={"NODENAME": "other"})
    answer["Config"]["Labels"] = {HASH_LABEL: "0123"}

    assert parse_theirs("calico-node", answer, WANTED) is None


@pytest.mark.parametrize(
    ("options", "is_told"), [({}, True), ({"Privileged": False}, False), ({"NetworkMode": "bridge"}, False)]
)
def test_one_under_another_name_is_theirs_if_it_can_be_a_node_of_this_host(
    options: dict[str, Any], *, is_told: bool
) -> None:
    theirs = parse_theirs("k8s-calico", build_answer(**options), WANTED)

    assert (theirs is not None) is is_told
    assert theirs is None or theirs.differs[0] == "its container is k8s-calico"


@pytest.mark.parametrize("answer", [{}, [], None, {"Config": None}, {"Config": {"Env": [1]}}])
def test_garbage_is_nobodys(answer: Any) -> None:
    assert parse_theirs("calico-node", answer, WANTED) is None
    assert isinstance(parse_container(answer, WANTED), Unknown)


def test_containers_of_such_an_image_are_found_by_any_registry_and_tag() -> None:
    images = ["calico/node:v1.0.2", "quay.io/calico/node", "m:5000/calico/node@sha256:ab", "calico/nodes:1", "nginx"]
    entries = [{"Names": [f"/c{number}", f"/web/c{number}"], "Image": image} for number, image in enumerate(images)]

    assert parse_names([*entries, {}, None, {"Names": None, "Image": "calico/node"}]) == ["c0", "c1", "c2"]
    assert parse_names(None) == []


def test_a_calico_node_whose_tag_has_moved_is_known_by_what_it_runs() -> None:
    entry = {"Names": ["/old"], "Image": "sha256:7eb1aa", "Command": "start_runit"}

    assert parse_names([entry, {**entry, "Names": ["/shell"], "Command": "sh"}]) == ["old"]


def test_the_name_is_read_as_calico_node_reads_it() -> None:
    assert [
        getattr(parse_identity({"Config": {"Env": env, "Hostname": "c"}}), "name", None)
        for env in (["NODENAME=a", "HOSTNAME=b"], ["HOSTNAME=b"], ["NODENAME=", "HOSTNAME="], None)
    ] == ["a", "b", "c", "c"]


def test_etcd_is_compared_whichever_variables_name_it() -> None:
    assert list_endpoints({"ETCD_ENDPOINTS": "http://b:1/, http://a:1"}) == "http://a:1,http://b:1"
    assert list_endpoints({"ETCD_SCHEME": "https", "ETCD_AUTHORITY": "e:2379"}) == "https://e:2379"
    assert list_endpoints({}) == "http://localhost:2379"


def test_a_mount_from_elsewhere_is_none() -> None:
    assert list_mounts(["/x:/var/run/calico", "/run:/run", "/run/docker/plugins/:/run/docker/plugins", "name"]) == [
        "/run",
        "/run/docker/plugins",
    ]


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("[Service]\nExecStart=/usr/bin/docker run --rm --net=host --name=calico-node calico/node", True),
        ("[Service]\nExecStart=/usr/bin/docker run \\\n  --name calico-node \\\n calico/node", True),
        ("[Service]\nExecStart=/usr/local/bin/calicoctl node run --init-system", True),
        ("[Service]\nExecStart=/usr/bin/docker run --name=calico-node-exporter x", False),
        ("[Unit]\nAfter=calico-node.service\nDescription=docker --name=calico-node", False),
    ],
)
def test_the_unit_that_starts_a_container_is_known_by_what_it_runs(text: str, *, is_told: bool) -> None:
    assert parse_unit(text, "calico-node") is is_told


def test_what_is_adopted_keeps_name_address_and_as() -> None:
    node = prefer_adoptable(build_node(), build_theirs())
    own = build_own_wanted(node)

    assert (node.name, node.address) == ("rack7-u12", "10.0.0.2")
    assert [own.environment[name] for name in ("NODENAME", "HOSTNAME", "IP", "AS")] == [
        "rack7-u12",
        "rack7-u12",
        "10.0.0.2",
        "64777",
    ]


def test_an_address_that_this_host_has_not_cannot_be_kept() -> None:
    node = prefer_adoptable(build_node(), build_theirs(address="10.20.7.12"))

    assert node.address is None
    assert (
        node.found
        == "the calico-node that is adopted has 10.20.7.12; this host has eth0 10.0.0.2, spartan 198.51.100.1"
    )


def test_the_note_makes_the_old_container_again() -> None:
    answer = build_answer(environment={"NODENAME": "rack7", "FELIX_ETCDPASSWORD": "hush"})
    answer["Config"]["Hostname"] = "0123456789ab"

    body = build_create_body(answer)

    assert body == {key: text for key, text in answer["Config"].items() if key != "Hostname"} | {
        "HostConfig": answer["HostConfig"]
    }
    assert build_create_body(build_answer())["Hostname"] == "h1"


def test_the_way_back_is_by_the_unit_or_by_the_note() -> None:
    adopted = Adopted("calico-node", "rack7", "10.0.0.2", "", "calico-node.service")

    assert describe_way_back(adopted, "/n").endswith("systemctl enable --now calico-node.service")
    assert "containers/create?name=calico-node" in describe_way_back(adopted._replace(unit=""), "/n")
