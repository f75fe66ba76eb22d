"""Facts: the kernel's reverse path filter, and who listens on a port."""

import os
from typing import Dict, List, NamedTuple, Optional, Union

from ..host import Host
from ..pid_namespace import sees_host_processes
from ..unknown import Unknown
from .system import read_text

RP_FILTER_DIR = "/proc/sys/net/ipv4/conf"
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENING = "0A"
BGP_PORT = 179
IPV4_HEX_DIGITS = 8

# 0: off, 1: strict, 2: loose. What counts for an interface is the greater one of its own and that of "all".
RpFilter = NamedTuple("RpFilter", [("all", int), ("default", int), ("interfaces", Dict[str, int])])
Process = NamedTuple("Process", [("pid", int), ("program", str), ("command", str)])
Socket = NamedTuple("Socket", [("address", str), ("inode", int), ("process", Union[Process, Unknown])])
Port = NamedTuple("Port", [("number", int), ("sockets", Union[List[Socket], Unknown])])


def read_rp_filter(directory: str = RP_FILTER_DIR) -> Union[RpFilter, Unknown]:
    """Read the filter of every interface; the network namespace is the host's, for its tasks too."""
    try:
        names = sorted(os.listdir(directory))
        values = {name: _read_number("{}/{}/rp_filter".format(directory, name)) for name in names}
        return RpFilter(values.pop("all"), values.pop("default"), count_values(values))
    except (OSError, ValueError, KeyError) as error:
        return Unknown("{}: {}".format(directory, error))


def count_values(values: Dict[str, int]) -> Dict[str, int]:
    """Count the interfaces of each value: a host has one for each of its containers."""
    counts = {}  # type: Dict[str, int]
    for value in values.values():
        counts[str(value)] = counts.get(str(value), 0) + 1
    return counts


def _read_number(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())


def read_port(host: Host, number: int) -> Port:
    """Read who listens on a port, on whatever address."""
    rows = []  # type: List[Socket]
    for table in TABLES:
        # Of the network namespace, which all programs of a host share.
        text = read_text(table)
        if isinstance(text, Unknown):
            if table == TABLES[0]:
                return Port(number, text)
            continue  # a kernel without IPv6
        rows.extend(parse_sockets(text, number))
    if not rows:
        return Port(number, [])
    if not sees_host_processes(host):
        unseen = Unknown("the host's processes are not seen from this task")
        return Port(number, [row._replace(process=unseen) for row in rows])
    owners = find_owners([row.inode for row in rows])
    unseen = Unknown("no process that this program may look at holds it")
    return Port(number, [row._replace(process=owners.get(row.inode, unseen)) for row in rows])


def read_bgp_port(host: Host) -> Port:
    """Read who listens on the port that BIRD needs; hosts that share a machine have none of their own."""
    return (
        Port(BGP_PORT, Unknown("this host shares the ports of its machine")) if host.root else read_port(host, BGP_PORT)
    )


def find_own_address(port: int) -> Optional[str]:
    """Find the address of a program that listens on a port, and not on the loopback."""
    texts = [read_text(table) for table in TABLES]
    rows = [row for text in texts if isinstance(text, str) for row in parse_sockets(text, port)]
    return choose_own_address([row.address for row in rows])


def choose_own_address(addresses: List[str]) -> Optional[str]:
    """Choose the one to dial; None where the loopback will do, or nothing listens."""
    if not addresses or any(address in ("0.0.0.0", "::", "127.0.0.1") for address in addresses):  # noqa: S104
        return None
    return "[{}]".format(addresses[0]) if ":" in addresses[0] else addresses[0]


def parse_sockets(text: str, port: int) -> List[Socket]:
    """Read the sockets that listen on a port from the text of ``/proc/net/tcp`` or ``tcp6``."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        address, _, hex_port = words[1].partition(":")
        if words[3] == LISTENING and int(hex_port, 16) == port:
            unread = Unknown("not looked for")
            found.append(Socket(parse_address(address), int(words[9]), unread))
    return found


def parse_address(text: str) -> str:
    """Read an address as the kernel prints it: words of 32 bits in the order of this machine's bytes (little end)."""
    numbers = [int(text[start : start + 2], 16) for start in range(0, len(text), 2)]
    swapped = [numbers[start + offset] for start in range(0, len(numbers), 4) for offset in (3, 2, 1, 0)]
    if len(text) == IPV4_HEX_DIGITS:
        return ".".join(str(number) for number in swapped)
    if not any(swapped):
        return "::"
    if swapped[:12] == [0] * 10 + [255, 255]:
        return ".".join(str(number) for number in swapped[12:])
    groups = ["{:x}".format(swapped[start] * 256 + swapped[start + 1]) for start in range(0, 16, 2)]
    return ":".join(groups)


def find_owners(inodes: List[int]) -> Dict[int, Process]:
    """Find the processes that hold sockets; those of other PID namespaces and other users are not seen."""
    links = {"socket:[{}]".format(inode): inode for inode in inodes}
    owners = {}  # type: Dict[int, Process]
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        for inode in _find_held(name, links):
            process = read_process(int(name))
            if process is not None:
                owners.setdefault(inode, process)
        if len(owners) == len(links):
            break
    return owners


def _find_held(pid: str, links: Dict[str, int]) -> List[int]:
    directory = "/proc/{}/fd".format(pid)
    held = []
    try:
        for descriptor in os.listdir(directory):
            try:
                inode = links.get(os.readlink("{}/{}".format(directory, descriptor)))
            except OSError:
                continue  # closed meanwhile
            if inode is not None:
                held.append(inode)
    except OSError:
        return []  # it ended meanwhile, or may not be looked at
    return held


def read_process(pid: int) -> Optional[Process]:
    """Read a process; None when it ended meanwhile."""
    program, command = read_text("/proc/{}/comm".format(pid)), read_text("/proc/{}/cmdline".format(pid))
    if isinstance(program, Unknown) or isinstance(command, Unknown):
        return None
    # Its first word only: the others are somebody else's, and may hold secrets.
    return Process(pid, program, command.partition("\0")[0])
