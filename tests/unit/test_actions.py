"""What goes to Mesos is merged where one call will do."""

from __future__ import annotations

import pytest

from calico_dcos.core.actions import Call, Decline, Reconcile, Revive, merge_declines
from calico_dcos.core.events import OffersReceived
from tests.unit.walking import FakeCluster, build_host, build_policy


def test_offers_that_are_declined_for_the_same_time_go_back_together_and_the_order_of_the_rest_stays() -> None:
    calls: list[Call] = [
        Decline(("O1",), 5.0, "a"),
        Revive("b"),
        Decline(("O2", "O3"), 3600.0, "c"),
        Decline(("O4",), 5.0, "d"),
        Reconcile((), "e"),
    ]

    assert merge_declines(calls) == [
        Decline(("O1", "O4"), 5.0, "2 offers, each for its reason"),
        Revive("b"),
        Decline(("O2", "O3"), 3600.0, "c"),
        Reconcile((), "e"),
    ]


def test_nothing_is_made_of_nothing() -> None:
    assert merge_declines([]) == []


def test_a_thousand_offers_are_answered_with_a_few_calls_and_each_once() -> None:
    hosts = [build_host(number) for number in range(1000)]
    cluster = FakeCluster(hosts, build_policy(max_concurrent_agents=1))
    cluster.feed(OffersReceived(tuple(cluster.build_offer(host) for host in hosts)))
    offers = tuple(cluster.build_offer(host) for host in hosts)
    calls = merge_declines(action for action in cluster.feed(OffersReceived(offers)) if isinstance(action, Decline))

    assert len(calls) <= 3
    answered = [offer_id for call in calls if isinstance(call, Decline) for offer_id in call.offer_ids]
    assert sorted(answered) == sorted(offer.id for offer in offers)


@pytest.mark.parametrize(("waiting", "refuse_s"), [(1, 5.0), (250, 5.0), (1000, 20.0), (10_000, 60.0)])
def test_the_more_agents_wait_the_longer_they_are_not_offered(waiting: int, refuse_s: float) -> None:
    assert build_policy().compute_refuse_s(waiting) == refuse_s


def test_a_slot_that_gets_free_has_all_that_wait_offered_at_once() -> None:
    cluster = FakeCluster([build_host(number) for number in range(3)], build_policy())

    cluster.run_until(lambda: len(cluster.state.unsettled) == 2)

    assert Revive("a slot is free") in cluster.actions
