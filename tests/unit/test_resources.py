"""What a task takes of an offer."""

from __future__ import annotations

from calico_dcos.core.model import StepName
from calico_dcos.core.resources import Offer, Resource, ResourceKind, Shortfall, take
from calico_dcos.core.steps import StepSpec

SPEC = StepSpec(StepName.ETCD_PROXY, settings="s", cpus=0.5, mem_mb=64.0, ports=(2379,))


def build_offer(*resources: Resource) -> Offer:
    return Offer("O1", "S1", "agent1.test", "10.0.0.1", 5051, is_public=True, resources=resources)


def scalar(name: str, amount: float, role: str = "*") -> Resource:
    return Resource(name, ResourceKind.SCALAR, role, amount=amount)


def ports(*ranges: tuple[int, int], role: str = "*") -> Resource:
    return Resource("ports", ResourceKind.RANGES, role, ranges=ranges)


def test_resources_are_taken_in_the_role_in_which_they_are_offered() -> None:
    taken = take(build_offer(scalar("cpus", 2, "slave_public"), scalar("mem", 512, "slave_public")), SPEC)

    assert taken == (scalar("cpus", 0.5, "slave_public"), scalar("mem", 64, "slave_public"))


def test_resources_of_two_roles_are_taken_together() -> None:
    taken = take(build_offer(scalar("cpus", 0.3, "slave_public"), scalar("cpus", 1), scalar("mem", 512)), SPEC)

    assert taken == (scalar("cpus", 0.3, "slave_public"), scalar("cpus", 0.2), scalar("mem", 64))


def test_port_is_claimed_where_it_is_offered() -> None:
    taken = take(build_offer(scalar("cpus", 1), scalar("mem", 64), ports((1025, 2180), (2182, 3887))), SPEC)

    assert isinstance(taken, tuple)
    assert taken[-1] == ports((2379, 2379))


def test_port_that_is_not_offered_is_done_without() -> None:
    taken = take(build_offer(scalar("cpus", 1), scalar("mem", 64), ports((31000, 32000))), SPEC)

    assert taken == (scalar("cpus", 0.5), scalar("mem", 64))


def test_offer_that_is_too_small_is_named_with_what_is_missing() -> None:
    assert take(build_offer(scalar("cpus", 0.4), scalar("mem", 64)), SPEC) == Shortfall(
        "0.5 cpus and 64 MB of memory",
    )
