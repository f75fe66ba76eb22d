"""Holds the container that serves on this host, and makes the Docker network where that is its part."""

import time

from ..docker_api import DockerAwayError, NoSuchObjectError
from ..host import Host
from ..report import Reporter
from ..services.stop import StopSignal
from ..steps.work import StepError
from ..wanted import Wanted
from . import docker_objects as docker
from .order import ContainerOrder

EXIT_DONE, EXIT_FAILED = 0, 1
# How long a network takes that was made on another host to be known here: the cluster store is asked.
NETWORK_S = 30.0
POLL_S = 2.0
END_S = 20.0
# It says whose it is to whoever connects. The shell ends at last, and everything in the container with it.
SERVE = "(while :; do echo {run} | nc -l -p {port}; done) & sleep {lifetime:.0f}"


def hold_container(host: Host, wanted: Wanted, order: ContainerOrder, reporter: Reporter) -> int:
    """Hold the container until asked to end, or until the lifetime is over; return the exit status."""
    name = docker.name_container(order.id, "server", order.agent)
    try:
        _serve(host, wanted, name, order, reporter)
    except StepError as error:
        reporter.failure(error.reason)
        return EXIT_FAILED
    except (DockerAwayError, NoSuchObjectError) as error:
        reporter.failure(_explain(str(error)))
        return EXIT_FAILED
    finally:
        _end(host, name, order)
    return EXIT_DONE


def _serve(host: Host, wanted: Wanted, name: str, order: ContainerOrder, reporter: Reporter) -> None:
    stop = StopSignal()
    docker.sweep(host, except_run=order.id)
    _get_network(host, order, stop)
    script = SERVE.format(run=order.id, port=order.port, lifetime=order.lifetime_s)
    address = docker.run_container(host, name, wanted.calico_node.image, order.id, script)
    if not address:
        raise StepError("Docker gives the container no address: look at the log of libnetwork in calico-node")
    reporter.served(address)
    _watch(host, name, order, stop)


def _explain(fault: str) -> str:
    """Add what an operator can do where Docker's words do not tell it."""
    if "plugin" not in fault or "not found" not in fault:
        return fault
    return "{}: are /run/docker/plugins and /var/run/docker.sock mounted in calico-node?".format(fault)


def _get_network(host: Host, order: ContainerOrder, stop: StopSignal) -> None:
    """Make the network, or wait until it is known that was made on another host."""
    if order.makes_network:
        if not docker.has_network(host, order.id):
            docker.make_network(host, order.id)
        return
    ends_at_s = time.monotonic() + NETWORK_S
    while not docker.has_network(host, order.id):
        if time.monotonic() >= ends_at_s or stop.wait(docker.POLL_S):
            told = "Docker does not know network {} within {:.0f} s, which {} made: do both use the same cluster store?"
            raise StepError(told.format(docker.name_network(order.id), NETWORK_S, order.made_by))


def _watch(host: Host, name: str, order: ContainerOrder, stop: StopSignal) -> None:
    ends_at_s = time.monotonic() + order.lifetime_s
    while time.monotonic() < ends_at_s and not stop.wait(POLL_S):
        if not docker.is_running(host, name):
            said = " ".join(docker.read_output(host, name).splitlines()[-1:])
            raise StepError("the container ended; it said: {}".format(said or "nothing"))


def _end(host: Host, name: str, order: ContainerOrder) -> None:
    """Remove the container, and the network once nobody is on it any more: the last one who tries can."""
    ends_at_s = time.monotonic() + END_S
    try:
        docker.remove_container(host, name)
        while docker.remove_network(host, docker.name_network(order.id)) and time.monotonic() < ends_at_s:
            time.sleep(1)
    except DockerAwayError:
        # The next test, or a removal, sweeps it away.
        return
