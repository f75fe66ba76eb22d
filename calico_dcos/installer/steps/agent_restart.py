"""Does the step agent-restart; this task may end with the agent, so nothing but telling comes after the restart."""

import time
from typing import Optional

from .. import systemd
from ..facts.mesos_agent import AgentState, MesosAgent, read_agent_state
from ..files import FileError
from ..host import Host, ToolError
from ..inspection import Inspection
from ..pid_namespace import is_task
from ..plans.changes import Change
from ..plans.mesos_agent import find_last_change
from ..rollbacks import MESOS_AGENT, save_rollback
from ..systemd import JournalMark, Unit
from ..undo import NETWORK_BACKUP, undo_change
from ..unknown import Unknown
from ..unread import Unread, save_unread
from .work import StepError, Work

POLL_S = 0.1


def find_danger(host: Host, inspection: Inspection) -> Optional[str]:
    """Find why this run must not restart the agent: as a task of it, it may end before it has seen it come back."""
    if not inspection.plan["agent-restart"].changes or not is_task(host):
        return None
    cgroups = inspection.facts.system.cgroups
    if cgroups == "v1":
        return None
    return (
        "a restart of the agent may end this task (cgroups: {}) before it could be undone, and systemd runs nothing "
        "outside of it: run `installer.pyz apply agent-restart` on this host by hand, then retry".format(cgroups)
    )


def restart_agent(work: Work, change: Change) -> None:
    """Restart the agent's unit and wait until it has recovered; where it does not, take our network away again."""
    del change
    agent = work.facts.mesos_agent
    if not isinstance(agent.unit, Unit) or not isinstance(agent.state, AgentState):
        raise StepError("the agent's unit or state is not known")
    # Whoever changed the files: what starts from now on has read them.
    changed = find_last_change(work.facts.cni, work.wanted.cni)
    save_unread(work.host, Unread(agent.state.start_time_epoch_s, changed))
    mark = systemd.mark_journal(work.host, agent.unit.name)
    try:
        _restart(work, agent, agent.unit)
    except (ToolError, StepError) as error:
        raise _roll_back(work, agent, agent.unit, str(error), mark) from error


def _restart(work: Work, agent: MesosAgent, unit: Unit) -> None:
    started = agent.state.start_time_epoch_s if isinstance(agent.state, AgentState) else 0.0
    timeout_s = work.wanted.agent_restart.timeout_s
    work.reporter.progress("restarting {}".format(unit.name))
    systemd.restart_unit(work.host, unit.name, timeout_s)
    deadline = time.monotonic() + timeout_s
    state = agent.state  # type: object
    while time.monotonic() < deadline:
        # 503 until the agent has recovered, which systemd does not wait for. Another start, not a later one: the clock
        # may have been set back.
        state = read_agent_state(work.host, agent.endpoint)
        if isinstance(state, AgentState) and state.start_time_epoch_s != started:
            work.reporter.progress("the agent is back, started at {:.3f}".format(state.start_time_epoch_s))
            return
        time.sleep(POLL_S)
    shown = state.reason if isinstance(state, Unknown) else "it was not restarted"
    raise StepError("the agent is not back after {:g} s ({})".format(timeout_s, shown))


def _roll_back(work: Work, agent: MesosAgent, unit: Unit, reason: str, mark: JournalMark) -> StepError:
    """Put back the network that was there before ours, with which an old agent may not start, and try once more."""
    told = [reason]
    journal = systemd.read_journal(work.host, unit.name, mark)
    try:
        told += undo_change(work.host, NETWORK_BACKUP) or ["no network of ours is there to be taken away"]
        # Not before: a run that is refused for this note undoes nothing.
        told += save_rollback(work.host, MESOS_AGENT, work.wanted, reason)
        second_mark = systemd.mark_journal(work.host, unit.name)
        _restart(work, agent, unit)
        told.append("so the agent is up again")
    except FileError as error:
        told.append("the network cannot be taken away, so the agent is not restarted again: {}".format(error))
    except (ToolError, StepError) as error:
        told.append("the agent is not up either: {}".format(error))
        journal = "{}\n{}".format(journal, systemd.read_journal(work.host, unit.name, second_mark))
    return StepError("; ".join(told), journal)
