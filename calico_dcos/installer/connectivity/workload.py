"""A workload: greets whoever connects over TCP, and sends packets for the probe on its host."""

import json
import socket
import threading
import time
from typing import Any, Dict, TextIO

from ..host import Host, ToolError
from ..services.stop import StopSignal
from .control import forget, listen, read_message, sweep
from .order import WorkloadOrder
from .packets import build_greeting, connect, ping, read_interfaces

EXIT_DONE, EXIT_FAILED = 0, 1
PEER_TIMEOUT_S = 5
POLL_S = 1.0


def serve_workload(host: Host, order: WorkloadOrder, out: TextIO) -> int:
    """Serve until asked to end, or until the lifetime is over; return the exit status.

    It reports to nobody: from here the scheduler is not reached. What Mesos shows is its output and its end.
    """
    stop = StopSignal()
    sweep(host)
    try:
        greeter = socket.socket()
        greeter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        greeter.bind((host.any_address(), order.port))
        greeter.listen(16)
        control = listen(host, order.id)
    except OSError as error:
        out.write("failed: cannot listen: {}\n".format(error))
        return EXIT_FAILED
    out.write("serves on port {}\n".format(order.port))
    out.flush()
    for target, server in ((_greet, greeter), (_obey, control)):
        threading.Thread(target=_accept, args=(target, server, host, order), daemon=True).start()
    ends_at_s = time.monotonic() + order.lifetime_s
    while time.monotonic() < ends_at_s and not stop.wait(POLL_S):
        pass
    forget(host, order.id)
    return EXIT_DONE


def _accept(act: Any, server: socket.socket, host: Host, order: WorkloadOrder) -> None:
    """Take one connection after the other: there is one peer and one probe."""
    while True:
        try:
            peer, address = server.accept()
        except OSError:
            return
        peer.settimeout(PEER_TIMEOUT_S)
        try:
            with peer:
                act(peer, address, host, order)
        except (OSError, ValueError, KeyError, TypeError):
            # A peer that is gone, or asks for nothing that makes sense: the next one may.
            continue


def _greet(peer: socket.socket, address: Any, host: Host, order: WorkloadOrder) -> None:
    del host
    peer.sendall(build_greeting(order.id, str(address[0])))


def _obey(peer: socket.socket, address: Any, host: Host, order: WorkloadOrder) -> None:
    del address
    peer.sendall(json.dumps(answer(host, order, read_message(peer))).encode("utf-8") + b"\n")


def answer(host: Host, order: WorkloadOrder, question: Dict[str, Any]) -> Dict[str, Any]:
    """Do what the probe asks for, and tell what came of it."""
    word = question.get("do")
    if word == "interfaces":
        try:
            return {"interfaces": [dict(one._asdict()) for one in read_interfaces(host)]}
        except ToolError as error:
            return {"fault": str(error)}
    address, source = str(question.get("address")), str(question.get("source", ""))
    if word == "connect":
        tcp = connect(host, address, order.port, source, order.id, float(question["limit_s"]))
        return dict(tcp._asdict())
    if word == "ping":
        length, count = int(question["length"]), int(question["count"])
        told = ping(host, address, source, count=count, length=length, is_whole=bool(question["is_whole"]))
        return {"fault": told} if isinstance(told, str) else dict(told._asdict())
    return {"fault": "no such question"}
