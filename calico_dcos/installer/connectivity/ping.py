"""What became of a ping, whoever sent it."""

import re
from typing import NamedTuple, Optional, Union

Ping = NamedTuple("Ping", [("sent", int), ("received", int), ("rtt_ms", Optional[float]), ("message", str)])

_COUNTS = re.compile(r"(\d+) packets transmitted, (\d+)(?: packets)? received")
_ROUND_TRIP = re.compile(r"= [\d.]+/([\d.]+)/")
_NO_WAY = re.compile(r"[^\n]*(?:unreachable|not permitted|prohibited|too long|Frag needed)[^\n]*", re.IGNORECASE)


def build_ping(sent: int, received: int, rtt_ms: Optional[float], reason: str) -> Ping:
    """Build it, with how many were lost in words, and why if that is known."""
    lost = 100 if sent == 0 else round(100 * (sent - received) / sent)
    message = "ping: {} % lost{}".format(lost, ", " + reason if reason and lost else "")
    return Ping(sent, received, rtt_ms, message)


def parse_ping(output: str) -> Union[Ping, str]:
    """Read what ping prints: of iputils and of busybox; a text where it counts nothing."""
    counts = _COUNTS.search(output)
    said = _NO_WAY.search(output)
    reason = "" if said is None else said.group().strip()
    if counts is None:
        return reason or " ".join(output.split())[-200:] or "ping says nothing"
    round_trip = _ROUND_TRIP.search(output)
    rtt_ms = None if round_trip is None else float(round_trip.group(1))
    return build_ping(int(counts.group(1)), int(counts.group(2)), rtt_ms, reason)
