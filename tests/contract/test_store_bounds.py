"""A store that refuses is told apart from one that is away, and what it holds is read at the network's pace."""

from __future__ import annotations

import hashlib
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from calico_dcos.core.connectivity import Run
from calico_dcos.core.memory import Batch
from calico_dcos.core.model import Agent, Inspection, Note, Step, StepName, Task
from calico_dcos.scheduler import StoreError, StoreRefusedError
from calico_dcos.store.etcd import EtcdRecords
from calico_dcos.store.etcd_client import EtcdAddress
from calico_dcos.store.fitting import fit_agent
from calico_dcos.store.urls import open_store
from calico_dcos.troubles import Source, Troubles
from tests.contract.real_etcd import RealEtcd, start_etcd
from tests.contract.real_zookeeper import start_zookeeper

# Of a size that no compression makes fit.
LARGE = hashlib.shake_256(b"facts").hexdigest(600_000)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEtcd]:
    etcd = start_etcd(tmp_path_factory.mktemp("etcd"))
    yield etcd
    etcd.stop()


@pytest.fixture(scope="module", params=["etcd", "zk"])
def url(request: pytest.FixtureRequest, etcd: RealEtcd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "etcd":
        yield f"etcd://{etcd.endpoint}/bounds"
        return
    zookeeper = start_zookeeper(tmp_path_factory.mktemp("zk"))
    yield f"zk://{zookeeper.endpoint}/bounds"
    zookeeper.stop()


def build_agent(key: str, facts: str = "", note: str = "") -> Agent:
    seen = Inspection(at=1.0, settings="s", facts={"x": facts}, refusals={"cni": "no"})
    task = Step(Task("cni-1", "S1", 1.0, "s"))
    history = (Note(1.0, note or "first seen"),)
    return Agent(key, "S1", key, steps={StepName.CNI: task}, inspection=seen, history=history)


def test_one_record_that_is_too_large_is_cut_down_and_told_and_the_others_are_stored(url: str) -> None:
    troubles = Troubles()
    with closing(open_store(url, troubles)) as store:
        store.acquire("the first", 5)
        store.save(Batch(agents=(build_agent("small", "y"), build_agent("large", LARGE))))
        loaded = {agent.key: agent for agent in store.load().agents}

        assert loaded["small"] == build_agent("small", "y")
        assert loaded["large"].steps == build_agent("large").steps
        (trouble,) = troubles.list_all()
        inspection = loaded["large"].inspection
        assert inspection is not None
        assert inspection.refusals == {"cni": "no"}
        assert f"record facts/large is cut down: {inspection.facts['facts']}" == trouble.words
        assert "more than" in trouble.words
        assert (trouble.source, trouble.stops_all) == (Source.RECORDS, False)

        store.save(Batch(agents=(build_agent("large", "y"),)))
        assert troubles.list_all() == ()


@pytest.mark.parametrize(("refusal", "note"), [(LARGE, ""), ("", LARGE), (LARGE, LARGE)])
@pytest.mark.parametrize("max_bytes", [500_000, 32_000])
def test_what_decisions_follow_from_is_never_left_out(refusal: str, note: str, max_bytes: int) -> None:
    seen = Inspection(at=1.0, settings="s", refusals={"cni": refusal})
    fitted = fit_agent(replace(build_agent("a", note=note), inspection=seen), max_bytes)
    assert fitted.content is not None
    assert len(fitted.content) <= max_bytes
    assert b"cni-1" in fitted.content
    assert fitted.cut


def test_a_connectivity_test_that_is_too_large_is_set_aside_and_nobody_waits(url: str) -> None:
    troubles = Troubles()
    with closing(open_store(url, troubles)) as store:
        store.acquire("the second", 5)
        run = Run(id="r", started_at=1.0, reason=LARGE)
        store.save(Batch(agents=(build_agent("small"),), connectivity=run))
        assert store.load().connectivity is None
        assert troubles.find(Source.RECORDS) is not None


def test_a_server_that_takes_less_than_is_usual_gets_less_at_a_time(tmp_path: Path) -> None:
    small = start_etcd(tmp_path, "--max-request-bytes=150000")
    try:
        with closing(open_store(f"etcd://{small.endpoint}/small")) as store:
            store.acquire("the first", 5)
            agents = tuple(build_agent(f"a{number}", LARGE[number : number + 20_000]) for number in range(30))
            store.save(Batch(agents=(*agents, build_agent("large", LARGE[:400_000]))))
            loaded = store.load().agents
            assert [agent for agent in loaded if agent.key != "large"] == sorted(agents, key=lambda agent: agent.key)
            assert len(loaded) == 31
    finally:
        small.stop()


def test_refused_and_away_are_told_apart(etcd: RealEtcd) -> None:
    records = build_records(etcd.endpoint)
    with closing(records):
        records.acquire("the first", 0)
        with pytest.raises(StoreRefusedError, match="does not take it"):
            records.write({"a": b"x" * 3_000_000})
    with closing(build_records("127.0.0.1:1")) as nowhere, pytest.raises(StoreError) as caught:
        nowhere.read()
    assert not isinstance(caught.value, StoreRefusedError)


def build_records(endpoint: str, call_timeout_s: float = 0.5) -> EtcdRecords:
    address = EtcdAddress(find_endpoints=lambda: [endpoint])
    return EtcdRecords(address=address, prefix="/slow", label="x", call_timeout_s=call_timeout_s)


@pytest.mark.parametrize("call_timeout_s", [0.2, 0.05], ids=["its pages come in time", "its pages are too large"])
def test_state_that_takes_longer_to_come_than_a_call_may_is_read(etcd: RealEtcd, call_timeout_s: float) -> None:
    content = {f"agents/{number:04}": b"z" * 20_000 for number in range(300)}
    with closing(build_records(etcd.endpoint, 10.0)) as records:
        records.acquire("the first", 0)
        for start in range(0, 300, 30):
            records.write(dict(list(content.items())[start : start + 30]))

    with pass_slowly(etcd.endpoint, 4_000_000) as endpoint, closing(build_records(endpoint, call_timeout_s)) as slow:
        assert slow.read() == content


def test_pages_are_of_one_moment(etcd: RealEtcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calico_dcos.store.etcd_client.PAGE_RECORDS", 2)
    with closing(build_records(etcd.endpoint, 10.0)) as records, closing(build_records(etcd.endpoint, 10.0)) as other:
        records.acquire("the first", 0)
        records.write({f"moment/{number}": b"1" for number in range(9)})
        read_page = other._client._read_page

        def write_meanwhile(page: object, client: object) -> object:
            answer = read_page(page, client)
            records.write({f"moment/{number}": b"2" for number in range(9)})
            return answer

        other._client._read_page = write_meanwhile  # type: ignore[method-assign]
        found = other.read()

    assert {value for key, value in found.items() if key.startswith("moment/")} == {b"1"}


@contextmanager
def pass_slowly(endpoint: str, bytes_per_s: float) -> Iterator[str]:
    """Stand between a client and an endpoint, as a slow network does; gives "host:port"."""
    host, _, port = endpoint.rpartition(":")

    def pump(source: socket.socket, target: socket.socket, pause: Callable[[int], None]) -> None:
        with source, suppress(OSError):
            while chunk := source.recv(16_384):
                pause(len(chunk))
                target.sendall(chunk)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection((host, int(port)))
                threading.Thread(target=pump, args=(client, server, lambda _: None), daemon=True).start()
                slow = (server, client, lambda size: time.sleep(size / bytes_per_s))
                threading.Thread(target=pump, args=slow, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_facts_are_written_only_when_they_changed_and_go_with_their_agent(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite://{tmp_path}/state.db")) as store:
        store.acquire("the first", 5)
        agent = build_agent("a", "y")
        store.save(Batch(agents=(agent,)))

        def count_facts() -> int:
            with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
                count = connection.execute("SELECT count(*) FROM records WHERE key LIKE 'facts/%'").fetchone()[0]
                connection.execute("DELETE FROM records WHERE key LIKE 'facts/%'")
            return int(count)

        assert count_facts() == 1
        store.save(Batch(agents=(replace(agent, ip="10.0.0.1"),)))
        assert count_facts() == 0
        store.save(Batch(agents=(build_agent("a", "z"),)))
        assert store.load().agents == (build_agent("a", "z"),)
        store.save(Batch(agents=(replace(build_agent("a", "z"), inspection=None),)))
        assert count_facts() == 0
        store.save(Batch(agents=(agent,)))
        store.save(Batch(forgotten=("a",)))
        assert count_facts() == 0


def test_facts_that_cannot_be_read_cost_the_facts(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite://{tmp_path}/state.db")) as store:
        store.acquire("the first", 5)
        store.save(Batch(agents=(build_agent("a", "y"),)))
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
            connection.execute("UPDATE records SET value = x'00' WHERE key LIKE 'facts/%'")
        inspection = build_agent("a").inspection
        assert inspection is not None
        assert store.load().agents == (replace(build_agent("a"), inspection=replace(inspection, facts={})),)
