"""What the simulated Mesos does beyond the recordings, and what differs between its versions."""

from __future__ import annotations

import json
import os
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calico_dcos.sim.client import SimpleScheduler, send_request, wait_until_idle
from calico_dcos.sim.mesos import LoopbackClaim, MesosProcess, build_agent, build_master, kill_tasks

PARTITION_AWARE = [{"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}]
RESOURCES = "cpus:2;mem:1024;disk:1000;ports:[31000-32000]"
ALLOCATES_OFTEN = ("--allocation-interval", "0.1")
LOSES_AGENTS_SOON = ("--agent-ping-timeout", "0.2", "--max-agent-ping-timeouts", "3")


class Mesos:
    """A master, agents and schedulers of one test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._claim = LoopbackClaim()
        self._masters: list[MesosProcess] = []
        self._agents: dict[str, MesosProcess] = {}
        self._schedulers: list[SimpleScheduler] = []

    @property
    def master(self) -> MesosProcess:
        return self._masters[-1]

    def start_master(self, version: str, *options: str) -> None:
        options = ("--mesos-version", version, *ALLOCATES_OFTEN, *options)
        self._masters.append(build_master(self.directory / "master", *options, ip=self._claim.ip))
        self.master.start()
        self.master.wait_until_listening()

    def add_agent(self, version: str, *options: str, name: str = "agent", resources: str = RESOURCES) -> MesosProcess:
        agent = build_agent(
            self.directory / name,
            self.master,
            *("--hostname", name, "--mesos-version", version, "--resources", resources, "--launcher", "posix"),
            *("--executor-reregistration-timeout", "0.5", *options),
            ip=self._claim.ip,
            port=5051 if name == "agent" else 5052,
        )
        self._agents[name] = agent
        return agent

    def subscribe(self, **info: object) -> SimpleScheduler:
        scheduler = SimpleScheduler(self.master.address, **{"failover_timeout": 600.0, **info})
        self._schedulers.append(scheduler)
        scheduler.subscribe()
        return scheduler

    def start(self, version: str, *options: str, master_options: tuple[str, ...] = ()) -> MesosProcess:
        """Start a master and one agent of a version."""
        self.start_master(version, *master_options)
        agent = self.add_agent(version, *options)
        agent.start()
        return agent

    def deeds(self, name: str = "agent") -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.directory / name / "deeds.jsonl").read_text().splitlines()]

    def find_sandbox(self) -> str:
        """Find the sandbox of the one task that was launched."""
        (launched,) = [deed for deed in self.deeds() if deed["event"] == "launched"]
        return launched["sandbox"]

    def stop(self) -> None:
        for scheduler in self._schedulers:
            scheduler.disconnect()
        for name, agent in self._agents.items():
            agent.stop(signal.SIGKILL)
            kill_tasks(self.directory / name)
        for master in self._masters:
            master.stop()
        self._claim.release()


@pytest.fixture
def mesos(tmp_path: Path) -> Iterator[Mesos]:
    running = Mesos(tmp_path)
    yield running
    running.stop()


def stop(agent: MesosProcess) -> None:
    """Stop an agent that has taken all acknowledgements."""
    wait_until_idle(agent.address)
    agent.stop()


def wait_until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("version", "capability", "status"),
    [
        ("1.0.1", "TASK_KILLING_STATE", 200),
        ("1.0.1", "PARTITION_AWARE", 400),
        ("1.4.3", "NO_SUCH_CAPABILITY", 400),
        ("1.5.0", "NO_SUCH_CAPABILITY", 200),
    ],
)
def test_unknown_capabilities_are_refused_before_mesos_1_5(
    mesos: Mesos,
    version: str,
    capability: str,
    status: int,
) -> None:
    mesos.start_master(version)
    call = {
        "type": "SUBSCRIBE",
        "subscribe": {"framework_info": {"user": "u", "name": "n", "capabilities": [{"type": capability}]}},
    }
    if status == 200:
        scheduler = SimpleScheduler(mesos.master.address, capabilities=[{"type": capability}])
        assert scheduler.subscribe().status == 200
        scheduler.disconnect()
        return
    answer = send_request(
        mesos.master.address,
        "POST",
        "/api/v1/scheduler",
        json.dumps(call).encode(),
        {"Content-Type": "application/json"},
    )
    assert answer.status == 400
    assert answer.body == f"Failed to convert JSON into Call protobuf: Failed to find enum for '{capability}'"


def test_frameworks_that_know_no_partitions_are_told_of_lost_tasks(mesos: Mesos) -> None:
    mesos.start("1.0.1")
    scheduler = mesos.subscribe()
    scheduler.reconcile("unheard-of", "no-such-agent")
    assert scheduler.take_update()["state"] == "TASK_LOST"
    offer = scheduler.take_offer()
    scheduler.reconcile("unheard-of", offer["agent_id"]["value"])
    assert scheduler.take_update()["state"] == "TASK_LOST"


def test_mesos_1_0_neither_tells_that_a_task_starts_nor_why_it_tells_health(mesos: Mesos) -> None:
    mesos.start("1.0.1")
    scheduler = mesos.subscribe(capabilities=[{"type": "TASK_KILLING_STATE"}])
    check = {"command": {"value": "true"}, "delay_seconds": 0, "type": "UNHEARD_OF"}
    scheduler.launch("sleep 1000", health_check=check)
    running, healthy = scheduler.take_update(), scheduler.take_update()
    assert running["state"] == "TASK_RUNNING"
    assert "healthy" not in running
    assert healthy["healthy"] is True
    assert "reason" not in healthy


def test_an_unreachable_agent_of_mesos_1_0_is_shut_down_when_it_returns(mesos: Mesos) -> None:
    agent = mesos.start("1.0.1", master_options=LOSES_AGENTS_SOON)
    scheduler = mesos.subscribe()
    first = scheduler.launch("sleep 1000")
    scheduler.take_updates_until("TASK_RUNNING")
    stop(agent)
    lost = scheduler.take_update()
    assert (lost["state"], lost["reason"]) == ("TASK_LOST", "REASON_AGENT_REMOVED")
    agent.start()
    assert agent.wait(timeout_s=60) == 1
    wait_until(lambda: any(deed["event"] == "killed" for deed in mesos.deeds()))
    agent.start()
    wait_until(lambda: scheduler.take_offer()["agent_id"] != first["agent_id"])


@pytest.mark.parametrize("is_partition_aware", [True, False])
def test_until_mesos_1_4_only_partition_aware_tasks_outlive_their_agents_absence(
    mesos: Mesos,
    *,
    is_partition_aware: bool,
) -> None:
    agent = mesos.start("1.4.0", master_options=LOSES_AGENTS_SOON)
    scheduler = mesos.subscribe(capabilities=PARTITION_AWARE if is_partition_aware else [])
    scheduler.launch("sleep 1000")
    scheduler.take_updates_until("TASK_RUNNING")
    stop(agent)
    assert scheduler.take_update()["state"] == ("TASK_UNREACHABLE" if is_partition_aware else "TASK_LOST")
    while scheduler.events.rest():
        scheduler.events.take(lambda _: 0)
    agent.start()
    scheduler.take_offer()
    if is_partition_aware:
        scheduler.reconcile()
        wait_until(lambda: scheduler.take_update().get("message") == "Reconciliation: Latest task state")
    else:
        assert scheduler.take_update()["state"] == "TASK_KILLED"


@pytest.mark.parametrize(("version", "keeps_id"), [("1.3.0", False), ("1.4.0", True)])
def test_an_agent_keeps_its_id_over_a_reboot_since_mesos_1_4(mesos: Mesos, version: str, *, keeps_id: bool) -> None:
    boot_id = mesos.directory / "boot_id"
    boot_id.write_text("first")
    agent = mesos.start(version, "--boot-id-file", str(boot_id))
    scheduler = mesos.subscribe(capabilities=PARTITION_AWARE)
    before = scheduler.launch("sleep 1000")
    scheduler.take_updates_until("TASK_RUNNING")
    stop(agent)
    kill_tasks(mesos.directory / "agent")
    boot_id.write_text("second")
    agent.start()
    gone = scheduler.take_update()
    assert gone["state"] == ("TASK_DROPPED" if keeps_id else "TASK_GONE")
    scheduler.call("REVIVE")
    wait_until(lambda: (scheduler.take_offer()["agent_id"] == before["agent_id"]) is keeps_id)


@pytest.mark.parametrize(
    ("version", "plugins", "configs", "starts"),
    [
        ("1.0.1", ["bridge"], {"a.conf": '{"name": "net", "type": "bridge"}'}, True),
        ("1.0.1", ["bridge"], {"a.conf": '{"name": "net", "type": "bridge"}', "b.tmp": "{"}, False),
        ("1.0.1", ["bridge"], {"a.conf": '{"name": "net", "type": "calico"}'}, False),
        ("1.1.0", ["bridge"], dict.fromkeys(["a", "b"], '{"name": "net", "type": "bridge"}'), False),
        ("1.1.0", ["bridge"], {}, False),
        ("1.0.1", [], {"a.conf": '{"name": "net", "type": "bridge"}'}, False),
        ("1.2.0", [], {"b.tmp": "{"}, True),
    ],
)
def test_before_mesos_1_2_a_bad_network_config_keeps_the_agent_from_starting(
    mesos: Mesos,
    version: str,
    plugins: list[str],
    configs: dict[str, str],
    *,
    starts: bool,
) -> None:
    agent = mesos.start(version, *cni_options(mesos.directory, plugins, configs))
    if starts:
        agent.wait_until_listening()
    else:
        assert agent.wait(timeout_s=60) == 1


PLUGIN = """#!/bin/sh
echo '{"ip4": {"ip": "10.1.0.2/32"}, "dns": {}}'
"""


def cni_options(directory: Path, plugins: list[str], configs: dict[str, str]) -> tuple[str, ...]:
    for name in ("plugins", "config"):
        (directory / name).mkdir()
    for plugin in plugins:
        (directory / "plugins" / plugin).write_text(PLUGIN)
        (directory / "plugins" / plugin).chmod(0o755)
    for name, text in configs.items():
        (directory / "config" / name).write_text(text)
    return (
        *("--network-cni-config-dir", str(directory / "config")),
        *("--network-cni-plugins-dir", str(directory / "plugins")),
    )


@pytest.mark.parametrize(("version", "finds_it"), [("1.1.0", False), ("1.2.0", True)])
def test_a_new_network_is_found_without_a_restart_since_mesos_1_2(
    mesos: Mesos,
    version: str,
    *,
    finds_it: bool,
) -> None:
    networks = {"old.conf": '{"name": "old", "type": "bridge"}'}
    mesos.start(version, *cni_options(mesos.directory, ["bridge"], networks))
    scheduler = mesos.subscribe()
    container = {"type": "MESOS", "network_infos": [{"name": "calico"}]}
    scheduler.launch("true", task_id="before", container=container)
    refused = scheduler.take_update()
    assert refused["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "Unknown CNI network 'calico'" in refused["message"]
    (mesos.directory / "config" / "calico.conf").write_text('{"name": "calico", "type": "bridge"}')
    scheduler.launch("true", task_id="after", container=container)
    assert scheduler.take_updates_until("TASK_FINISHED" if finds_it else "TASK_FAILED")


def test_an_agent_whose_resources_changed_does_not_start_unless_they_may_grow(mesos: Mesos) -> None:
    agent = mesos.start("1.9.0")
    agent.wait_until_listening()
    mesos.subscribe().take_offer()
    stop(agent)
    changed = mesos.add_agent("1.9.0", resources=RESOURCES + ";gpus:1")
    changed.start()
    assert changed.wait(timeout_s=60) == 1
    grown = mesos.add_agent("1.9.0", "--reconfiguration-policy", "additive", resources=RESOURCES + ";gpus:1")
    grown.start()
    grown.wait_until_listening()
    wait_until(lambda: send_request(grown.address, "GET", "/state").status == 200)


def test_a_framework_without_a_role_gets_no_public_agent(mesos: Mesos) -> None:
    mesos.start("1.9.0")
    public = mesos.add_agent("1.9.0", "--default-role", "slave_public", name="public")
    public.start()
    both = mesos.subscribe()
    wait_until(lambda: both.take_offer()["hostname"] == "public")
    both.call("TEARDOWN")
    private_only = mesos.subscribe(role="*")
    assert private_only.take_offer()["hostname"] == "agent"
    time.sleep(0.5)
    assert not [event for event in private_only.events.rest() if event.type == "OFFERS"]


def test_a_framework_that_stays_away_too_long_is_removed_with_its_tasks(mesos: Mesos) -> None:
    mesos.start("1.9.0")
    scheduler = mesos.subscribe(failover_timeout=0.5)
    scheduler.launch("sleep 1000")
    scheduler.take_updates_until("TASK_RUNNING")
    scheduler.disconnect()
    wait_until(lambda: mesos.deeds()[-1]["event"] == "ended")
    assert mesos.deeds()[-1]["state"] == "TASK_KILLED"


def test_later_updates_wait_until_the_earlier_one_is_acknowledged(mesos: Mesos) -> None:
    mesos.start("1.9.0")
    scheduler = mesos.subscribe()
    scheduler.launch("true")
    wait_until(lambda: mesos.deeds()[-1]["event"] == "ended")
    assert [
        event.event["update"]["status"]["state"] for event in scheduler.events.rest() if event.type == "UPDATE"
    ] == [
        "TASK_STARTING",
    ]
    states = [status["state"] for status in scheduler.take_updates_until("TASK_FINISHED")]
    assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]


def test_uris_are_fetched_into_the_sandbox_and_unpacked(mesos: Mesos) -> None:
    tool = mesos.directory / "tool"
    tool.write_text("#!/bin/sh\necho tool\n")
    with tarfile.open(mesos.directory / "archive.tar.gz", "w:gz") as archive:
        archive.add(tool, "packed")
    uris = [
        {"value": str(tool), "executable": True},
        {"value": f"file://{mesos.directory}/archive.tar.gz", "extract": True},
    ]
    mesos.start("1.9.0")
    scheduler = mesos.subscribe()
    scheduler.launch("./tool && test -e packed && test $PWD = $MESOS_SANDBOX", command={"uris": uris})
    assert scheduler.take_updates_until("TASK_FINISHED")
    sandbox = mesos.find_sandbox()
    agent = (mesos.master.address[0], 5051)
    read = send_request(agent, "GET", f"/files/read?path={sandbox}/stdout&offset=0")
    assert read.body["data"] == "tool\n"


def test_a_task_sees_the_environment_of_executors_and_its_own_but_not_the_agents(mesos: Mesos) -> None:
    clean = json.dumps({"PATH": "/usr/bin:/bin", "FROM": "executor", "KEPT": "yes"})
    mesos.start("1.9.0", "--executor-environment", clean)
    scheduler = mesos.subscribe()
    variables = [{"name": "FROM", "value": "task"}]
    scheduler.launch("env", command={"environment": {"variables": variables}})
    scheduler.take_updates_until("TASK_FINISHED")
    lines = Path(mesos.find_sandbox(), "stdout").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    assert (environment["FROM"], environment["KEPT"]) == ("task", "yes")
    assert environment["MESOS_AGENT_ENDPOINT"] == f"{mesos.master.address[0]}:5051"
    assert environment["MESOS_CHECKPOINT"] == "1"
    assert "HOME" not in environment


def test_a_task_that_ignores_the_kill_is_killed_after_its_grace_period(mesos: Mesos) -> None:
    mesos.start("1.9.0")
    scheduler = mesos.subscribe()
    scheduler.launch("trap '' TERM; echo ready; while true; do sleep 0.05; done")
    scheduler.take_updates_until("TASK_RUNNING")
    output = Path(mesos.find_sandbox(), "stdout")
    wait_until(lambda: output.read_text() == "ready\n")
    policy = {"grace_period": {"nanoseconds": 200_000_000}}
    scheduler.call("KILL", task_id={"value": "task"}, kill_policy=policy)
    assert scheduler.take_update()["message"] == "Command terminated with signal Killed"


def test_a_task_whose_executor_is_killed_has_failed(mesos: Mesos) -> None:
    mesos.start("1.9.0")
    scheduler = mesos.subscribe()
    scheduler.launch("sleep 1000")
    running = scheduler.take_updates_until("TASK_RUNNING")[-1]
    os.kill(running["container_status"]["executor_pid"], signal.SIGKILL)
    failed = scheduler.take_update()
    assert (failed["state"], failed["reason"]) == ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED")


def test_an_executor_that_does_not_come_back_in_time_is_given_up(mesos: Mesos) -> None:
    agent = mesos.start("1.9.0")
    scheduler = mesos.subscribe(capabilities=PARTITION_AWARE)
    scheduler.launch("sleep 1000")
    running = scheduler.take_updates_until("TASK_RUNNING")[-1]
    os.kill(running["container_status"]["executor_pid"], signal.SIGSTOP)
    stop(agent)
    agent.start()
    gone = scheduler.take_updates_until("TASK_GONE")[-1]
    assert gone["reason"] == "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"


def test_a_restarted_master_says_nothing_of_tasks_whose_agent_it_waits_for(mesos: Mesos) -> None:
    mesos.start("1.9.0")
    scheduler = mesos.subscribe(capabilities=PARTITION_AWARE)
    offer = scheduler.launch("sleep 1000")
    scheduler.take_updates_until("TASK_RUNNING")
    mesos.master.stop()
    mesos.start_master("1.9.0")
    scheduler.subscribe()
    scheduler.reconcile(agent_id=offer["agent_id"]["value"])
    with pytest.raises(TimeoutError):
        scheduler.take_update(timeout_s=0.5)
    scheduler.take_offer()
    scheduler.reconcile(agent_id=offer["agent_id"]["value"])
    assert scheduler.take_update()["state"] == "TASK_RUNNING"


@pytest.mark.parametrize(("version", "status"), [("1.8.0", 400), ("1.9.0", 200)])
def test_an_agent_can_be_deactivated_since_mesos_1_9(mesos: Mesos, version: str, status: int) -> None:
    mesos.start(version)
    scheduler = mesos.subscribe()
    offer = scheduler.take_offer()
    call = {"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": offer["agent_id"]}}
    headers = {"Content-Type": "application/json"}
    answer = send_request(mesos.master.address, "POST", "/api/v1", json.dumps(call).encode(), headers)
    assert answer.status == status
    if status == 200:
        assert scheduler.events.take_type("RESCIND")["rescind"]["offer_id"] == offer["id"]


def test_a_failing_check_is_forgiven_during_the_grace_period_and_then_told_at_each_failure(mesos: Mesos) -> None:
    healthy = mesos.directory / "healthy"
    check = {
        "type": "COMMAND",
        "command": {"value": f"test -e {healthy} || sleep 1000"},
        "delay_seconds": 0,
        "interval_seconds": 0.1,
        "timeout_seconds": 0.1,
        "consecutive_failures": 2,
        "grace_period_seconds": 60,
    }
    mesos.start("1.9.0")
    scheduler = mesos.subscribe(capabilities=PARTITION_AWARE)
    scheduler.launch("sleep 1000", health_check=check)
    scheduler.take_updates_until("TASK_RUNNING")
    with pytest.raises(TimeoutError):
        scheduler.take_update(timeout_s=0.5)
    healthy.touch()
    assert scheduler.take_update()["healthy"] is True
    healthy.unlink()
    statuses = scheduler.take_updates_until("TASK_KILLED")
    assert [(status["state"], status.get("healthy")) for status in statuses] == [
        ("TASK_RUNNING", False),
        ("TASK_RUNNING", False),
        ("TASK_KILLING", None),
        ("TASK_KILLED", False),
    ]


def test_a_task_that_an_agent_never_got_is_told_to_be_dropped_when_the_agent_returns(mesos: Mesos) -> None:
    agent = mesos.start("1.9.0")
    scheduler = mesos.subscribe(capabilities=PARTITION_AWARE)
    wait_until((mesos.directory / "agent" / "meta" / "slaves" / "latest" / "slave.info").exists)
    os.kill(agent.pid, signal.SIGSTOP)
    scheduler.launch("sleep 1000")
    os.kill(agent.pid, signal.SIGKILL)
    agent.stop()
    agent.start()
    dropped = scheduler.take_update()
    assert (dropped["state"], dropped["reason"]) == ("TASK_DROPPED", "REASON_RECONCILIATION")


def test_the_master_keeps_up_with_an_agent_whose_address_another_one_takes(mesos: Mesos) -> None:
    agent = mesos.start("1.9.0")
    scheduler = mesos.subscribe(capabilities=PARTITION_AWARE)
    scheduler.launch("sleep 1000")
    scheduler.take_updates_until("TASK_RUNNING")
    stop(agent)
    (mesos.directory / "agent" / "meta" / "slaves" / "latest").unlink()
    agent.start()
    assert scheduler.take_update()["state"] == "TASK_GONE"


@pytest.mark.parametrize(
    ("version", "directory"),
    [("1.5.0", "systemd/mesos_executors.slice"), ("1.6.0", "systemd/mesos/{container_id}")],
)
def test_executors_leave_the_cgroup_of_their_agents_unit(mesos: Mesos, version: str, directory: str) -> None:
    mesos.start(version, "--launcher", "linux", "--cgroups-hierarchy", str(mesos.directory / "cgroup"))
    scheduler = mesos.subscribe()
    scheduler.launch("sleep 1000")
    status = scheduler.take_updates_until("TASK_RUNNING")[-1]["container_status"]
    path = mesos.directory / "cgroup" / directory.format(container_id=status["container_id"]["value"])
    assert (path / "cgroup.procs").read_text() == str(status["executor_pid"])
