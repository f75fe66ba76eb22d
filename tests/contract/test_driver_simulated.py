"""The driver and the roster against the simulated Mesos, with an agent that really runs the tasks."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from calico_dcos.core.actions import Acknowledge, Deactivate, Decline, Kill, Launch, Reactivate, Reconcile
from calico_dcos.core.events import OffersReceived, Reactivated, Subscribed, TaskUpdated
from calico_dcos.core.model import StepName, TaskRef, TaskState
from calico_dcos.core.resources import Offer, Resource, ResourceKind
from calico_dcos.mesos.master import MasterError, check_master
from calico_dcos.mesos.roster import read_roster
from calico_dcos.mesos.tasks import TaskTemplate
from tests.contract.driver_harness import Harness, wait_until
from tests.contract.real_etcd import find_free_port

INSTALLER = b"""
import json, os, sys, time
assert json.loads(os.environ["CALICO_DCOS_WANTED"])["may_restart"] is False
if "--health" not in sys.argv and "supervise" in sys.argv:
    time.sleep(60)
sys.exit(7 if "agent-restart" in sys.argv else 0)
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def installer_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("artifacts")
    (directory / "installer.pyz").write_bytes(INSTALLER)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/installer.pyz"
        server.shutdown()


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A simulated master with one private and one public agent; gives its address."""
    directory = tmp_path_factory.mktemp("mesos")
    port = find_free_port()
    address = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        where = ("--ip", "127.0.0.1", "--port", str(port))
        run_simulated(stack, directory, "master", *where, "--allocation-interval", "0.1")
        for name, role in (("private", "*"), ("public", "slave_public")):
            what = ("--resources", "cpus:2;mem:1024;ports:[2379-2379]", "--default-role", role)
            here = ("--ip", "127.0.0.1", "--port", str(find_free_port()), "--hostname", name)
            run_simulated(stack, directory, "agent", "--master", address, *here, *what)
        wait_until(lambda: is_there(address) and len(read_roster(address).agents) == 2)
        yield address


def run_simulated(stack: ExitStack, directory: Path, kind: str, *arguments: str) -> None:
    """Run a simulated master or agent until the stack ends."""
    work_dir = directory / f"{kind}-{len(list(directory.iterdir()))}"
    command = [sys.executable, "-m", f"calico_dcos.sim.{kind}", "--work-dir", str(work_dir), *arguments]
    with Path(f"{work_dir}.log").open("wb") as log:
        process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
    stack.callback(process.terminate)


def is_there(address: str) -> bool:
    try:
        return bool(check_master(address, timeout_s=1))
    except MasterError:
        return False


@pytest.fixture
def harness(master: str, installer_url: str) -> Iterator[Harness]:
    template = TaskTemplate(
        installer_url=installer_url,
        installer_sha256=hashlib.sha256(INSTALLER).hexdigest(),
        report_base_url="http://127.0.0.1:1/v1/reports",
        read_wanted=dict,
        issue_token=str,
    )
    harness = Harness(master, template=template)
    harness.driver.start(None)
    yield harness
    harness.driver.teardown()
    harness.driver.stop()


def wait_for_offer(harness: Harness, hostname: str, after: Offer | None = None) -> Offer:
    """Wait for an offer of an agent, other than the one that is known already."""

    def find() -> list[Offer]:
        batches = [event.offers for event in harness.events if isinstance(event, OffersReceived)]
        offers = [offer for batch in batches for offer in batch if offer.hostname == hostname]
        return offers[offers.index(after) + 1 :] if after else offers

    harness.wait_for(find)
    return find()[-1]


def wait_for_update(harness: Harness, claim: Callable[[TaskUpdated], bool]) -> TaskUpdated:
    """Wait for an update, acknowledging all that come."""
    acknowledged: set[str] = set()

    def find() -> list[TaskUpdated]:
        updates = [event for event in harness.events if isinstance(event, TaskUpdated)]
        for update in updates:
            if update.uuid and update.uuid not in acknowledged:
                acknowledged.add(update.uuid)
                harness.driver.send(Acknowledge(update.task_id, update.agent_id, update.uuid))
        return [update for update in updates if claim(update)]

    harness.wait_for(find)
    return find()[0]


def launch(harness: Harness, offer: Offer, step: StepName) -> TaskRef:
    cpus = next(resource for resource in offer.resources if resource.name == "cpus")
    mem = next(resource for resource in offer.resources if resource.name == "mem")
    task = TaskRef(f"{step.value}.{offer.id}", offer.agent_id)
    harness.driver.send(
        Launch(
            offer_id=offer.id,
            task_id=task.task_id,
            agent_id=offer.agent_id,
            agent_key=offer.hostname,
            step=step,
            may_restart=False,
            resources=(
                Resource("cpus", ResourceKind.SCALAR, cpus.role, amount=0.1),
                Resource("mem", ResourceKind.SCALAR, mem.role, amount=32.0),
            ),
            reason="it is next",
        )
    )
    return task


@pytest.mark.parametrize("hostname", ["private", "public"])
def test_a_one_shot_runs_to_its_end_on_either_kind_of_agent(harness: Harness, hostname: str) -> None:
    offer = wait_for_offer(harness, hostname)
    assert offer.is_public is (hostname == "public")

    task = launch(harness, offer, StepName.INSPECT)

    ended = wait_for_update(harness, lambda update: update.task_id == task.task_id and update.state.is_ended)
    assert ended.state is TaskState.FINISHED


def test_a_step_that_fails_is_told_as_failed(harness: Harness) -> None:
    task = launch(harness, wait_for_offer(harness, "private"), StepName.AGENT_RESTART)

    ended = wait_for_update(harness, lambda update: update.task_id == task.task_id and update.state.is_ended)
    assert ended.state is TaskState.FAILED
    assert "7" in ended.message


def test_a_service_becomes_healthy_is_reconciled_and_killed(harness: Harness) -> None:
    task = launch(harness, wait_for_offer(harness, "private"), StepName.CALICO_NODE)
    wait_for_update(harness, lambda update: update.is_healthy is True)

    harness.driver.send(Reconcile((task, TaskRef("no-such-task", task.agent_id)), reason="asked"))
    known = wait_for_update(harness, lambda update: update.is_reconciliation and update.task_id == task.task_id)
    unknown = wait_for_update(harness, lambda update: update.task_id == "no-such-task")
    harness.driver.send(Kill(task, reason="asked"))
    killed = wait_for_update(harness, lambda update: update.state is TaskState.KILLED)

    assert known.state is TaskState.RUNNING
    assert unknown.state is TaskState.GONE
    assert killed.task_id == task.task_id


def test_a_scheduler_that_comes_back_with_its_id_finds_its_tasks(harness: Harness, master: str) -> None:
    task = launch(harness, wait_for_offer(harness, "private"), StepName.CALICO_NODE)
    wait_for_update(harness, lambda update: update.state is TaskState.RUNNING)
    framework_id = harness.wait_for_event(Subscribed).framework_id
    harness.driver.stop()

    heir = Harness(master)
    heir.driver.start(framework_id)
    assert heir.wait_for_event(Subscribed).framework_id == framework_id
    heir.driver.send(Reconcile((), reason="subscribed"))
    found = wait_for_update(heir, lambda update: update.is_reconciliation)
    heir.driver.teardown()
    heir.driver.stop()

    assert (found.task_id, found.state) == (task.task_id, TaskState.RUNNING)


def test_declined_offers_stay_away_for_as_long_as_was_said(harness: Harness) -> None:
    offer = wait_for_offer(harness, "private")
    harness.driver.send(Decline((offer.id,), refuse_s=600.0, reason="nothing to do"))
    other = wait_for_offer(harness, "public")
    for _ in range(3):
        harness.driver.send(Decline((other.id,), refuse_s=0.0, reason="again"))
        other = wait_for_offer(harness, "public", after=other)

    assert wait_for_offer(harness, "private") == offer


def test_the_roster_names_both_agents(master: str) -> None:
    agents = read_roster(master).agents

    assert {agent.hostname: agent.is_public for agent in agents} == {"private": False, "public": True}


def test_agent_is_deactivated_and_activated_again(harness: Harness, master: str) -> None:
    offer = wait_for_offer(harness, "private")

    harness.driver.send(Deactivate(offer.agent_id, "private", "a restart"))
    wait_until(lambda: is_deactivated(master, offer.agent_id))
    assert not any(isinstance(event, Reactivated) for event in harness.events)

    harness.driver.send(Reactivate(offer.agent_id, "private", "it is over"))
    assert harness.wait_for_event(Reactivated).agent_key == "private"
    assert not is_deactivated(master, offer.agent_id)


def test_agent_that_the_master_does_not_know_has_nothing_to_be_taken_back(harness: Harness) -> None:
    harness.wait_for_event(Subscribed)
    harness.driver.send(Reactivate("nobody-S1", "gone", "it is over"))
    assert harness.wait_for_event(Reactivated).agent_key == "gone"


def is_deactivated(master: str, agent_id: str) -> bool:
    answer = requests.post(f"http://{master}/api/v1", json={"type": "GET_AGENTS"}, timeout=60).json()
    agents = answer["get_agents"]["agents"]
    return any(agent["deactivated"] for agent in agents if agent["agent_info"]["id"]["value"] == agent_id)
