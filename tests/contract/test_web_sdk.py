"""The API of the DC/OS SDK: every path, every code, over real connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from calico_dcos.core.actions import Decline, Launch
from calico_dcos.core.events import OffersReceived
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Status, StepName
from calico_dcos.core.resources import Offer, Resource, ResourceKind
from calico_dcos.core.restoring import restore
from calico_dcos.scheduler import Turn
from tests.contract.web_scene import TIMEOUT_S, Scene, Site, build_server
from tests.unit.walking import build_policy


@pytest.fixture
def site() -> Iterator[Site]:
    scene = Scene()
    server = build_server(scene, settings={"CALICO_DCOS_MODE": "install"})
    server.start()
    yield Site(scene, server)
    server.stop()


def test_there_is_one_plan(site: Site) -> None:
    assert site.get("/v1/plans").json() == ["deploy"]


@pytest.mark.parametrize("path", ["/v1/plans/deploy", "/v1/plan"])
@pytest.mark.parametrize(
    ("status", "errors", "code"),
    [(Status.COMPLETE, (), 200), (Status.IN_PROGRESS, (), 202), (Status.ERROR, ("a1: no disk",), 417)],
)
def test_the_plan_answers_with_the_codes_of_the_sdk_and_a_body_in_all_of_them(
    site: Site,
    status: Status,
    errors: tuple[str, ...],
    code: int,
    path: str,
) -> None:
    site.scene.plan_status, site.scene.errors = status, errors
    answer = site.get(path)
    assert answer.status_code == code
    plan = answer.json()
    assert (plan["status"], plan["errors"], plan["strategy"]) == (status.value, list(errors), "serial")
    assert [phase["name"] for phase in plan["phases"]] == ["a1", "a2:5052"]
    assert [step["name"] for step in plan["phases"][0]["steps"]] == [name.value for name in StepName]
    assert set(plan["phases"][0]) == {"id", "name", "steps", "strategy", "status"}


def test_a_plan_that_is_not_there_is_404_in_the_words_of_the_sdk(site: Site) -> None:
    answer = site.get("/v1/plans/recovery")
    assert (answer.status_code, answer.text) == (404, "Plan recovery not found")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_step_that_changed_is_written_anew_and_keeps_its_id(site: Site) -> None:
    first = site.get("/v1/plans/deploy").json()
    site.scene.set_status("a1", Status.ERROR)
    # A board that took long to build on a busy machine is shown for a while.
    deadline = time.monotonic() + TIMEOUT_S
    while (second := site.get("/v1/plans/deploy").json())["phases"][0]["status"] == "COMPLETE":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (first["phases"][0]["status"], second["phases"][0]["status"]) == ("COMPLETE", "ERROR")
    assert first["phases"][0]["id"] == second["phases"][0]["id"]
    assert UUID(first["phases"][0]["id"]).version == 5


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 204),
        ({"plan_status": Status.COMPLETE}, 200),
        ({"statuses": {"a1": Status.IN_PROGRESS}}, 202),
        ({"statuses": {"a1": Status.PENDING}, "settled": {"a1"}}, 203),
        ({"statuses": {"a1": Status.STARTING}, "settled": {"a1"}}, 205),
        ({"message": "preflight: hosts are inspected"}, 207),
        ({"message": "paused by ann", "errors": ("a1: no disk",)}, 500),
        ({"plan_status": Status.DELAYED}, 208),
        ({"framework_id": ""}, 318),
        ({"errors": ("a1: no disk",)}, 500),
        ({"ill": "the loop is silent", "errors": ("a1: no disk",)}, 503),
    ],
)
def test_health_has_the_codes_of_the_sdk(site: Site, change: dict[str, object], code: int) -> None:
    for name, value in change.items():
        setattr(site.scene, name, value)
    answer = site.get("/v1/health")
    assert answer.status_code == code
    seen = site.get("/v1/health", Accept="text/html")
    assert (seen.status_code, seen.json()["value"]) == (200, code)
    if code in (204, 205):
        assert answer.content == b""
    else:
        assert answer.json() == seen.json()


def test_the_frameworks_id_is_told_in_a_list_once_there_is_one(site: Site) -> None:
    assert site.get("/v1/state/frameworkId").json() == ["f1"]
    site.scene.framework_id = ""
    site.scene.revision += 1
    # A board that took long to build on a busy machine is shown for a while.
    deadline = time.monotonic() + TIMEOUT_S
    while site.get("/v1/state/frameworkId").status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_page_is_the_one_endpoint(site: Site) -> None:
    assert site.get("/v1/endpoints").json() == ["page"]
    port = site.server.port
    endpoint = site.get("/v1/endpoints/page").json()
    assert endpoint == {"dns": [f"calico.marathon.mesos:{port}"], "address": [f"127.0.0.1:{port}"]}
    answer = site.get("/v1/endpoints/etcd")
    assert (answer.status_code, answer.text) == (404, "Endpoint etcd not found")


def test_agents_are_pods_and_their_services_tasks(site: Site) -> None:
    assert site.get("/v1/pod").json() == ["a1", "a2:5052"]
    task = {"id": "etcd-proxy.a1", "name": "a1-etcd-proxy", "status": "TASK_RUNNING"}
    status = site.get("/v1/pod/status").json()
    assert (status["service"], status["pods"][0]) == (
        "calico",
        {"name": "a1", "instances": [{"name": "a1", "tasks": [task]}]},
    )
    assert site.get("/v1/pod/a1/status").json() == {"name": "a1", "tasks": [task]}
    info = site.get("/v1/pod/a1/info").json()
    assert info[0]["info"]["slaveId"] == {"value": "a1-S1"}
    assert site.get("/v1/pod/a9/info").text == "Pod a9 not found"


def test_the_wanted_configuration_has_an_id(site: Site) -> None:
    ids = site.get("/v1/configurations").json()
    assert ids == site.get("/v1/configurations/targetId").json()
    assert len(ids) == 1
    assert UUID(ids[0])
    target = site.get("/v1/configurations/target").json()
    assert target == {"id": ids[0], "settings": {"CALICO_DCOS_MODE": "install"}}
    assert site.get(f"/v1/configurations/{ids[0]}").json() == target
    answer = site.get("/v1/configurations/other")
    assert (answer.status_code, answer.text) == (404, "Configuration other not found")


def test_properties_are_those_of_a_deployed_service(site: Site) -> None:
    assert site.get("/v1/state/properties").json() == []
    answer = site.get("/v1/state/properties/last-completed-update-type")
    assert (answer.status_code, answer.text) == (404, "Property last-completed-update-type not found")


def test_a_complete_plan_is_a_completed_deployment(site: Site) -> None:
    site.scene.plan_status = Status.COMPLETE
    assert site.get("/v1/state/properties").json() == ["last-completed-update-type"]
    assert site.get("/v1/state/properties/last-completed-update-type").json() == "DEPLOY"


def test_there_are_no_files(site: Site) -> None:
    assert site.get("/v1/state/files").json() == []


def test_the_plan_is_told_in_short_for_debugging(site: Site) -> None:
    short = site.get("/v1/debug/plans").json()
    assert (short["schedulerState"], short["activePlans"]) == ("DEPLOYING", ["deploy"])
    plan = short["serviceTopology"][0]
    assert (plan["totalSteps"], plan["completedSteps"]) == (12, 6)
    assert [phase["name"] for phase in plan["phases"]] == ["a1", "a2:5052"]
    part = site.get("/v1/debug/plans?plan=deploy&phase=a1").json()["serviceTopology"][0]
    assert [phase["name"] for phase in part["phases"]] == ["a1"]
    assert site.get("/v1/debug/plans?phase=a9").status_code == 404
    assert site.get("/v1/debug/plans?plan=x").status_code == 404
    part = site.get("/v1/debug/plans?phase=a1&step=cni").json()["serviceTopology"][0]
    assert [step["name"] for step in part["phases"][0]["steps"]] == ["cni"]
    assert site.get("/v1/debug/plans?step=dance").status_code == 404


def test_states_reservations_and_threads_are_told_for_debugging(site: Site) -> None:
    statuses = site.get("/v1/debug/taskStatuses").json()
    assert statuses["stored"]["a1-etcd-proxy"]["state"] == "TASK_RUNNING"
    assert site.get("/v1/debug/reservations").json() == {}
    assert "MainThread" in site.get("/v1/debug/threads").text


def build_offer(offer_id: str) -> Offer:
    resources = (Resource("cpus", ResourceKind.SCALAR, "*", 4.0),)
    return Offer(offer_id, "S1", "agent1", "10.0.0.1", 5051, is_public=False, resources=resources)


def test_what_became_of_offers_is_told_with_the_reason(site: Site) -> None:
    offers = tuple(build_offer(f"O{number}") for number in range(150))
    state = restore(build_policy(), Memory(), 0.0)
    launch = Launch("O0", "cni-1", "S1", "agent1", StepName.CNI, may_restart=False, resources=(), reason="its turn")
    declines = [Decline((offer.id,), 5.0, "agent1: complete") for offer in offers[1:]]
    site.scene.offers.observe(Turn(7.0, (OffersReceived(offers),), (*declines, launch), state, state))
    book = site.get("/v2/debug/offers").json()
    assert (book["acceptedCount"], book["rejectedCount"]) == (1, 149)
    assert book["failureReasons"] == {"complete": 149}
    assert book["rejectedAgents"] == {"agent1": 149}
    assert len(book["offers"]) == 100
    assert book["offers"][0] == {
        "timestamp": 7.0,
        "pod-instance-name": "agent1",
        "outcome": "accepted",
        "explanation": "its turn",
        "offer": "O0 on agent1 (S1): cpus(*): 4",
    }
