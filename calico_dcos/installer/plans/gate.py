"""The gate: what must hold before Docker is reloaded or restarted, or its file is changed. One ladder, for every way.

A SIGHUP to what is not dockerd ends Docker and its containers; a restart of a unit that does not run the Docker that
answers starts a second one beside it; and a file that others left half done keeps Docker down, the old one included:
the way back leads to a state that never worked. All of that is seen here, before anything is touched. It is judged on
facts that are read under the host's lock, and so is the leave to restart.
"""

from typing import List, Optional

from ..dockerd_options import find_faults, find_given
from ..facts.authorization import AuthorizationPlugin
from ..facts.daemon_json import DaemonJson
from ..facts.docker import UNIT, Docker, Engine
from ..facts.docker_server import SOCKET_UNIT, SYSTEMD_PID, Server
from ..facts.dockerd_flags import is_daemon
from ..systemd import Unit
from ..unknown import Unknown
from .changes import Action, Change, Decision, could_not_look, refuse

GATED = (Action.WRITE_STORE, Action.RELOAD_DOCKER, Action.RESTART_DOCKER)
UP = ("active", "reloading")
ON_ITS_WAY = ("activating", "deactivating")
FAULTS_MAX = 3
BY_HAND = "run Docker as {}, or set the store by hand and disable this step".format(UNIT)


def check_docker(decision: Decision, docker: Docker) -> Optional[Decision]:
    """Find what forbids the changes of a decision; None where nothing does, or where they do not concern Docker.

    The ladder goes from whether it is this Docker at all to what it would trip over.
    """
    if not any(change.action in GATED for change in decision.changes):
        return None
    if isinstance(docker.unit, Unknown):
        return could_not_look("{}: {}".format(UNIT, docker.unit.reason))
    other = _find_unit_down(docker.unit, docker.server) or _find_wrapper(docker.unit)
    other = other or find_other_server(docker.unit, docker.server)
    if other is not None:
        return other
    if isinstance(docker.flags, Unknown):
        return refuse(
            "with which flags dockerd is started is not known whole ({})".format(docker.flags.reason),
            "mend that (then systemctl daemon-reload), or set the store by hand and disable this step",
        )
    faults = find_pending_faults(docker)
    if faults:
        return refuse(
            "Docker would not start again: {}".format("; ".join(faults[:FAULTS_MAX])), "repair that, then retry"
        )
    return _find_unseen_plugin(docker.authorization_plugins)


def _find_unit_down(unit: Unit, server: Server) -> Optional[Decision]:
    if unit.active_state in ON_ITS_WAY:
        return could_not_look("{} is {}".format(UNIT, unit.active_state))
    if unit.active_state in UP and unit.main_pid != 0:
        return None
    by = server.listener_unit or "another unit or program"
    return refuse("{} is {}, and yet Docker answers: it is run by {}".format(UNIT, unit.active_state, by), BY_HAND)


def _find_wrapper(unit: Unit) -> Optional[Decision]:
    if is_daemon(unit.argv):
        return None
    program = unit.argv[0] if unit.argv else "a program that systemd does not tell"
    return refuse(
        "{} starts {}, which runs Docker inside of it: a reload or restart could end Docker for good".format(
            UNIT, program
        ),
        "have ExecStart start dockerd itself, or set the store by hand and disable this step",
    )


def find_other_server(unit: Unit, server: Server) -> Optional[Decision]:
    """Find whether another one than docker.service answers on Docker's socket, or whether that cannot be told."""
    if isinstance(server.listener, Unknown):
        return could_not_look(server.listener.reason)
    if server.listener > SYSTEMD_PID and server.listener != unit.main_pid:
        return _refuse_process(server.listener, server.listener_unit, unit)
    if server.listener > SYSTEMD_PID:
        return None
    return _find_other_by_notes(unit, server)


def _find_other_by_notes(unit: Unit, server: Server) -> Optional[Decision]:
    """Find it out where systemd listens, or where the process that listens cannot be seen."""
    if isinstance(server.started_by_socket, Unknown):
        return could_not_look("{}: {}".format(SOCKET_UNIT, server.started_by_socket.reason))
    if server.listener == SYSTEMD_PID and UNIT not in server.started_by_socket:
        started = ", ".join(server.started_by_socket) or "no unit that it tells of"
        return refuse("systemd listens on Docker's socket for {}, not for {}".format(started, UNIT), BY_HAND)
    if isinstance(server.pid_file, int) and server.pid_file != unit.main_pid:
        return _refuse_process(server.pid_file, "", unit)
    if isinstance(server.pid_file, int) or server.listener == SYSTEMD_PID:
        return None
    reason = "it has no PID file" if server.pid_file is None else server.pid_file.reason
    return could_not_look(
        "whether {} is the Docker that answers (its process is not seen from here, and {})".format(UNIT, reason)
    )


def _refuse_process(pid: int, unit_name: str, unit: Unit) -> Decision:
    by = " of {}".format(unit_name) if unit_name not in ("", unit.name) else ""
    return refuse(
        "Docker is run by process {}{}, and {} has process {}".format(pid, by, unit.name, unit.main_pid), BY_HAND
    )


def find_pending_faults(docker: Docker) -> List[str]:
    """Find what Docker would trip over at its next start or reload, whoever left it."""
    file, engine = docker.daemon_json, docker.engine
    if isinstance(engine, Unknown) or isinstance(file, Unknown) or isinstance(docker.flags, Unknown):
        return []
    return _find_file_faults(file, docker.flags, engine) + [
        "the authorization plugin {} is not there".format(plugin.name)
        for plugin in docker.authorization_plugins
        if plugin.is_there is False
    ]


def warn_of_faults(decision: Decision, docker: Docker) -> List[str]:
    """Warn, where nothing is to be done, of what would keep Docker from starting again."""
    faults = find_pending_faults(docker) if decision.proof is not None else []
    return ["Docker would not start again: {}".format("; ".join(faults[:FAULTS_MAX]))] if faults else []


def _find_file_faults(file: DaemonJson, flags: List[str], engine: Engine) -> List[str]:
    faults = find_faults(file.kinds, find_given(flags), engine.version)
    return ["in {}, {}".format(file.path, fault) for fault in faults]


def _find_unseen_plugin(plugins: List[AuthorizationPlugin]) -> Optional[Decision]:
    for plugin in plugins:
        if isinstance(plugin.is_there, Unknown):
            return could_not_look("the authorization plugin {}: {}".format(plugin.name, plugin.is_there.reason))
    return None


def find_lacking_leave(changes: List[Change], *, may_restart: bool) -> Optional[str]:
    """Find a restart among changes that there is no leave for: this task was launched to restart nothing."""
    for change in changes:
        if change.restarts is not None and not may_restart:
            return "needs leave to restart {}: {}".format(change.restarts, change.reason)
    return None
