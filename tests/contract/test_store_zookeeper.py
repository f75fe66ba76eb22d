"""What the store makes of ZooKeeper beyond the contract that every store keeps: outages, late writes, users."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest
from kazoo.client import KazooClient

from calico_dcos.core.memory import Batch
from calico_dcos.scheduler import StoreError, StoreHeldError
from calico_dcos.store.records import RecordStore
from calico_dcos.store.urls import open_store
from calico_dcos.store.zookeeper import ZooKeeperRecords
from calico_dcos.store.zookeeper_client import Outcome, ZooKeeperAddress, ZooKeeperClient
from tests.contract.real_zookeeper import RealZooKeeper, start_zookeeper
from tests.contract.store_backends import build_zookeeper_records, save_until_answered

NOBODY = "127.0.0.1:1"
PASSWORD = "s3cr3t:/@"


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealZooKeeper]:
    server = start_zookeeper(tmp_path_factory.mktemp("zookeeper"))
    yield server
    server.stop()


def build_records(zookeeper: RealZooKeeper, path: str) -> ZooKeeperRecords:
    return build_zookeeper_records(zookeeper.endpoint, path)


def test_servers_are_tried_in_turn(zookeeper: RealZooKeeper) -> None:
    with closing(open_store(f"zk://{NOBODY},{zookeeper.endpoint}/in/turn")) as store:
        store.acquire("the first", 0)
        store.save(Batch(framework_id="f-1"))

        assert store.load().framework_id == "f-1"


def test_the_lock_survives_a_restart_of_zookeeper(tmp_path_factory: pytest.TempPathFactory) -> None:
    zookeeper = start_zookeeper(tmp_path_factory.mktemp("restarted"))
    try:
        with closing(open_store(f"zk://{zookeeper.endpoint}/restart")) as store:
            store.acquire("the first", 0)
            zookeeper.kill()
            with pytest.raises(StoreError, match="cannot be reached"):
                store.save(Batch(framework_id="f-1"))
            zookeeper.start()

            save_until_answered(store, Batch(framework_id="f-2"))

            assert store.load().framework_id == "f-2"
    finally:
        zookeeper.stop()


def test_an_expired_session_is_a_lost_lock_even_if_nobody_took_it(zookeeper: RealZooKeeper) -> None:
    records = build_records(zookeeper, "/expired")
    with closing(RecordStore(label="x", records=records)) as store:
        store.acquire("the first", 0)
        expire_session(zookeeper, records)

        with pytest.raises(StoreHeldError, match="the lock was lost"):
            save_until_answered(store, Batch(framework_id="f-1"))

        assert store.load().framework_id is None


def test_a_write_that_arrives_late_does_not_undo_a_newer_one(zookeeper: RealZooKeeper) -> None:
    with closing(build_records(zookeeper, "/late")) as records, closing(build_client(zookeeper)) as client:
        records.acquire("the first", 0)
        late = records._seal
        assert late is not None
        records.write({"a": b"new"})

        outcome = client.write(
            lock="/late/lock",
            seal_path="/late/seal",
            seal=late,
            path="/late/records",
            changes={"a": b"old"},
            known=frozenset({"a"}),
        )

        assert outcome is Outcome.SEAL_DIFFERS
        assert records.read() == {"a": b"new"}


def test_a_write_whose_answer_was_lost_is_no_lost_lock(zookeeper: RealZooKeeper) -> None:
    with closing(build_records(zookeeper, "/unanswered")) as records, closing(build_client(zookeeper)) as client:
        records.acquire("the first", 0)
        records.write({"z": b"0"})
        seal = records._seal
        assert seal is not None
        client.write(
            lock="/unanswered/lock",
            seal_path="/unanswered/seal",
            seal=seal,
            path="/unanswered/records",
            changes={"a": b"1", "z": None},
            known=frozenset({"z"}),
        )

        records.write({"a": b"2", "b": b"2", "z": b"2"})

        assert records.read() == {"a": b"2", "b": b"2", "z": b"2"}


def test_a_record_that_zookeeper_would_refuse_is_named_and_leaves_the_others_unwritten(
    zookeeper: RealZooKeeper,
) -> None:
    with closing(build_records(zookeeper, "/refused")) as records:
        records.acquire("the first", 0)

        with pytest.raises(StoreError, match="record large has 1200000 bytes"):
            records.write({"a": b"1", "large": b"x" * 1_200_000})

        assert records.read() == {}


def test_what_a_user_stores_is_closed_to_others_and_its_password_is_never_logged(
    zookeeper: RealZooKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"zk://calico:s3cr3t%3A%2F%40@{zookeeper.endpoint}/guarded"
    with closing(open_store(url)) as store:
        store.acquire("the first", 0)
        store.save(Batch(secret="the-secret-of-all-reports"))
        assert store.load().secret == "the-secret-of-all-reports"

        for other in (f"zk://calico:guess@{zookeeper.endpoint}/guarded", f"zk://{zookeeper.endpoint}/guarded"):
            with closing(open_store(other)) as stranger, pytest.raises(StoreError, match="NoAuth") as caught:
                stranger.load()
            assert "guess" not in str(caught.value)

    assert PASSWORD not in caplog.text
    assert "the-secret-of-all-reports" not in caplog.text


def build_client(zookeeper: RealZooKeeper) -> ZooKeeperClient:
    return ZooKeeperClient(address=ZooKeeperAddress(zookeeper.endpoint), session_s=10)


def expire_session(zookeeper: RealZooKeeper, records: ZooKeeperRecords) -> None:
    """End the session of a store behind its back: as another client that takes it over, and closes it."""
    usurper = KazooClient(hosts=zookeeper.endpoint, client_id=records._client._client.client_id)
    usurper.start(timeout=60)
    usurper.stop()
    usurper.close()
