"""The leading master, found in a real ZooKeeper where simulated masters write what real ones write."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from calico_dcos.core.events import Disconnected, Subscribed
from calico_dcos.mesos.master import MasterError, check_master, find_master
from calico_dcos.mesos.roster import read_roster
from calico_dcos.sim.mesos import MesosProcess, build_master
from tests.contract.driver_harness import Harness
from tests.contract.real_etcd import find_free_port
from tests.contract.real_zookeeper import RealZooKeeper, start_zookeeper

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealZooKeeper]:
    server = start_zookeeper(tmp_path_factory.mktemp("zookeeper"))
    yield server
    server.stop()


def start_master(stack: ExitStack, directory: Path, url: str) -> MesosProcess:
    master = build_master(directory, "--zk", url, port=find_free_port())
    stack.callback(master.stop)
    master.start()
    return master


def test_the_driver_follows_the_leader_when_another_master_takes_over(zookeeper: RealZooKeeper, tmp_path: Path) -> None:
    url = f"zk://{zookeeper.endpoint}/mesos"
    with ExitStack() as stack:
        first = start_master(stack, tmp_path / "first", url)
        first.wait_until_listening()
        second = start_master(stack, tmp_path / "second", url)
        assert find_master(url, timeout_s=TIMEOUT_S) == f"127.0.0.1:{first.address[1]}"
        harness = Harness(url)
        stack.callback(harness.driver.stop)
        harness.driver.start(None)
        framework_id = harness.wait_for_event(Subscribed).framework_id
        # Its session lives on for a while: until it expires, the one that is gone still leads.
        first.stop(signal.SIGKILL)
        harness.wait_for_event(Disconnected)
        second.wait_until_listening()

        def find_subscriptions() -> list[Subscribed]:
            return [event for event in harness.events if isinstance(event, Subscribed)]

        harness.wait_for(lambda: find_subscriptions()[-1].master == f"127.0.0.1:{second.address[1]}")

        assert find_subscriptions()[-1].framework_id == framework_id
        assert check_master(url, timeout_s=TIMEOUT_S)
        assert read_roster(url, timeout_s=TIMEOUT_S).agents == ()


def test_a_path_that_is_not_there_is_named(zookeeper: RealZooKeeper) -> None:
    with pytest.raises(MasterError, match=r"ZooKeeper has no such path: zk://.*/nowhere; DC/OS and Mesos use /mesos"):
        find_master(f"zk://{zookeeper.endpoint}/nowhere", timeout_s=TIMEOUT_S)


def test_a_path_without_a_master_is_named(zookeeper: RealZooKeeper) -> None:
    client = KazooClient(hosts=zookeeper.endpoint)
    client.start(timeout=TIMEOUT_S)
    client.ensure_path("/empty")
    client.stop()
    client.close()

    with pytest.raises(MasterError, match=r"no Mesos master leads at zk://.*/empty; are the masters up"):
        find_master(f"zk://{zookeeper.endpoint}/empty", timeout_s=TIMEOUT_S)
