"""Runs one service until it is asked to end, or cannot go on; never two supervisors of one on a host."""

from contextlib import ExitStack, contextmanager
from typing import Callable, Dict, Iterator, Union  # noqa: F401  (Dict and Union: in a type comment)

from ..files import FileError
from ..host import Host
from ..inspection import read_inspection
from ..lock import LockedError, hold_lock
from ..outside import LOOK_LIMIT_S, Place
from ..report import Reporter
from ..steps import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED
from ..steps.work import StepError
from ..unknown import Unknown
from ..wanted import Wanted, is_enabled
from .calico_node import NodeSupervisor
from .etcd_proxy import ProxySupervisor
from .stop import StopSignal

# How often the turn is asked for.
RETRY_S = 0.5
SUPERVISORS = {
    "etcd-proxy": ProxySupervisor,
    "calico-node": NodeSupervisor,
}  # type: Dict[str, Callable[..., Union[ProxySupervisor, NodeSupervisor]]]


def admit(service: str, host: Host, wanted: Wanted, reporter: Reporter) -> int:
    """Tell whether a service may be run here: by the exit status, and why not in words."""
    facts, plan = read_inspection(host, wanted)[:2]
    # What could not be looked at is no refusal: a Docker that is away is waited for.
    refusal = plan[service].refusal
    if refusal is not None:
        reporter.failure(refusal)
        return EXIT_REFUSED
    if isinstance(facts.dcos.native_calico, Unknown):
        reporter.failure("could not look: {}".format(facts.dcos.native_calico.reason))
        return EXIT_FAILED
    return EXIT_DONE


def report_host(host: Host, wanted: Wanted, reporter: Reporter, place: Place) -> None:
    """Report all facts of the host, from where all are seen."""
    status = place.run_outside(["inspect"], LOOK_LIMIT_S)
    if status is None:
        reporter.inspection(read_inspection(host, wanted))
    elif status != EXIT_DONE:
        reporter.progress("this host could not be looked at (status {})".format(status))


def supervise(service: str, host: Host, wanted: Wanted, reporter: Reporter, place: Place) -> int:
    """Supervise a service, and return the exit status.

    A supervisor ends with its task, so it stays in it: Docker, etcd and the network are seen from there. Looks at the
    whole host, at its start and when its service is well, are made where all is seen.
    """
    if not is_enabled(wanted, service):
        reporter.failure("the step {} is disabled in the wanted state".format(service))
        return EXIT_REFUSED
    stop = StopSignal()
    # Before the lock is made: a host on which nothing is to be done is not touched.
    status = place.run_outside(["supervise", service, "--admission"], LOOK_LIMIT_S)
    if status is None:
        status = admit(service, host, wanted, reporter)
    if status != EXIT_DONE:
        return status
    try:
        with wait_turn(host, service, stop, reporter.progress) as is_held:
            if is_held:
                _run(service, host, wanted, reporter, stop, place)
    except StepError as error:
        reporter.failure(error.reason, error.detail)
        return EXIT_FAILED
    except (LockedError, FileError, OSError) as error:
        reporter.failure(str(error))
        return EXIT_FAILED
    return EXIT_DONE


@contextmanager
def wait_turn(host: Host, service: str, stop: StopSignal, tell: Callable[[str], None]) -> Iterator[bool]:
    """Hold the service's lock for a ``with`` block, however long it takes to get it; False when asked to end first.

    The supervisor before this one may be the task of an agent that lost touch with its master: nobody can say when it
    ends. Failing after a while would count as a fault of this host, and be tried again for the same end.
    """
    with ExitStack() as held:
        is_told = False
        while True:
            try:
                held.enter_context(hold_lock(host, service, 0))
                break
            except LockedError:
                if not is_told:
                    tell("waits for its turn: another supervisor of {} runs on this host".format(service))
                is_told = True
            if stop.wait(RETRY_S):
                yield False
                return
        yield True


def _run(service: str, host: Host, wanted: Wanted, reporter: Reporter, stop: StopSignal, place: Place) -> None:
    def tell_healthy() -> None:
        report_host(host, wanted, reporter, place)

    SUPERVISORS[service](host, wanted, reporter, tell_healthy).run(stop)
