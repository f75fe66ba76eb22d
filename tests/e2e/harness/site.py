"""A site: network and mount namespaces in which servers and hosts live, with a bridge that joins them.

Every process of a site asks the kernel to be killed when the process that started it dies (setpriv --pdeathsig), and
the namespaces go with their last process: nothing outlives a test run, however it ended. Only files and empty cgroups
can be left then; the next site sweeps them away.
"""

import errno
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness.command import ENVIRONMENT, run, wait_until

ADDRESS = "10.77.0.1"
"""Address of the site's own end of the bridge: its servers listen there."""
PREFIX_BITS = 24
BRIDGE = "site"

_CGROUPS = Path("/sys/fs/cgroup")
_SET_UP = """
ip link set lo up
ip link add "$1" type bridge
ip address add "$2" dev "$1"
ip link set "$1" up
names=$(realpath /etc/resolv.conf)
mount -t tmpfs tmpfs /run
mkdir -p "$(dirname "$names")"
[ -e "$names" ] || : > "$names"
mount --bind "$3" "$names"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """An open site; `open_site` makes one and ends everything in it."""

    directory: Path
    _holder: subprocess.Popen[bytes]
    _stack: ExitStack

    @property
    def name(self) -> str:
        """Name that no other open site of this machine has."""
        return self.directory.name

    def run(self, argv: Sequence[str], *, timeout_s: float = 60) -> str:
        """Run a command in the site to its end; see `command.run`."""
        return run([*self._enter(), *argv], timeout_s=timeout_s)

    def start(
        self, argv: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in the site, its output appended to `log`; it ends with the site at the latest."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._enter(), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**ENVIRONMENT, **(environment or {})},
            )
        self._stack.callback(end, process)
        return process

    def build_cgroup(self, name: str) -> str:
        """Make a cgroup of this name in every hierarchy, removed with the site; return its path below each of them."""
        cgroup = f"{self.name}-{name}"
        self._stack.callback(_remove_cgroup, cgroup)
        for hierarchy in _find_hierarchies():
            (hierarchy / cgroup).mkdir()
            for inherited in hierarchy.glob("cpuset.[cm][pe][um]s"):  # empty in a new cgroup, and then it takes nobody
                (hierarchy / cgroup / inherited.name).write_text(inherited.read_text())
        return cgroup

    def _enter(self) -> list[str]:
        return ["nsenter", "--target", str(self._holder.pid), "--mount", "--net", "--"]


@contextmanager
def open_site(cache: Path) -> Iterator[Site]:
    """Open a site whose files lie below `cache`; leaving the context ends every process and removes every file."""
    sites = cache / "sites"
    sites.mkdir(parents=True, exist_ok=True)
    _sweep(sites)
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix=f"calico-site-{os.getpid()}-", dir=sites))
        stack.callback(shutil.rmtree, directory)
        names = directory / "resolv.conf"
        names.write_text(f"nameserver {ADDRESS}\n")
        holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--", "sleep", "infinity"]
        )
        stack.callback(end, holder)
        _wait_for_namespaces(holder)
        site = Site(directory, holder, stack)
        site.run(["sh", "-euc", _SET_UP, "sh", BRIDGE, f"{ADDRESS}/{PREFIX_BITS}", str(names)])
        yield site


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, unless it has ended, and wait for it: nothing of a site is worth a farewell."""
    process.kill()
    process.wait()


def _wait_for_namespaces(holder: subprocess.Popen[bytes]) -> None:
    command = Path(f"/proc/{holder.pid}/comm")  # the holder is setpriv, then unshare, and sleep once all is done
    wait_until(
        lambda: command.read_text() == "sleep\n",
        what="namespaces of the site",
        timeout_s=60,
        poll_s=0.01,
    )


def _find_hierarchies() -> list[Path]:
    return [path.parent for path in _CGROUPS.glob("*/cgroup.procs") if not path.parent.is_symlink()]


def _remove_cgroup(cgroup: str) -> None:
    for hierarchy in _find_hierarchies():
        if (hierarchy / cgroup).is_dir():
            _remove_directories(hierarchy / cgroup)


def _remove_directories(cgroup: Path) -> None:
    wait_until(lambda: _is_empty(cgroup), what=f"no process in {cgroup}", timeout_s=60)
    # A process that has ended and is not buried yet is listed nowhere, and keeps its cgroup all the same.
    wait_until(lambda: _try_to_remove(cgroup), what=f"{cgroup} can be removed", timeout_s=60)


def _try_to_remove(cgroup: Path) -> bool:
    for directory, _, _ in os.walk(cgroup, topdown=False):
        try:
            Path(directory).rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
    return True


def _is_empty(cgroup: Path) -> bool:
    return not any(procs.read_text() for procs in cgroup.rglob("cgroup.procs"))


def _sweep(sites: Path) -> None:
    """Remove what sites left whose process was killed; one test run at a time sweeps."""
    with (sites.parent / "sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for directory in sites.iterdir():
            owner = directory.name.split("-")[2]
            if not Path("/proc", owner).exists():
                for cgroup in {path.name for path in _CGROUPS.glob(f"*/{directory.name}-*")}:
                    _remove_cgroup(cgroup)
                shutil.rmtree(directory)
