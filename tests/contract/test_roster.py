"""Who exists, asked of a master; and whether there is a master at all."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.core.events import Event, RosterAgent, RosterRead
from calico_dcos.mesos.master import Login, MasterError, advise, check_master, find_master, parse_master
from calico_dcos.mesos.roster import MAX_RETRY_S, RosterError, RosterPoller, compute_pause_s, read_roster
from calico_dcos.outbound import is_due
from calico_dcos.troubles import Source, Troubles
from tests.contract.driver_harness import wait_until
from tests.contract.scripted_master import Answer, ScriptedMaster, serve_dripping, serve_master

RECORDINGS = Path(__file__).parent / "recordings"
NOBODY = "127.0.0.1:1"


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with serve_master() as master:
        yield master


def read_recorded_slaves() -> dict[str, Any]:
    """The answer of a real master to GET /slaves."""
    lines = [json.loads(line) for line in (RECORDINGS / "inventory.jsonl").read_text().splitlines()]
    (at,) = [i for i, line in enumerate(lines) if line.get("http", {}).get("url", "").endswith("/slaves")]
    slaves: dict[str, Any] = lines[at + 1]["http-response"]["body"]
    return slaves


def list_agents(*hostnames: str) -> Answer:
    slaves = [{"id": f"S-{name}", "hostname": name, "pid": "slave(1)@10.0.0.1:5051"} for name in hostnames]
    return Answer(200, json.dumps({"slaves": slaves}))


def test_agents_are_read_as_a_real_master_lists_them(master: ScriptedMaster) -> None:
    master.version_answers = [Answer(200, json.dumps(read_recorded_slaves()))]

    roster = read_roster(master.address)

    prefix = "066fea1d-49f4-479a-ae67-57e38c8c9536"
    assert roster.agents == (
        RosterAgent(f"{prefix}-S1", "agent1.test", "127.0.0.1", 5061, is_public=False, mesos_version="1.12.0"),
        RosterAgent(f"{prefix}-S0", "agent2.test", "127.0.0.1", 5062, is_public=True, mesos_version="1.12.0"),
    )
    assert master.requests[0].path == "/slaves"


def test_a_master_that_does_not_lead_sends_us_to_the_one_that_does(master: ScriptedMaster) -> None:
    master.version_answers = [list_agents("h1")]
    with serve_master() as standby:
        standby.version_answers = [Answer(307, headers={"Location": f"//{master.address}/slaves"})]

        assert [agent.hostname for agent in read_roster(f"http://{standby.address}/").agents] == ["h1"]


def test_principal_and_secret_go_with_the_question(master: ScriptedMaster) -> None:
    master.version_answers = [list_agents()]

    assert read_roster(master.address, login=Login("calico", "s3cr3t")) == RosterRead(())

    assert master.requests[0].headers["Authorization"] == "Basic Y2FsaWNvOnMzY3IzdA=="


def test_principal_and_secret_go_on_to_the_master_that_leads(master: ScriptedMaster) -> None:
    master.version_answers = [list_agents()]
    with serve_master() as standby:
        standby.version_answers = [Answer(307, headers={"Location": f"//{master.address}/slaves"})]

        read_roster(standby.address, login=Login("calico", "s3cr3t"))

    assert master.requests[0].headers["Authorization"] == "Basic Y2FsaWNvOnMzY3IzdA=="


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401),
        Answer(500),
        Answer(503),
        Answer(200, "no json"),
        Answer(200, "[]"),
        Answer(200, '{"slaves": {}}'),
        Answer(hang_s=1.0),
    ],
)
def test_what_is_no_list_of_agents_is_no_roster(master: ScriptedMaster, answer: Answer) -> None:
    master.version_answers = [answer]

    with pytest.raises(RosterError) as caught:
        read_roster(master.address, timeout_s=0.3)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        "{}",
        '{"id": "S1", "hostname": "h", "pid": "none"}',
        '"S1"',
        '{"id": "S1", "hostname": "h", "pid": "s@h:1", "attributes": []}',
        '{"id": 1, "hostname": "h", "pid": "s@h:1"}',
    ],
)
def test_an_agent_that_makes_no_sense_costs_that_agent(master: ScriptedMaster, entry: str) -> None:
    good = '{"id": "S2", "hostname": "h2", "pid": "slave(1)@10.0.0.2:5051"}'
    master.version_answers = [Answer(200, f'{{"slaves": [{entry}, {good}]}}')]

    roster = read_roster(master.address)

    assert ([agent.agent_id for agent in roster.agents], roster.unread) == (["S2"], 1)


def test_a_roster_that_decisions_wait_for_is_read_before_its_time(master: ScriptedMaster) -> None:
    master.version_answers = [list_agents("h1"), list_agents("h1", "h2")]
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    poller = RosterPoller(master=master.address, interval_s=3600.0, post=posted.put, is_urgent=lambda: True)
    poller.start()

    rosters = [posted.get(timeout=60), posted.get(timeout=60)]
    poller.stop()

    assert [len(roster.agents) for roster in rosters if isinstance(roster, RosterRead)] == [1, 2]


def test_the_roster_is_read_again_and_again_even_if_the_master_is_away_meanwhile(master: ScriptedMaster) -> None:
    master.version_answers = [list_agents("h1"), Answer(503), Answer(503), list_agents("h1", "h2")]
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    poller = RosterPoller(master=master.address, interval_s=0.02, post=posted.put)
    poller.start()

    rosters = [posted.get(timeout=60), posted.get(timeout=60)]
    poller.stop()

    assert [len(roster.agents) for roster in rosters if isinstance(roster, RosterRead)] == [1, 2]


@pytest.mark.parametrize("answer", [Answer(401), Answer(403), Answer(400), Answer(503), Answer(200, "no json")])
def test_a_roster_that_cannot_be_read_is_asked_for_ever_more_seldom_although_decisions_wait_for_it(
    master: ScriptedMaster, answer: Answer
) -> None:
    master.version_answers = [*[answer] * 8, list_agents("h1"), answer]
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    poller = RosterPoller(
        master=master.address, interval_s=60.0, post=posted.put, is_urgent=lambda: True, jitter=lambda: 0.0
    )

    pauses = []
    for _ in range(8):
        pauses.append(poller.poll())
        assert not poller.is_urgent()

    assert [pauses[1] / pauses[0], pauses[2] / pauses[0], pauses[-1]] == [2.0, 4.0, MAX_RETRY_S]
    poller.poll()
    assert isinstance(posted.get_nowait(), RosterRead)
    assert poller.is_urgent()
    assert poller.poll() == pauses[0]


def test_pauses_of_several_schedulers_do_not_stay_in_step(master: ScriptedMaster) -> None:
    master.version_answers = [Answer(503)] * 2
    first = RosterPoller(master=master.address, interval_s=60.0, post=print, jitter=lambda: 0.0)
    second = RosterPoller(master=master.address, interval_s=60.0, post=print, jitter=lambda: 1.0)
    assert second.poll() == first.poll() / 2


@pytest.mark.parametrize(
    ("answer", "is_refused"),
    [(Answer(401), True), (Answer(403, "no leave"), True), (Answer(400), True), (Answer(503), False)],
)
def test_a_master_that_refuses_its_agents_is_told_apart_from_one_that_is_away(
    master: ScriptedMaster,
    answer: Answer,
    is_refused: bool,  # noqa: FBT001 - a row of the table
) -> None:
    master.version_answers = [answer] * 3
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    troubles = Troubles()
    poller = RosterPoller(master=master.address, interval_s=3600, post=posted.put, troubles=troubles)
    poller.start()
    wait_until(troubles.list_all)
    poller.stop()

    (trouble,) = troubles.list_all()
    assert (trouble.source, trouble.stops_all) == (Source.ROSTER, is_refused)
    assert f"it answers {answer.status} {answer.body}".rstrip() in trouble.words
    assert trouble.remedy == advise(answer.status)


@pytest.mark.parametrize(
    ("rested_s", "took_s", "is_urgent", "is_time"),
    [
        (30.0, 0.1, False, True),
        (29.0, 0.1, False, False),
        (0.5, 0.1, True, False),
        (1.0, 0.1, True, True),
        (1.0, 20.0, True, False),
        (20.0, 20.0, True, True),
    ],
)
def test_a_master_that_takes_long_is_not_asked_again_at_once_however_urgent_it_is(
    rested_s: float,
    took_s: float,
    is_urgent: bool,  # noqa: FBT001 - a row of the table
    is_time: bool,  # noqa: FBT001 - as above
) -> None:
    assert is_due(rested_s, 30.0, took_s, is_urgent=is_urgent) == is_time


def test_entries_that_make_no_sense_are_a_trouble_until_all_can_be_read(master: ScriptedMaster) -> None:
    good = '{"id": "S2", "hostname": "h2", "pid": "slave(1)@10.0.0.2:5051"}'
    master.version_answers = [Answer(200, f'{{"slaves": [{{}}, {good}]}}'), list_agents("h1")]
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    troubles = Troubles()
    may_go_on = threading.Event()
    poller = RosterPoller(
        master=master.address, interval_s=3600, post=posted.put, is_urgent=may_go_on.is_set, troubles=troubles
    )
    poller.start()
    assert isinstance(posted.get(timeout=60), RosterRead)

    (trouble,) = troubles.list_all()
    assert (trouble.source, trouble.stops_all) == (Source.ROSTER, False)
    assert trouble.words.startswith("1 in the Mesos master's list")

    may_go_on.set()
    assert isinstance(posted.get(timeout=60), RosterRead)
    poller.stop()
    assert troubles.list_all() == ()


@pytest.mark.parametrize("location", ["http://[nonsense", "//a,b/slaves", "", "//127.0.0.1:1,/"])
def test_a_redirect_to_no_master_ends_no_thread(master: ScriptedMaster, location: str) -> None:
    master.version_answers = [Answer(307, headers={"Location": location}), list_agents("h1")]
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    poller = RosterPoller(master=master.address, interval_s=0.02, post=posted.put)
    poller.start()
    try:
        assert isinstance(posted.get(timeout=60), RosterRead)
    finally:
        poller.stop()


def test_a_master_that_drips_its_list_neither_holds_up_the_end_nor_counts() -> None:
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with serve_dripping() as address:
        with pytest.raises(RosterError, match="no whole answer within"):
            read_roster(address, timeout_s=0.3)
        poller = RosterPoller(master=address, interval_s=0.02, post=posted.put)
        poller.start()
        poller.stop()
        assert not [thread for thread in threading.enumerate() if thread.name == "roster" and thread.is_alive()]
    assert posted.empty()


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.01, 30.0), (1.0, 30.0), (3.0, 57.0)])
def test_a_master_that_takes_long_to_list_its_agents_is_asked_less_often(took_s: float, pause_s: float) -> None:
    assert compute_pause_s(30.0, took_s) == pause_s


def test_a_master_that_is_there_tells_its_version(master: ScriptedMaster) -> None:
    assert check_master(f"http://{master.address}", timeout_s=5) == "1.9.0"


@pytest.mark.parametrize("address", [NOBODY, "calico-dcos.invalid:5050"])
def test_a_master_that_is_not_there_is_named(address: str) -> None:
    with pytest.raises(MasterError, match=f"^nothing answers at {address}; is this where the Mesos master is"):
        check_master(address, timeout_s=2)


@pytest.mark.parametrize("answer", [Answer(404), Answer(200, "<html>"), Answer(200, "[]"), Answer(200, "{}")])
def test_something_else_than_a_master_is_told_apart(master: ScriptedMaster, answer: Answer) -> None:
    master.version_answers = [answer]

    with pytest.raises(MasterError, match=f"^what answers at {master.address} is no Mesos master"):
        check_master(master.address, timeout_s=2)


def test_a_zookeeper_that_is_not_there_is_named() -> None:
    with pytest.raises(MasterError, match=f"^no ZooKeeper answers at zk://{NOBODY}/mesos") as caught:
        find_master(f"zk://mesos:s3cr3t@{NOBODY}/mesos", timeout_s=0.5)

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("leader.mesos:5050", "leader.mesos:5050"),
        ("leader.mesos", "leader.mesos:5050"),
        ("http://10.0.0.1:15050/", "10.0.0.1:15050"),
        ("zk://zk-1.zk:2181,zk-2.zk:2181/mesos/", "zk://zk-1.zk:2181,zk-2.zk:2181/mesos"),
        ("zk://user:pw@zk-1.zk:2181/a/b", "zk://zk-1.zk:2181/a/b"),
    ],
)
def test_an_address_may_be_written_in_several_ways(address: str, parsed: str) -> None:
    assert parse_master(address) == parsed
