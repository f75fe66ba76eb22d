"""Sends packets, and tells what became of them: TCP to a peer that greets, and the host's own ping."""

import json
import re
import socket
import time
from typing import List, NamedTuple, Optional, Union

from ..documents import load_json
from ..host import Host, ToolError
from ..web import find_left_s
from .icmp import ping_by_hand
from .ping import Ping, parse_ping

GREETING_MAX = 1000
PING_HEADERS = 28  # of IPv4 and ICMP, which a packet's length counts and ping's size does not
PING_WAIT_S = 1
OPEN, SILENT, REFUSED, WRONG = "open", "silent", "refused", "wrong"

# state: OPEN; SILENT: no answer in time, as where packets are dropped; REFUSED: an answer that says no; WRONG: another
# program answers. seen: our address as the peer saw it.
Tcp = NamedTuple("Tcp", [("state", str), ("message", str), ("seen", str), ("rtt_ms", float)])

_INTERFACE = re.compile(r"^\d+: (\S+)\s+inet ([\d.]+)/")
_MTU = re.compile(r"^\d+: ([^:@\s]+)[@:].* mtu (\d+) ")

Interface = NamedTuple("Interface", [("name", str), ("address", str), ("mtu", Optional[int])])


def connect(host: Host, address: str, port: int, source: str, run: str, timeout_s: float) -> Tcp:
    """Connect to a peer of this run, and read its greeting, all within timeout_s."""
    begun_at_s = time.monotonic()
    target = "TCP to {}:{}".format(address, port)
    try:
        with socket.create_connection((host.dial(address), port), timeout_s, (source, 0)) as peer:
            rtt_ms = round((time.monotonic() - begun_at_s) * 1000, 2)
            greeting = _read_line(peer, begun_at_s + timeout_s)
    except socket.timeout:
        return Tcp(SILENT, "{}: no answer within {:g} s".format(target, timeout_s), "", 0.0)
    except ConnectionRefusedError:
        return Tcp(REFUSED, "{}: refused".format(target), "", 0.0)
    except OSError as error:
        return Tcp(SILENT, "{}: {}".format(target, error.strerror or error), "", 0.0)
    seen = parse_greeting(greeting, run)
    if seen is None:
        state = WRONG if greeting else SILENT
        told = "something else answers" if greeting else "the connection was closed without a word"
        return Tcp(state, "{}: {}".format(target, told), "", rtt_ms)
    return Tcp(OPEN, "{} answers in {:g} ms".format(target, rtt_ms), seen, rtt_ms)


def build_greeting(run: str, peer: str) -> bytes:
    """Build what a server of a run says to whoever connects: whose it is, and whom it sees."""
    return json.dumps({"run": run, "seen": peer}).encode("ascii") + b"\n"


def parse_greeting(greeting: bytes, run: str) -> Optional[str]:
    """Read which address the server saw; None if it is no server of this run."""
    try:
        content = load_json(greeting.decode("ascii"))
        return str(content["seen"]) if content["run"] == run else None
    except (ValueError, KeyError, TypeError):
        return None


def _read_line(peer: socket.socket, deadline: float) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < GREETING_MAX:
        peer.settimeout(find_left_s(deadline))
        part = peer.recv(GREETING_MAX)
        if not part:
            break
        line += part
    return line


def ping(host: Host, address: str, source: str, *, count: int, length: int, is_whole: bool) -> Union[Ping, str]:
    """Ping an address with packets of a length in bytes, headers included; whole: they must not be fragmented.

    Returns:
        What became of them; a text where this host cannot ping at all.
    """
    try:
        host.find_tool("ping")
    except ToolError:
        return ping_by_hand(host.dial(address), source, count=count, length=length, is_whole=is_whole)
    argv = ["ping", "-n", "-c", str(count), "-i", "0.3", "-W", str(PING_WAIT_S), "-s", str(length - PING_HEADERS)]
    argv += ["-M", "do"] if is_whole else []
    argv += ["-I", source] if source else []
    try:
        done = host.run([*argv, host.dial(address)], 5 + count * (PING_WAIT_S + 1))
    except ToolError as error:
        return str(error)
    return parse_ping(done.output)


def read_interfaces(host: Host) -> List[Interface]:
    """Read the addresses of this network namespace, but for the loopback's.

    Raises:
        ToolError: the host cannot tell.
    """
    addresses = host.run(["ip", "-o", "-4", "addr", "show"], 10).output
    links = host.run(["ip", "-o", "link", "show"], 10).output
    return parse_interfaces(addresses, links)


def parse_interfaces(addresses: str, links: str) -> List[Interface]:
    """Read the lines of ``ip -o -4 addr show`` and ``ip -o link show``."""
    mtus = {found.group(1): int(found.group(2)) for found in map(_MTU.match, links.splitlines()) if found}
    rows = [found.groups() for found in map(_INTERFACE.match, addresses.splitlines()) if found]
    return [Interface(name, address, mtus.get(name)) for name, address in rows if name != "lo"]
