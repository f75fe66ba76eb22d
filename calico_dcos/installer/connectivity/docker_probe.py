"""The actions between two containers on a Docker network of Calico."""

import re
from typing import NamedTuple, Optional

from ..docker_api import DockerAwayError, NoSuchObjectError
from ..host import Host
from . import docker_objects as docker
from .order import DockerOrder, ProbeOrder
from .ping import parse_ping
from .results import DOCKER, Results
from .routes import explain

LIMIT_S = 30.0
# For the time in which routes and rules settle, TCP is tried again and again.
PROBE = (
    "n=0; while [ $n -lt 4 ]; do t=$(nc -w 3 {address} {port} </dev/null 2>&1); "
    'echo "tcp=$t"; [ "$t" = {run} ] && break; n=$((n+1)); sleep 1; done; '
    "ping -c 3 -W 2 {address}"
)
_TCP = re.compile(r"^tcp=(.*)$", re.MULTILINE)

# tries: how many answers of TCP were wanted before the first came, None if none did.
Seen = NamedTuple("Seen", [("tries", Optional[int]), ("said", str), ("ping", str)])


def probe_docker(host: Host, image: str, order: ProbeOrder, docker_order: DockerOrder, results: Results) -> None:
    """Run a container on this host that reaches for the server's, and tell what it saw."""
    name = docker.name_container(order.id, "probe", order.client)
    server = docker_order.server_address
    script = PROBE.format(address=server, port=order.port, run=order.id)
    try:
        address = docker.run_container(host, name, image, order.id, script)
        if not address:
            results.failed(
                DOCKER, "address", "Docker gives the container no address: look at the log of libnetwork in calico-node"
            )
            results.not_tested(DOCKER, ["tcp", "ping"], "the container has no address")
            return
        results.passed(DOCKER, "address", "{} on network {}".format(address, docker.name_network(order.id)))
        docker.wait_for_end(host, name, LIMIT_S)
        _tell(host, order, server, docker.read_output(host, name), results)
    except (DockerAwayError, NoSuchObjectError) as error:
        told = [result.action for result in results.told if result.test == DOCKER]
        left = [action for action in ("address", "tcp", "ping") if action not in told]
        results.failed(DOCKER, left[0] if left else "ping", str(error))
        results.not_tested(DOCKER, left[1:], "Docker did not run the container")
    finally:
        _remove(host, name)


def parse_output(output: str, run: str) -> Seen:
    """Read what the container printed."""
    answers = _TCP.findall(output)
    tries = next((place for place, answer in enumerate(answers) if answer.strip() == run), None)
    said = next((answer.strip() for answer in reversed(answers) if answer.strip()), "")
    return Seen(tries, said, _TCP.sub("", output))


def _tell(host: Host, order: ProbeOrder, server: str, output: str, results: Results) -> None:
    seen = parse_output(output, order.id)
    if seen.tries is not None:
        late = " at the {}. try".format(seen.tries + 1) if seen.tries else ""
        results.passed(DOCKER, "tcp", "TCP to {}:{} answers{}".format(server, order.port, late))
    else:
        said = "it says {!r:.80}".format(seen.said) if seen.said else "no answer within 3 s"
        why = explain(host, order.client, server)
        results.failed(DOCKER, "tcp", "TCP to {}:{}: {}; {}".format(server, order.port, said, why))
    ping = parse_ping(seen.ping)
    if isinstance(ping, str):
        results.failed(DOCKER, "ping", "ping to {}: {}".format(server, ping))
    elif ping.sent and ping.received == ping.sent:
        results.passed(DOCKER, "ping", "{} of {} answered".format(ping.received, ping.sent), rtt_ms=ping.rtt_ms)
    else:
        why = "TCP passes: something drops ICMP" if seen.tries is not None else explain(host, order.client, server)
        results.failed(DOCKER, "ping", "ping to {}: {}; {}".format(server, ping.message.partition(": ")[2], why))


def _remove(host: Host, name: str) -> None:
    try:
        docker.remove_container(host, name)
    except DockerAwayError:
        # The next test, or a removal, sweeps it away.
        return
