"""What the driver tells the master, and what it makes of what the master tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from calico_dcos.core.actions import Acknowledge, Call, Decline, Kill, Launch, Reconcile, Revive
from calico_dcos.core.events import OffersReceived, TaskUpdated
from calico_dcos.core.model import StepName, TaskRef, TaskState
from calico_dcos.core.resources import Resource, ResourceKind
from tests.contract.driver_harness import HASTY, run_driver, run_subscribed_driver
from tests.contract.scripted_master import Answer, ScriptedMaster, serve_master

CPUS = Resource(name="cpus", kind=ResourceKind.SCALAR, role="*", amount=0.5)
LAUNCH = Launch(
    offer_id="o-1",
    task_id="cni.1",
    agent_id="S1",
    agent_key="10.0.0.1",
    step=StepName.CNI,
    may_restart=True,
    resources=(CPUS,),
    reason="it is next",
)
STATUS = {"task_id": {"value": "cni.1"}, "agent_id": {"value": "S1"}, "state": "TASK_RUNNING"}


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with serve_master() as master:
        yield master


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (
            Decline(offer_ids=("o-1", "o-2"), refuse_s=3600.0, reason="nothing to do"),
            {
                "type": "DECLINE",
                "decline": {"offer_ids": [{"value": "o-1"}, {"value": "o-2"}], "filters": {"refuse_seconds": 3600.0}},
            },
        ),
        (
            Acknowledge(task_id="cni.1", agent_id="S1", uuid="d2RK/zTBQZqOcKtdaC5LCA=="),
            {
                "type": "ACKNOWLEDGE",
                "acknowledge": {
                    "task_id": {"value": "cni.1"},
                    "agent_id": {"value": "S1"},
                    "uuid": "d2RK/zTBQZqOcKtdaC5LCA==",
                },
            },
        ),
        (
            Kill(TaskRef("cni.1", "S1"), reason="twice there"),
            {"type": "KILL", "kill": {"task_id": {"value": "cni.1"}, "agent_id": {"value": "S1"}}},
        ),
        (
            Reconcile((TaskRef("cni.1", "S1"), TaskRef("cni.2", "")), reason="subscribed"),
            {
                "type": "RECONCILE",
                "reconcile": {
                    "tasks": [
                        {"task_id": {"value": "cni.1"}, "agent_id": {"value": "S1"}},
                        {"task_id": {"value": "cni.2"}},
                    ]
                },
            },
        ),
        (Reconcile((), reason="now and then"), {"type": "RECONCILE", "reconcile": {"tasks": []}}),
        (Revive("retried"), {"type": "REVIVE"}),
    ],
)
def test_a_wish_becomes_the_call_of_its_name(master: ScriptedMaster, call: Call, body: dict[str, Any]) -> None:
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(call)

    assert master.calls == [{**body, "framework_id": {"value": "f-1"}}]


def test_a_launch_accepts_its_offer_and_has_the_rest_of_it_offered_again_at_once(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(LAUNCH)

    accept = master.calls[0]["accept"]
    (operation,) = accept["operations"]
    (task,) = operation["launch"]["task_infos"]
    assert accept["offer_ids"] == [{"value": "o-1"}]
    assert accept["filters"] == {"refuse_seconds": 0.0}
    assert operation["type"] == "LAUNCH"
    assert (task["task_id"], task["agent_id"]) == ({"value": "cni.1"}, {"value": "S1"})


@pytest.mark.parametrize("status", [400, 401, 413, 500])
def test_an_offer_whose_launch_is_refused_is_given_back(
    master: ScriptedMaster, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    master.call_answers = [Answer(status, "Failed to parse\nthe launch" + 100 * " for reasons")]
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(LAUNCH)
        master.wait_for_call("DECLINE")

        assert [call["type"] for call in master.calls] == ["ACCEPT", "DECLINE"]
        assert master.calls[1]["decline"] == {"offer_ids": [{"value": "o-1"}], "filters": {"refuse_seconds": 30.0}}
        assert len(master.streams) == 1
        refused = harness.wait_for_event(TaskUpdated)
    assert f"refused ACCEPT: {status} Failed to parse the launch for reasons" in caplog.text
    # Mesos says nothing more of what it refused.
    assert (refused.task_id, refused.agent_id, refused.state, refused.uuid) == ("cni.1", "S1", TaskState.ERROR, "")
    assert refused.message.startswith(f"Mesos refused the launch: {status} Failed to parse the launch for reasons")


def test_an_update_is_acknowledged_by_nobody_but_the_scheduler(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        master.stream.send({"type": "UPDATE", "update": {"status": {**STATUS, "uuid": "d2RK/zTBQZqOcKtdaC5LCA=="}}})

        assert harness.wait_for_event(TaskUpdated).uuid == "d2RK/zTBQZqOcKtdaC5LCA=="

    assert master.calls == []


def test_offers_without_offers_are_no_offers(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        master.stream.send({"type": "OFFERS", "offers": {}})

        assert harness.wait_for_event(OffersReceived).offers == ()


def test_the_framework_outlives_restarts_of_agents_and_long_absences_of_ours(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address):
        pass

    info = master.subscriptions[0].body["subscribe"]["framework_info"]
    assert info["checkpoint"] is True
    assert info["failover_timeout"] == 4 * 7 * 86_400
    assert info["role"] == "slave_public"
    assert "roles" not in info


@pytest.mark.parametrize(
    ("version", "capabilities"),
    [
        ("1.0.4", {"TASK_KILLING_STATE", "GPU_RESOURCES"}),
        ("1.0.0-rc4", {"TASK_KILLING_STATE", "GPU_RESOURCES"}),
        ("1.1.0", {"TASK_KILLING_STATE", "GPU_RESOURCES", "PARTITION_AWARE"}),
        ("1.3.2", {"TASK_KILLING_STATE", "GPU_RESOURCES", "PARTITION_AWARE"}),
        ("1.4.0", {"TASK_KILLING_STATE", "GPU_RESOURCES", "PARTITION_AWARE", "REGION_AWARE"}),
        ("1.10.0-dev", {"TASK_KILLING_STATE", "GPU_RESOURCES", "PARTITION_AWARE", "REGION_AWARE"}),
        ("2", {"TASK_KILLING_STATE", "GPU_RESOURCES", "PARTITION_AWARE", "REGION_AWARE"}),
        ("development", {"TASK_KILLING_STATE", "GPU_RESOURCES"}),
        (None, {"TASK_KILLING_STATE", "GPU_RESOURCES"}),
    ],
)
def test_capabilities_are_those_that_the_master_knows(
    master: ScriptedMaster, version: str | None, capabilities: set[str]
) -> None:
    master.version = version
    with run_subscribed_driver(master.address):
        pass

    info = master.subscriptions[0].body["subscribe"]["framework_info"]
    assert {one["type"] for one in info["capabilities"]} == capabilities


def test_capabilities_follow_an_upgrade_of_the_master(master: ScriptedMaster) -> None:
    master.version = "1.0.4"
    with run_subscribed_driver(master.address):
        master.version = "1.9.0"
        master.stream.end()
        master.wait_for_streams(2)

    first, second = (request.body["subscribe"]["framework_info"]["capabilities"] for request in master.subscriptions)
    assert {"type": "PARTITION_AWARE"} not in first
    assert {"type": "PARTITION_AWARE"} in second


@pytest.mark.parametrize(("version", "check_type"), [("1.0.4", None), ("1.1.0", "COMMAND"), ("1.11.0", "COMMAND")])
def test_health_checks_have_the_form_that_the_master_knows(
    master: ScriptedMaster, version: str, check_type: str | None
) -> None:
    master.version = version
    service = Launch("o-1", "calico-node.1", "S1", "10.0.0.1", StepName.CALICO_NODE, False, (CPUS,), "next")  # noqa: FBT003
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(service)

    (task,) = master.calls[0]["accept"]["operations"][0]["launch"]["task_infos"]
    assert task["health_check"].get("type") == check_type


def test_a_call_is_sent_once_even_if_its_answer_is_lost(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(hang_s=0.5)]
    with run_driver(master.address, timing=HASTY) as harness:
        master.wait_for_streams(1)
        harness.wait_for(lambda: harness.events)
        harness.driver.send(LAUNCH)

    assert [call["type"] for call in master.calls] == ["ACCEPT"]
