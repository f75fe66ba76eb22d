"""A simulated cluster on this machine: a master, agents on hosts of their own, DNS, etcd, and downloads.

Everything lies below one directory and listens on one loopback network, 127.0.<n>.0/24, so that clusters do not meet.
Its parts die with this process, however that ends.
"""

import argparse
import contextlib
import errno
import http.client
import json
import shutil
import signal
import socket
import socketserver
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from calico_dcos.sim import cluster_plan
from calico_dcos.sim.cluster_plan import Addresses, AgentPlan
from calico_dcos.sim.dns import DnsServer, Target, Zone
from calico_dcos.sim.etcd import EtcdServer
from calico_dcos.sim.host import DOCKER_UNIT, Host, HostError, make_host
from calico_dcos.sim.packages import Package, PackageServer

ETCD_NAME = "etcd.mesos"

_MAX_AGENTS = 250
_POLL_S = 0.05
_ETCD_SERVICES = (("client", 0), ("server", 1))  # SRV name, and how far its port is above the client port
_LAST_NETWORK = 254
_PORT_STEP = 10_000


class ClusterError(Exception):
    """The cluster did not come up; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often something was restarted because somebody asked for it, over all hosts."""

    docker: int
    mesos_agent: int


class Cluster:
    """A cluster that runs between `start` and `stop`, or inside of `with`.

    Args:
        agents: what is special about each agent.
        start_timeout_s: for all agents to be registered.
        zookeeper: zk://hosts/path at which the master stands for election; empty for none.
    """

    def __init__(self, agents: Sequence[AgentPlan], *, start_timeout_s: float = 60, zookeeper: str = "") -> None:
        self._plans = tuple(agents)
        self._zookeeper = zookeeper
        self._start_timeout_s = start_timeout_s
        self._cleanup = contextlib.ExitStack()
        self.hosts: tuple[Host, ...] = ()
        self.packages: Mapping[str, Package] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; return when all agents are registered.

        Raises:
            ClusterError: they are not in time.
            HostError: a host cannot be made or did not boot.
            OSError: there is no free address, or no room on the disk.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process of the cluster and remove its directory; harmless if done twice."""
        self._cleanup.close()

    @property
    def master(self) -> str:
        """Where the master is, as host:port."""
        return self.addresses.master

    @property
    def etcd_listen(self) -> str:
        """Where an etcd proxy on each host should listen: 127.0.0.1 stands for the host's own address."""
        return f"127.0.0.1:{self.addresses.etcd_port}"

    def count_restarts(self) -> Restarts:
        """Count from the hosts' records what was restarted."""
        return Restarts(
            docker=sum(host.count_restarts(DOCKER_UNIT) for host in self.hosts),
            mesos_agent=sum(host.count_restarts(*cluster_plan.AGENT_UNITS) for host in self.hosts),
        )

    def _start(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="calico-dcos-"))
        self._cleanup.callback(shutil.rmtree, self.directory)
        self.addresses = choose_addresses(self._cleanup.enter_context(reserve_network()), len(self._plans))
        self._start_services()
        plans = [cluster_plan.build_agent_host(plan, self.addresses, self.directory) for plan in self._plans]
        master = make_host(
            self.directory, cluster_plan.build_master_host(self.addresses, self.directory, self._zookeeper)
        )
        self.hosts = tuple(make_host(self.directory, plan) for plan in plans)
        for host in (master, *self.hosts):
            self._cleanup.callback(host.stop)
            host.start()
        for host in (master, *self.hosts):
            host.wait_until_booted()
        self._wait_for_agents()

    def _start_services(self) -> None:
        addresses = self.addresses
        member = f"etcd-1.{ETCD_NAME}"
        services = {f"_etcd-{kind}._tcp.{ETCD_NAME}": addresses.etcd_port + offset for kind, offset in _ETCD_SERVICES}
        zone = Zone(
            services={name: (Target(member, port),) for name, port in services.items()},
            addresses={member: addresses.etcd_address},
        )
        packages = PackageServer((addresses.service_address, addresses.package_port), self.directory / "packages")
        self.packages = packages.packages
        self._serve(packages)
        self._serve(DnsServer((addresses.service_address, addresses.dns_port), zone))
        self._serve(EtcdServer((addresses.etcd_address, addresses.etcd_port)))

    def _serve(self, server: socketserver.BaseServer) -> None:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name=type(server).__name__)
        self._cleanup.callback(server.server_close)
        self._cleanup.callback(thread.join)
        self._cleanup.callback(server.shutdown)
        thread.start()

    def _wait_for_agents(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        missing = {host.name for host in self.hosts}
        while missing and time.monotonic() < deadline:
            missing -= read_registered_agents(self.master)
            time.sleep(_POLL_S)
        if missing:
            first = min(missing)
            journals = self.directory / first / "var/log"
            said = "".join(path.read_text(encoding="utf-8")[-1000:] for path in journals.glob("dcos-*.log"))
            raise ClusterError(
                f"not registered in {self._start_timeout_s:g} s: {sorted(missing)}; {first} says:\n{said}"
            )


def read_registered_agents(master: str) -> set[str]:
    """Ask a master for the host names of its active agents; none while it does not answer."""
    connection = http.client.HTTPConnection(master, timeout=2)
    try:
        connection.request("GET", "/slaves")
        agents = json.loads(connection.getresponse().read())["slaves"]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return set()
    finally:
        connection.close()
    return {agent["hostname"] for agent in agents if agent.get("active")}


@contextlib.contextmanager
def reserve_network() -> Iterator[str]:
    """Reserve a loopback network among all simulated clusters of this machine, until this process ends.

    Raises:
        OSError: all are in use.
    """
    for third in range(1, _LAST_NETWORK):
        network = f"127.0.{third}"
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0calico-dcos-sim-{network}")  # abstract: gone with the process
            except OSError:
                continue
            yield network
            return
    raise OSError(errno.EADDRINUSE, "all loopback networks are in use by simulated clusters")


def choose_addresses(network: str, agent_count: int) -> Addresses:
    """Choose ports that are free on all addresses of a network: the usual ones, or higher ones where they are taken."""
    agents = [f"{network}.{number}" for number in range(1, agent_count + 1)]
    service, etcd = f"{network}.254", f"{network}.253"
    return Addresses(
        network=network,
        master_port=choose_port([service], 5050),
        agent_port=choose_port(agents, 5051),
        etcd_port=choose_port([etcd, *agents], 2379),
        dns_port=choose_port([service], 5353, socket.SOCK_DGRAM),
        package_port=choose_port([service], 8080),
    )


def choose_port(addresses: Sequence[str], preferred: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Choose a port that is free on all addresses.

    Raises:
        OSError: neither the preferred port nor those 10,000, 20,000 ... above it are.
    """
    for port in range(preferred, 1 << 16, _PORT_STEP):
        if all(_is_free(address, port, kind) for address in addresses):
            return port
    raise OSError(errno.EADDRINUSE, f"port {preferred} and those {_PORT_STEP} apart are in use on {addresses[0]}")


def _is_free(address: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def main() -> int:
    """Start a cluster and stay up until a signal."""
    parser = argparse.ArgumentParser(prog="calico_dcos.sim.cluster", description="A simulated cluster.")
    parser.add_argument("--agents", type=int, default=5, choices=range(1, _MAX_AGENTS + 1), metavar="N")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    try:
        with Cluster(cluster_plan.plan_agents(arguments.agents)) as cluster:
            print(f"up in {time.monotonic() - started:.2f} s, below {cluster.directory}")
            print(f"master       http://{cluster.master}")
            print(f"name server  {cluster.addresses.name_server} (knows {ETCD_NAME})")
            for package in cluster.packages.values():
                print(f"download     {package.url} sha256:{package.sha256}")
            for host in cluster.hosts:
                print(f"host         {host.root}")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except (ClusterError, HostError, OSError) as error:
        print(f"the simulated cluster did not start: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
