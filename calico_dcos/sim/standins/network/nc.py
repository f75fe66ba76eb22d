"""The `nc` of a container on a simulated host: what busybox' does with -l -p PORT, and with -w SECONDS ADDRESS PORT."""

from __future__ import annotations

import argparse
import os
import socket
import sys

from calico_dcos.sim.standins.network.places import LOOPBACK_VARIABLE, read_namespace

_CHUNK = 1 << 16


def main(_root: str) -> int:
    """Pass stdin to whoever connects, or to whom it connects; print what comes back."""
    parser = argparse.ArgumentParser(prog="nc")
    parser.add_argument("-l", action="store_true", dest="listens")
    parser.add_argument("-p", type=int, default=0, dest="port")
    parser.add_argument("-w", type=float, default=None, dest="timeout_s")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    try:
        with _listen(options.port) if options.listens else _connect(options.words, options.timeout_s) as peer:
            peer.sendall(sys.stdin.buffer.read())
            peer.shutdown(socket.SHUT_WR)
            while data := peer.recv(_CHUNK):
                sys.stdout.buffer.write(data)
    except OSError as error:
        print(f"nc: {error}", file=sys.stderr)
        return 1
    return 0


def _listen(port: int) -> socket.socket:
    with socket.create_server((os.environ.get(LOOPBACK_VARIABLE, "127.0.0.1"), port)) as server:
        return server.accept()[0]


def _connect(words: list[str], timeout_s: float | None) -> socket.socket:
    namespace = read_namespace()
    source = namespace["address"] if namespace else ""
    return socket.create_connection((words[0], int(words[1])), timeout_s, (source, 0))
