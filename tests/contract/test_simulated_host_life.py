"""A simulated host ends with its owner, leaves no process, and treats tasks as its kind of control groups does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calico_dcos.sim.host import Host, HostError, HostPlan, make_host
from calico_dcos.sim.standins.options import HostOptions
from calico_dcos.sim.standins.process_tree import has_in_environment, list_descendants

AGENT = """\
[Service]
ExecStart=/bin/sh -c "setsid sleep 1000 & wait"
Restart=always
RestartSec=50ms
KillMode=control-group
[Install]
WantedBy=multi-user.target
"""
MakeHost = Callable[..., Host]


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def list_processes(host: Host) -> list[int]:
    """List the processes that name the host's root in their environment or command line."""
    root = str(host.root).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                texts = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if any(root in text for text in texts):
                found.append(int(entry.name))
    return found


def list_tasks(host: Host) -> list[int]:
    """List the living tasks of the host's unit."""
    mark = "STAND_IN_UNIT=agent.service"
    living = list_descendants(os.getpid())
    return [
        pid
        for pid in living
        if has_in_environment(pid, mark)
        and has_in_environment(pid, f"ROOT={host.root}")
        and Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")
    ]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeHost]:
    hosts: list[Host] = []

    def make_one(*, is_hybrid: bool = False) -> Host:
        directory = tmp_path_factory.mktemp("h")
        unit = AGENT.replace("Restart=", f"Environment=ROOT={directory}/host\nRestart=", 1)
        options = HostOptions(is_hybrid=is_hybrid)
        plan = HostPlan(name="host", units={"agent.service": unit}, options=options, containers=("web", "db"))
        host = make_host(directory, plan)
        hosts.append(host)
        return host

    yield make_one
    for host in hosts:
        host.stop()


def boot(host: Host) -> Host:
    host.start()
    host.wait_until_booted()
    assert host.run("systemctl", "start", "docker").returncode == 0
    wait_until(lambda: list_tasks(host))
    return host


def test_a_host_that_is_switched_off_leaves_no_process(make: MakeHost) -> None:
    host = boot(make())
    assert host._init is not None
    below = list_descendants(host._init.pid)
    assert len(below) >= 5  # dockerd, two containers, the agent, its task
    host.stop()
    assert not set(below) & set(list_descendants(os.getpid()))
    assert list_processes(host) == []


def test_a_host_boots_again_with_the_disk_that_it_had(make: MakeHost) -> None:
    host = boot(make())
    host.run("docker", "run", "-d", "--restart=always", "--name", "mine", "busybox")
    host.run("docker", "run", "-d", "--name", "once", "busybox")
    host.stop()
    boot(host)
    names = host.run("docker", "ps", "-a").stdout
    assert [line.split()[-1] for line in names.splitlines() if "Up" in line] == ["mine", "web", "db"]
    assert "Exited" in next(line for line in names.splitlines() if line.endswith("once"))


def test_where_systemd_uses_cgroup_v1_tasks_outlive_a_restart_of_their_agent(make: MakeHost) -> None:
    host = boot(make())
    tasks = list_tasks(host)
    assert host.run("systemctl", "restart", "agent").returncode == 0
    assert set(tasks) <= set(list_tasks(host))


@pytest.mark.parametrize("act", [("restart",), ("kill", "-s", "KILL", "--kill-who=main")])
def test_on_a_hybrid_host_tasks_end_with_their_agent_and_containers_do_not(
    make: MakeHost, act: tuple[str, ...]
) -> None:
    host = boot(make(is_hybrid=True))
    tasks, containers = list_tasks(host), host.run("docker", "ps", "-q").stdout
    assert host.run("systemctl", *act, "agent").returncode == 0
    wait_until(lambda: not set(tasks) & set(list_tasks(host)))
    wait_until(lambda: host.run("systemctl", "is-active", "agent").stdout == "active\n")
    assert host.run("docker", "ps", "-q").stdout == containers


def test_a_host_dies_with_its_owner_however_that_ends(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("h")
    host = make_host(directory, HostPlan(name="host", containers=("web",)))
    script = (
        "import sys, time; from pathlib import Path; from calico_dcos.sim.host import Host;"
        "host = Host(Path(sys.argv[1])); host.start(); host.wait_until_booted();"
        "host.run('systemctl', 'start', 'docker'); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, host.root], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        below = list_descendants(owner.pid)
        assert len(below) >= 3  # init, dockerd, the container
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in below))


def test_a_root_whose_path_is_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="choose a shorter directory"):
        make_host(tmp_path / ("x" * 90), HostPlan(name="host"))
