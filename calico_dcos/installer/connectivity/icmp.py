"""Pings without the host's ping, which not every host has: echo requests over a raw socket, as root alone may."""

import errno
import os
import socket
import struct
import time
from typing import List, Optional, Union

from .ping import Ping, build_ping

HEADER = struct.Struct("!BBHHH")
ECHO_REQUEST, ECHO_REPLY = 8, 0
IP_HEADER_WORDS = 0x0F
# Of <linux/in.h>; Python's socket module does not have them all.
IP_MTU_DISCOVER, PMTU_DONT, PMTU_DO = 10, 0, 2
HEADERS = 28
PAUSE_S = 0.3


def ping_by_hand(address: str, source: str, *, count: int, length: int, is_whole: bool) -> Union[Ping, str]:
    """Ping with packets of a length in bytes, headers included; a text where this program may not."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            raw.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTU_DO if is_whole else PMTU_DONT)
            raw.bind((source, 0))
            return _ping(raw, address, count, length - HEADERS)
    except OSError as error:
        return "ping: {}".format(error.strerror or error)


def _ping(raw: socket.socket, address: str, count: int, size: int) -> Ping:
    mark = struct.unpack("!H", os.urandom(2))[0]
    times = []  # type: List[float]
    reason = ""
    for number in range(count):
        try:
            raw.sendto(build_request(mark, number, size), (address, 0))
            took_s = _await_reply(raw, address, mark, number)
        except OSError as error:
            too_long = error.errno == errno.EMSGSIZE
            reason = "message too long" if too_long else str(error.strerror or error)
            continue
        if took_s is not None:
            times.append(took_s * 1000)
        if number + 1 < count:
            time.sleep(PAUSE_S)
    return build_ping(count, len(times), _compute_mean(times), reason)


def _compute_mean(times: List[float]) -> Optional[float]:
    return round(sum(times) / len(times), 3) if times else None


def build_request(mark: int, number: int, size: int) -> bytes:
    """Build an echo request with so many bytes after its header."""
    content = bytes(size)
    head = HEADER.pack(ECHO_REQUEST, 0, 0, mark, number)
    return HEADER.pack(ECHO_REQUEST, 0, compute_checksum(head + content), mark, number) + content


def compute_checksum(data: bytes) -> int:
    """Compute the Internet's checksum (RFC 1071)."""
    even = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!{}H".format(len(even) // 2), even))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def _await_reply(raw: socket.socket, address: str, mark: int, number: int) -> Optional[float]:
    """Wait a second for the reply, and return the seconds that it took; None if it does not come."""
    begun_at_s = time.monotonic()
    while True:
        left_s = begun_at_s + 1 - time.monotonic()
        if left_s <= 0:
            return None
        raw.settimeout(left_s)
        try:
            packet, (sender, _) = raw.recvfrom(65535)
        except socket.timeout:
            return None
        if sender == address and is_reply(packet, mark, number):
            return time.monotonic() - begun_at_s


def is_reply(packet: bytes, mark: int, number: int) -> bool:
    """Whether an IP packet is the reply to a request."""
    if not packet:
        return False
    begin = 4 * (packet[0] & IP_HEADER_WORDS)
    if len(packet) < begin + HEADER.size:
        return False
    kind, _, _, its_mark, its_number = HEADER.unpack_from(packet, begin)
    return (kind, its_mark, its_number) == (ECHO_REPLY, mark, number)
