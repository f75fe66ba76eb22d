"""The `ping` of a simulated host, as iputils prints it; only addresses of workloads answer."""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time

from calico_dcos.sim.standins.network.places import PING_PORT, read_namespace

_HEADERS = 28
_MTU = 1500
_TIMEOUT_S = 5


def main(_root: str) -> int:
    """Ping, and end with 0 if anything came back."""
    parser = argparse.ArgumentParser(prog="ping")
    parser.add_argument("-n", action="store_true")
    parser.add_argument("-c", type=int, default=3, dest="count")
    parser.add_argument("-i", type=float, default=1.0)
    parser.add_argument("-W", type=float, default=1.0)
    parser.add_argument("-s", type=int, default=56, dest="size")
    parser.add_argument("-M", default="", dest="path_mtu")
    parser.add_argument("-I", default="", dest="source")
    parser.add_argument("address")
    options = parser.parse_args()
    print(f"PING {options.address} ({options.address}) {options.size}({options.size + _HEADERS}) bytes of data.")
    is_whole = options.path_mtu == "do"
    namespace = read_namespace()
    source = options.source or (namespace["address"] if namespace else "")
    if is_whole and options.size + _HEADERS > _MTU:
        print(f"ping: local error: message too long, mtu={_MTU}", file=sys.stderr)
        times: list[float | None] = [None] * options.count
    else:
        times = [_ping(options.address, source, options.size, is_whole=is_whole) for _ in range(options.count)]
    return _sum_up(options.address, times)


def _ping(address: str, source: str, size: int, *, is_whole: bool) -> float | None:
    """One packet: milliseconds until it came back; None if it did not."""
    begun_at = time.monotonic()
    try:
        with socket.create_connection((address, PING_PORT), _TIMEOUT_S, (source, 0)) as wire:
            wire.sendall(json.dumps({"length": size + _HEADERS, "is_whole": is_whole}).encode())
            is_answered = json.loads(wire.recv(1000) or b"{}").get("is_answered", False)
    except (OSError, ValueError):
        return None
    return 1000 * (time.monotonic() - begun_at) if is_answered else None


def _sum_up(address: str, times: list[float | None]) -> int:
    back = [one for one in times if one is not None]
    lost = round(100 * (len(times) - len(back)) / max(1, len(times)))
    print(f"\n--- {address} ping statistics ---")
    print(f"{len(times)} packets transmitted, {len(back)} received, {lost}% packet loss, time 0ms")
    if back:
        mean = sum(back) / len(back)
        print(f"rtt min/avg/max/mdev = {min(back):.3f}/{mean:.3f}/{max(back):.3f}/0.001 ms")
    return 0 if back else 1
