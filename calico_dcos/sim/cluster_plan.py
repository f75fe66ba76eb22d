"""What the hosts of a simulated cluster are made of; pure."""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calico_dcos.sim.host import HostPlan
from calico_dcos.sim.standins.init import BOOT_ID
from calico_dcos.sim.standins.options import HostOptions
from calico_dcos.sim.standins.unit import UNIT_VARIABLE
from calico_dcos.sim.versions import Feature, MesosVersion

MASTER_UNIT = "dcos-mesos-master.service"
AGENT_UNIT = "dcos-mesos-slave.service"
PUBLIC_AGENT_UNIT = "dcos-mesos-slave-public.service"
AGENT_UNITS = (AGENT_UNIT, PUBLIC_AGENT_UNIT)
MASTER_VERSION = "1.9.0"
CNI_CONFIG_DIRECTORY = "/opt/mesosphere/etc/dcos/network/cni"
CNI_PLUGINS_DIRECTORY = "/opt/mesosphere/active/cni"

# All take a cluster store on SIGHUP.
_DOCKER_VERSIONS = ("20.10.24", "1.13.1", "18.09.9", "19.03.15", "17.06.2")
_OLD_MESOS_VERSION = "1.0.1"
_PUBLIC_AGENT = 1
_OLD_AGENT = 2
_DCOS_VERSIONS = {"1.0.1": "1.8.8", "1.9.0": "2.0.6"}
# DC/OS isolates processes from 1.9 on, which came with Mesos 1.2.
_ISOLATION = "posix/cpu,posix/mem"
_ISOLATION_WITH_PIDS = f"{_ISOLATION},namespaces/pid"
_PRIVATE_PORTS = "[1025-2180, 2182-3887, 3889-5049, 5052-8079, 8082-8180, 8182-32000]"  # as DC/OS offers them
_PUBLIC_PORTS = "[1-21, 23-5050, 5052-32000]"
_FOREIGN_DAEMON_JSON = {"log-driver": "json-file", "log-opts": {"max-size": "50m"}}
# Mesos before 1.2 does not start without a network and a plugin, so DC/OS brings one.
_DUMMY_NETWORK = {"name": "dummy", "type": "bridge", "bridge": "m-dummy", "ipam": {"type": "host-local"}}
_DUMMY_PLUGIN = '#!/bin/sh\necho \'{"cniVersion":"0.2.0"}\'\n'
_UNIT = """\
[Unit]
Description={description} (simulated)
StartLimitInterval=0

[Service]
Environment={environment}
ExecStart={command}
Restart=always
RestartSec=5
KillMode=control-group
Delegate=true

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a cluster listen: a network of its own on the loopback, 127.0.<net>.0/24."""

    network: str  # "127.0.1"
    master_port: int
    agent_port: int
    etcd_port: int
    dns_port: int
    package_port: int

    @property
    def service_address(self) -> str:
        """The address of the master, the name server and the downloads."""
        return f"{self.network}.254"

    @property
    def etcd_address(self) -> str:
        """The address of the etcd member."""
        return f"{self.network}.253"

    @property
    def master(self) -> str:
        """Where the master is, as host:port."""
        return f"{self.service_address}:{self.master_port}"

    @property
    def name_server(self) -> str:
        """Where the name server is, as host:port."""
        return f"{self.service_address}:{self.dns_port}"

    def get_agent_address(self, number: int) -> str:
        """The address of an agent; the first is number 1."""
        return f"{self.network}.{number}"


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """What is special about an agent.

    Attributes:
        host_options: further options of its host; version, address and the like are this plan's.
    """

    number: int
    mesos_version: str
    docker_version: str
    is_public: bool = False
    is_hybrid: bool = False
    systemd_version: int = 252
    daemon_json: Mapping[str, Any] | None = None
    containers: tuple[str, ...] = ()
    host_options: HostOptions = field(default_factory=HostOptions)

    @property
    def name(self) -> str:
        """Host name."""
        return f"agent-{self.number}"

    @property
    def unit(self) -> str:
        """The agent's unit."""
        return PUBLIC_AGENT_UNIT if self.is_public else AGENT_UNIT

    @property
    def isolation(self) -> str:
        """The agent's isolators: its tasks have PID namespaces of their own, but for the oldest versions."""
        is_new = MesosVersion(self.mesos_version).has(Feature.PID_NAMESPACES)
        return _ISOLATION_WITH_PIDS if is_new else _ISOLATION


def plan_agents(count: int) -> tuple[AgentPlan, ...]:
    """Plan a mixed cluster: the first agent is public, the second has an old Mesos; some have things of others."""
    return tuple(
        AgentPlan(
            number=number,
            mesos_version=_OLD_MESOS_VERSION if number == _OLD_AGENT else MASTER_VERSION,
            docker_version=_DOCKER_VERSIONS[number % len(_DOCKER_VERSIONS)],
            is_public=number == _PUBLIC_AGENT,
            daemon_json=_FOREIGN_DAEMON_JSON if number % 2 else None,
            containers=("web", "database")[: number % 3],
        )
        for number in range(1, count + 1)
    )


def build_agent_host(plan: AgentPlan, addresses: Addresses, directory: Path) -> HostPlan:
    """Build the host of an agent that will have its root in this directory."""
    network = json.dumps(_DUMMY_NETWORK, indent=4) + "\n"
    version = json.dumps({"version": _DCOS_VERSIONS[plan.mesos_version]})
    command = build_agent_command(plan, addresses, directory / plan.name)
    return HostPlan(
        name=plan.name,
        units={plan.unit: _build_unit("Mesos agent", command)},
        options=replace(
            plan.host_options,
            docker_version=plan.docker_version,
            is_hybrid=plan.is_hybrid,
            systemd_version=plan.systemd_version,
            address=addresses.get_agent_address(plan.number),
        ),
        daemon_json=plan.daemon_json,
        containers=plan.containers,
        files={
            f"{CNI_CONFIG_DIRECTORY[1:]}/dummy.cni": network,
            f"{CNI_PLUGINS_DIRECTORY[1:]}/bridge": _DUMMY_PLUGIN,
            f"{CNI_PLUGINS_DIRECTORY[1:]}/host-local": _DUMMY_PLUGIN,
            "opt/mesosphere/etc/dcos-version.json": f"{version}\n",
        },
        name_server=addresses.name_server,
    )


def build_agent_command(plan: AgentPlan, addresses: Addresses, root: Path) -> list[str]:
    """Build the command line of a simulated agent on the host with this root."""
    address = addresses.get_agent_address(plan.number)
    executor_environment = {
        "PATH": f"{root}/usr/bin:/usr/local/bin:/usr/bin:/bin",
        "CALICO_DCOS_ROOT": str(root),
        "CALICO_DCOS_LOOPBACK": address,
        UNIT_VARIABLE: plan.unit,
    }
    ports = _PUBLIC_PORTS if plan.is_public else _PRIVATE_PORTS
    options = {
        "master": addresses.master,
        "hostname": plan.name,
        "ip": address,
        "port": str(addresses.agent_port),
        "mesos-version": plan.mesos_version,
        "work-dir": f"{root}/var/lib/mesos/slave",
        "isolation": plan.isolation,
        "resources": f"cpus:2;mem:2048;disk:10000;ports:{ports}",
        "executor-environment": json.dumps(executor_environment),
        "network-cni-config-dir": f"{root}{CNI_CONFIG_DIRECTORY}",
        "network-cni-plugins-dir": f"{root}{CNI_PLUGINS_DIRECTORY}",
        "launcher": "posix",  # the real cgroups of this machine are left alone
        "boot-id-file": f"{root}/{BOOT_ID}",
        **({"attributes": "public_ip:true", "default-role": "slave_public"} if plan.is_public else {}),
    }
    return _build_command("agent", options)


def build_master_host(addresses: Addresses, directory: Path, zookeeper: str = "") -> HostPlan:
    """Build the host of the master that will have its root in this directory."""
    options = {
        "ip": addresses.service_address,
        "port": str(addresses.master_port),
        "mesos-version": MASTER_VERSION,
        "work-dir": str(directory / "master/var/lib/mesos/master"),
        **({"zk": zookeeper} if zookeeper else {}),
    }
    return HostPlan(
        name="master",
        units={MASTER_UNIT: _build_unit("Mesos master", _build_command("master", options))},
        has_docker=False,
        name_server=addresses.name_server,
    )


def _build_command(part: str, options: Mapping[str, str]) -> list[str]:
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [sys.executable, "-m", f"calico_dcos.sim.{part}", *arguments]


def _build_unit(description: str, command: list[str]) -> str:
    project = Path(__file__).parent.parent.parent
    return _UNIT.format(
        description=description, environment=shlex.quote(f"PYTHONPATH={project}"), command=shlex.join(command)
    )
