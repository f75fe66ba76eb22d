"""Facts: the IPv4 addresses of this host, and the one that calico-node is to have.

They are asked of the kernel by one old call that every Linux answers (SIOCGIFCONF); which of them leads somewhere, by
connecting a UDP socket, which sends nothing. No tool of the host is needed. A relocated host has neither a kernel nor
routes of its own; there its own ``ip`` is asked, and one without has but its loopback address.
"""

import array
import fcntl
import ipaddress
import os
import re
import socket
import struct
from typing import List, NamedTuple, Optional, Union

from ..host import Host, ToolError
from ..unknown import Unknown
from ..web import UnreachableError, split_address, within

SIOCGIFCONF = 0x8912
NAME_BYTES = 16
# A name, and a union whose largest member has two words of the machine.
ENTRY_BYTES = NAME_BYTES + (24 if struct.calcsize("P") == 8 else 16)  # noqa: PLR2004
ADDRESS_OFFSET = NAME_BYTES + 4
# More than these are cut off by the kernel.
ENTRIES_MAX = 512
DISCARD_PORT = 9
TOOL_TIMEOUT_S = 5
RESOLVE_TIMEOUT_S = 5
LISTED_MAX = 20

# Interfaces that are not the host's way to others: of containers, tunnels and bridges; and those of DC/OS, which have
# the same addresses on every agent.
EXCLUDED = re.compile(
    r"^(docker|br-|cbr|dummy|virbr|lxcbr|veth|lo$|cali|tunl|flannel|kube-ipvs|cni|spartan|minuteman|dcos|d-|m-|vtep)"
)

Address = NamedTuple("Address", [("interface", str), ("address", str)])
# address: None where the way of finding it finds none, or several; how: how it was found, or why it was not.
Found = NamedTuple("Found", [("address", Union[str, None, Unknown]), ("how", str)])


def read_addresses(host: Host) -> Union[List[Address], Unknown]:
    """Read all IPv4 addresses of this host, in the order of its interfaces."""
    if host.root:
        return _ask_tool(host)
    buffer = array.array("B", b"\0" * (ENTRY_BYTES * ENTRIES_MAX))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            order = struct.pack("iP", len(buffer), buffer.buffer_info()[0])
            filled = struct.unpack("iP", fcntl.ioctl(asking.fileno(), SIOCGIFCONF, order))[0]
    except OSError as error:
        return Unknown("the kernel does not tell this host's addresses: {}".format(error.strerror))
    return parse_entries(buffer.tobytes()[:filled])


def parse_entries(content: bytes) -> List[Address]:
    """Read the kernel's list: names of 16 bytes, each with an address; ``eth0:1`` is another address of ``eth0``."""
    found = []
    for start in range(0, len(content) - ENTRY_BYTES + 1, ENTRY_BYTES):
        name = content[start : start + NAME_BYTES].split(b"\0")[0].decode("utf-8", "replace")
        (family,) = struct.unpack_from("H", content, start + NAME_BYTES)
        if family == socket.AF_INET:
            packed = content[start + ADDRESS_OFFSET : start + ADDRESS_OFFSET + 4]
            found.append(Address(name.partition(":")[0], socket.inet_ntoa(packed)))
    return found


def _ask_tool(host: Host) -> List[Address]:
    try:
        return parse_ip_addr(host.run(["ip", "-o", "-4", "addr", "show"], TOOL_TIMEOUT_S).output)
    except ToolError:
        return [Address("lo", host.dial("127.0.0.1"))]


def parse_ip_addr(output: str) -> List[Address]:
    """Read the lines of ``ip -o -4 addr show``."""
    found = re.findall(r"^\d+:\s+(\S+?)(?:@\S+)?\s+inet\s+([\d.]+)", output, re.MULTILINE)
    return [Address(name, address) for name, address in found][:ENTRIES_MAX]


def find_address(host: Host, method: str, targets: List[str], addresses: List[Address], current: str) -> Found:
    """Find the address that calico-node is to have.

    Args:
        host: this one.
        method: as the option has it; empty for the address that leads to the first target that one leads to.
        targets: names or addresses of others, the best first.
        addresses: all of this host.
        current: the one that its calico-node has, or "". Without a method it stays as long as this host has it: a
            master that moves must not make another node of this one.
    """
    word, _, value = method.partition("=")
    if word == "can-reach":
        return _reach(host, [value], addresses)
    if method:
        return choose_address(method, addresses)
    if current in [one.address for one in addresses]:
        return Found(current, "calico-node has it")
    return _reach(host, targets, addresses)


def choose_address(method: str, addresses: List[Address]) -> Found:
    """Choose by interface, by network, or the first that is no container's; one is chosen, or none."""
    word, _, value = method.partition("=")
    parts = value.split(",")
    outer = [one for one in addresses if EXCLUDED.match(one.interface) is None]
    if word == "interface":
        chosen = next(filter(None, [_match(part, addresses) for part in parts]), [])  # type: List[Address]
    elif word == "skip-interface":
        chosen = [one for one in outer if not any(re.search(part, one.interface) for part in parts)]
    elif word == "cidr":
        networks = [ipaddress.IPv4Network(part, strict=False) for part in parts]
        chosen = [one for one in outer if any(ipaddress.IPv4Address(one.address) in net for net in networks)]
    else:
        chosen = outer[:1]
    if len({one.address for one in chosen}) == 1:
        return Found(chosen[0].address, "{}: it is on {}".format(method, chosen[0].interface))
    fault = "several: {}".format(list_addresses(chosen)) if chosen else "none"
    return Found(None, "{} finds {}; this host has {}".format(method, fault, list_addresses(addresses)))


def list_addresses(addresses: List[Address]) -> str:
    """List addresses for people; of very many, some."""
    told = ["{} {}".format(one.interface, one.address) for one in addresses[:LISTED_MAX]]
    more = len(addresses) - LISTED_MAX
    return ", ".join(told + (["and {} more".format(more)] if more > 0 else [])) or "no address"


def _match(pattern: str, addresses: List[Address]) -> List[Address]:
    return [one for one in addresses if re.search(pattern, one.interface)]


def _reach(host: Host, targets: List[str], addresses: List[Address]) -> Found:
    """Find the address from which packets to the first target would leave that is reached from one of use."""
    faults = []
    for target in targets:
        source = read_source(host, target)
        if isinstance(source, Unknown):
            faults.append("{}: {}".format(target, source.reason))
        elif _is_of_use(host, source):
            return Found(source, "this host reaches {} from it".format(target))
        else:
            faults.append("{} is reached from {}".format(target, source))
    if not faults:
        faults.append("nothing is known that this host has to reach")
    told = "{}; this host has {}".format("; ".join(faults), list_addresses(addresses))
    return Found(None, told)


def _is_of_use(host: Host, address: str) -> bool:
    """Whether others can reach it; hosts that share a machine reach each other by their loopback addresses."""
    return bool(host.root) or not ipaddress.IPv4Address(address).is_loopback


def read_source(host: Host, target: str) -> Union[str, Unknown]:
    """Read from which address this host would send to another; nothing is sent."""
    if host.root:
        return _ask_route(host, target)
    address = resolve(target)
    if isinstance(address, Unknown):
        return address
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((address, DISCARD_PORT))
            return str(asking.getsockname()[0])
    except OSError as error:
        return Unknown(error.strerror or str(error))


def _ask_route(host: Host, target: str) -> str:
    try:
        output = host.run(["ip", "-o", "-4", "route", "get", target], TOOL_TIMEOUT_S).output
    except ToolError:
        return host.dial("127.0.0.1")
    match = re.search(r"\bsrc ([\d.]+)", output)
    return match.group(1) if match is not None else host.dial("127.0.0.1")


def resolve(name: str) -> Union[str, Unknown]:
    """Resolve a name to its first IPv4 address, as this host's programs do, within a limit of time."""
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError:
        pass
    try:
        # The resolver's own limit is the host's matter, and can be minutes.
        found = within(RESOLVE_TIMEOUT_S, lambda: socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_DGRAM))
        return str(found[0][4][0])
    except socket.timeout:
        return Unknown("no name server answered within {} s".format(RESOLVE_TIMEOUT_S))
    except (OSError, UnicodeError) as error:
        return Unknown(getattr(error, "strerror", None) or str(error))


def list_targets(reach: str, endpoints: List[str], agent: Optional[str]) -> List[str]:
    """List whom this host has to reach, the best first: the Mesos master, etcd, and the address of its own agent."""
    hosts = [re.sub(r"^https?://", "", endpoint).rstrip("/") for endpoint in endpoints]
    named = [reach] + [_strip_port(host) for host in hosts] + [_strip_port(agent or "")]
    found = []  # type: List[str]
    for name in named:
        if name and name not in found:
            found.append(name)
    return found


def _strip_port(address: str) -> str:
    try:
        return split_address(address)[0]
    except UnreachableError:
        return address


def read_host_name(host: Host) -> str:
    """Read the host's own name, as Calico's plugins do; a relocated one has it in a file."""
    if host.root:
        try:
            with open(host.path("/etc/hostname"), encoding="utf-8") as file:
                return file.readline().strip() or socket.gethostname()
        except OSError:
            return socket.gethostname()
    return os.uname().nodename
