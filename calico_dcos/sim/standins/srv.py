"""Looks up SRV and A records at the name server of a simulated host: a DNS client of the standard library alone."""

import secrets
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_A = 1
_SRV = 33
_IN = 1
_RECURSION_DESIRED = 0x0100
_RCODE_MASK = 0x000F
_POINTER = 0xC0
_TIMEOUT_S = 2
_DNS_PORT = 53


class LookupFailedError(Exception):
    """The name server does not know the name, or does not answer."""


def read_name_server(root: Path) -> tuple[str, int]:
    """Read the first name server of resolv.conf; unlike a real one, a simulated host's may have a port."""
    for line in (root / "etc/resolv.conf").read_text(encoding="utf-8").splitlines():
        if line.startswith("nameserver "):
            address, _, port = line.split()[1].partition(":")
            return address, int(port or _DNS_PORT)
    raise LookupFailedError("no name server in resolv.conf")


def look_up_srv(server: tuple[str, int], name: str) -> list[tuple[str, int]]:
    """Look up a service: address and port of each target.

    Raises:
        LookupFailedError: there is no such name, or no answer.
    """
    found = []
    for message, at in _query(server, name, _SRV):
        (port,) = struct.unpack_from(">H", message, at + 4)
        target = _read_name(message, at + 6)[0]
        found.append((look_up_address(server, target), port))
    return found


def look_up_address(server: tuple[str, int], name: str) -> str:
    """Look up the first address of a host; one that is an address already is itself.

    Raises:
        LookupFailedError: there is no such name, or no answer.
    """
    if name.replace(".", "").isdigit():
        return name
    for message, at in _query(server, name, _A):
        return socket.inet_ntoa(message[at : at + 4])
    raise LookupFailedError(f"lookup {name}: no such host")


def _query(server: tuple[str, int], name: str, kind: int) -> Iterator[tuple[bytes, int]]:
    """Ask, and yield the message with where the content of each answer of this kind begins."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    header = struct.pack(">HHHHHH", secrets.randbelow(1 << 16), _RECURSION_DESIRED, 1, 0, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(_TIMEOUT_S)
        client.sendto(header + labels + b"\0" + struct.pack(">HH", kind, _IN), server)
        try:
            message = client.recv(4096)
        except OSError as error:
            raise LookupFailedError(f"lookup {name} on {server[0]}:{server[1]}: {error}") from error
    _, flags, questions, answers, _, _ = struct.unpack_from(">HHHHHH", message)
    if flags & _RCODE_MASK:
        raise LookupFailedError(f"lookup {name} on {server[0]}:{server[1]}: no such host")
    at = 12
    for _ in range(questions):
        at = _read_name(message, at)[1] + 4
    for _ in range(answers):
        at = _read_name(message, at)[1]
        found, _, _, length = struct.unpack_from(">HHLH", message, at)
        if found == kind:
            yield message, at + 10
        at += 10 + length


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """Read a name, following pointers; with it comes where the next field begins."""
    labels: list[str] = []
    while length := message[at]:
        if length & _POINTER == _POINTER:
            (pointer,) = struct.unpack_from(">H", message, at)
            rest, _ = _read_name(message, pointer & ~(_POINTER << 8))
            return ".".join([*labels, rest]), at + 2
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1
