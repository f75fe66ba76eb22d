"""The driver against a master that sends it astray: each test is a trap of pymesos, or of Mesos."""

from __future__ import annotations

import inspect
import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pymesos
import pymesos.process
import pytest

from calico_dcos.core.actions import Revive
from calico_dcos.core.events import Disconnected, OfferRescinded, Rejected, Subscribed
from calico_dcos.mesos.connection import Connection
from calico_dcos.mesos.loop import TURN_MS
from calico_dcos.mesos.master import MasterError
from calico_dcos.mesos.subscription import Subscription
from tests.contract.driver_harness import HASTY, QUICK, Harness, run_driver, run_subscribed_driver, wait_until
from tests.contract.scripted_master import Answer, ScriptedMaster, serve_master

RESCIND = {"type": "RESCIND", "rescind": {"offer_id": {"value": "o-1"}}}
HEARTBEAT = {"type": "HEARTBEAT"}
NOBODY = "127.0.0.1:1"


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with serve_master() as master:
        yield master


def test_a_subscription_is_told_with_the_framework_id_and_the_master(master: ScriptedMaster) -> None:
    with run_driver(f"http://{master.address}") as harness:
        assert harness.wait_for_event(Subscribed) == Subscribed("f-1", master.address)

    request = master.subscriptions[0]
    assert request.path == "/api/v1/scheduler"
    assert "Mesos-Stream-Id" not in request.headers
    assert "framework_id" not in request.body
    assert "id" not in request.body["subscribe"]["framework_info"]


# 1, 2: teardown


def test_stopping_tears_nothing_down(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address):
        pass

    assert master.calls == []


def test_aborting_tears_nothing_down(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        harness.subscription.abort()
        harness.subscription.join()

    assert master.calls == []


@pytest.mark.parametrize("error", [ValueError("a bug"), RuntimeError("a bug")])
def test_a_bug_of_ours_tears_nothing_down_and_leaves_us_subscribed(master: ScriptedMaster, error: Exception) -> None:
    with run_driver(master.address, failing=[error]) as harness:
        master.wait_for_streams(1)
        while OfferRescinded("o-1") not in harness.events:
            master.stream.send(RESCIND)
            time.sleep(0.02)

    assert master.calls == []


def test_a_bug_in_the_loop_itself_tears_nothing_down_and_leaves_us_subscribed(
    master: ScriptedMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_subscribed_driver(master.address) as harness, monkeypatch.context() as patch:
        patch.setattr(harness.subscription, "is_master_silent", lambda: 1 // 0)
        harness.wait_for_event(Disconnected)
        patch.undo()
        master.wait_for_streams(2)
        harness.wait_for(lambda: isinstance(harness.events[-1], Subscribed))

    assert master.calls == []


def test_a_teardown_takes_a_method_of_its_own(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        assert harness.driver.teardown()

    assert master.calls == [{"type": "TEARDOWN", "framework_id": {"value": "f-1"}}]


# 3, 20, 21: events


@pytest.mark.parametrize(
    "record",
    [
        b'{"type": "UPDATE", "update": {"status": {"state": "TASK_NO_SUCH"}}}',
        b'{"type": "UPDATE", "update": {"status": {"task_id": {"value": "t"}, "state": "TASK_NO_SUCH"}}}',
        b'{"type": "OFFERS", "offers": {"offers": [{}]}}',
        b'{"type": "SUBSCRIBED"}',
        b'{"type": "RESCIND"}',
        b'{"type": "FAILURE"}',
        b'{"type": "FAILURE", "failure": {}}',
        b'{"type": "FAILURE", "failure": {"executor_id": {"value": "e"}}}',
        b'{"type": "INVERSE_OFFERS", "inverse_offers": {"inverse_offers": []}}',
        b'{"type": "NO_SUCH_EVENT", "no_such_event": {}}',
        b'{"no": "type"}',
    ],
)
def test_an_event_that_makes_no_sense_is_skipped(master: ScriptedMaster, record: bytes) -> None:
    with run_subscribed_driver(master.address) as harness:
        master.stream.send_record(record)
        master.stream.send(RESCIND)

        harness.wait_for_event(OfferRescinded)
        assert len(master.streams) == 1


@pytest.mark.parametrize("data", [b"3\n{}}", b"9\nnot json!", b"2\n[]", b"4\n\xff\xff\xff\xff"])
def test_a_record_that_is_no_event_is_followed_by_another_subscription(master: ScriptedMaster, data: bytes) -> None:
    with run_subscribed_driver(master.address) as harness:
        master.stream.send_bytes(data)

        master.wait_for_streams(2).send(RESCIND)
        harness.wait_for_event(OfferRescinded)


# 4, 5, 6, 18, 26: calls


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 501, 503])
def test_a_refused_call_raises_nothing(master: ScriptedMaster, status: int) -> None:
    master.call_answers = [Answer(status, "for some reason")]
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(Revive("why not"))

    assert [call["type"] for call in master.calls] == ["REVIVE"], "a call is never sent twice"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, "Framework cannot be found"),
        Answer(400, "The stream ID 'x' included in this request didn't match the stream ID currently associated"),
        Answer(403, "Framework is not subscribed"),
        Answer(307, headers={"Location": "//127.0.0.1:1/api/v1/scheduler"}),
        Answer(503),
    ],
)
def test_a_refusal_that_means_a_lost_subscription_renews_it(master: ScriptedMaster, answer: Answer) -> None:
    master.call_answers = [answer]
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(Revive("why not"))

        master.wait_for_streams(2)


def test_a_refusal_that_blames_the_call_keeps_the_subscription(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(400, "Failed to validate scheduler::Call: Expecting 'type' to be present")]
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(Revive("why not"))
        master.stream.send(RESCIND)

        harness.wait_for_event(OfferRescinded)
        assert len(master.streams) == 1


def test_a_call_without_an_answer_is_given_up(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(hang_s=1.5)]
    with run_subscribed_driver(master.address, timing=HASTY) as harness:
        harness.driver.send(Revive("why not"))
        harness.driver.send(Revive("again"))

        master.wait_for(lambda: len(master.calls) == 2)


def test_events_are_read_while_a_call_waits_for_its_answer(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(hang_s=5.0)]
    with run_subscribed_driver(master.address) as harness:
        caller = threading.Thread(target=harness.driver.send, args=(Revive("why not"),))
        caller.start()
        master.wait_for_call("REVIVE")
        master.stream.send(RESCIND)

        harness.wait_for_event(OfferRescinded)


def test_each_call_bears_the_stream_id_of_the_subscription_of_now(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        harness.driver.send(Revive("why not"))
        master.wait_for_call("REVIVE")
        master.stream.end()
        harness.wait_for_event(Disconnected)
        harness.wait_for(lambda: isinstance(harness.events[-1], Subscribed))
        harness.driver.send(Revive("again"))

    calls = [request for request in master.requests if request.body.get("type") == "REVIVE"]
    assert [call.headers["Mesos-Stream-Id"] for call in calls] == ["stream-1", "stream-2"]


def test_a_call_while_not_subscribed_is_dropped() -> None:
    with run_driver(NOBODY) as harness:
        harness.driver.send(Revive("why not"))

        assert not harness.driver.teardown()


@pytest.mark.timeout(60)
def test_a_stop_of_which_the_loop_is_not_woken_ends_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness(NOBODY)
    harness.driver.start(None)
    wait_until(lambda: harness.subscription._failures > 1)
    loop = harness.subscription._io_thread
    monkeypatch.setattr(harness.subscription, "_notify", lambda: None)

    harness.driver.stop()

    assert not loop.is_alive()


def test_calls_of_pymesos_itself_raise_nothing_either(master: ScriptedMaster) -> None:
    master.call_answers = [Answer(500), Answer(hang_s=1.0)]
    with run_subscribed_driver(master.address, timing=HASTY) as harness:
        harness.subscription.reviveOffers()
        harness.subscription.suppressOffers()

        assert [call["type"] for call in master.calls] == ["REVIVE", "SUPPRESS"]


# 7: silence


def test_a_silent_master_is_subscribed_to_anew(master: ScriptedMaster) -> None:
    master.heartbeat_s = 0.1
    with run_driver(master.address) as harness:
        master.wait_for_streams(2)
        harness.wait_for_event(Disconnected)


def test_a_master_that_takes_the_subscription_and_says_nothing_is_given_up(master: ScriptedMaster) -> None:
    master.greets = False
    with run_driver(master.address, timing=replace(QUICK, heartbeat_s=0.1)):
        master.wait_for_streams(2)


def test_heartbeats_keep_a_subscription(master: ScriptedMaster) -> None:
    master.heartbeat_s = 0.5
    with run_subscribed_driver(master.address):
        for _ in range(14):
            master.stream.send(HEARTBEAT)
            time.sleep(0.25)

        assert len(master.streams) == 1


# 8, 10, 11, 23: connecting again


def test_subscriptions_that_fail_come_ever_slower(master: ScriptedMaster) -> None:
    master.subscription_answers = [Answer(503)] * 4
    with run_driver(master.address, timing=replace(QUICK, first_pause_s=0.1, max_pause_s=0.4)):
        master.wait_for_streams(1)

    times = [request.at for request in master.subscriptions]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, [0.1, 0.2, 0.4, 0.4], strict=True)), pauses


def test_a_subscription_that_ends_at_once_is_not_renewed_at_once(master: ScriptedMaster) -> None:
    with run_driver(master.address, timing=replace(QUICK, first_pause_s=0.2, max_pause_s=1.0)):
        for count in (1, 2, 3):
            master.wait_for_streams(count).end()
        master.wait_for_streams(4)

    times = [request.at for request in master.subscriptions]
    assert all(later - earlier >= 0.2 for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 503])
def test_a_refused_subscription_is_tried_again(master: ScriptedMaster, status: int) -> None:
    master.subscription_answers = [Answer(status, "for some reason")]
    with run_driver(master.address) as harness:
        harness.wait_for_event(Subscribed)


def test_an_answer_that_is_no_stream_is_tried_again(master: ScriptedMaster) -> None:
    master.subscription_answers = [Answer(200, "hello"), Answer(307)]
    with run_driver(master.address) as harness:
        harness.wait_for_event(Subscribed)


@pytest.mark.parametrize("address", [NOBODY, "calico-dcos.invalid:5050"])
def test_an_address_where_nobody_is_is_tried_again(address: str) -> None:
    pauses = threading.Semaphore(0)

    def count() -> float:
        pauses.release()
        return 0.0

    with run_driver(address, timing=replace(QUICK, jitter=count)):
        for _ in range(3):
            assert pauses.acquire(timeout=60)


def test_stopping_does_not_wait_for_a_pause_to_end() -> None:
    harness = Harness(NOBODY, timing=replace(QUICK, first_pause_s=600, max_pause_s=600))
    harness.driver.start(None)
    stopping = threading.Thread(target=harness.driver.stop)
    time.sleep(0.2)
    stopping.start()

    stopping.join(10)

    assert not stopping.is_alive()


def test_a_driver_that_was_never_started_can_be_stopped() -> None:
    Harness(NOBODY).driver.stop()


def test_the_master_asked_for_its_version_in_vain_is_not_subscribed_to(master: ScriptedMaster) -> None:
    master.version_answers = [Answer(hang_s=1.0), Answer(200, "no json"), Answer(200, "[]")]
    with run_driver(master.address, timing=HASTY) as harness:
        harness.wait_for_event(Subscribed)

    info = master.subscriptions[0].body["subscribe"]["framework_info"]
    assert {"type": "PARTITION_AWARE"} in info["capabilities"]


# 9: ERROR


@pytest.mark.parametrize("message", ["Framework failed over", "Framework has been removed"])
def test_an_error_of_the_master_is_told_and_not_fought(master: ScriptedMaster, message: str) -> None:
    with run_subscribed_driver(master.address) as harness:
        master.stream.send({"type": "ERROR", "error": {"message": message}})
        master.stream.send(RESCIND)
        master.stream.end()

        assert harness.wait_for_event(Rejected) == Rejected(message)
        harness.subscription.join()

    assert len(master.subscriptions) == 1
    assert master.calls == []
    assert OfferRescinded("o-1") not in harness.events


# Redirects


@pytest.mark.parametrize("form", ["//{}/api/v1/scheduler", "http://{}/api/v1/scheduler", "{}"])
def test_a_redirect_to_the_leader_is_followed(master: ScriptedMaster, form: str) -> None:
    with serve_master() as standby:
        standby.subscription_answers = [Answer(307, headers={"Location": form.format(master.address)})]
        with run_driver(standby.address) as harness:
            assert harness.wait_for_event(Subscribed).master == master.address
            harness.driver.send(Revive("why not"))

    assert [call["type"] for call in master.calls] == ["REVIVE"]
    assert standby.calls == []


@pytest.mark.parametrize("nowhere", [NOBODY, "calico-dcos.invalid:5050"])
def test_a_redirect_to_nowhere_leads_back_to_the_configured_master(master: ScriptedMaster, nowhere: str) -> None:
    master.subscription_answers = [Answer(307, headers={"Location": f"//{nowhere}/api/v1/scheduler"})]
    with run_driver(master.address) as harness:
        assert harness.wait_for_event(Subscribed).master == master.address


def test_a_leader_that_dies_leads_back_to_the_configured_master(master: ScriptedMaster) -> None:
    with serve_master() as leader:
        master.subscription_answers = [Answer(307, headers={"Location": f"//{leader.address}/api/v1/scheduler"})]
        with run_driver(master.address) as harness:
            leader.wait_for_streams(1)
            harness.wait_for_event(Subscribed)
            leader.stop()

            master.wait_for_streams(1)


def test_a_change_of_masters_is_followed_and_lasts(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness, serve_master() as other:
        harness.subscription.change_master(other.address)

        other.wait_for_streams(1)
        assert len(master.streams) == 1


def test_no_master_at_all_is_waited_out(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        harness.subscription.onNoMasterDetectedMessage()
        harness.wait_for_event(Disconnected)
        harness.driver.send(Revive("why not"))
        harness.subscription.onNewMasterDetectedMessage(
            b'{"address": {"ip": "127.0.0.1", "port": %s}}' % master.address.rpartition(":")[2].encode()
        )
        master.wait_for_streams(2)


# 12: large events


def test_a_large_event_arrives_whole_and_what_came_is_not_copied_for_each_packet(master: ScriptedMaster) -> None:
    event = json.dumps({"type": "ERROR", "error": {"message": "x" * 8_000_000}}).encode()
    record = b"%d\n%s" % (len(event), event)
    with run_subscribed_driver(master.address) as harness:
        connection = harness.subscription.connection
        assert connection is not None

        master.stream.send_bytes(record[:4_000_000])
        wait_until(lambda: len(connection._response) > 0)
        buffer = connection._response
        wait_until(lambda: len(buffer) == 4_000_000)
        assert connection._response is buffer

        master.stream.send_bytes(record[4_000_000:])
        assert len(harness.wait_for_event(Rejected).message) == 8_000_000


# 24: addresses and credentials


@pytest.mark.parametrize("address", ["https://master:5050", "[::1]:5050", "zk://host:2181", "master:http", ""])
def test_an_address_that_cannot_work_is_refused_at_once(address: str) -> None:
    with pytest.raises(MasterError, match="set host:port"):
        Harness(address)


def test_principal_and_secret_go_with_every_request(master: ScriptedMaster) -> None:
    with run_driver(master.address, principal="calico", secret="s3cr3t") as harness:
        harness.wait_for_event(Subscribed)
        harness.driver.send(Revive("why not"))

    assert {request.headers["Authorization"] for request in master.requests} == {"Basic Y2FsaWNvOnMzY3IzdA=="}
    assert master.subscriptions[0].body["subscribe"]["framework_info"]["principal"] == "calico"


# 27: ZooKeeper


def test_a_zookeeper_that_is_away_keeps_neither_the_start_nor_the_end_waiting() -> None:
    with run_driver(f"zk://{NOBODY}/mesos") as harness:
        assert harness.events == []


# 28, 29: the framework's id


def test_a_known_framework_subscribes_with_its_id_in_both_places(master: ScriptedMaster) -> None:
    with run_driver(master.address, framework_id="f-1") as harness:
        harness.wait_for_event(Subscribed)

    body = master.subscriptions[0].body
    assert body["framework_id"] == {"value": "f-1"}
    assert body["subscribe"]["framework_info"]["id"] == {"value": "f-1"}


def test_a_new_framework_subscribes_again_with_the_id_that_it_was_given(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address):
        master.stream.end()
        master.wait_for_streams(2)

    assert master.subscriptions[1].body["framework_id"] == {"value": "f-1"}


def test_the_end_of_a_subscription_is_told_once(master: ScriptedMaster) -> None:
    with run_subscribed_driver(master.address) as harness:
        master.subscription_answers = [Answer(503)] * 3
        master.stream.end()
        master.wait_for_streams(2)
        harness.wait_for(lambda: isinstance(harness.events[-1], Subscribed))

    told = [event for event in harness.events if isinstance(event, Subscribed | Disconnected)]
    assert [type(event) for event in told] == [Subscribed, Disconnected, Subscribed, Disconnected]


# What we build on


def test_what_we_replace_in_pymesos_is_there_with_the_arguments_that_it_is_called_with() -> None:
    for ours, theirs in [(Connection, pymesos.process.Connection), (Subscription, pymesos.MesosSchedulerDriver)]:
        replaced = {name for name in vars(ours) if name in dir(theirs) and not name.startswith("__")}
        for name in replaced:
            own, original = getattr(ours, name), getattr(theirs, name)
            if callable(own):
                assert len(inspect.signature(own).parameters) == len(inspect.signature(original).parameters), name
    assert {"on_close", "on_event", "gen_request", "_run", "_shutdown", "_send", "_backoff", "stop"} <= set(
        dir(pymesos.MesosSchedulerDriver)
    )
    assert TURN_MS <= 2000, "silence is noticed as often as the loop turns"
