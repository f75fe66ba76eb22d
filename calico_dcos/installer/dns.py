"""Looks up SRV and A records: the standard library knows no SRV, nor the resolv.conf of a relocated host."""

import os
import socket
import struct
import time
from typing import Dict, List, NamedTuple, Tuple

from .web import find_left_s

A, SRV = 1, 33
INTERNET = 1
PORT = 53
TIMEOUT_S = 2
PACKET_MAX = 4096
# Over TCP, a message comes after its length.
LENGTH_BYTES = 2
# Header: id, flags, counts of questions, answers, authorities, additionals.
HEADER = struct.Struct(">HHHHHH")
RECORD = struct.Struct(">HHIH")
RECURSION_DESIRED = 0x0100
TRUNCATED = 0x0200
RCODE_MASK = 0x000F
RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
POINTER_MASK = 0xC0

Target = NamedTuple("Target", [("priority", int), ("weight", int), ("port", int), ("name", str)])
Response = NamedTuple("Response", [("rcode", int), ("targets", List[Target]), ("addresses", Dict[str, List[str]])])


class LookupFailedError(Exception):
    """No name server answered, or none that was understood."""


def parse_resolv_conf(text: str) -> List[Tuple[str, int]]:
    """Read the name servers; one may carry a port: ``127.0.0.1:5353`` or ``[::1]:5353``."""
    servers = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            servers.append(_parse_server(words[1]))
    return servers


def _parse_server(text: str) -> Tuple[str, int]:
    host, colon, port = text.rpartition(":")
    has_port = colon and port.isdigit() and (host.count(":") == 0 or host.startswith("["))
    return (host.strip("[]"), int(port)) if has_port else (text, PORT)


def build_query(ident: int, name: str, kind: int) -> bytes:
    """Build a query for one name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    encoded = b"".join(struct.pack("B", len(label)) + label for label in labels) + b"\0"
    return HEADER.pack(ident, RECURSION_DESIRED, 1, 0, 0, 0) + encoded + struct.pack(">HH", kind, INTERNET)


def parse_response(packet: bytes, ident: int) -> Response:
    """Read a response; records of kinds that are not asked for are passed over.

    Raises:
        LookupFailedError: it is malformed, or answers another query.
    """
    try:
        return _parse(packet, ident)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise LookupFailedError("the response is malformed: {!r}".format(error)) from error


def _parse(packet: bytes, ident: int) -> Response:
    answered, flags, questions, answers, authorities, additionals = HEADER.unpack_from(packet)
    if answered != ident:
        raise LookupFailedError("the response is to another query")
    offset = HEADER.size
    for _ in range(questions):
        offset = _read_name(packet, offset)[1] + 4
    targets = []
    addresses = {}  # type: Dict[str, List[str]]
    for _ in range(answers + authorities + additionals):
        name, offset = _read_name(packet, offset)
        kind, _class, _ttl, length = RECORD.unpack_from(packet, offset)
        start = offset + RECORD.size
        offset = start + length
        if kind == SRV:
            priority, weight, port = struct.unpack_from(">HHH", packet, start)
            targets.append(Target(priority, weight, port, _read_name(packet, start + 6)[0]))
        elif kind == A:
            addresses.setdefault(name, []).append(socket.inet_ntoa(packet[start:offset]))
    return Response(flags & RCODE_MASK, sorted(targets), addresses)


def _read_name(packet: bytes, offset: int) -> Tuple[str, int]:
    """Read a name, in lower case, and return what comes after it; it may end in a pointer to an earlier name."""
    name = ""
    while packet[offset] != 0:
        if packet[offset] & POINTER_MASK == POINTER_MASK:
            pointed = struct.unpack_from(">H", packet, offset)[0] & ~(POINTER_MASK << 8)
            # Only backwards: a packet whose pointers go in circles has no end.
            if pointed >= offset:
                raise LookupFailedError("the response is malformed: a name points forwards")
            return (name + "." + _read_name(packet, pointed)[0]).strip("."), offset + 2
        end = offset + 1 + packet[offset]
        name += "." + packet[offset + 1 : end].decode("ascii").lower()
        offset = end
    return name.strip("."), offset + 1


def look_up(servers: List[Tuple[str, int]], name: str, kind: int) -> Response:
    """Ask the name servers in turn, until one answers that there are records, or that there are none.

    Raises:
        LookupFailedError: none did.
    """
    faults = []
    for server in servers:
        try:
            response = _ask(server, name, kind)
        except (OSError, LookupFailedError) as error:
            faults.append("{}:{}: {}".format(server[0], server[1], error or type(error).__name__))
            continue
        if RCODES.get(response.rcode) in (None, "NXDOMAIN"):
            return response
        faults.append("{}:{}: {}".format(server[0], server[1], RCODES[response.rcode]))
    raise LookupFailedError("{} is not answered for ({})".format(name, "; ".join(faults) or "no name server is set"))


def _ask(server: Tuple[str, int], name: str, kind: int) -> Response:
    ident = struct.unpack(">H", os.urandom(2))[0]
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(TIMEOUT_S)
        channel.connect(server)
        query = build_query(ident, name, kind)
        channel.send(query)
        packet = channel.recv(PACKET_MAX)
    if len(packet) >= HEADER.size and HEADER.unpack_from(packet)[1] & TRUNCATED:
        packet = _ask_whole(server, query) or packet
    return parse_response(packet, ident)


def _ask_whole(server: Tuple[str, int], query: bytes) -> bytes:
    """Ask over TCP, which cuts no response short; empty where the server does not speak it: a part has to do then.

    Five members and their addresses are too much for a packet, and a part of them is another one each time: a proxy
    that follows its members would be started again and again.
    """
    try:
        with socket.create_connection(server, TIMEOUT_S) as channel:
            channel.sendall(struct.pack(">H", len(query)) + query)
            return _read_response(channel, time.monotonic() + TIMEOUT_S)
    except OSError:
        return b""


def _read_response(channel: socket.socket, deadline: float) -> bytes:
    """Read a response after its length; empty where it is cut short, socket.timeout after the deadline."""
    received = b""
    while len(received) < LENGTH_BYTES or len(received) < LENGTH_BYTES + int.from_bytes(received[:2], "big"):
        channel.settimeout(find_left_s(deadline))
        piece = channel.recv(1 << 16)
        if not piece:
            return b""
        received += piece
    return received[LENGTH_BYTES:]
