"""What the store makes of etcd beyond the contract that every store keeps: outages, late writes, DNS, users."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import dns.message
import dns.resolver
import dns.rrset
import grpc
import pytest

from calico_dcos.core.memory import Batch
from calico_dcos.scheduler import StoreError, StoreHeldError
from calico_dcos.store import etcd_client
from calico_dcos.store.etcd import EtcdRecords
from calico_dcos.store.etcd_client import EtcdAddress, EtcdClient
from calico_dcos.store.records import RecordStore
from calico_dcos.store.srv import SrvError, resolve_srv
from calico_dcos.store.urls import open_store
from tests.contract.real_etcd import RealEtcd, start_etcd
from tests.contract.store_backends import save_until_answered

NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEtcd]:
    server = start_etcd(tmp_path_factory.mktemp("etcd"))
    yield server
    server.stop()


def test_endpoints_are_tried_in_turn(etcd: RealEtcd) -> None:
    with closing(open_store(f"etcd://{NOBODY},{etcd.endpoint}/in-turn")) as store:
        store.acquire("the first", 0)
        store.save(Batch(framework_id="f-1"))

        assert store.load().framework_id == "f-1"


def test_the_lock_survives_a_restart_of_etcd(etcd: RealEtcd) -> None:
    with closing(open_store(f"etcd://{etcd.endpoint}/restart")) as store:
        store.acquire("the first", 0)
        etcd.kill()
        with pytest.raises(StoreError, match="cannot be reached"):
            store.save(Batch(framework_id="f-1"))
        etcd.start()

        save_until_answered(store, Batch(framework_id="f-2"))

        assert store.load().framework_id == "f-2"


def test_a_lost_lease_is_told_even_if_nobody_took_the_lock(etcd: RealEtcd) -> None:
    records = build_records(etcd, "/lost")
    with closing(RecordStore(label="x", records=records)) as store:
        store.acquire("the first", 0)
        revoke_lock(etcd, "/lost/lock")

        with pytest.raises(StoreHeldError, match="the lock was lost"):
            store.save(Batch(framework_id="f-1"))

        assert store.load().framework_id is None


def test_a_write_that_arrives_late_does_not_undo_a_newer_one(etcd: RealEtcd) -> None:
    with closing(build_records(etcd, "/late")) as records, closing(build_client(etcd)) as client:
        records.acquire("the first", 0)
        late = records._lock
        assert late is not None
        records.write({"a": b"new"})

        was_done, _ = client.write(lock="/late/lock", expected=late, changes={"/late/records/a": b"old"})

        assert not was_done
        assert records.read() == {"a": b"new"}


def test_a_write_whose_answer_was_lost_is_no_lost_lock(etcd: RealEtcd) -> None:
    with closing(build_records(etcd, "/unanswered")) as records, closing(build_client(etcd)) as client:
        records.acquire("the first", 0)
        known = records._lock
        assert known is not None
        client.write(lock="/unanswered/lock", expected=known, changes={"/unanswered/records/a": b"1"})

        records.write({"b": b"2"})

        assert records.read() == {"a": b"1", "b": b"2"}


def test_a_record_that_etcd_refuses_is_an_error_and_leaves_the_others_unwritten(etcd: RealEtcd) -> None:
    with closing(build_records(etcd, "/refused")) as records:
        records.acquire("the first", 0)

        with pytest.raises(StoreError, match="larger than max"):
            records.write({"a": b"1", "b": b"x" * 3_000_000})

        assert records.read() == {}


def test_an_unreadable_record_is_named(etcd: RealEtcd) -> None:
    with closing(build_records(etcd, "/unreadable")) as records:
        records.acquire("the first", 0)
        records.write({"agents/10.0.0.1": b'{"version": 99, "value": {}}'})

        with pytest.raises(
            StoreError,
            match=r"store x: cannot read record agents/10\.0\.0\.1: a newer release",
        ):
            RecordStore(label="x", records=records).load()


def test_user_and_password_of_the_url_are_used(tmp_path_factory: pytest.TempPathFactory) -> None:
    guarded = start_etcd(tmp_path_factory.mktemp("guarded"))
    try:
        demand_password(guarded, "s3cr3t:/@")
        with closing(open_store(f"etcd://root:s3cr3t%3A%2F%40@{guarded.endpoint}/calico")) as store:
            store.acquire("the first", 0)
            store.save(Batch(framework_id="f-1"))
            assert store.load().framework_id == "f-1"

        with pytest.raises(StoreError) as caught:
            open_store(f"etcd://root:guess@{guarded.endpoint}/calico").load()
        assert "authentication failed" in str(caught.value)
        assert "guess" not in str(caught.value)
    finally:
        guarded.stop()


def test_etcd_is_found_by_dns_the_preferred_first() -> None:
    answers = ["20 0 2379 third.etcd.mesos.", "10 1 1026 second.etcd.mesos.", "10 5 1025 first.etcd.mesos."]
    with serve_dns("_etcd-client._tcp.etcd.mesos.", answers) as resolver:
        endpoints = resolve_srv("etcd.mesos", resolver)
        with pytest.raises(SrvError, match=r"no SRV record _etcd-client\._tcp\.other\.mesos"):
            resolve_srv("other.mesos", resolver)

    assert endpoints == ("first.etcd.mesos:1025", "second.etcd.mesos:1026", "third.etcd.mesos:2379")


def test_dns_is_asked_again_when_etcd_moved(etcd: RealEtcd) -> None:
    found = iter([[NOBODY], [etcd.endpoint]])
    with closing(EtcdClient(address=EtcdAddress(find_endpoints=lambda: next(found)))) as client:
        with pytest.raises(Exception, match="Connection refused"):
            client.read_prefix("/moved")

        assert client.read_prefix("/moved") == {}


def test_a_compaction_goes_unnoticed(etcd: RealEtcd) -> None:
    with closing(build_records(etcd, "/compacted")) as records, closing(connect(etcd)) as etcdctl:
        records.acquire("the first", 0)
        for number in range(5):
            records.write({"a": str(number).encode()})
        compact(etcdctl)

        assert records.read() == {"a": b"4"}
        records.write({"a": b"5"})
        assert records.read() == {"a": b"5"}


def test_an_etcd_without_space_says_what_to_do_and_goes_on_when_that_is_done(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    small = start_etcd(tmp_path_factory.mktemp("small"), "--quota-backend-bytes", str(4 * 1024 * 1024))
    try:
        with closing(build_records(small, "/small")) as records, closing(connect(small)) as etcdctl:
            records.acquire("the first", 0)
            with pytest.raises(StoreError, match="compact, defragment, then disarm its NOSPACE alarm") as caught:
                write_until_full(records)
            assert not isinstance(caught.value, StoreHeldError)

            deadline = time.monotonic() + 60
            while not is_written(records):
                assert time.monotonic() < deadline
                compact(etcdctl)
                etcdctl.defragment()
                for alarm in etcdctl.list_alarms():
                    list(etcdctl.disarm_alarm(alarm.member_id))

            assert records.read() == {"a": b"small"}
    finally:
        small.stop()


def write_until_full(records: EtcdRecords) -> None:
    for _ in range(50):
        records.write({"a": b"x" * 500_000})


def is_written(records: EtcdRecords) -> bool:
    """Write as the scheduler does: again, as long as the store refuses."""
    try:
        records.write({"a": b"small"})
    except StoreHeldError:
        raise
    except StoreError:
        return False
    return True


def connect(etcd: RealEtcd) -> Any:
    """Connect as an operator does with etcdctl."""
    return etcd_client.etcd3.client(host="127.0.0.1", port=etcd.client_port, timeout=60)  # type: ignore[attr-defined]


def compact(etcdctl: Any) -> None:
    """Forget all history."""
    with suppress(ValueError, grpc.RpcError):  # everything up to here is compacted already
        etcdctl.compact(etcdctl.get_response("/none").header.revision, physical=True)


def build_client(etcd: RealEtcd) -> EtcdClient:
    return EtcdClient(address=EtcdAddress(find_endpoints=lambda: [etcd.endpoint]))


def build_records(etcd: RealEtcd, prefix: str) -> EtcdRecords:
    address = EtcdAddress(find_endpoints=lambda: [etcd.endpoint])
    return EtcdRecords(address=address, prefix=prefix, label="x")


def revoke_lock(etcd: RealEtcd, name: str) -> None:
    with closing(build_client(etcd)) as client:
        client.revoke_lease(client.create_lock(name, "nobody", 0).lease)


def demand_password(etcd: RealEtcd, password: str) -> None:
    """Make the user root and switch authentication on."""
    rpc: Any = etcd_client.etcd3.etcdrpc  # type: ignore[attr-defined]  # imported there, in silence
    with grpc.insecure_channel(etcd.endpoint) as channel:
        auth = rpc.AuthStub(channel)
        auth.UserAdd(rpc.AuthUserAddRequest(name="root", password=password))
        auth.RoleAdd(rpc.AuthRoleAddRequest(name="root"))
        auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="root", role="root"))
        auth.AuthEnable(rpc.AuthEnableRequest())


@contextmanager
def serve_dns(name: str, answers: list[str]) -> Iterator[dns.resolver.Resolver]:
    """Answer SRV questions for one name; give a resolver that asks here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    packet, peer = server.recvfrom(4096)
                except TimeoutError:
                    continue
                question = dns.message.from_wire(packet)
                answer = dns.message.make_response(question)
                if question.question[0].name.to_text() == name:
                    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *answers))
                else:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                server.sendto(answer.to_wire(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.getsockname()[1]
        yield resolver
        done.set()
        thread.join()
