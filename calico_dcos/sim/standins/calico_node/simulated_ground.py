"""A simulated host, as the program sees it: its options, its root, and what of it is mounted into the container."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from calico_dcos.sim.standins.calico_node.chains import TABLES
from calico_dcos.sim.standins.calico_node.etcd import Etcd
from calico_dcos.sim.standins.iptables.state import LEGACY, change_table
from calico_dcos.sim.standins.options import HostOptions

_KILL_ORDER = "run/stand-in/felix-kill"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SimulatedGround:
    """See `Ground`.

    Args:
        root: of the host.
        binds: what is mounted: paths of the container, and the paths of the host that are found there.
    """

    def __init__(self, root: Path, options: HostOptions, binds: Mapping[str, str]) -> None:
        self._root = root
        self._options = options
        self._binds = {_normalise(inside): outside for inside, outside in binds.items()}

    def list_addresses(self) -> Sequence[tuple[str, str]]:
        """List those of the host's options."""
        return self._options.addresses

    def read_rp_filter(self) -> int:
        """Read it from the host's options."""
        return self._options.rp_filter

    def resolve(self, name: str) -> str:
        """Give the host's own address for its loopback."""
        return self._options.address if name in _LOOPBACK else name

    def find_directory(self, path: str) -> Path | None:
        """Find what is mounted there or above."""
        wanted = _normalise(path)
        for inside, outside in self._binds.items():
            if wanted == inside or wanted.startswith(f"{inside}/"):
                found = self._root / outside.lstrip("/") / wanted[len(inside) :].lstrip("/")
                return found if found.is_dir() else None
        return None

    def write_chains(self) -> None:
        """Write them into the host's legacy tables."""
        for name, table in TABLES.items():
            change_table(self._root, LEGACY, name, chains=table.chains, inserted=table.inserted, rules=table.rules)

    def follow_workloads(self, etcd: Etcd, name: str) -> None:
        """Leave it to their wires, which go by what is in etcd themselves."""


def order_kill(root: Path, *, for_good: bool) -> None:
    """Have Felix of a host killed: once, or again and again until the order is taken back."""
    (root / _KILL_ORDER).write_text("for good" if for_good else "once", encoding="utf-8")


def take_back_kill(root: Path) -> None:
    """Take the order back."""
    (root / _KILL_ORDER).unlink(missing_ok=True)


def obey_kill(root: Path) -> bool:
    """Whether Felix is to die now; an order for once is carried out by asking."""
    try:
        order = (root / _KILL_ORDER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    if order == "once":
        take_back_kill(root)
    return bool(order)


def _normalise(path: str) -> str:
    short = path.rstrip("/")
    return short.removeprefix("/var") if short.startswith("/var/run") else short
