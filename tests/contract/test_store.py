"""What the scheduler may rely on, whatever keeps its memory: one suite over SQLite, real etcd and real ZooKeeper."""

from __future__ import annotations

import itertools
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from calico_dcos.core.command import AUDIT_LENGTH, AuditEntry, CommandName, Controls, Word
from calico_dcos.core.memory import Batch, Memory
from calico_dcos.core.model import Agent, Backoff, Change, Inspection, Mark, Note, Step, StepName, Task, TaskState
from calico_dcos.scheduler import Store, StoreError, StoreHeldError
from tests.contract.real_etcd import RealEtcd, start_etcd
from tests.contract.real_zookeeper import RealZooKeeper, start_zookeeper
from tests.contract.store_backends import (
    LEASE_S,
    Backend,
    EtcdBackend,
    SqliteBackend,
    ZooKeeperBackend,
    build_agents,
    start_writer,
)

_NUMBERS = itertools.count()
LARGE = 250
"""More agents than etcd changes in one transaction."""


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEtcd]:
    server = start_etcd(tmp_path_factory.mktemp("etcd"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealZooKeeper]:
    server = start_zookeeper(tmp_path_factory.mktemp("zookeeper"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "etcd", "zookeeper"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    if request.param == "sqlite":
        return SqliteBackend(tmp_path_factory.mktemp("sqlite"))
    if request.param == "etcd":
        return EtcdBackend(request.getfixturevalue("etcd"), f"/calico-{next(_NUMBERS)}")
    return ZooKeeperBackend(request.getfixturevalue("zookeeper"), f"/calico-{next(_NUMBERS)}")


@pytest.fixture
def open_one(backend: Backend) -> Iterator[Callable[[], Store]]:
    """Opens stores over the same backend, as so many processes would; closes them all at the end."""
    with ExitStack() as stack:

        def open_one() -> Store:
            store = backend.open()
            stack.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def store(open_one: Callable[[], Store]) -> Store:
    """A store that is acquired."""
    store = open_one()
    store.acquire("the first", 0)
    return store


def test_an_empty_store_loads_as_an_empty_memory(store: Store) -> None:
    assert store.load() == Memory()


def test_every_kind_of_value_comes_back_as_it_was_saved(store: Store, open_one: Callable[[], Store]) -> None:
    agent = build_full_agent()
    pins = {"https://example.com/calico?v=1&x=y": "ab" * 32, "https://example.com/calico-ipam": "cd" * 32}

    controls = Controls(pause=Mark(5.0, "ann", "freeze"), canary=Mark(6.0, "bob", settings="s1"))
    words = (Word(3, 8.0, CommandName.FORCE_COMPLETE, "ann", "all is well", StepName.CNI, settings={"cni": "abc"}),)
    audit = tuple(AuditEntry(number, 7.0, "ann", "pause", reason="freeze") for number in (0, AUDIT_LENGTH - 1))
    store.save(Batch("f-1", "s", (agent,), pins, controls, audit, words=words))

    loaded = open_one().load()
    assert sorted(loaded.audit, key=lambda entry: entry.number) == list(audit)
    assert replace(loaded, audit=()) == Memory("f-1", "s", (agent,), pins, controls, words=words)


def test_a_sum_that_is_taken_back_is_there_no_more(store: Store, open_one: Callable[[], Store]) -> None:
    store.save(Batch(pins={"https://a/b?c": "ab" * 32, "https://a/d": "cd" * 32}))
    store.save(Batch(unpinned=("https://a/b?c",)))
    assert open_one().load().pins == {"https://a/d": "cd" * 32}


def test_audit_log_does_not_grow_past_its_length(store: Store) -> None:
    entries = [AuditEntry(number, 7.0, "ann", "pause") for number in (0, 1, AUDIT_LENGTH)]
    for entry in entries:
        store.save(Batch(audit=(entry,)))
    assert sorted(entry.number for entry in store.load().audit) == [1, AUDIT_LENGTH]


def test_a_batch_leaves_alone_what_it_does_not_name(store: Store) -> None:
    first, second = build_agents(2, 1)
    store.save(Batch(framework_id="f-1", agents=(first,), pins={"a": "1"}))
    store.save(Batch(secret="s", agents=(second,), pins={"b": "2"}))

    expected = Memory(framework_id="f-1", secret="s", agents=(first, second), pins={"a": "1", "b": "2"})
    assert store.load() == expected


def test_a_later_batch_replaces_what_it_names(store: Store) -> None:
    store.save(Batch(framework_id="f-1", agents=build_agents(2, 1)))
    store.save(Batch(framework_id="f-2", agents=build_agents(2, 2)))

    assert store.load() == Memory(framework_id="f-2", agents=build_agents(2, 2))


@pytest.mark.parametrize("count", [1, LARGE])
def test_forgotten_agents_are_there_no_more(store: Store, open_one: Callable[[], Store], count: int) -> None:
    agents = build_agents(count + 1, 1)
    store.save(Batch(agents=agents))

    store.save(Batch(forgotten=tuple(agent.key for agent in agents[1:]), agents=(replace(agents[0], hostname="new"),)))

    assert store.load().agents == (replace(agents[0], hostname="new"),)
    store.save(Batch(agents=(agents[1],)))
    store.close()
    other = open_one()
    other.acquire("the second", 30)
    assert [agent.key for agent in other.load().agents] == sorted(agent.key for agent in agents[:2])


def test_an_empty_batch_is_saved_without_the_store(store: Store, backend: Backend) -> None:
    backend.suspend()
    try:
        store.save(Batch())
    finally:
        backend.resume()


def test_a_batch_of_any_size_is_saved(store: Store) -> None:
    agents = tuple(sorted(build_agents(LARGE, 1), key=lambda agent: agent.key))
    # Each as large as a record may be, and together more than any write takes.
    large = Inspection(at=1.0, settings="x", facts={"text": "x" * 300_000})
    heavy = tuple(Agent(key=f"heavy{i}", agent_id="S", hostname=f"heavy{i}", inspection=large) for i in range(8))

    store.save(Batch(agents=agents))
    store.save(Batch(agents=heavy))

    assert store.load().agents == (*agents, *heavy)


@pytest.mark.parametrize("batch_size", [2, LARGE])
def test_batches_of_a_killed_writer_are_there_up_to_a_record(
    backend: Backend, open_one: Callable[[], Store], batch_size: int
) -> None:
    last_told = 0
    for round_number in range(3):
        with start_writer(backend.url, batch_size) as writer:
            assert writer.stdout is not None
            for line in itertools.islice(writer.stdout, 2 + round_number):
                last_told = int(line)
            time.sleep(0.013 * round_number)
            writer.kill()
            last_told = max([last_told, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        backend.break_lock()  # instead of waiting for its lease to run out

        heir = open_one()
        heir.acquire("the heir", 60)
        found = {agent.key: agent.first_seen_at for agent in heir.load().agents}
        heir.close()

        in_order = [found[agent.key] for agent in build_agents(batch_size, 0)]
        assert in_order == sorted(in_order, reverse=True), "a later record was written before an earlier one"
        assert in_order[0] - in_order[-1] <= 1, "a batch was begun before the last one was there"
        assert in_order[-1] >= last_told, "a batch that was saved is gone"


def test_a_second_scheduler_waits_then_hears_who_holds_the_store(store: Store, open_one: Callable[[], Store]) -> None:
    store.save(Batch(framework_id="f-1"))
    began = time.monotonic()

    with pytest.raises(StoreHeldError, match="held by the first"):
        open_one().acquire("the second", 0.5)

    assert time.monotonic() - began >= 0.5
    store.save(Batch(framework_id="f-2"))


def test_a_waiting_scheduler_gets_the_store_when_it_is_given_up(store: Store, open_one: Callable[[], Store]) -> None:
    second = open_one()
    waiting = threading.Thread(target=second.acquire, args=("the second", 60))
    waiting.start()

    store.close()
    waiting.join()

    second.save(Batch(framework_id="f-2"))
    assert second.load().framework_id == "f-2"


def test_the_store_can_be_read_while_another_scheduler_holds_it(store: Store, open_one: Callable[[], Store]) -> None:
    store.save(Batch(framework_id="f-1"))

    assert open_one().load().framework_id == "f-1"


def test_a_scheduler_that_lost_the_lock_writes_nothing(
    store: Store, open_one: Callable[[], Store], backend: Backend
) -> None:
    store.save(Batch(framework_id="f-1"))
    backend.break_lock()
    second = open_one()
    second.acquire("the second", 60)

    with pytest.raises(StoreHeldError):
        store.save(Batch(framework_id="f-2"))
    with pytest.raises(StoreHeldError):
        store.save(Batch(agents=build_agents(LARGE, 1)))

    assert second.load() == Memory(framework_id="f-1")


def test_a_scheduler_that_never_acquired_the_store_writes_nothing(open_one: Callable[[], Store]) -> None:
    stranger = open_one()

    with pytest.raises(StoreHeldError):
        stranger.save(Batch(framework_id="f-1"))

    assert stranger.load() == Memory()


def test_the_lock_outlives_its_lease_while_its_holder_lives(store: Store, open_one: Callable[[], Store]) -> None:
    time.sleep(LEASE_S + 1.0)

    with pytest.raises(StoreHeldError):
        open_one().acquire("the second", 0)
    store.save(Batch(framework_id="f-1"))


def test_a_killed_holder_frees_the_store(backend: Backend, open_one: Callable[[], Store]) -> None:
    with start_writer(backend.url, 2) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "1\n"
        second = open_one()
        with pytest.raises(StoreHeldError, match="held by the writer"):
            second.acquire("the second", 0)
        writer.kill()

    second.acquire("the second", 60)
    second.save(Batch(framework_id="f-1"))


# A file stays locked as long as its process is there, asleep or not: nobody else can come.
@pytest.mark.parametrize("backend", ["etcd", "zookeeper"], indirect=True)
def test_a_scheduler_that_was_asleep_while_another_one_came_writes_nothing_when_it_wakes(
    backend: Backend, open_one: Callable[[], Store]
) -> None:
    with start_writer(backend.url, 2) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "1\n"
        writer.send_signal(signal.SIGSTOP)
        second = open_one()
        second.acquire("the second", 60)
        second.save(Batch(framework_id="f-2", agents=build_agents(2, 1_000_000)))
        writer.send_signal(signal.SIGCONT)

        assert writer.wait(60) != 0

    assert second.load() == Memory(framework_id="f-2", agents=build_agents(2, 1_000_000))


def test_a_store_that_is_away_for_a_while_raises_then_works_again(store: Store, backend: Backend) -> None:
    store.save(Batch(framework_id="f-1"))
    backend.suspend()
    try:
        with pytest.raises(StoreError) as caught:
            store.save(Batch(framework_id="f-2"))
    finally:
        backend.resume()

    assert not isinstance(caught.value, StoreHeldError)
    assert backend.url in str(caught.value)
    assert "\n" not in str(caught.value)
    save_patiently(store, Batch(framework_id="f-3"))
    assert store.load().framework_id == "f-3"


def save_patiently(store: Store, batch: Batch) -> None:
    """Save as soon as the store answers again."""
    for _ in range(100):
        with suppress(StoreError):
            return store.save(batch)
        time.sleep(0.1)
    return store.save(batch)


def build_full_agent() -> Agent:
    """An agent with a value other than the default in every field."""
    task = Task(
        id="cni__1",
        agent_id="S1",
        launched_at=1.5,
        settings="abc",
        state=TaskState.RUNNING,
        may_restart=True,
        since=2.5,
        healthy_since=3.5,
        container_id="c-1",
    )
    change = Change(message="restart it", reason="it must", impact="some", restarts="docker")
    inspection = Inspection(
        at=4.5,
        settings="abc",
        changes={"cni": (change,), "agent-restart": ()},
        refusals={"docker-cluster-store": "swarm: leave it"},
        facts={"docker": {"version": "1.13.1", "live": None, "flags": ["-H", 1, 2.5, True]}, "name": "hôst \x00"},
    )
    step = Step(task=task, backoff=Backoff(2, 9.5, "it broke"), completed_as="abc")
    return Agent(
        key="10.0.0.1:5061",
        agent_id="S1",
        hostname="10.0.0.1",
        ip="10.0.0.1",
        port=5061,
        is_public=True,
        mesos_version="1.9.0",
        steps={StepName.CNI: step, StepName.INSPECT: Step()},
        inspection=inspection,
        slot_since=5.5,
        settled_as="abc",
        settled_at=6.5,
        restart_since=7.5,
        restarted_at=8.5,
        first_seen_at=0.5,
        history=(Note(at=1.0, text="took a slot"),),
    )


def test_a_full_disk_is_told_loses_nothing_and_is_over_when_there_is_space(tmp_path: Path) -> None:
    with open_small_disk(tmp_path) as backend, closing(backend.open()) as store:
        store.acquire("the first", 0)
        store.save(Batch(agents=build_agents(3, 1)))
        filler = tmp_path / "filler"
        fill(filler)

        with pytest.raises(StoreError, match="its directory must exist, be writable, and have space") as caught:
            store.save(Batch(agents=build_agents(2000, 2)))
        assert not isinstance(caught.value, StoreHeldError)
        assert store.load() == Memory(agents=build_agents(3, 1))

        filler.unlink()
        store.save(Batch(agents=build_agents(3, 2)))
        assert store.load() == Memory(agents=build_agents(3, 2))


@contextmanager
def open_small_disk(directory: Path) -> Iterator[SqliteBackend]:
    """Mount a disk of one megabyte; where that is not allowed, a limit of SQLite's own stands for it."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        print("cannot mount a small disk: the test's file system has space, so a limit on files stands for a full one")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        try:
            yield SqliteBackend(directory)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    try:
        yield SqliteBackend(directory)
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def fill(filler: Path) -> None:
    """Write until nothing more fits."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
