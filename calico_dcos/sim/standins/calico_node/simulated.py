"""The program as a process of a simulated host's Docker; its services are threads of it."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calico_dcos.sim.standins.calico_node.etcd import Etcd
from calico_dcos.sim.standins.calico_node.felix import Felix
from calico_dcos.sim.standins.calico_node.settings import Settings, build_settings
from calico_dcos.sim.standins.calico_node.simulated_bird import SimulatedBird
from calico_dcos.sim.standins.calico_node.simulated_ground import SimulatedGround, obey_kill
from calico_dcos.sim.standins.calico_node.simulated_services import ProcessTable, Service, run_services
from calico_dcos.sim.standins.calico_node.startup import Node, StartupError, start_node
from calico_dcos.sim.standins.options import HostOptions, read_options

_LOGS = "/var/log/calico"
_CONFD = (
    "confd -confdir=/etc/calico/confd -interval=5 -watch --log-level=debug {} -client-key={} -client-cert={} "
    "-client-ca-keys={}"
)


def main(root_path: str) -> int:
    """Run until the container is stopped; the only argument is JSON: image, binds, and where processes are told."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    start = json.loads(sys.argv[1])
    root = Path(root_path)
    options = read_options(root)
    ground = SimulatedGround(root, options, start["binds"])
    settings = build_settings(os.environ, start["image"], root.name)
    etcd = Etcd(settings.endpoints, ground.resolve, settings.tls)
    threading.Thread(target=_end_with_signal, daemon=True).start()
    try:
        node = start_node(settings, ground, etcd, _say)
    except StartupError:
        return 1
    container = _Container(root, options, ground, settings, etcd, node)
    run_services(container.list_services(), ProcessTable(Path(start["processes"])))
    _say("Calico node started successfully")
    threading.Event().wait()
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _end_with_signal() -> None:
    signal.sigwait({signal.SIGTERM})
    os._exit(0)


@dataclass(frozen=True, slots=True)
class _Container:
    """A node that has started."""

    root: Path
    options: HostOptions
    ground: SimulatedGround
    settings: Settings
    etcd: Etcd
    node: Node

    def list_services(self) -> list[Service]:
        """List the services that the settings ask for, and say which are left out or started besides."""
        services = [self._build("felix", "calico-felix", self._run_felix)] if self.settings.has_felix else []
        backend = self.settings.get("CALICO_NETWORKING_BACKEND")
        if backend == "none":
            _say("CALICO_NETWORKING_BACKEND is none - no BGP daemon running")
        elif backend == "gobgp":
            _say("CALICO_NETWORKING_BACKEND is gobgp - run calico-bgp-daemon")
            services.append(self._build("calico-bgp-daemon", "calico-bgp-daemon", _idle))
        else:
            services += self._list_routers()
        if self.settings.is_on("CALICO_LIBNETWORK_ENABLED"):
            _say("CALICO_LIBNETWORK_ENABLED is true - start libnetwork service")
            services.append(self._build("libnetwork", "libnetwork-plugin", self._run_libnetwork))
        return services

    def _list_routers(self) -> list[Service]:
        urls = " ".join(f"-node={url}" for url in self.settings.endpoints.split(","))
        authority, certificate, key = self.settings.tls
        bird = "{0} -R -s /var/run/calico/{0}.ctl -d -c /etc/calico/confd/config/{0}.cfg"
        return [
            self._build("bird", bird.format("bird"), self._run_bird, "-tt "),
            self._build("bird6", bird.format("bird6"), _idle, "-tt "),
            self._build("confd", _CONFD.format(urls, key, certificate, authority), _idle),
        ]

    def _build(self, name: str, command: str, run: Callable[[int], None], stamps: str = "") -> Service:
        logger = f"svlogd {stamps}{_LOGS}/{name}" if self.settings.logs_to_files else ""
        return Service(name, command, logger, run)

    def _run_felix(self, pid: int) -> None:
        Felix(
            self.settings,
            self.ground,
            self.etcd,
            self.settings.read_felix("FelixHostname") or self.node.name,
            pid,
            self._find_log("felix"),
            lambda: obey_kill(self.root),
        ).run()

    def _run_bird(self, _pid: int) -> None:
        directory = self.ground.find_directory("/var/run/calico")
        say = self._find_log("bird")
        SimulatedBird(self.node, self.etcd, directory, self.options.bgp_port_is_taken, say).run()

    def _run_libnetwork(self, _pid: int) -> None:
        from calico_dcos.sim.standins.calico_node.libnetwork import (  # noqa: PLC0415 - slow to import, often off
            DIRECTORY,
            serve,
        )

        if directory := self.ground.find_directory(DIRECTORY):
            serve(directory)
        _idle(0)  # its sockets are where nobody outside of the container sees them

    def _find_log(self, name: str) -> Callable[[str], None]:
        if not self.settings.logs_to_files:
            return _say
        directory = self.ground.find_directory(_LOGS)

        def append(line: str) -> None:
            if directory is not None:
                (directory / name).mkdir(exist_ok=True)
                with (directory / name / "current").open("a", encoding="utf-8") as log:
                    log.write(line + "\n")

        return append


def _idle(_pid: int) -> None:
    threading.Event().wait()
