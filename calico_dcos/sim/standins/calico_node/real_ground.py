"""A real host, as the program sees it from inside of a container that has the host's network."""

import array
import fcntl
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from calico_dcos.sim.standins.calico_node.chains import build_restore, find_missing
from calico_dcos.sim.standins.calico_node.etcd import Etcd
from calico_dcos.sim.standins.calico_node.policies import POLICIES
from calico_dcos.sim.standins.calico_node.workloads import Workload, build_rules, name_workloads, parse_workloads

_SIOCGIFCONF = 0x8912  # linux/sockios.h
_ENTRY_BYTES = 40
_MAX_ENTRIES = 256
_TOOL_TIMEOUT_S = 30


class RealGround:
    """See `Ground`."""

    def __init__(self) -> None:
        self._written: list[Workload] = []

    def list_addresses(self) -> Sequence[tuple[str, str]]:
        """Ask the kernel."""
        buffer = array.array("B", bytes(_ENTRY_BYTES * _MAX_ENTRIES))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            order = struct.pack("iP", len(buffer), buffer.buffer_info()[0])
            filled = struct.unpack("iP", fcntl.ioctl(asking.fileno(), _SIOCGIFCONF, order))[0]
        content = buffer.tobytes()[:filled]
        entries = [content[at : at + _ENTRY_BYTES] for at in range(0, len(content), _ENTRY_BYTES)]
        found = [(entry[:16].split(b"\0")[0].decode(), socket.inet_ntoa(entry[20:24])) for entry in entries]
        return [(name, address) for name, address in found if name != "lo"]

    def read_rp_filter(self) -> int:
        """Read it."""
        return int(Path("/proc/sys/net/ipv4/conf/all/rp_filter").read_text(encoding="ascii"))

    def resolve(self, name: str) -> str:
        """Leave it to the system."""
        return name

    def find_directory(self, path: str) -> Path | None:
        """Find it: the image has none of those that are meant to be mounted."""
        directory = Path(path)
        return directory if directory.is_dir() else None

    def write_chains(self) -> None:
        """Write what is missing with the real tools."""
        saved = _run("iptables-legacy-save", "")
        if missing := find_missing(f"\n{saved}"):
            _run("iptables-legacy-restore", build_restore(missing), "--noflush")
            self._written = []

    def follow_workloads(self, etcd: Etcd, name: str) -> None:
        """Read them from etcd; one whose interface is not there yet is for the next time."""
        endpoints, policies = etcd.read_tree(name_workloads(name)), etcd.read_tree(POLICIES)
        wanted = [one for one in parse_workloads(endpoints.values(), policies.values()) if _has_interface(one)]
        if wanted == self._written:
            return
        _run("iptables-legacy-restore", build_rules(wanted), "--noflush")
        for one in wanted:
            _set_up(one)
        self._written = wanted


def _has_interface(workload: Workload) -> bool:
    return Path("/proc/sys/net/ipv4/conf", workload.interface).is_dir()


def _set_up(workload: Workload) -> None:
    """Answer for the gateway that the workload sees, and send it what is for it."""
    Path("/proc/sys/net/ipv4/conf", workload.interface, "proxy_arp").write_text("1", encoding="ascii")
    Path("/proc/sys/net/ipv4/neigh", workload.interface, "proxy_delay").write_text("0", encoding="ascii")
    _run("ip", "", "route", "replace", f"{workload.address}/32", "dev", workload.interface, "scope", "link")


def _run(tool: str, text: str, *arguments: str) -> str:
    done = subprocess.run(
        [f"/usr/{'bin' if tool == 'ip' else 'sbin'}/{tool}", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=_TOOL_TIMEOUT_S,
        check=True,
    )
    return done.stdout
