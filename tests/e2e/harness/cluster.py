"""A Mesos cluster on a site: a simulated master, and simulated agents as units of real hosts."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from calico_dcos.sim.versions import Feature, MesosVersion
from tests.e2e.harness import servers
from tests.e2e.harness.command import CommandError, wait_until
from tests.e2e.harness.host import Host, HostSpec, write_file
from tests.e2e.harness.site import ADDRESS, Site
from tests.e2e.harness.stand_ins import (
    CNI_CONFIG_DIR,
    PLUGINS_DIR,
    REPOSITORY_ON_HOSTS,
    Download,
    lay_out_dcos,
)

REPOSITORY = Path(__file__).parents[3]

MASTER = f"{ADDRESS}:5050"

_PRIVATE_PORTS = "1025-2180,2182-3887,3889-5049,5052-8079,8082-8180,8182-32000"
_PUBLIC_PORTS = "1-21,23-5050,5052-32000"
_EXECUTOR_ENVIRONMENT = {  # DC/OS up to 1.10
    "PATH": "/usr/bin:/bin",
    "SHELL": "/usr/bin/bash",
    "LD_LIBRARY_PATH": "/opt/mesosphere/lib",
}


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """A host, and the Mesos agent on it."""

    host: HostSpec
    mesos_version: str
    dcos_version: str
    is_public: bool = False

    @property
    def unit(self) -> str:
        """The systemd unit that DC/OS runs such an agent as."""
        return "dcos-mesos-slave-public.service" if self.is_public else "dcos-mesos-slave.service"

    @property
    def has_pid_namespaces(self) -> bool:
        """Whether its tasks have PID namespaces of their own, as from DC/OS 1.9 on."""
        return MesosVersion(self.mesos_version).has(Feature.PID_NAMESPACES)


def boot_agent(site: Site, image: Path, spec: AgentSpec) -> Host:
    """Boot a host of DC/OS that holds this program; its agent is not started."""
    host = Host(spec.host, site=site, image=image, read_only_binds=[f"{REPOSITORY}:{REPOSITORY_ON_HOSTS}"])
    host.prepare(lambda root: _lay_out_agent(root, spec))
    host.boot()
    return host


def start_agent(site: Site, host: Host, spec: AgentSpec) -> None:
    """Start the agent of a host, and wait until it is registered with the master."""
    host.run(["systemctl", "start", spec.unit])
    wait_until(
        lambda: spec.host.address in read_registered(site),
        what=f"the agent of host {spec.host.name} is registered",
        timeout_s=20,
    )


def read_registered(site: Site) -> set[str]:
    """Return the hostnames of the agents that the master knows."""
    return {agent["hostname"] for agent in json.loads(servers.fetch(site, f"http://{MASTER}/slaves"))["slaves"]}


def _lay_out_agent(root: Path, spec: AgentSpec) -> None:
    lay_out_dcos(root, dcos_version=spec.dcos_version)
    argv = [
        *("/usr/bin/python3", "-m", "calico_dcos.sim.agent"),
        *("--master", MASTER, "--mesos-version", spec.mesos_version),
        *("--hostname", spec.host.address, "--ip", spec.host.address, "--port", "5051"),
        *("--work-dir", "/var/lib/mesos/slave", "--executor-environment", json.dumps(_EXECUTOR_ENVIRONMENT)),
        *("--resources", f"cpus:2;mem:2048;disk:10000;ports:[{_PUBLIC_PORTS if spec.is_public else _PRIVATE_PORTS}]"),
        *("--isolation", f"cgroups/cpu,cgroups/mem,network/cni{',namespaces/pid' if spec.has_pid_namespaces else ''}"),
        *("--network-cni-config-dir", CNI_CONFIG_DIR, "--network-cni-plugins-dir", PLUGINS_DIR),
        "--network-namespaces",
        *(["--attributes", "public_ip:true", "--default-role", "slave_public"] if spec.is_public else []),
    ]
    write_file(root, f"/etc/systemd/system/{spec.unit}", _UNIT.format(command=shlex.join(argv)))


def start_master(site: Site, *, mesos_version: str) -> None:
    """Start a simulated master in the site."""
    site.start(
        [
            *(sys.executable, "-m", "calico_dcos.sim.master", "--mesos-version", mesos_version),
            *("--ip", ADDRESS, "--port", "5050", "--work-dir", str(site.directory / "master")),
        ],
        log=site.directory / "master.log",
        environment={"PYTHONPATH": str(REPOSITORY)},
    )
    wait_until(lambda: servers.answers(site, f"http://{MASTER}/version"), what="the master answers", timeout_s=60)


_UNIT = f"""[Unit]
Description=Mesos agent

[Service]
Restart=always
StartLimitInterval=0
RestartSec=5
KillMode=control-group
Delegate=true
WorkingDirectory={REPOSITORY_ON_HOSTS}
ExecStart={{command}}
"""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A scheduler's process, and where its page is."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path


def start_scheduler(
    site: Site, *, state: Path, downloads: Mapping[str, Download], more: Mapping[str, str] | None = None
) -> Scheduler:
    """Start the real scheduler in the site; `state` is the file of its store, `more` are settings beside the usual."""
    settings = {
        "MASTER": MASTER,
        "STATE_STORE": f"sqlite://{state}",
        "ADVERTISED_ADDRESS": ADDRESS,
        "PORT": "8080",
        "STABILITY_PERIOD_S": "3",
        "ROSTER_INTERVAL_S": "1",
        "ETCD_ARCHIVE_URL": downloads["etcd"].url,
        "ETCD_ARCHIVE_SHA256": downloads["etcd"].sha256,
        "CNI_CALICO_URL": downloads["calico"].url,
        "CNI_CALICO_IPAM_URL": downloads["calico-ipam"].url,  # without a sum: the first agent's counts
        **(more or {}),
    }
    log = site.directory / f"{state.stem}.log"
    process = site.start(
        [sys.executable, "-m", "calico_dcos", "scheduler"],
        log=log,
        environment={"PYTHONPATH": str(REPOSITORY), **{f"CALICO_DCOS_{name}": text for name, text in settings.items()}},
    )
    return Scheduler(process, f"http://{ADDRESS}:8080", log)


def await_complete(site: Site, scheduler: Scheduler, *, agents: int, timeout_s: float) -> None:
    """Wait until the plan has a phase for each agent, and all of them are complete.

    Raises:
        AssertionError: it is not in time, or the scheduler ended; holds what the scheduler logged.
    """
    try:
        wait_until(
            lambda: _is_complete(site, scheduler, agents), what="the plan is complete", timeout_s=timeout_s, poll_s=0.5
        )
    except TimeoutError as error:
        raise AssertionError(f"{error}\n{scheduler.log.read_text()}") from error


def _is_complete(site: Site, scheduler: Scheduler, agents: int) -> bool:
    assert scheduler.process.poll() is None, f"the scheduler ended: {scheduler.log.read_text()}"
    try:
        plan = json.loads(servers.fetch(site, f"{scheduler.url}/v1/plans/deploy"))
    except CommandError:
        return False
    return len(plan["phases"]) == agents and plan["status"] == "COMPLETE"
