"""The simulated master and agents that a recording is played against, set up as the real ones were."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from calico_dcos.sim.mesos import LoopbackClaim, MesosProcess, build_agent, build_master, kill_tasks

MASTER_OPTIONS = ("--registry", "in_memory", "--agent-ping-timeout", "1")
PRIVATE = ("--resources", "cpus:2;mem:1024;disk:1000;ports:[31000-32000]", "--attributes", "rack:r1")
PUBLIC = (
    "--resources",
    "cpus(slave_public):2;mem(slave_public):1024;disk(slave_public):1000;ports(slave_public):[1-5050]",
    "--attributes",
    "public_ip:true",
)
SYSTEMD_HOST = ("--resources", "cpus:2;mem:23081;disk:252899;ports:[31000-32000]", "--attributes", "rack:r1")


class Site:
    """A master and agents on loopback addresses of their own, on the ports of the recordings.

    The real master gave an agent up after 3 missed pings, one each second. A restart of an agent comes near that, and
    the recordings of one happened to be lucky: they ask for more.
    """

    def __init__(self, directory: Path, *, max_missed_pings: int) -> None:
        self.directory = directory
        self._max_missed_pings = max_missed_pings
        self._claim = LoopbackClaim()
        self.healthy_file = directory / "healthy"
        self.master = self._build_master("--hostname", "localhost")
        self.agents: dict[str, MesosProcess] = {}
        self._host: StandInHost | None = None

    def add_test_agents(self) -> None:
        """The agents of most recordings: one private, one public."""
        for number, own in ((1, PRIVATE), (2, PUBLIC)):
            options = ("--hostname", f"agent{number}.test", "--launcher", "posix", *own)
            self.agents[f"agent{number}"] = self._build_agent(f"agent{number}", 5060 + number, *options)

    def add_systemd_agent(self, *, kills_tasks: bool) -> None:
        """The agent of the recordings on a host with systemd, whose unit a task may restart."""
        self.master = self._build_master("--hostname", "10.77.0.1")
        host = StandInHost(self.directory, self._ip, restart=lambda: self._restart_unit(kills_tasks=kills_tasks))
        options = (
            *("--hostname", "10.77.0.21", "--launcher", "linux", *SYSTEMD_HOST),
            *("--cgroups-hierarchy", str(self.directory / "cgroup"), "--registration-backoff-factor", "1"),
            *("--executor-environment", json.dumps({"PATH": f"{host.bin}:{os.environ['PATH']}"})),
        )
        self.agents["agent"] = self._build_agent("agent", 5051, *options)
        host.start()
        self._host = host

    def start(self) -> None:
        """Start the master, then the agents."""
        self.master.start()
        self.master.wait_until_listening()
        for agent in self.agents.values():
            agent.start()

    def stop(self) -> None:
        """End everything, the tasks that still run too."""
        for name, agent in self.agents.items():
            agent.stop()
            kill_tasks(self.directory / name)
        self.master.stop()
        if self._host is not None:
            self._host.stop()
        self._claim.release()

    @property
    def _ip(self) -> str:
        return self.master.address[0]

    def _build_master(self, *options: str) -> MesosProcess:
        options = (*MASTER_OPTIONS, "--max-agent-ping-timeouts", str(self._max_missed_pings), *options)
        return build_master(self.directory / "master", *options, ip=self._claim.ip, port=5050)

    def _build_agent(self, name: str, port: int, *options: str) -> MesosProcess:
        return build_agent(self.directory / name, self.master, *options, ip=self._ip, port=port)

    def _restart_unit(self, *, kills_tasks: bool) -> None:
        """Restart the agent as systemd does; where it tracks units by cgroup v2, with all that they started."""
        self.agents["agent"].stop()
        if kills_tasks:
            kill_tasks(self.directory / "agent")
        self.agents["agent"].start()


class StandInHost:
    """`systemctl` and `hostname` for tasks: the first has the agent restarted, the second tells its address."""

    def __init__(self, directory: Path, ip: str, restart: Callable[[], None]) -> None:
        self.bin = directory / "bin"
        self._orders = directory / "orders"
        self._done = directory / "done"
        self._restart = restart
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.bin.mkdir()
        os.mkfifo(self._orders)
        os.mkfifo(self._done)
        self._write("systemctl", f'echo "$*" > {self._orders}; read answer < {self._done}')
        self._write("hostname", f"echo {ip}")

    def start(self) -> None:
        """Obey orders from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Obey no more."""
        self._orders.write_text("stop\n")
        self._thread.join()

    def _serve(self) -> None:
        with self._done.open("r+b", buffering=0) as done:  # also a reader: who asked may have been killed
            while self._orders.read_text().strip() == "restart dcos-mesos-slave":
                self._restart()
                done.write(b"done\n")

    def _write(self, name: str, line: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
