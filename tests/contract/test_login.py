"""Who we are to a master that authenticates."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest

from calico_dcos.core.actions import Deactivate, Revive
from calico_dcos.core.events import Subscribed
from calico_dcos.mesos.master import Login, build_login
from calico_dcos.mesos.roster import read_roster
from tests.contract.driver_harness import run_driver
from tests.contract.scripted_master import Answer, ScriptedMaster, serve_master


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with serve_master() as master:
        yield master


def test_a_secret_may_be_of_any_letters(master: ScriptedMaster) -> None:
    with run_driver(master.address, principal="calico", secret="größe\N{SNOWMAN}") as harness:
        harness.wait_for_event(Subscribed)
        harness.driver.send(Deactivate("S1", "h1", "a restart"))
        master.version_answers = [Answer(200, '{"slaves": []}')]
        read_roster(master.address, login=build_login("calico", "größe\N{SNOWMAN}"))
        master.wait_for(lambda: "DEACTIVATE_AGENT" in {call["type"] for call in master.calls})

    expected = b64encode("calico:größe\N{SNOWMAN}".encode()).decode()
    assert {request.headers["Authorization"] for request in master.requests} == {f"Basic {expected}"}


def test_a_principal_without_a_secret_logs_in_nowhere(master: ScriptedMaster) -> None:
    with run_driver(master.address, principal="calico") as harness:
        harness.wait_for_event(Subscribed)
        harness.driver.send(Revive("why not"))

    assert not any("Authorization" in request.headers for request in master.requests)
    assert master.subscriptions[0].body["subscribe"]["framework_info"]["principal"] == "calico"


def test_a_secret_does_not_show_where_a_login_is_written() -> None:
    assert "s3cr3t" not in repr(Login("calico", "s3cr3t"))
