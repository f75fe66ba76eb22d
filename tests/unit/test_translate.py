"""Dictionaries of a real Mesos become our values, and ours become what Mesos takes."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.core.actions import Launch
from calico_dcos.core.events import TaskUpdated
from calico_dcos.core.model import StepName, TaskState
from calico_dcos.core.resources import Maintenance, Offer, Resource, ResourceKind
from calico_dcos.mesos.own_name import put_host
from calico_dcos.mesos.tasks import TaskTemplate, build_shell_line, build_task_info, choose_arguments
from calico_dcos.mesos.translate import (
    FrameworkSettings,
    build_framework_info,
    parse_offer,
    parse_update,
    parse_version,
)

RECORDINGS = Path(__file__).parent.parent / "contract" / "recordings"
SHA = "ab" * 32
PREFIX = "066fea1d-49f4-479a-ae67-57e38c8c9536"


def read_events(name: str, kind: str) -> list[dict[str, Any]]:
    """All events of a type in a recording of a real Mesos 1.12."""
    lines = (json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines())
    return [line["event"] for line in lines if line.get("event", {}).get("type") == kind]


def read_offers() -> list[dict[str, Any]]:
    """The first offers: one of a private agent, one of a public."""
    first, *_ = read_events("subscribe-offers-launch-finish-fail-kill", "OFFERS")
    offers: list[dict[str, Any]] = first["offers"]["offers"]
    return offers


def test_an_offer_of_a_private_agent_is_read() -> None:
    assert parse_offer(read_offers()[0]) == Offer(
        id=f"{PREFIX}-O0",
        agent_id=f"{PREFIX}-S1",
        hostname="agent1.test",
        ip="127.0.0.1",
        port=5061,
        is_public=False,
        resources=(
            Resource("ports", ResourceKind.RANGES, "*", ranges=((31000, 32000),)),
            Resource("cpus", ResourceKind.SCALAR, "*", amount=2.0),
            Resource("mem", ResourceKind.SCALAR, "*", amount=1024.0),
            Resource("disk", ResourceKind.SCALAR, "*", amount=1000.0),
        ),
    )


def test_an_offer_of_a_public_agent_is_read() -> None:
    offer = parse_offer(read_offers()[1])

    assert offer.is_public
    assert {resource.role for resource in offer.resources} == {"slave_public"}


@pytest.mark.parametrize(
    ("changes", "is_public"),
    [
        ({"attributes": []}, True),
        ({"resources": []}, True),
        ({"attributes": [], "resources": []}, False),
        ({"attributes": [{"name": "public_ip", "type": "TEXT", "text": {"value": "false"}}], "resources": []}, False),
        ({"attributes": [{"name": "rack", "type": "SCALAR", "scalar": {"value": 1.0}}], "resources": []}, False),
    ],
)
def test_an_agent_is_public_by_its_attribute_or_by_what_it_offers(changes: dict[str, Any], is_public: bool) -> None:  # noqa: FBT001
    assert parse_offer({**read_offers()[1], **changes}).is_public is is_public


CPUS = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}}


@pytest.mark.parametrize(
    ("resource", "role"),
    [
        ({**CPUS}, "*"),
        ({**CPUS, "role": "*"}, "*"),
        ({**CPUS, "role": "slave_public"}, "slave_public"),
        ({**CPUS, "reservations": []}, "*"),
        ({**CPUS, "reservations": [{"type": "STATIC", "role": "slave_public"}]}, "slave_public"),
        ({**CPUS, "role": "*", "allocation_info": {"role": "slave_public"}}, "*"),
    ],
)
def test_what_any_framework_of_our_role_may_use_is_read_with_its_role(resource: dict[str, Any], role: str) -> None:
    (read,) = parse_offer({**read_offers()[0], "resources": [resource]}).resources

    assert (read.name, read.amount, read.role) == ("cpus", 1.0, role)


@pytest.mark.parametrize(
    "resource",
    [
        {**CPUS, "role": "other"},
        {**CPUS, "role": "*", "revocable": {}},
        {**CPUS, "role": "slave_public", "reservation": {"principal": "somebody"}},
        {**CPUS, "role": "slave_public", "reservation": {"labels": {"labels": [{"key": "resource_id", "value": "1"}]}}},
        {**CPUS, "reservations": [{"type": "DYNAMIC", "role": "slave_public", "principal": "somebody"}]},
        {**CPUS, "reservations": [{"type": "STATIC", "role": "slave_public", "labels": {"labels": []}}]},
        {**CPUS, "reservations": [{"type": "STATIC", "role": "slave_public"}, {"type": "DYNAMIC", "role": "a/b"}]},
        {
            "name": "disk",
            "type": "SCALAR",
            "scalar": {"value": 1.0},
            "role": "slave_public",
            "disk": {"persistence": {"id": "1"}, "volume": {"mode": "RW", "container_path": "p"}},
        },
        {"name": "devices", "type": "SET", "set": {"item": ["a"]}, "role": "*"},
    ],
)
def test_what_somebody_keeps_for_himself_is_left_out(resource: dict[str, Any]) -> None:
    assert parse_offer({**read_offers()[0], "resources": [resource]}).resources == ()


def test_a_maintenance_window_is_read() -> None:
    window = {"start": {"nanoseconds": 1_795_457_000_000_000_000}, "duration": {"nanoseconds": 60_000_000_000}}

    offer = parse_offer({**read_offers()[0], "unavailability": window})

    assert offer.maintenance == Maintenance(1_795_457_000.0, 1_795_457_060.0)


def test_a_maintenance_window_of_unknown_length_is_read() -> None:
    offer = parse_offer({**read_offers()[0], "unavailability": {"start": {"nanoseconds": 5_000_000_000}}})

    assert offer.maintenance == Maintenance(5.0)


def test_an_offer_without_a_url_is_read_with_the_usual_port() -> None:
    offer = read_offers()[0]
    del offer["url"]

    assert (parse_offer(offer).ip, parse_offer(offer).port) == ("", 5051)


def test_an_update_of_an_executor_is_read() -> None:
    update = read_events("subscribe-offers-launch-finish-fail-kill", "UPDATE")[0]["update"]

    assert parse_update(update) == TaskUpdated(
        task_id="fail-389b2eea-ab91-47e6-b7d6-96c3d7ea608f",
        agent_id=f"{PREFIX}-S0",
        state=TaskState.STARTING,
        uuid="d2RK/zTBQZqOcKtdaC5LCA==",
        container_id="687dfef9-de60-40e6-b5bb-219def75e2a8",
        address="127.0.0.1",
    )


def test_the_address_of_a_container_on_a_network_is_read() -> None:
    update = read_events("subscribe-offers-launch-finish-fail-kill", "UPDATE")[0]["update"]
    network = {"ip_addresses": [{"protocol": "IPv6", "ip_address": "fd80::1"}, {"ip_address": "192.168.1.4"}]}
    status = {**update["status"], "container_status": {"network_infos": [{"name": "calico", **network}]}}

    assert parse_update({"status": status}).address == "192.168.1.4"


def test_health_is_read_where_there_is_a_verdict() -> None:
    updates = [parse_update(event["update"]) for event in read_events("health-checks", "UPDATE")]

    assert {True, None} <= {update.is_healthy for update in updates}


def test_answers_to_reconciliation_are_told_apart_and_have_no_uuid() -> None:
    updates = [parse_update(event["update"]) for event in read_events("reconcile-explicit-implicit", "UPDATE")]
    answers = [update for update in updates if update.is_reconciliation]

    assert answers
    assert {update.uuid for update in answers} == {""}
    assert {TaskState.UNKNOWN, TaskState.GONE} <= {update.state for update in answers}
    assert all(update.uuid for update in updates if not update.is_reconciliation)


def test_every_update_and_offer_that_a_real_mesos_sent_is_read() -> None:
    for recording in RECORDINGS.glob("*.jsonl"):
        for event in read_events(recording.stem, "UPDATE"):
            assert parse_update(event["update"]).task_id
        for event in read_events(recording.stem, "OFFERS"):
            for offer in event["offers"]["offers"]:
                assert parse_offer(offer).agent_id


def test_an_update_without_an_agent_is_read() -> None:
    assert parse_update({"status": {"task_id": {"value": "t"}, "state": "TASK_LOST"}}).agent_id == ""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.9.0", (1, 9, 0)),
        ("1.10.0-dev", (1, 10, 0)),
        ("1.0.0-rc4", (1, 0, 0)),
        ("1", (1,)),
        ("", ()),
        ("dev-1.0", ()),
        ("1.", (1,)),
    ],
)
def test_versions_are_read_as_far_as_they_are_numbers(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_framework_info_has_an_id_and_a_principal_only_if_there_are_such() -> None:
    settings = FrameworkSettings(name="calico", webui_url="http://10.0.0.9:8080")

    assert build_framework_info(settings, version="1.0.4", framework_id=None) == {
        "name": "calico",
        "user": "root",
        "role": "slave_public",
        "checkpoint": True,
        "failover_timeout": 2_419_200.0,
        "webui_url": "http://10.0.0.9:8080",
        "capabilities": [{"type": "TASK_KILLING_STATE"}, {"type": "GPU_RESOURCES"}],
    }
    named = FrameworkSettings(name="calico", webui_url="", principal="p")
    assert (
        build_framework_info(named, version="1.9.0", framework_id="f-1").items()
        >= {
            "id": {"value": "f-1"},
            "principal": "p",
        }.items()
    )


WANTED = {"etcd_endpoints": "http://localhost:2379'; rm -rf / #", "cni": {"enable": True}}
TEMPLATE = TaskTemplate(
    installer_url=f"http://10.0.0.9:8080/artifacts/{SHA}/installer.pyz",
    installer_sha256=SHA,
    report_base_url="http://10.0.0.9:8080/v1/reports",
    read_wanted=lambda: WANTED,
    issue_token=lambda task_id: f"token of {task_id}",
    labels={"DCOS_PACKAGE_NAME": "calico"},
)


def build_launch(step: StepName, *resources: Resource, may_restart: bool = False) -> Launch:
    return Launch(
        offer_id="o-1",
        task_id=f"{step.value}.1",
        agent_id="S1",
        agent_key="10.0.0.1",
        step=step,
        may_restart=may_restart,
        resources=resources,
        reason="it is next",
    )


def read_environment(command: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in command["environment"]["variables"]}


@pytest.mark.parametrize(
    ("step", "arguments"),
    [
        (StepName.INSPECT, "inspect"),
        (StepName.ETCD_PROXY, "supervise etcd-proxy"),
        (StepName.DOCKER_CLUSTER_STORE, "apply docker-cluster-store"),
        (StepName.CNI, "apply cni"),
        (StepName.AGENT_RESTART, "apply agent-restart"),
        (StepName.CALICO_NODE, "supervise calico-node"),
    ],
)
def test_each_step_has_its_command(step: StepName, arguments: str) -> None:
    assert choose_arguments(step) == arguments
    assert build_task_info(build_launch(step), TEMPLATE)["command"]["value"].endswith(f"installer.pyz {arguments}")


def test_a_task_is_named_after_its_step_and_told_apart_by_its_id() -> None:
    task = build_task_info(build_launch(StepName.CNI), TEMPLATE)

    assert task["name"] == "cni"
    assert task["task_id"] == {"value": "cni.1"}
    assert task["agent_id"] == {"value": "S1"}
    assert {label["key"]: label["value"] for label in task["labels"]["labels"]} == {
        "DCOS_PACKAGE_NAME": "calico",
        "agent": "10.0.0.1",
    }


def test_resources_are_echoed_role_by_role() -> None:
    resources = (
        Resource("cpus", ResourceKind.SCALAR, "slave_public", amount=0.3),
        Resource("cpus", ResourceKind.SCALAR, "*", amount=0.2),
        Resource("ports", ResourceKind.RANGES, "*", ranges=((2379, 2379),)),
    )

    assert build_task_info(build_launch(StepName.ETCD_PROXY, *resources), TEMPLATE)["resources"] == [
        {"name": "cpus", "type": "SCALAR", "role": "slave_public", "scalar": {"value": 0.3}},
        {"name": "cpus", "type": "SCALAR", "role": "*", "scalar": {"value": 0.2}},
        {"name": "ports", "type": "RANGES", "role": "*", "ranges": {"range": [{"begin": 2379, "end": 2379}]}},
    ]


def test_what_is_configured_travels_in_the_environment_and_never_in_the_shell_line() -> None:
    for step in StepName:
        command = build_task_info(build_launch(step, may_restart=True), TEMPLATE)["command"]
        environment = read_environment(command)

        assert "rm" not in command["value"]
        assert json.loads(environment["CALICO_DCOS_WANTED"]) == {
            **WANTED,
            "may_restart": True,
            "retry": "0.000",
            "reach": "",
            "complete_nodes": [],
        }
        assert environment["CALICO_DCOS_REPORT_URL"] == f"http://10.0.0.9:8080/v1/reports/{step.value}.1"
        assert environment["CALICO_DCOS_REPORT_TOKEN"] == f"token of {step.value}.1"


def test_an_operators_retry_tells_the_installer_that_what_was_rolled_back_may_be_tried_again() -> None:
    launch = replace(build_launch(StepName.CNI), retry_word="7/1795858238.965")

    command = build_task_info(launch, TEMPLATE)["command"]

    assert json.loads(read_environment(command)["CALICO_DCOS_WANTED"])["retry"] == "7/1795858238.965"


def test_leave_to_restart_is_that_of_the_launch() -> None:
    command = build_task_info(build_launch(StepName.CNI), TEMPLATE)["command"]

    assert json.loads(read_environment(command)["CALICO_DCOS_WANTED"])["may_restart"] is False


def test_the_shell_line_checks_the_sum_before_anything_of_the_installer_runs() -> None:
    line = build_shell_line("apply cni", SHA)

    assert line == (
        f"unset LD_LIBRARY_PATH; echo '{SHA}  installer.pyz' | sha256sum -c - || exit 1; "
        "p=/opt/mesosphere/bin/python3; [ -x $p ] || p=python3; exec $p installer.pyz apply cni"
    )
    assert shlex.split(line)


def test_the_installer_is_fetched_anew_and_neither_unpacked_nor_made_a_program() -> None:
    command = build_task_info(build_launch(StepName.CNI), TEMPLATE)["command"]

    assert command["uris"] == [
        {"value": TEMPLATE.installer_url, "executable": False, "extract": False, "cache": False},
    ]


@pytest.mark.parametrize(
    ("sha256", "url", "said"),
    [
        ("$(reboot)", "http://h/installer.pyz", "not a SHA-256 sum"),
        ("", "http://h/installer.pyz", "not a SHA-256 sum"),
        (SHA, "http://h/installer.pyz?x=1", "does not end with /installer.pyz"),
    ],
)
def test_a_template_with_anything_else_than_a_sum_or_an_installer_is_refused(sha256: str, url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TaskTemplate(installer_url=url, installer_sha256=sha256, report_base_url="", read_wanted=dict, issue_token=str)


def test_the_installer_is_fetched_by_the_name_that_counts_at_the_moment() -> None:
    hosts = ["10.0.0.9", "calico.marathon.mesos"]
    template = replace(TEMPLATE, rename=lambda url: put_host(url, hosts[0]))
    for host in list(hosts):
        uris = build_task_info(build_launch(StepName.CNI), template)["command"]["uris"]
        assert uris[0]["value"] == f"http://{host}:8080/artifacts/{SHA}/installer.pyz"
        hosts.reverse()


def test_a_login_for_agents_is_told_to_tasks_only_where_there_is_one() -> None:
    def read_login(template: TaskTemplate) -> str | None:
        environment = build_task_info(build_launch(StepName.CNI), template)["command"]["environment"]
        values = {variable["name"]: variable["value"] for variable in environment["variables"]}
        return values.get("CALICO_DCOS_AGENT_LOGIN")

    assert read_login(TEMPLATE) is None
    assert read_login(replace(TEMPLATE, agent_login="reader:word")) == "reader:word"


def test_a_fetch_that_failed_says_that_a_proxy_may_be_in_the_way() -> None:
    status = {
        "task_id": {"value": "t"},
        "state": "TASK_FAILED",
        "message": "Failed to fetch all URIs for container",
    }
    assert "set advertised-name" in parse_update({"status": status}).message
    other = {**status, "message": "Command exited with status 1"}
    assert parse_update({"status": other}).message == "Command exited with status 1"


def test_one_shots_have_neither_health_check_nor_grace() -> None:
    task = build_task_info(build_launch(StepName.CNI), TEMPLATE)

    assert "health_check" not in task
    assert "kill_policy" not in task


@pytest.mark.parametrize("step", [StepName.ETCD_PROXY, StepName.CALICO_NODE])
def test_services_have_a_health_check_that_knows_what_is_wanted(step: StepName) -> None:
    task = build_task_info(build_launch(step), TEMPLATE, master_version="1.9.0")
    check = task["health_check"]
    command = check.pop("command")

    assert check == {
        "type": "COMMAND",
        "delay_seconds": 2.0,
        "interval_seconds": 10.0,
        "timeout_seconds": 20.0,
        "consecutive_failures": 3,
        "grace_period_seconds": 600.0,
    }
    assert command["value"].endswith(f"exec $p installer.pyz supervise {step.value} --health")
    assert set(read_environment(command)) == {"CALICO_DCOS_WANTED"}
    assert task["kill_policy"] == {"grace_period": {"nanoseconds": 30_000_000_000}}


@pytest.mark.parametrize(
    ("version", "has_type"),
    [("1.0.4", False), ("1.0.0-rc4", False), ("1.1.0", True), ("1.10.0-dev", True), ("", True)],
)
def test_a_health_check_has_a_type_unless_the_master_knows_none(version: str, has_type: bool) -> None:  # noqa: FBT001
    task = build_task_info(build_launch(StepName.CALICO_NODE), TEMPLATE, master_version=version)

    assert ("type" in task["health_check"]) is has_type
