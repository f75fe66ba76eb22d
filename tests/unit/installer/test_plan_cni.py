"""(facts of the CNI directories, wanted plugins and network) -> what is put in place."""

from __future__ import annotations

import pytest

from calico_dcos.installer.facts.cni import Cni, ConfigFile, PluginFile
from calico_dcos.installer.facts.mesos_agent import MesosAgent
from calico_dcos.installer.pins import Pin
from calico_dcos.installer.plans.changes import Action
from calico_dcos.installer.plans.cni import plan_cni
from calico_dcos.installer.unknown import Unknown
from tests.unit.installer.examples import (
    OTHER_SUM,
    PLUGIN_URL,
    SUM,
    build_agent,
    build_cni,
    build_config,
    build_plugin,
    build_wanted,
)

INSTALL, WRITE = Action.INSTALL_PLUGIN, Action.WRITE_NETWORK
FOREIGN = build_config(file="dcos.conf", network="dcos", type="bridge", is_wanted=False)
BROKEN = build_config(file="old.tmp", network=Unknown("no JSON"), type=None, is_wanted=False)
TWIN = build_config(file="my.conf", is_wanted=False, is_ours=False)


@pytest.mark.parametrize(
    ("cni", "actions"),
    [
        pytest.param(build_cni(), [], id="all as wanted"),
        pytest.param(build_cni(configs=[build_config(), FOREIGN]), [], id="others do not matter"),
        pytest.param(
            build_cni(configs=[build_config(file="10-my.conf")]), [], id="an operator's file of the same content"
        ),
        pytest.param(build_cni([build_plugin(sha256=None)], []), [INSTALL, WRITE], id="nothing: plugins come first"),
        pytest.param(build_cni([build_plugin(sha256=None)]), [INSTALL], id="an upgrade of DC/OS took the plugin"),
        pytest.param(build_cni(configs=[]), [WRITE], id="no configuration"),
        pytest.param(build_cni(configs=[build_config(is_wanted=False)]), [WRITE], id="another configuration"),
        pytest.param(build_cni(configs=[BROKEN, build_config()]), [], id="a broken file: new Mesos skips it"),
        pytest.param(build_cni([build_plugin(sha256=OTHER_SUM)]), [INSTALL], id="another version of the plugin"),
        pytest.param(build_cni([build_plugin(sha256=Unknown("I/O error"))]), [INSTALL], id="an unreadable plugin"),
        pytest.param(
            build_cni([build_plugin(is_executable=False, version=Unknown("it is not executable"))]),
            [INSTALL],
            id="not executable",
        ),
        pytest.param(build_cni([build_plugin(version=Unknown("segfault"))]), [INSTALL], id="does not answer"),
    ],
)
def test_what_differs_is_put_in_place(cni: Cni, actions: list[Action]) -> None:
    decision = plan_cni(cni, build_agent(), build_wanted().cni)
    assert decision.refusal is None
    assert [change.action for change in decision.changes] == actions


@pytest.mark.parametrize(
    ("plugin", "actions"),
    [
        pytest.param(build_plugin(sha256=OTHER_SUM), [], id="somebody else installed one: it will do"),
        pytest.param(build_plugin(pin=Pin(PLUGIN_URL, SUM)), [], id="still the one that we installed"),
        pytest.param(build_plugin(sha256=OTHER_SUM, pin=Pin(PLUGIN_URL, SUM)), [INSTALL], id="no longer that one"),
        pytest.param(build_plugin(pin=Pin("http://old/calico", SUM)), [INSTALL], id="from another place"),
        pytest.param(build_plugin(sha256=None, pin=Pin(PLUGIN_URL, SUM)), [INSTALL], id="gone"),
        pytest.param(build_plugin(version=Unknown("an HTML page")), [INSTALL], id="no plugin at all"),
    ],
)
def test_without_a_wanted_sum_what_was_installed_is_pinned(plugin: PluginFile, actions: list[Action]) -> None:
    wanted = build_wanted("cni", plugins=[{"name": "calico", "url": PLUGIN_URL, "sha256": None}]).cni
    decision = plan_cni(build_cni([plugin]), build_agent(), wanted)
    assert [change.action for change in decision.changes] == actions


@pytest.mark.parametrize(
    ("configs", "refusal"),
    [
        pytest.param([BROKEN], "old.tmp is broken", id="a broken file"),
        pytest.param([build_config(), BROKEN], "old.tmp is broken", id="a broken file beside ours"),
        pytest.param([TWIN], "my.conf configures network calico too", id="two of one name"),
    ],
)
def test_an_old_agent_is_not_given_a_directory_with_which_it_would_not_start(
    configs: list[ConfigFile], refusal: str
) -> None:
    decision = plan_cni(build_cni(configs=configs), build_agent(version="1.0.3"), build_wanted().cni)
    assert decision.changes == []
    assert decision.refusal is not None
    assert refusal in decision.refusal


@pytest.mark.parametrize(
    ("agent", "refusal"),
    [
        pytest.param(build_agent(cni_config_dir="/etc/cni/net.d"), "reads CNI configurations from", id="config"),
        pytest.param(build_agent(cni_plugins_dirs=["/opt/cni/bin"]), "looks for CNI plugins in", id="plugins"),
    ],
)
def test_directories_that_the_agent_does_not_read_are_refused(agent: MesosAgent, refusal: str) -> None:
    decision = plan_cni(build_cni(), agent, build_wanted().cni)
    assert decision.refusal is not None
    assert refusal in decision.refusal


def test_the_agents_directories_may_end_in_a_slash_and_be_several() -> None:
    agent = build_agent(
        cni_config_dir="/opt/mesosphere/etc/dcos/network/cni/",
        cni_plugins_dirs=["/opt/mesosphere/active/cni/", "/opt/mesosphere/active/dcos-cni/"],
    )
    assert plan_cni(build_cni(), agent, build_wanted().cni).refusal is None


def test_a_directory_that_cannot_be_read_is_no_refusal() -> None:
    decision = plan_cni(build_cni(configs=Unknown("Permission denied")), build_agent(), build_wanted().cni)
    assert decision.refusal is None
    assert "Permission denied" in str(decision.unknown)


@pytest.mark.parametrize(("version", "is_refused"), [("0.1.0", False), ("0.2.0", False), ("0.3.1", True), ("x", True)])
def test_mesos_understands_results_up_to_cni_0_2(version: str, *, is_refused: bool) -> None:
    config = {"name": "calico", "type": "calico", "cniVersion": version}
    decision = plan_cni(build_cni(), build_agent(), build_wanted("cni", config=config).cni)
    assert (decision.refusal is not None) is is_refused


@pytest.mark.parametrize("version", ["1.0.3", "1.2.0", "1.9.0", "1.11.0"])
def test_a_foreign_file_of_our_network_is_refused_on_every_version(version: str) -> None:
    decision = plan_cni(build_cni(configs=[TWIN]), build_agent(version=version), build_wanted().cni)
    assert decision.changes == []
    assert "my.conf configures network calico too" in str(decision.refusal)
    assert "remove it" in str(decision.refusal)


def test_a_foreign_file_of_our_name_is_not_replaced() -> None:
    foreign = build_config(network="prod", is_wanted=False, is_ours=False)
    decision = plan_cni(build_cni(configs=[foreign]), build_agent(), build_wanted().cni)
    assert "this program did not write it" in str(decision.refusal)
