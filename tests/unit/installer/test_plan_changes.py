"""(all facts, wanted) -> the changes of every step; and the agent's restart, which follows from the changes of cni."""

from __future__ import annotations

import pytest

from calico_dcos.installer.facts import Facts
from calico_dcos.installer.facts.calico_node import Container
from calico_dcos.installer.facts.etcd import Listener
from calico_dcos.installer.facts.system import Dcos
from calico_dcos.installer.inspection import Inspection
from calico_dcos.installer.plans import plan_changes
from calico_dcos.installer.plans.changes import describe_unproven
from calico_dcos.installer.report import build_inspection
from calico_dcos.installer.unknown import Unknown
from calico_dcos.installer.wanted import STEPS
from tests.unit.installer.examples import (
    build_agent,
    build_cni,
    build_config,
    build_container,
    build_docker,
    build_facts,
    build_plugin,
    build_wanted,
)

PORT_MAPPED = build_config(type="mesos-cni-port-mapper", is_wanted=False)


def test_on_a_host_that_is_as_wanted_nothing_is_left_to_do() -> None:
    plan = plan_changes(build_facts(), build_wanted())
    assert [step for step in STEPS if plan[step].changes or plan[step].refusal] == []


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(build_facts(dcos=Dcos("2.1.0", ["/opt/mesosphere/active/calico"])), id="its directory"),
        pytest.param(build_facts(cni=build_cni(configs=[PORT_MAPPED])), id="its configuration"),
    ],
)
def test_where_dcos_carries_its_own_calico_every_step_is_refused(facts: Facts) -> None:
    plan = plan_changes(facts, build_wanted())
    assert all("carries its own Calico" in str(plan[step].refusal) and not plan[step].changes for step in STEPS)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param(build_facts(), None, id="Mesos 1.9, all done"),
        pytest.param(
            build_facts(cni=build_cni([build_plugin(sha256=None)], [])), None, id="Mesos 1.9, changes to come"
        ),
        pytest.param(build_facts(mesos_agent=build_agent(version="1.2.0", start_time_epoch_s=1.0)), None, id="1.2.0"),
        pytest.param(build_facts(mesos_agent=build_agent(version="1.0.3")), None, id="started after the files changed"),
        pytest.param(
            build_facts(mesos_agent=build_agent(version="1.0.3", start_time_epoch_s=550.0)),
            "the CNI files changed 50 s after it",
            id="started between plugin and configuration",
        ),
        pytest.param(
            build_facts(mesos_agent=build_agent(version="1.1.0", start_time_epoch_s=600.0)),
            "the CNI files changed 0 s after it",
            id="started in the same moment: who knows",
        ),
        pytest.param(
            build_facts(mesos_agent=build_agent(version="1.0.3"), cni=build_cni(configs=[])),
            "is about to change",
            id="changes to come",
        ),
    ],
)
def test_an_agent_is_restarted_only_when_it_cannot_see_the_network_otherwise(facts: Facts, reason: str | None) -> None:
    decision = plan_changes(facts, build_wanted())["agent-restart"]
    assert decision.refusal is None
    assert [reason in change.reason for change in decision.changes if reason] == ([True] if reason else [])
    assert all(change.restarts == "mesos-agent" for change in decision.changes)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param(
            build_facts(mesos_agent=build_agent(Unknown("503"))._replace(unit=None)),
            "could not look: the Mesos agent: 503",
            id="no answer",
        ),
        pytest.param(build_facts(mesos_agent=build_agent(version="?")), "is not understood", id="no version"),
        pytest.param(
            build_facts(
                mesos_agent=build_agent(version="1.0.3", start_time_epoch_s=1.0),
                docker=build_docker(Unknown("no answer within 10 s")),
            ),
            "could not look: an agent does not recover without Docker",
            id="Docker hangs",
        ),
        pytest.param(
            build_facts(mesos_agent=build_agent(version="1.0.3", start_time_epoch_s=1.0)._replace(unit=None)),
            "unit is not found",
            id="no unit",
        ),
    ],
)
def test_a_restart_that_might_not_come_back_is_not_planned(facts: Facts, reason: str) -> None:
    decision = plan_changes(facts, build_wanted())["agent-restart"]
    assert decision.changes == []
    assert decision.proof is None
    assert reason in describe_unproven(decision)


@pytest.mark.parametrize(
    ("cgroups", "impact"),
    [("v1", "those of frameworks that checkpoint live on"), ("hybrid", "may all end"), ("unified", "may all end")],
)
def test_what_ends_with_the_agent_depends_on_how_systemd_tracks_units(cgroups: str, impact: str) -> None:
    facts = build_facts(mesos_agent=build_agent(version="1.0.3", start_time_epoch_s=1.0))
    facts = facts._replace(system=facts.system._replace(cgroups=cgroups))
    change = plan_changes(facts, build_wanted())["agent-restart"].changes[0]
    assert impact in change.impact
    assert "3 tasks" in change.impact


@pytest.mark.parametrize(
    ("answers", "is_change", "is_refusal"),
    [("etcd", False, False), ("nothing", True, False), ("something else", False, True)],
)
def test_the_proxy_is_there_when_etcd_answers_where_it_listens(
    answers: str, *, is_change: bool, is_refusal: bool
) -> None:
    facts = build_facts(etcd_listener=Listener("127.0.0.1:2379", answers, "detail"))
    decision = plan_changes(facts, build_wanted())["etcd-proxy"]
    assert (bool(decision.changes), decision.refusal is not None) == (is_change, is_refusal)


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        pytest.param(None, "there is no container", id="none"),
        pytest.param(build_container(image="calico/node:v0.9"), "its image is calico/node:v0.9", id="another image"),
        pytest.param(build_container(settings_hash="0123"), "its settings differ", id="other settings"),
        pytest.param(build_container(settings_hash=None), "its settings differ", id="somebody else's, run otherwise"),
        pytest.param(build_container(is_running=False, status="exited"), "it is exited", id="stopped"),
    ],
)
def test_calico_node_is_run_when_it_is_not_up_as_wanted(container: Container | None, reason: str) -> None:
    decision = plan_changes(build_facts(calico_node=container), build_wanted())["calico-node"]
    assert reason in decision.changes[0].reason


def test_calico_node_waits_for_docker() -> None:
    decision = plan_changes(build_facts(calico_node=Unknown("refused")), build_wanted())["calico-node"]
    assert decision.changes == []
    assert decision.refusal is None
    assert decision.proof is None
    assert "refused" in str(decision.unknown)


def test_an_inspection_names_all_steps_and_tells_what_is_not_known() -> None:
    facts = build_facts(calico_node=Unknown("refused"))
    report = build_inspection(Inspection(facts, plan_changes(facts, build_wanted()), begun_at_s=0.0), took_s=0.5)
    assert report["took_s"] == 0.5
    assert sorted(report["changes"]) == sorted(STEPS)
    assert report["refusals"] == {}
    assert list(report["unknowns"]) == ["calico-node"]
    assert sorted(report["proofs"]) == sorted(set(STEPS) - {"calico-node"})
    assert report["facts"]["calico_node"] == {"unknown": "refused"}
