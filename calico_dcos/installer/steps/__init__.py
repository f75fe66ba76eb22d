"""Steps: inspect, plan, do each change, and inspect again: only that tells whether a step is done."""

import time
from typing import Optional, Tuple

from ..docker_up import end_change
from ..facts.identity import complete_wanted
from ..files import FileError
from ..host import Host, ToolError
from ..inspection import Inspection, read_inspection
from ..lock import CHANGES, LockedError, hold_lock
from ..outside import compute_work_limit_s
from ..plans.changes import Action, Decision, describe_unproven
from ..plans.gate import find_lacking_leave
from ..report import Reporter
from ..rollbacks import forget_rollback
from ..undo import has_unfinished, settle_step, undo_step
from ..wanted import Wanted, is_enabled
from ..way_back import bring_back_left, is_docker_left_down, tell_what_is_left_up
from .agent_restart import find_danger, restart_agent
from .cni import install_plugin, write_network
from .docker_store import reload_docker, restart_docker, write_store
from .work import StepError, Work

EXIT_DONE, EXIT_FAILED, EXIT_REFUSED = 0, 1, 3
LOOK_AGAIN_S = 1.0

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
    try:
        if status is None or (status == EXIT_DONE and has_unfinished(host, step)) or _is_left_down(step, host):
            danger = find_danger(host, inspection) if step == "agent-restart" else None
            if danger is not None:
                reporter.failure(danger)
                return EXIT_REFUSED
            # As long as the run may last that holds it: one outside of its task goes on when that is ended.
            with hold_lock(host, CHANGES, compute_work_limit_s(wanted), reporter.progress):
                inspection, status = _do_changes(step, host, wanted, reporter)
    except (StepError, LockedError, FileError, ToolError, OSError) as error:
        reporter.failure(str(error))
        status = EXIT_FAILED
    reporter.inspection(inspection)
    return status


def _tell_settled(decision: Decision, reporter: Reporter) -> Optional[int]:
    """Tell that nothing is to be done, and why; None when there is something to do."""
    if decision.changes:
        return None
    if decision.refusal is not None:
        reporter.failure(decision.refusal)
        return EXIT_REFUSED
    if decision.proof is None:
        reporter.failure(describe_unproven(decision))
        return EXIT_FAILED
    reporter.progress("nothing to do: {}".format(decision.proof))
    return EXIT_DONE


def _do_changes(step: str, host: Host, wanted: Wanted, reporter: Reporter) -> Tuple[Inspection, int]:
    """Do the changes under the lock, by facts read under the lock; undo what was seen to be of no use.

    What could not be looked at stays as it is, and open: the next run finds out.
    """
    if _is_left_down(step, host):
        reporter.failure("; ".join(bring_back_left(host, wanted)))
        return read_inspection(host, wanted), EXIT_FAILED
    before = read_inspection(host, wanted)
    status = _tell_settled(before.plan[step], reporter)
    if status is not None:
        if status == EXIT_DONE:
            _settle(step, host, reporter)
        return before, status
    lacking = find_lacking_leave(before.plan[step].changes, may_restart=wanted.may_restart)
    if lacking is not None:
        reporter.failure(lacking)
        return before, EXIT_FAILED
    try:
        own = complete_wanted(wanted, before.facts.node)
        for change in before.plan[step].changes:
            reporter.progress("{} ({})".format(change.message, change.reason))
            ACTIONS[change.action](Work(host, own, before.facts, reporter), change)
        after = _look_after(step, host, wanted, reporter)
        _verify(after.plan[step], is_left_down=_is_left_down(step, host))
    except StepError as error:
        return _undo(step, host, wanted, reporter, error)
    except (FileError, ToolError, OSError) as error:
        return _undo(step, host, wanted, reporter, StepError(str(error)))
    if after.plan[step].unknown is not None:
        reporter.failure("done, and {}".format(describe_unproven(after.plan[step])))
        return after, EXIT_FAILED
    _settle(step, host, reporter)
    reporter.progress("done and verified")
    return after, EXIT_DONE


def _look_after(step: str, host: Host, wanted: Wanted, reporter: Reporter) -> Inspection:
    """Look at the host until something can be said of the step, for as long as what it changes is waited for."""
    limit = wanted.cluster_store if step == "docker-cluster-store" else wanted.agent_restart
    ends_at_s, is_told = time.monotonic() + limit.timeout_s, False
    while True:
        after = read_inspection(host, wanted)
        if after.plan[step].unknown is None or time.monotonic() >= ends_at_s:
            return after
        if not is_told:
            reporter.progress("looks again: {}".format(describe_unproven(after.plan[step])))
        is_told = True
        time.sleep(LOOK_AGAIN_S)


def _is_left_down(step: str, host: Host) -> bool:
    return step == "docker-cluster-store" and is_docker_left_down(host)


def _verify(decision: Decision, *, is_left_down: bool) -> None:
    if decision.proof is None and (decision.unknown is None or is_left_down):
        raise StepError("not done after all: {}".format(describe_unproven(decision)))


def _settle(step: str, host: Host, reporter: Reporter) -> None:
    """Note that the changes are verified; where that is not possible, the next run does."""
    try:
        # The note that Docker was up goes first: as long as the step is open, a next run comes here again.
        if step == "docker-cluster-store":
            end_change(host)
        settle_step(host, step)
        forget_rollback(host, step)
    except FileError as error:
        reporter.progress("that this is verified cannot be noted: {}".format(error))


def _undo(step: str, host: Host, wanted: Wanted, reporter: Reporter, failure: StepError) -> Tuple[Inspection, int]:
    """Undo what the step has changed and not verified, and tell of both."""
    told = [failure.reason]
    try:
        told += undo_step(host, step)
    except (FileError, OSError) as error:
        told.append("putting things back failed: {}".format(error))
    if step == "docker-cluster-store":
        told += tell_what_is_left_up(host, wanted)
    reporter.failure("; ".join(told), failure.detail)
    return read_inspection(host, wanted), EXIT_FAILED
