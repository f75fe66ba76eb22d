"""Runs one service until it is asked to end, or cannot go on."""

from typing import Optional

from ..facts import Facts
from ..files import FileError
from ..host import Host
from ..inspection import read_inspection
from ..lock import LockedError, hold_lock
from ..plans import find_native_calico, plan_changes
from ..report import Reporter
from ..steps import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED
from ..steps.work import StepError
from ..wanted import Wanted, is_enabled
from .calico_node import NodeSupervisor
from .etcd_proxy import ProxySupervisor
from .stop import StopSignal

# The task before this one may take its grace period to end.
LOCK_TIMEOUT_S = 30


def find_refusal(service: str, facts: Facts, wanted: Wanted) -> Optional[str]:
    """Find why a service must not be run here; a Docker that is away is waited for."""
    if service == "calico-node" and not find_native_calico(facts):
        return None
    return plan_changes(facts, wanted)[service].refusal


def supervise(service: str, host: Host, wanted: Wanted, reporter: Reporter) -> int:
    """Supervise a service, and return the exit status."""
    if not is_enabled(wanted, service):
        reporter.failure("the step {} is disabled in the wanted state".format(service))
        return EXIT_REFUSED
    stop = StopSignal()
    refusal = find_refusal(service, read_inspection(host, wanted).facts, wanted)
    if refusal is not None:
        reporter.failure(refusal)
        return EXIT_REFUSED

    def tell_healthy() -> None:
        reporter.inspection(read_inspection(host, wanted))

    try:
        with hold_lock(host, service, LOCK_TIMEOUT_S):
            if service == "etcd-proxy":
                ProxySupervisor(host, wanted.etcd_proxy, reporter, tell_healthy).run(stop)
            else:
                NodeSupervisor(host, wanted.calico_node, reporter, tell_healthy).run(stop)
    except StepError as error:
        reporter.failure(error.reason, error.detail)
        return EXIT_FAILED
    except (LockedError, FileError, OSError) as error:
        reporter.failure(str(error))
        return EXIT_FAILED
    return EXIT_DONE
