"""The command line of the simulated agent."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from calico_dcos.sim.agent import cni
from calico_dcos.sim.agent.agent import Agent, IncompatibleError
from calico_dcos.sim.agent.containers import Containers, inherited_environment
from calico_dcos.sim.agent.flags import DEFAULTS, duration
from calico_dcos.sim.agent.options import AgentOptions
from calico_dcos.sim.pid_namespaces import NamespaceError, find_unshare
from calico_dcos.sim.resources import UNRESERVED, parse_resources
from calico_dcos.sim.versions import Feature, MesosVersion
from calico_dcos.sim.wire import serve

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_ISOLATOR = "namespaces/pid"
SYSTEMD_RUNS = Path("/run/systemd/system")


def main(argv: list[str] | None = None) -> None:
    """Run an agent; SIGTERM ends it at once and leaves its tasks alone, SIGUSR1 kills them first."""
    options = build_options(_parser().parse_args(argv))
    options.work_dir.mkdir(parents=True, exist_ok=True)
    try:
        cni.check_at_start(options)
        asyncio.run(run(options))
    except (cni.NetworkError, IncompatibleError) as error:
        sys.exit(f"Failed to start: {error}")


async def run(options: AgentOptions) -> None:
    """Serve until a signal, or a fault, ends it."""
    networks = cni.find_networks(options) if options.cni_config_dir is not None else frozenset()
    agent = Agent(options, Containers(options, networks))
    await serve(agent.handle, options.ip, options.port)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _shut_down, agent)
    await agent.run()


def build_options(arguments: argparse.Namespace) -> AgentOptions:
    """The options that the command line and this machine amount to."""
    master_ip, _, master_port = arguments.master.rpartition(":")
    environment = arguments.executor_environment
    version = MesosVersion(arguments.mesos_version)
    if arguments.reconfiguration_policy != "equal" and not version.has(Feature.ADDITIVE_RECONFIGURATION):
        sys.exit(f"Failed to load unknown flag 'reconfiguration_policy' (Mesos {version.text})")
    return AgentOptions(
        master_ip=master_ip,
        master_port=int(master_port),
        ip=arguments.ip,
        port=arguments.port,
        hostname=arguments.hostname,
        version=version,
        work_dir=arguments.work_dir.absolute(),
        resources=parse_resources(arguments.resources, arguments.default_role),
        attributes=_parse_attributes(arguments.attributes),
        executor_environment=inherited_environment() if environment is None else json.loads(environment),
        flags=_flags(arguments),
        executor_reregistration_timeout_s=arguments.executor_reregistration_timeout,
        registration_backoff_s=arguments.registration_backoff_factor,
        recovery_timeout_s=arguments.recovery_timeout,
        reconfiguration_policy=arguments.reconfiguration_policy,
        launcher=arguments.launcher,
        cgroups_hierarchy=arguments.cgroups_hierarchy,
        boot_id=arguments.boot_id_file.read_text().strip(),
        cni_config_dir=arguments.network_cni_config_dir,
        cni_plugins_dirs=cni.parse_plugins_dirs(arguments.network_cni_plugins_dir or "", version),
        unshare=_find_unshare(arguments.isolation),
        has_network_namespaces=arguments.network_namespaces,
    )


def _find_unshare(isolation: str) -> tuple[str, ...]:
    """Find how tasks get PID namespaces, where that is wanted; a kernel that forbids it is told of, and obeyed."""
    if PID_ISOLATOR not in isolation.split(","):
        return ()
    try:
        return find_unshare()
    except NamespaceError as error:
        print(f"Tasks share the PID namespace of the agent: {error}", flush=True)
        return ()


def _shut_down(agent: Agent) -> None:
    agent.shut_down()
    raise SystemExit


def _parse_attributes(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition(":") for part in text.split(";") if part]
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _flags(arguments: argparse.Namespace) -> dict[str, str]:
    """The flags as /state tells them."""
    told = {
        "cgroups_hierarchy": str(arguments.cgroups_hierarchy),
        "default_role": arguments.default_role,
        "executor_reregistration_timeout": duration(arguments.executor_reregistration_timeout),
        "hostname": arguments.hostname,
        "ip": arguments.ip,
        "isolation": arguments.isolation,
        "launcher": arguments.launcher,
        "master": arguments.master,
        "port": str(arguments.port),
        "reconfiguration_policy": arguments.reconfiguration_policy,
        "recovery_timeout": duration(arguments.recovery_timeout),
        "registration_backoff_factor": duration(arguments.registration_backoff_factor),
        "resources": arguments.resources,
        "runtime_dir": str(arguments.work_dir.absolute()) + "-run",
        "work_dir": str(arguments.work_dir.absolute()),
    }
    optional = {
        "attributes": arguments.attributes,
        "executor_environment_variables": arguments.executor_environment,
        "network_cni_config_dir": arguments.network_cni_config_dir,
        "network_cni_plugins_dir": arguments.network_cni_plugins_dir,
    }
    given = {name: str(value) for name, value in optional.items() if value}
    return dict(sorted({**DEFAULTS, **told, **given}.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="calico_dcos.sim.agent", description="A simulated Mesos agent.")
    parser.add_argument("--master", required=True, metavar="IP:PORT")
    parser.add_argument("--hostname", required=True)
    parser.add_argument("--ip", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5051)
    parser.add_argument("--mesos-version", default="1.12.0")
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--resources", required=True)
    parser.add_argument("--attributes", default="")
    parser.add_argument("--default-role", default=UNRESERVED)
    parser.add_argument("--executor-environment", metavar="JSON", help="environment of tasks (default: inherited)")
    parser.add_argument("--isolation", default="posix/cpu,posix/mem")
    parser.add_argument("--network-cni-config-dir", type=Path)
    parser.add_argument("--network-cni-plugins-dir", metavar="DIR[:DIR...]")
    parser.add_argument(
        "--network-namespaces", action="store_true", help="not Mesos': plugins are real, as is the host"
    )
    parser.add_argument("--reconfiguration-policy", choices=["equal", "additive"], default="equal")
    parser.add_argument("--launcher", choices=["linux", "posix"], default=_default_launcher())
    parser.add_argument("--cgroups-hierarchy", type=Path, default=Path("/sys/fs/cgroup"))
    parser.add_argument("--boot-id-file", type=Path, default=BOOT_ID, help="stands in for the kernel's")
    parser.add_argument("--executor-reregistration-timeout", default=2.0, type=float, metavar="SECONDS")
    parser.add_argument(
        "--registration-backoff-factor", default=0.1, help="here: exactly how long", type=float, metavar="SECONDS"
    )
    parser.add_argument("--recovery-timeout", default=900.0, type=float, metavar="SECONDS")
    return parser


def _default_launcher() -> str:
    """As Mesos: cgroups where they can be used. The posix launcher leaves executors where they are."""
    return "linux" if os.geteuid() == 0 and SYSTEMD_RUNS.is_dir() else "posix"


if __name__ == "__main__":
    main()
