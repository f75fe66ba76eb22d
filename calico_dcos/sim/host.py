"""A simulated host: a root directory with unit files and stand-ins, and the process that runs it."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.calico_node.simulated_ground import order_kill, take_back_kill
from calico_dcos.sim.standins.deeds import Deed, read_deeds
from calico_dcos.sim.standins.docker.containers import Container, write_containers
from calico_dcos.sim.standins.launcher import write_launcher
from calico_dcos.sim.standins.options import HostOptions, write_options
from calico_dcos.sim.standins.unit_file import UNIT_DIRECTORY

DOCKER_UNIT = "docker.service"

_MAX_ROOT_CHARS = 70  # the paths of unix sockets below it, 37 characters at most, must stay under 108
_STOP_TIMEOUT_S = 15
_DIRECTORIES = (
    "etc/docker",
    UNIT_DIRECTORY,
    "run/stand-in",
    "run/systemd/system",
    "run/dbus",
    "var/lib",
    "var/log",
    "usr/bin",
)
_STAND_INS = {
    "usr/sbin/init": "init",
    "usr/bin/systemctl": "systemctl",
    "usr/bin/systemd-run": "systemd_run",
    "usr/bin/journalctl": "journalctl",
    "usr/bin/docker": "docker.cli",
    "usr/bin/dockerd": "docker.daemon",
    "usr/sbin/iptables": "iptables.command",
    "usr/sbin/iptables-save": "iptables.save",
    "usr/sbin/iptables-legacy-save": "iptables.legacy_save",
    "usr/sbin/iptables-nft-save": "iptables.nft_save",
    "usr/bin/ping": "network.ping",
    "usr/bin/nc": "network.nc",
    "usr/sbin/ip": "network.ip",
}
_DOCKER_UNIT_TEXT = """\
[Unit]
Description=Docker Application Container Engine (a stand-in)
StartLimitBurst=3
StartLimitIntervalSec=60

[Service]
Type=notify
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
ExecReload=/bin/kill -s HUP $MAINPID
Restart=on-failure
RestartSec=2
KillMode=process

[Install]
WantedBy=multi-user.target
"""


class HostError(Exception):
    """A host cannot be made or did not boot."""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What a host is made of.

    Attributes:
        units: text of the unit files beside docker.service, by name.
        daemon_json: content of Docker's daemon.json before anything else changes it; None for no file.
        containers: names of containers that run there already, started again by Docker at each boot.
        files: further files, by path without a leading slash; programs begin with `#!`.
        name_server: address and port for resolv.conf.
    """

    name: str
    units: Mapping[str, str] = field(default_factory=dict)
    options: HostOptions = field(default_factory=HostOptions)
    has_docker: bool = True
    daemon_json: Mapping[str, Any] | None = None
    containers: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    name_server: str = "127.0.0.1:53"


class Host:
    """A host that can be started and stopped any number of times; its disk stays."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._init: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The host's name, which is that of its root."""
        return self.root.name

    def start(self) -> None:
        """Switch the host on; it boots by itself."""
        # A session of its own: Ctrl-C is for the owner, who then switches the host off.
        self._init = subprocess.Popen(
            [self.root / "usr/sbin/init"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def wait_until_booted(self) -> None:
        """Wait until the host takes calls of systemctl and its units are being started.

        Raises:
            HostError: it did not boot.
        """
        output = self._init.stdout if self._init else None
        if output is None or output.readline() != b"booted\n":
            raise HostError(f"{self.root}: the host did not boot")

    def stop(self) -> None:
        """Switch the host off, as if its plug were pulled: every process that stems from it is killed."""
        if self._init is None:
            return
        self._init.communicate(timeout=_STOP_TIMEOUT_S)  # closes the power line and waits
        self._init = None

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one of the host's own programs."""
        directory = "usr/bin" if (self.root / "usr/bin" / argv[0]).exists() else "usr/sbin"
        program = self.root / directory / argv[0]
        return subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=False, timeout=60)

    def kill_felix(self, *, for_good: bool = False) -> None:
        """Kill Felix of the host's calico-node: once, or each time that it is started until `mend_felix`."""
        order_kill(self.root, for_good=for_good)

    def mend_felix(self) -> None:
        """Let Felix live again."""
        take_back_kill(self.root)

    def read_deeds(self) -> Sequence[Deed]:
        """Read what was done to the host, oldest first."""
        return list(read_deeds(self.root))

    def count_restarts(self, *units: str) -> int:
        """Count how often somebody had a unit restarted, be it by a stop and a start."""
        effects = {f"{verb} {unit}" for unit in units for verb in ("restarted", "started")}
        return sum(deed.effect in effects for deed in read_deeds(self.root))


def make_host(directory: Path, plan: HostPlan) -> Host:
    """Make the root of a host in a directory.

    Raises:
        HostError: the path is too long for the sockets in it.
    """
    root = directory.resolve() / plan.name
    if len(str(root)) > _MAX_ROOT_CHARS:
        raise HostError(f"{root}: the path is longer than {_MAX_ROOT_CHARS} characters; choose a shorter directory")
    for name in _DIRECTORIES:
        (root / name).mkdir(parents=True)
    (root / "var/run").symlink_to("../run")
    (root / "usr/bin/python3").symlink_to(Path(sys.executable).resolve())
    for path, module in _STAND_INS.items():
        write_launcher(root / path, module=f"calico_dcos.sim.standins.{module}", root=root)
    write_options(root, plan.options)
    for path, text in _list_files(plan).items():
        _write(root / path, text)
    write_containers(root, [_build_container(name) for name in plan.containers])
    return Host(root)


def _list_files(plan: HostPlan) -> dict[str, str]:
    units = {**plan.units, **({DOCKER_UNIT: _DOCKER_UNIT_TEXT} if plan.has_docker else {})}
    files = {
        "etc/hostname": f"{plan.name}\n",
        "etc/os-release": 'NAME="Stand-in"\nPRETTY_NAME="Stand-in for a Linux host"\n',
        "etc/resolv.conf": f"nameserver {plan.name_server}\n",
        **{f"{UNIT_DIRECTORY}/{name}": text for name, text in units.items()},
        **plan.files,
    }
    if plan.daemon_json is not None:
        files["etc/docker/daemon.json"] = json.dumps(plan.daemon_json, indent=4) + "\n"
    return files


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if text.startswith("#!"):
        path.chmod(0o755)


def _build_container(name: str) -> Container:
    config = {"Image": f"{name}:1.0", "HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}}
    return Container(id=name.encode().hex().ljust(64, "0")[:64], name=name, config=config, created_s=1.0)
