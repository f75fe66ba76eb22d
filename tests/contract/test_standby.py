"""One scheduler at a time: real processes over each kind of store, with a simulated master."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from calico_dcos.sim.mesos import build_master
from tests.contract.real_etcd import find_free_port, start_etcd
from tests.contract.real_zookeeper import start_zookeeper
from tests.contract.scheduler_process import SchedulerProcess


class Site:
    """A master, a store, and any number of schedulers over them."""

    def __init__(self, *, directory: Path, master: str, store: str, stack: ExitStack) -> None:
        self.directory = directory
        self.master = master
        self.store = store
        self._stack = stack

    def start_scheduler(self, name: str) -> SchedulerProcess:
        log = self.directory / f"{name}.log"
        scheduler = SchedulerProcess(log=log, MASTER=self.master, STATE_STORE=self.store)
        self._stack.callback(scheduler.stop)
        scheduler.start()
        return scheduler

    def list_frameworks(self) -> Any:
        body = requests.post(f"http://{self.master}/api/v1", json={"type": "GET_FRAMEWORKS"}, timeout=10).json()
        return body["get_frameworks"].get("frameworks", [])


@pytest.fixture(params=["sqlite", "etcd", "zookeeper"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        port = find_free_port()
        master = build_master(tmp_path / "master", port=port)
        stack.callback(master.stop)
        master.start()
        master.wait_until_listening()
        match request.param:
            case "etcd":
                etcd = start_etcd(tmp_path)
                stack.callback(etcd.stop)
                store = f"etcd://{etcd.endpoint}/calico"
            case "zookeeper":
                zookeeper = start_zookeeper(tmp_path)
                stack.callback(zookeeper.stop)
                store = f"zk://{zookeeper.endpoint}/calico"
            case _:
                store = f"sqlite://{tmp_path}/state.db"
        yield Site(directory=tmp_path, master=f"127.0.0.1:{port}", store=store, stack=stack)


def test_a_second_scheduler_waits_says_so_and_takes_over_from_one_that_is_gone_or_asleep(site: Site) -> None:
    first = site.start_scheduler("first")
    framework_id = first.wait_until(lambda summary: summary["is_connected"])["framework_id"]
    second = site.start_scheduler("second")

    (trouble,) = second.wait_until(lambda summary: summary["troubles"])["troubles"]
    assert "standby: another scheduler is at work" in trouble["words"]
    assert f"pid {first.pid}" in trouble["words"]
    assert second.get("/health") == {"is_healthy": True, "troubles": [trouble]}, "Marathon would kill a standby"
    assert not second.read_summary()["is_connected"]

    # A lock on a file ends with its process alone; a lease and a session run out.
    is_file = site.store.startswith("sqlite")
    first.signal(signal.SIGKILL if is_file else signal.SIGSTOP)
    taken_over = second.wait_until(lambda summary: summary["is_connected"])
    assert taken_over["framework_id"] == framework_id
    assert not [one for one in taken_over["troubles"] if one["source"] == "store"]
    if not is_file:
        first.signal(signal.SIGCONT)
    assert first.wait() != 0

    assert second.read_summary()["is_connected"], "the old scheduler took the framework back"
    assert second.poll() is None
    assert [framework["framework_info"]["id"]["value"] for framework in site.list_frameworks()] == [framework_id]


def test_a_standby_ends_when_it_is_told_to(site: Site) -> None:
    first = site.start_scheduler("first")
    first.wait_until(lambda summary: summary["is_connected"])
    second = site.start_scheduler("second")
    second.wait_until(lambda summary: summary["troubles"])

    second.signal(signal.SIGTERM)

    assert second.wait() == 0
    assert first.read_summary()["is_connected"]
