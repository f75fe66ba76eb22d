"""Steps: inspect, plan, do each change, and inspect again: only that tells whether a step is done."""

from typing import Optional, Tuple

from ..files import FileError
from ..host import Host, ToolError
from ..inspection import Inspection, read_inspection
from ..lock import CHANGES, LockedError, hold_lock
from ..plans.changes import Action, Decision
from ..report import Reporter
from ..wanted import Wanted, is_enabled
from .agent_restart import restart_agent
from .cni import install_plugin, write_network
from .docker_store import reload_docker, restart_docker, write_store
from .work import StepError, Work

LOCK_TIMEOUT_S = 30

EXIT_DONE, EXIT_FAILED, EXIT_REFUSED = 0, 1, 3

ACTIONS = {
    Action.WRITE_STORE: write_store,
    Action.DROP_ADVERTISE: write_store,
    Action.RELOAD_DOCKER: reload_docker,
    Action.RESTART_DOCKER: restart_docker,
    Action.INSTALL_PLUGIN: install_plugin,
    Action.WRITE_NETWORK: write_network,
    Action.RESTART_AGENT: restart_agent,
}


def inspect(host: Host, wanted: Wanted, reporter: Reporter) -> int:
    """Report the facts of this host, and the changes that they call for."""
    reporter.inspection(read_inspection(host, wanted))
    return EXIT_DONE


def apply_step(step: str, host: Host, wanted: Wanted, reporter: Reporter) -> int:
    """Do what is still to do for one step, and prove it by inspecting again.

    Nothing is written before the plan asks for it: a step that is done or refused leaves no trace.
    """
    if not is_enabled(wanted, step):
        reporter.failure("the step {} is disabled in the wanted state".format(step))
        return EXIT_REFUSED
    inspection = read_inspection(host, wanted)
    status = _tell_settled(inspection.plan[step], reporter)
    if status is None:
        try:
            with hold_lock(host, CHANGES, LOCK_TIMEOUT_S):
                inspection, status = _do_changes(step, host, wanted, reporter)
        except LockedError as error:
            reporter.failure(str(error))
            status = EXIT_FAILED
    reporter.inspection(inspection)
    return status


def _tell_settled(decision: Decision, reporter: Reporter) -> Optional[int]:
    """Tell that a step is done or refused; None when there is something to do."""
    if decision.refusal is not None:
        reporter.failure(decision.refusal)
        return EXIT_REFUSED
    if not decision.changes:
        reporter.progress("nothing to do")
        return EXIT_DONE
    return None


def _do_changes(step: str, host: Host, wanted: Wanted, reporter: Reporter) -> Tuple[Inspection, int]:
    """Do the changes under the lock, by facts read under the lock."""
    before = read_inspection(host, wanted)
    status = _tell_settled(before.plan[step], reporter)
    if status is not None:
        return before, status
    try:
        _check_leave(before.plan[step], wanted)
        for change in before.plan[step].changes:
            reporter.progress("{} ({})".format(change.message, change.reason))
            ACTIONS[change.action](Work(host, wanted, before.facts, reporter), change)
    except StepError as error:
        reporter.failure(error.reason, error.detail)
        status = EXIT_FAILED
    except (FileError, ToolError, OSError) as error:
        reporter.failure(str(error))
        status = EXIT_FAILED
    after = read_inspection(host, wanted)
    return after, EXIT_FAILED if status is not None else _verify(after.plan[step], reporter)


def _check_leave(decision: Decision, wanted: Wanted) -> None:
    """Refuse to restart anything that was not to be restarted when this task was launched."""
    for change in decision.changes:
        if change.restarts is not None and not wanted.may_restart:
            raise StepError("needs leave to restart {}: {}".format(change.restarts, change.reason))


def _verify(decision: Decision, reporter: Reporter) -> int:
    left = [change.message for change in decision.changes]
    if decision.refusal is not None or left:
        reporter.failure("not done after all: {}".format(decision.refusal or "; ".join(left)))
        return EXIT_FAILED
    reporter.progress("done and verified")
    return EXIT_DONE
