"""A store in an etcd of three members, which lose their leader, one of them, or most of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from calico_dcos.core.memory import Batch
from calico_dcos.scheduler import StoreError, StoreHeldError
from calico_dcos.store.urls import open_store
from tests.contract.real_etcd import RealEtcd, start_members
from tests.contract.store_backends import save_until_answered


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[RealEtcd]]:
    servers = start_members(tmp_path, "one", "two", "three")
    yield servers
    for server in servers:
        server.stop()


def build_url(members: list[RealEtcd]) -> str:
    return f"etcd://{','.join(member.endpoint for member in members)}/calico"


def find_leader(members: list[RealEtcd]) -> RealEtcd:
    (leader,) = [member for member in members if member.is_leader()]
    return leader


@pytest.mark.parametrize("strike", [RealEtcd.kill, RealEtcd.suspend], ids=["killed", "suspended"])
def test_a_change_of_the_leader_loses_neither_what_was_saved_nor_the_lock(
    members: list[RealEtcd], strike: Callable[[RealEtcd], None]
) -> None:
    leader = find_leader(members)
    # The one that will be gone is asked first: it takes a while until that is noticed.
    ordered = sorted(members, key=lambda member: member is not leader)
    with closing(open_store(build_url(ordered))) as store, closing(open_store(build_url(ordered))) as second:
        store.acquire("the first", 0)
        store.save(Batch(framework_id="f-1", pins={"http://one": "1"}))

        strike(leader)
        save_until_answered(store, Batch(pins={"http://two": "2"}))

        with pytest.raises(StoreHeldError, match="held by the first"):
            second.acquire("the second", 0)
        memory = store.load()
        assert (memory.framework_id, memory.pins) == ("f-1", {"http://one": "1", "http://two": "2"})
        assert find_leader([member for member in members if member is not leader]) is not leader
        if strike is RealEtcd.suspend:
            leader.resume()
        else:
            leader.start()
        save_until_answered(store, Batch(pins={"http://three": "3"}))
        assert len(store.load().pins) == 3


def test_one_of_three_that_is_dead_at_the_start_is_not_missed(members: list[RealEtcd]) -> None:
    members[0].kill()
    members[1].wait_until_healthy()

    with closing(open_store(build_url(members))) as store:
        store.acquire("the first", 60)
        save_until_answered(store, Batch(framework_id="f-1"))

        assert store.load().framework_id == "f-1"


def test_without_most_of_its_members_the_store_is_away_until_they_are_back(members: list[RealEtcd]) -> None:
    with closing(open_store(build_url(members))) as store:
        store.acquire("the first", 0)
        store.save(Batch(framework_id="f-1"))
        for member in members[1:]:
            member.kill()

        with pytest.raises(StoreError, match="cannot be reached"):
            store.save(Batch(framework_id="f-2"))

        for member in members[1:]:
            member.launch()
        for member in members:
            member.wait_until_healthy()
        save_until_answered(store, Batch(framework_id="f-3"))
        assert store.load().framework_id == "f-3"
