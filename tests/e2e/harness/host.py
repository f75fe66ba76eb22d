"""One host: an overlay over the image, booted by systemd-nspawn, and commands run inside."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.harness.command import CommandError, run, wait_until
from tests.e2e.harness.site import ADDRESS, BRIDGE, PREFIX_BITS, Site

if TYPE_CHECKING:
    import subprocess

BOOT_TIMEOUT_S = 180
STOP_TIMEOUT_S = 90


class Cgroups(Enum):
    """How the host's systemd tracks its units, which decides what an agent's restart does to its tasks."""

    LEGACY = "cgroup v1, as on DC/OS: processes that left the unit's cgroup live on"
    HYBRID = "cgroup v2 beside v1: every process of the unit is killed"


class Iptables(Enum):
    """Which tables `iptables`, and so Docker, writes to."""

    LEGACY = "legacy"
    NFT = "nft"


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host shall be.

    Attributes:
        iptables: legacy as on hosts of Calico 2's time, or that of nftables as from Debian 10 on.
        has_spartan: it has an interface with the addresses that DC/OS gives to each agent.
    """

    name: str
    address: str
    cgroups: Cgroups = Cgroups.LEGACY
    iptables: Iptables = Iptables.LEGACY
    has_spartan: bool = False


class Host:
    """A host of a site. What it changes in the image, and Docker's data, live in the site's directory."""

    def __init__(self, spec: HostSpec, *, site: Site, image: Path, read_only_binds: Sequence[str] = ()) -> None:
        self.spec = spec
        self._site = site
        self._image = image
        self._read_only_binds = read_only_binds
        self._directory = site.directory / spec.name
        self._cgroup = ""
        self._leader = 0
        self._nspawn: subprocess.Popen[bytes] | None = None

    def prepare(self, lay_out: Callable[[Path], None]) -> None:
        """Make the host's root: the image, with what `lay_out` writes into the directory that it is given."""
        for name in ("root", "changed", "overlay", "docker"):
            (self._directory / name).mkdir(parents=True)
        changed = self._directory / "changed"
        lay_out_host(changed, self.spec)
        lay_out(changed)
        layers = f"lowerdir={self._image},upperdir={changed},workdir={self._directory / 'overlay'}"
        self._site.run(["mount", "-t", "overlay", "-o", layers, "overlay", str(self._directory / "root")])
        self._cgroup = self._site.build_cgroup(self.spec.name)

    def boot(self) -> None:
        """Boot a prepared host, or one that was stopped; return when its services are up, after about a second.

        Raises:
            TimeoutError: they are not up in time.
        """
        is_legacy = self.spec.cgroups is Cgroups.LEGACY
        self._nspawn = self._site.start(
            ["sh", "-euc", _JOIN_CGROUP, self._cgroup, *self._build_nspawn()],
            log=self._directory / "console.log",
            environment={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"} if is_legacy else {},
        )
        wait_until(self._is_up, what=f"services of host {self.spec.name} are up", timeout_s=BOOT_TIMEOUT_S)

    def stop(self) -> None:
        """Shut the host down as its own `poweroff` would."""
        assert self._nspawn is not None, f"host {self.spec.name} was never booted"
        os.kill(self._leader, signal.SIGRTMIN + 4)
        self._nspawn.wait(STOP_TIMEOUT_S)

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", statuses: Sequence[int] = (0,), timeout_s: float = 60
    ) -> str:
        """Run a command inside the host as root; see `command.run`."""
        enter = ["nsenter", "--target", str(self._leader), "--all", "--"]
        return run([*enter, *argv], stdin=stdin, statuses=statuses, timeout_s=timeout_s)

    def _is_up(self) -> bool:
        self._leader = self._find_leader()
        if not self._leader:
            return False
        with suppress(CommandError):  # systemd does not answer yet
            return self.run(["systemctl", "is-system-running"], statuses=(0, 1)).strip() in {"running", "degraded"}
        return False

    def _find_leader(self) -> int:
        assert self._nspawn is not None, f"host {self.spec.name} was never booted"
        assert self._nspawn.poll() is None, f"host {self.spec.name} ended while booting: {self._directory}/console.log"
        return _find_child(_find_child(self._nspawn.pid))  # unshare, nspawn, the host's first process

    def _build_nspawn(self) -> list[str]:
        return [
            *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),  # a killed nspawn leaves its host up
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--boot",
            "--console=pipe",
            f"--directory={self._directory / 'root'}",
            f"--machine={self.spec.name}",
            f"--network-bridge={BRIDGE}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--capability=all",
            "--system-call-filter=add_key keyctl bpf",  # what runc asks for
            f"--bind={self._directory / 'docker'}:/var/lib/docker",  # overlay2 does not work on an overlay
            *(f"--bind-ro={bind}" for bind in self._read_only_binds),
        ]


def _find_child(parent: int) -> int:
    """Return the only child of a process, 0 as long as there is none."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split() if parent else []
    return int(children[0]) if children else 0


def write_file(root: Path, path: str, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file of a host that is being laid out; `path` is the host's."""
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)
    target.chmod(mode)


def write_link(root: Path, path: str, target: str) -> None:
    """Write a symbolic link of a host that is being laid out."""
    link = root / path.lstrip("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def lay_out_host(root: Path, spec: HostSpec) -> None:
    """Write what every host needs to be on the site's network and to run containers."""
    write_file(root, "/etc/hostname", f"{spec.name}\n")
    write_file(root, "/etc/hosts", f"127.0.0.1 localhost\n{spec.address} {spec.name}\n")
    write_file(root, "/etc/resolv.conf", f"nameserver {ADDRESS}\n")
    write_file(root, "/etc/systemd/system/host-set-up.service", _SET_UP_UNIT)
    write_link(root, "/etc/systemd/system/multi-user.target.wants/host-set-up.service", "../host-set-up.service")
    set_up = _SET_UP.format(address=f"{spec.address}/{PREFIX_BITS}", gateway=ADDRESS) + (
        _SPARTAN if spec.has_spartan else ""
    )
    write_file(root, "/usr/local/sbin/host-set-up", set_up, mode=0o755)
    for program in _ALTERNATIVES:  # what update-alternatives --set does
        family, _, rest = program.partition("-")
        target = "-".join(word for word in (family, spec.iptables.value, rest) if word)
        write_link(root, f"/etc/alternatives/{program}", f"/usr/sbin/{target}")
    write_file(root, "/usr/local/sbin/runc-without-sys-resource", _RUNC, mode=0o755)
    (root / "usr/lib/modules").mkdir(parents=True)  # every host with a kernel of its own has it
    write_file(root, "/etc/docker/daemon.json", DAEMON_JSON, mode=0o640)


DAEMON_JSON = """{
    "storage-driver": "overlay2",
    "runtimes": {
        "runc-without-sys-resource": {"path": "/usr/local/sbin/runc-without-sys-resource"}
    },
    "default-runtime": "runc-without-sys-resource"
}
"""
"""Docker's configuration as the hosts have it before anything of ours runs on them."""

_JOIN_CGROUP = """
for processes in /sys/fs/cgroup/*/"$0"/cgroup.procs; do echo $$ > "$processes"; done
exec "$@"
"""

_SET_UP_UNIT = """[Unit]
Description=Address of this host, cgroups that containers can be made in
DefaultDependencies=no
Before=network.target containerd.service docker.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/host-set-up
"""

_SET_UP = """#!/bin/sh
set -eu
ip address add {address} dev host0
ip link set host0 up
ip route add default via {gateway}
for hierarchy in /sys/fs/cgroup/*/; do
    mount -o remount,bind,rw "$hierarchy"
done
"""

SPARTAN = ("198.51.100.1", "198.51.100.2", "198.51.100.3")
"""Addresses that every agent of DC/OS has."""

# This kernel may lack links of type dummy, which DC/OS makes it of.
_SPARTAN = "ip link add spartan type bridge\nip link set spartan up\n" + "".join(
    f"ip address add {address}/32 dev spartan\n" for address in SPARTAN
)
_ALTERNATIVES = tuple(f"{family}{part}" for family in ("iptables", "ip6tables") for part in ("", "-save", "-restore"))

# A machine without CAP_SYS_RESOURCE cannot give it to a privileged container, and runc then fails.
_RUNC = """#!/bin/sh
previous=
for argument; do
    [ "$previous" = --bundle ] && bundle=$argument
    previous=$argument
done
case " $* " in
*' create '*) sed -i 's/,"CAP_SYS_RESOURCE"//g; s/"CAP_SYS_RESOURCE",//g' "$bundle/config.json" ;;
esac
exec runc "$@"
"""
