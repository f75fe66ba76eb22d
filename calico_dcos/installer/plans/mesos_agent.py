"""Plans the step agent-restart: from Mesos 1.2 on an agent finds a new network by itself, and is never restarted."""

from typing import List, Optional, Union

from ..facts import Facts
from ..facts.cni import Cni
from ..facts.docker import Docker
from ..facts.mesos_agent import AgentState, MesosAgent
from ..systemd import Unit
from ..unknown import Unknown
from ..versions import parse_version
from ..wanted import Cni as WantedCni
from .changes import Action, Change, Decision, change, could_not_look, prove, refuse

FIRST_WITHOUT_RESTART = (1, 2)


def plan_agent_restart(facts: Facts, wanted: WantedCni, cni_changes: List[Change]) -> Decision:
    """Plan whether the agent must be restarted to see the network, now or after the changes of step cni."""
    state, version = facts.mesos_agent.state, facts.mesos_agent.version
    if isinstance(version, Unknown):
        return could_not_look("the Mesos agent: {}".format(version.reason))
    if parse_version(version) is None:
        return refuse("the agent's version {!r} is not understood".format(version), "restart it by hand")
    if not reads_networks_at_start_only(version):
        return prove("not needed: Mesos {} finds a new network by itself".format(version))
    if isinstance(state, Unknown):
        return could_not_look("the Mesos agent (Mesos {}): {}".format(version, state.reason))
    reason = _find_reason(facts, state, wanted, cni_changes)
    if reason is None:
        return prove("the agent (Mesos {}) started after the CNI files changed".format(state.version))
    return _plan_restart(facts, state, reason)


def reads_networks_at_start_only(version: str) -> bool:
    """Whether an agent of this version has to be restarted for a new network."""
    parsed = parse_version(version)
    return parsed is not None and parsed < FIRST_WITHOUT_RESTART


def _find_reason(facts: Facts, state: AgentState, wanted: WantedCni, cni_changes: List[Change]) -> Optional[str]:
    if cni_changes:
        return "the CNI configuration is about to change"
    changed = find_last_change(facts.cni, wanted)
    unread = facts.mesos_agent.unread
    if unread is None or not is_same_time(unread.files_changed_epoch_s, changed):
        if state.start_time_epoch_s > changed:
            return None
        return "Mesos {} reads networks at its start only, and the CNI files changed {:.0f} s after it".format(
            state.version, changed - state.start_time_epoch_s
        )
    if unread.agent_start_epoch_s != state.start_time_epoch_s:
        return None
    return "Mesos {} reads networks at its start only, and has run since before the CNI files changed".format(
        state.version
    )


def is_same_time(one_epoch_s: float, other_epoch_s: float) -> bool:
    """Whether two times of modification are one: in floats, whole microseconds differ in their last digits."""
    return abs(one_epoch_s - other_epoch_s) < 1e-5  # noqa: PLR2004 - ten microseconds


def find_last_change(cni: Cni, wanted: WantedCni) -> float:
    """Find when our network's files last changed, in seconds of the epoch.

    By their modification time: that of their inode also changes with a backup or a chmod, and a restart for nothing
    costs more than one that an operator has to do who copied an old file with its time.
    """
    configs = [] if isinstance(cni.configs, Unknown) else cni.configs
    times = [config.mtime_epoch_s for config in configs if config.network == wanted.config["name"]]
    return max(times + [plugin.mtime_epoch_s for plugin in cni.plugins] + [0.0])


def _plan_restart(facts: Facts, state: AgentState, reason: str) -> Decision:
    unit = facts.mesos_agent.unit
    if isinstance(unit, Unknown):
        return could_not_look("the agent's unit: {}".format(unit.reason))
    if not isinstance(unit, Unit):
        return refuse("the agent's unit is not found (systemd knows none)", "restart the agent by hand")
    # The agent asks Docker for its containers when it recovers, and gives up without an answer.
    docker_fault = _find_docker_fault(facts.docker)
    if docker_fault is not None:
        return could_not_look("an agent does not recover without Docker: {}".format(docker_fault))
    return change(
        Action.RESTART_AGENT,
        "restart {}".format(unit.name),
        reason,
        _build_impact(facts.system.cgroups, state.running_tasks),
        restarts="mesos-agent",
    )


def await_busy_agent(decision: Decision, agent: MesosAgent) -> Optional[Decision]:
    """Put off a restart of Docker under an agent that recovers: it asks Docker, and gives up without an answer."""
    # A unit that cannot be looked at may be up.
    is_up = isinstance(agent.unit, Unknown) or (
        agent.unit is not None and agent.unit.active_state in ("active", "activating", "reloading")
    )
    restarts_docker = any(change.restarts == "docker" for change in decision.changes)
    if restarts_docker and is_up and isinstance(agent.state, Unknown) and not agent.wants_login:
        return could_not_look("Docker must not restart while the Mesos agent starts ({})".format(agent.state.reason))
    return None


def _find_docker_fault(docker: Docker) -> Optional[str]:
    is_installed = isinstance(docker.unit, Unit) and docker.unit.load_state == "loaded"
    if is_installed and isinstance(docker.engine, Unknown):
        return docker.engine.reason
    return None


def _build_impact(cgroups: str, running_tasks: Union[int, Unknown]) -> str:
    """Mesos moves its executors out of the unit's cgroup in the v1 hierarchy only."""
    tasks = "tasks" if isinstance(running_tasks, Unknown) else "{} tasks".format(running_tasks)
    tasks = "1 task" if running_tasks == 1 else tasks
    if cgroups == "v1":
        return "restarts the Mesos agent: of its {}, those of frameworks that checkpoint live on".format(tasks)
    return "restarts the Mesos agent: its {} may all end with it (cgroups: {})".format(tasks, cgroups)
