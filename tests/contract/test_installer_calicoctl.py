"""The container is the one that `calicoctl node run` of the same release makes.

What that is was read from the tags of calicoctl, v1.0.0 to v1.6.5: `calicoctl/commands/node/run.go`. It is written down
here by hand, and compared with what comes out of the option `calico-release` and the installer together.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from calico_dcos.config import build_wanted, read_config
from calico_dcos.config.release import RELEASES
from calico_dcos.installer.facts.identity import complete_wanted
from calico_dcos.installer.services.container import build_body
from calico_dcos.installer.wanted import parse_wanted
from tests.unit.installer.examples import build_node

NODE_MOUNTS = {"/var/log/calico", "/var/run/calico", "/lib/modules"}
# Without them Docker says `plugin "calico" not found` to `docker network create --driver calico`.
LIBNETWORK_MOUNTS = {"/run/docker/plugins", "/var/run/docker.sock"}
# calicoctl v1.4.0, which is that of 2.4, was the first with this one.
WITH_RUN = {"2.4", "2.5", "2.6"}
# What calicoctl always gives; --no-default-ippools, --as and --ip6 add NO_DEFAULT_POOLS, AS and IP6.
VARIABLES = {
    "NODENAME": "h1",
    "IP": "10.0.0.2",
    "CALICO_NETWORKING_BACKEND": "bird",
    "CALICO_LIBNETWORK_ENABLED": "true",
    "ETCD_ENDPOINTS": "http://localhost:2379",
}
# What is ours: the name once more, as v1.0.x falls back on it; and Felix on DC/OS, whose health is asked for.
OURS = {"HOSTNAME", "FELIX_IGNORELOOSERPF", "FELIX_REPORTINGINTERVALSECS", "FELIX_HEALTHENABLED"}

ROWS = pytest.mark.parametrize("release", list(RELEASES))


def build(release: str, **settings: str) -> dict[str, Any]:
    """The body of the call that makes the container, for the host h1."""
    variables = {"CALICO_RELEASE": release, **{name.upper(): text for name, text in settings.items()}}
    config = read_config({f"CALICO_DCOS_{name}": text for name, text in variables.items()})
    wanted = parse_wanted(json.dumps(build_wanted(config)))
    return build_body(complete_wanted(wanted, build_node()).calico_node)


def read_environment(body: dict[str, Any]) -> dict[str, str]:
    return dict(variable.split("=", 1) for variable in body["Env"])


@ROWS
def test_the_container_runs_as_calicoctl_runs_it(release: str) -> None:
    options = build(release)["HostConfig"]

    assert (options["NetworkMode"], options["Privileged"]) == ("host", True)
    assert options["RestartPolicy"] == {"Name": "always"}
    # --userns=host, without which a Docker that remaps users refuses the other two.
    assert options["UsernsMode"] == "host"
    assert set(options) == {"NetworkMode", "Privileged", "RestartPolicy", "UsernsMode", "Binds"}


@ROWS
def test_it_has_the_mounts_of_calicoctl(release: str) -> None:
    binds = build(release)["HostConfig"]["Binds"]
    expected = NODE_MOUNTS | LIBNETWORK_MOUNTS | ({"/run"} if release in WITH_RUN else set())

    assert sorted(binds) == sorted(f"{path}:{path}" for path in expected)


@ROWS
def test_docker_network_create_with_the_driver_calico_finds_its_plugin(release: str) -> None:
    body = build(release)

    assert read_environment(body)["CALICO_LIBNETWORK_ENABLED"] == "true"
    assert {f"{path}:{path}" for path in LIBNETWORK_MOUNTS} <= set(body["HostConfig"]["Binds"])


@ROWS
def test_its_variables_are_those_of_calicoctl_and_a_few_of_ours(release: str) -> None:
    environment = read_environment(build(release))

    assert {name: environment.get(name) for name in VARIABLES} == VARIABLES
    assert environment["HOSTNAME"] == "h1"
    assert set(environment) - set(VARIABLES) <= OURS


@ROWS
def test_only_options_add_to_its_variables(release: str) -> None:
    plain, with_pool = (
        set(read_environment(build(release))),
        set(read_environment(build(release, node_ip_pool="10.0.0.0/8"))),
    )

    assert with_pool - plain <= {"NO_DEFAULT_POOLS", "CALICO_IPV4POOL_CIDR"}
    assert len(with_pool - plain) == 1
