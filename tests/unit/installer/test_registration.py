"""A calico-node registers its node when it starts, and never again: what becomes of one that etcd has lost since."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from calico_dcos.installer.facts.calico_etcd import EtcdNode
from calico_dcos.installer.host import Host
from calico_dcos.installer.plans.changes import find_at_fault
from calico_dcos.installer.report import Reporter
from calico_dcos.installer.services import calico_node
from calico_dcos.installer.services.watch import DOWN_LIMIT_S
from calico_dcos.installer.steps.work import StepError
from calico_dcos.installer.unknown import Unknown
from tests.unit.installer.examples import build_container, build_node, build_wanted

POLL_S = 5.0


class Clock:
    """Time that goes on with each poll."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, _seconds: float) -> bool:
        self.now_s += POLL_S
        return False


def list_restarts(monkeypatch: pytest.MonkeyPatch, own: EtcdNode | Unknown | None) -> list[float]:
    """Supervise a node that does not work until that ends; how long after its begin the container was started anew."""
    clock, restarts = Clock(), list[float]()
    begun_s = clock.now_s
    host: dict[str, Callable[..., Any]] = {
        "read_nodes": lambda *_: (build_node(), []),
        "prepare_kernel": lambda *_: None,
        "keep_settings": lambda *_: None,
        "forget_proven": lambda *_: None,
        "read_log": lambda *_: "",
        "read_own_node": lambda *_: own,
        "read_calico_node": lambda *_: build_container(started_at=f"start {len(restarts)}"),
        "restart_container": lambda *_: restarts.append(clock.now_s - begun_s),
        "look": lambda *_, **__: find_at_fault("it does not work", "see the log"),
    }
    for name, stand_in in host.items():
        monkeypatch.setattr(calico_node, name, stand_in)
    monkeypatch.setattr(calico_node, "time", clock)
    reporter = Reporter(None, None, io.StringIO(), io.StringIO())
    supervisor = calico_node.NodeSupervisor(Host("/", None, {}), build_wanted(), reporter, lambda: None)
    with pytest.raises(StepError, match="calico-node does not work"):
        supervisor.run(clock)  # type: ignore[arg-type]
    assert clock.now_s - begun_s > DOWN_LIMIT_S * (len(restarts) + 1)
    return restarts


def test_a_node_that_etcd_has_lost_is_registered_again_once_before_its_service_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(list_restarts(monkeypatch, None)) == 1


@pytest.mark.parametrize("own", [EtcdNode("h1", "10.0.0.2"), EtcdNode("h1", "10.0.0.9"), Unknown("etcd is away")])
def test_a_node_that_is_there_or_cannot_be_read_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, own: EtcdNode | Unknown
) -> None:
    assert list_restarts(monkeypatch, own) == []
