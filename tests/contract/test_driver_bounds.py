"""Calls leave the loop and are bounded; a refusal is told apart from a master that is away; pymesos keeps to itself."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from calico_dcos.core.actions import Decline, Revive
from calico_dcos.core.events import OfferRescinded, Subscribed
from calico_dcos.mesos.sender import MAX_WAITING
from calico_dcos.outbound import Caller, CallError
from calico_dcos.troubles import Source
from tests.contract.driver_harness import QUICK, run_driver, run_subscribed_driver, wait_until
from tests.contract.scripted_master import Answer, ScriptedMaster, serve_dripping, serve_master

RESCIND = {"type": "RESCIND", "rescind": {"offer_id": {"value": "o-1"}}}


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with serve_master() as master:
        yield master


def test_a_master_that_hangs_on_each_call_holds_up_nobody_who_makes_them(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(hang_s=5.0)] * 5
    with run_driver(master.address, timing=replace(QUICK, call_timeout_s=15.0)) as harness:
        harness.wait_for_event(Subscribed)
        for _ in range(1000):
            harness.driver.send(Revive("why not"))

        master.wait_for_call("REVIVE")
        assert len(master.calls) == 1, "the others were made although the first has no answer"


def test_more_calls_than_may_wait_are_dropped_and_a_new_subscription_follows(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(hang_s=2.0)]
    with run_driver(master.address, timing=replace(QUICK, call_timeout_s=15.0)) as harness:
        harness.wait_for_event(Subscribed)
        for _ in range(MAX_WAITING + 10):
            harness.driver.send(Revive("why not"))

        master.wait_for_streams(2)
        assert [trouble.source for trouble in harness.troubles.list_all()] == [Source.CALLS]


def test_a_call_for_a_subscription_that_ended_is_not_sent_in_the_next(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(hang_s=1.0)]
    with run_driver(master.address, timing=replace(QUICK, call_timeout_s=15.0)) as harness:
        harness.wait_for_event(Subscribed)
        harness.driver.send(Revive("first"))
        harness.driver.send(Decline(("o-1",), 5.0, "second"))
        master.wait_for_call("REVIVE")
        master.stream.end()
        master.wait_for_streams(2)
        wait_until(lambda: harness.subscription.connected)
        harness.driver.send(Revive("third"))
        master.wait_for(lambda: len(master.calls) == 2)

    assert [call["type"] for call in master.calls] == ["REVIVE", "REVIVE"]


def test_an_answer_to_a_call_that_drips_ends_with_its_time() -> None:
    with serve_dripping() as address, pytest.raises(CallError, match="no whole answer within"):
        Caller().call("GET", f"http://{address}/", deadline_s=0.3)


@pytest.mark.parametrize(
    ("status", "remedy"), [(400, "role or principal"), (401, "principal and secret"), (403, "leave to register")]
)
def test_a_refused_subscription_is_told_as_such_with_the_remedy(
    master: ScriptedMaster, status: int, remedy: str
) -> None:
    master.subscription_answers = [Answer(status, "Framework is not authorized")] * 3
    with run_driver(master.address) as harness:
        wait_until(lambda: harness.troubles.find(Source.SUBSCRIPTION) is not None)
        trouble = harness.troubles.find(Source.SUBSCRIPTION)
        assert trouble is not None
        assert f"refuses the subscription: {status} Framework is" in trouble.words
        assert "not authorized" in trouble.words
        assert remedy in trouble.remedy
        assert trouble.stops_all, "nothing works, and health says so"

        harness.wait_for_event(Subscribed)
        wait_until(lambda: harness.troubles.find(Source.SUBSCRIPTION) is None)


def test_a_master_that_is_away_is_told_and_keeps_the_scheduler_healthy() -> None:
    with run_driver("127.0.0.1:1") as harness:
        wait_until(lambda: harness.troubles.find(Source.SUBSCRIPTION) is not None)
        assert "no connection to the Mesos master 127.0.0.1:1" in harness.troubles.list_all()[0].words
        assert harness.troubles.find_stopping() is None


def test_pymesos_changes_nothing_of_the_process() -> None:
    code = "import signal; h = signal.getsignal(2); import calico_dcos.mesos.driver as d, pymesos.process as p; "
    code += "from calico_dcos.mesos.connection import Connection; "
    code += "print(signal.getsignal(2) is h, p.Connection is not Connection)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_the_subscription_works_where_files_have_high_numbers(master: ScriptedMaster) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    held = []
    try:
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        with run_subscribed_driver(master.address) as harness:
            master.stream.send(RESCIND)
            harness.wait_for_event(OfferRescinded)
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
