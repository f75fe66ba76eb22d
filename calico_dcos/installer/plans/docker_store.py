"""Plans the step docker-cluster-store: a ladder of early returns, from what forbids it to what is left to do.

Docker takes ``cluster-store`` on one SIGHUP when none was in effect and the file also has ``cluster-advertise`` (empty
will do): measured for 20.10, read in the source for 1.11 to 20.10. Any change of a store in effect takes a restart: a
second SIGHUP with another value makes Docker lie in ``/info``, and can hang or end it. Docker 23 no longer starts with
the key.
"""

from typing import List, Optional, Union

from ..dockerd_options import find_given, name_flag
from ..facts import Facts
from ..facts.daemon_json import AUTHORIZATION_KEY, STORE_KEY, DaemonJson
from ..facts.docker import Docker, Engine
from ..facts.dockerd_flags import find_cluster_flags
from ..facts.store_use import StoreUse
from ..systemd import Unit
from ..unknown import Unknown
from ..versions import parse_version
from ..wanted import ClusterStore
from .changes import Action, Decision, change, could_not_look, prove, refuse

FIRST_WITH_FILE = (1, 10)
FIRST_WITH_RELOAD = (1, 11)
FIRST_WITHOUT_STORE = (23, 0)
# So Mesos' Docker containerizer names its containers.
MESOS_PREFIX = "mesos-"
NAMES_MAX = 5
NO_IMPACT = "nothing restarts"


def plan_docker_store(docker: Docker, wanted: ClusterStore) -> Decision:
    """Plan what makes the wanted store take effect, and last."""
    engine, file, flags = docker.engine, docker.daemon_json, docker.flags
    if isinstance(engine, Unknown) and not docker.is_installed:
        return refuse("Docker is not installed", "install Docker 1.11 to 20.10, or disable this step")
    if isinstance(engine, Unknown):
        return could_not_look("Docker: {}".format(engine.reason))
    refusal = _refuse_version(engine.version)
    if refusal is not None:
        return refusal
    # Docker would not start again with such a file, and a reload would be rejected: first of all it must be repaired.
    if isinstance(file, Unknown):
        return could_not_look("daemon.json: {}".format(file.reason))
    if file.fault is not None:
        return refuse("{} is not valid ({})".format(file.path, file.fault), "repair it, then retry")
    if engine.cluster_store == wanted.url:
        given = [] if isinstance(flags, Unknown) else find_cluster_flags(flags)
        unused = _check_use(docker.store_use, engine, file, given, wanted)
        return unused or _tell_use(_plan_in_effect(file, flags, docker.unit, wanted), docker.store_use)
    if isinstance(docker.unit, Unknown):
        return could_not_look("docker.service: {}".format(docker.unit.reason))
    if docker.unit.load_state != "loaded":
        return refuse("systemd runs no docker.service", "run Docker as docker.service, or disable this step")
    return _plan_not_in_effect(engine, file, flags, wanted)


def _refuse_version(text: str) -> Union[Decision, None]:
    version = parse_version(text)
    if version is None:
        return refuse("Docker's version {!r} is not understood".format(text), "configure the store by hand")
    if version >= FIRST_WITHOUT_STORE:
        return refuse(
            "Docker {} no longer knows cluster-store and would not start with it".format(text),
            "disable this step: Docker's own containers go without Calico here",
        )
    if version < FIRST_WITH_FILE:
        return refuse(
            "Docker {} reads no daemon.json".format(text),
            "give dockerd the flag --cluster-store, or upgrade Docker to 1.11 or later",
        )
    return None


def _check_use(
    use: Optional[StoreUse], engine: Engine, file: DaemonJson, given: List[str], wanted: ClusterStore
) -> Optional[Decision]:
    """Check that Docker keeps its networks in the store that it shows; None where something proves it."""
    if use is None:
        return could_not_look("whether Docker uses the store that it shows")
    if not isinstance(use.elsewhere, Unknown) and use.elsewhere:
        return _refuse_lie("its network {} is not in it".format(use.elsewhere[0]), engine, file, wanted)
    if not isinstance(use.in_store, Unknown) and use.in_store:
        return None
    if isinstance(use.not_taken, str):
        return _refuse_lie("it logged {!r}".format(use.not_taken), engine, file, wanted)
    if use.is_noted or STORE_KEY in given:
        return None
    if not isinstance(use.not_shown, Unknown) and use.not_shown:
        return could_not_look(
            "whether Docker uses the store that it shows: it shows none of the {} networks in it".format(use.not_shown)
        )
    if isinstance(use.not_taken, Unknown):
        return could_not_look(
            "whether Docker uses the store that it shows ({}): a network of all hosts would tell, or a restart of "
            "Docker".format(use.not_taken.reason)
        )
    return None


def _tell_use(decision: Decision, use: Optional[StoreUse]) -> Decision:
    """Tell in a proof what shows that the store is used."""
    if decision.proof is None or use is None:
        return decision
    if not isinstance(use.in_store, Unknown) and use.in_store:
        seen = "its network {} is kept there".format(use.in_store[0])
    elif use.is_noted:
        seen = "it had none before it took that from this program"
    elif use.not_taken is None:
        seen = "its log tells of no other since its start"
    else:
        return decision
    return decision._replace(proof="{}; {}".format(decision.proof, seen))


def _refuse_lie(sign: str, engine: Engine, file: DaemonJson, wanted: ClusterStore) -> Decision:
    """Docker was given another store by a reload: it shows that one, and uses the first until its next start."""
    reason = "Docker shows the store {} and does not use it ({})".format(wanted.url, sign)
    if wanted.may_replace:
        return _restart(engine, file, wanted, "{}; only a restart changes it".format(reason))
    return refuse(reason, "restart Docker when its containers may stop; the option replace-existing does so")


def _plan_in_effect(
    file: DaemonJson, flags: Union[List[str], Unknown], unit: Union[Unit, Unknown], wanted: ClusterStore
) -> Decision:
    """The wanted store is in effect: is it so after the next start of Docker, too?"""
    given = [] if isinstance(flags, Unknown) else find_cluster_flags(flags)
    twice = [name for name in given if name in file.keys]
    if twice:
        return refuse(
            "--{} is given to dockerd, and {} has it too: Docker will not start again".format(
                name_flag(twice[0]), file.path
            ),
            "take the flag out of docker.service, or the key out of the file",
        )
    if file.cluster_store == wanted.url:
        if file.cluster_advertise == "":
            # Left by a run that was killed: with it, a later edit of the store and two reloads hang Docker.
            return change(
                Action.DROP_ADVERTISE,
                "take the empty cluster-advertise out of {}".format(file.path),
                "it was needed for the reload only",
                NO_IMPACT,
            )
        return _prove(wanted, "it is in {}".format(file.path))
    if isinstance(unit, Unknown):
        return could_not_look("docker.service: {}".format(unit.reason))
    if isinstance(flags, Unknown):
        return refuse(
            "the store is in effect, but neither from {} nor from flags that can be read ({})".format(
                file.path, flags.reason
            ),
            "see how dockerd is started",
        )
    if given:
        # For good: the same key in the file would keep Docker from starting.
        return _prove(wanted, "set by a flag of dockerd")
    return change(
        Action.WRITE_STORE,
        "write cluster-store {} into {}".format(wanted.url, file.path),
        "the store is in effect, but would be lost with the next start of Docker",
        NO_IMPACT,
    )


def _prove(wanted: ClusterStore, lasting: str) -> Decision:
    return prove("Docker's cluster store is {}; {}".format(wanted.url, lasting))


def _plan_not_in_effect(
    engine: Engine, file: DaemonJson, flags: Union[List[str], Unknown], wanted: ClusterStore
) -> Decision:
    """Another store is in effect, or none."""
    if engine.swarm != "inactive":
        return refuse("Docker's swarm mode is {}".format(engine.swarm), "leave the swarm, or disable this step")
    # Flags that cannot be read are the gate's: a store given by one would be in effect.
    given = [] if isinstance(flags, Unknown) else find_cluster_flags(flags)
    if given:
        return refuse(
            "dockerd is started with --{}".format(", --".join(name_flag(key) for key in given)),
            "take the flag out of docker.service: Docker does not start with a flag and the same key in the file",
        )
    other = engine.cluster_store or file.cluster_store
    if other not in (None, "", wanted.url) and not wanted.may_replace:
        return refuse(
            "another cluster store is configured ({})".format(other),
            "see who uses it; the option replace-existing replaces it, which restarts Docker",
        )
    if engine.cluster_store is not None:
        return _restart(engine, file, wanted, "the store {} is in effect; only a restart changes it".format(other))
    if (parse_version(engine.version) or FIRST_WITH_RELOAD) < FIRST_WITH_RELOAD:
        return _restart(engine, file, wanted, "Docker {} does not take a store on reload".format(engine.version))
    if not isinstance(flags, Unknown) and AUTHORIZATION_KEY in find_given(flags):
        # Docker takes on a reload those of the file alone: whatever they forbid would be allowed until its next start.
        return _restart(engine, file, wanted, "a reload would switch off what --authorization-plugin sets")
    return change(
        Action.RELOAD_DOCKER,
        "set cluster-store {} in {} and reload Docker with one SIGHUP".format(wanted.url, file.path),
        "no cluster store is in effect",
        "no container is touched",
    )


def _restart(engine: Engine, file: DaemonJson, wanted: ClusterStore, reason: str) -> Decision:
    return change(
        Action.RESTART_DOCKER,
        "set cluster-store {} in {} and restart Docker".format(wanted.url, file.path),
        reason,
        build_impact(engine),
        restarts="docker",
    )


def build_impact(engine: Engine) -> str:
    """Say what a restart of Docker ends; live-restore saves containers, but not the clients that Mesos attached."""
    count = len(engine.running)
    tasks = [one.name for one in engine.running if one.name.startswith(MESOS_PREFIX)]
    if engine.is_live_restore_on:
        words = "{} live on".format("1 container" if count == 1 else "{} containers".format(count))
        failing = "{} of them, tasks of Mesos' Docker containerizer, fail all the same".format(len(tasks))
        return "restarts Docker: {}{}".format(words, "; " + failing if tasks else "")
    if count == 0:
        return "restarts Docker: no container runs"
    words = "1 container stops" if count == 1 else "{} containers stop".format(count)
    names = [one.name for one in engine.running if one.name not in tasks][:NAMES_MAX]
    told = names + ["{} of Mesos".format("1 task" if len(tasks) == 1 else "{} tasks".format(len(tasks)))] * bool(tasks)
    rest = count - len(names) - len(tasks)
    return "restarts Docker: {} ({}{})".format(words, ", ".join(told), ", and {} more".format(rest) if rest else "")


def warn_of_pending_edits(decision: Decision, facts: Facts) -> List[str]:
    """Warn of what a reload or restart would bring into effect besides: edits that Docker has not read yet."""
    docker, uptime_s = facts.docker, facts.system.uptime_s
    does_read = any(one.action in (Action.RELOAD_DOCKER, Action.RESTART_DOCKER) for one in decision.changes)
    if not does_read or isinstance(docker.daemon_json, Unknown) or isinstance(docker.unit, Unknown):
        return []
    edited_s = docker.daemon_json.mtime_epoch_s
    if edited_s is None or isinstance(uptime_s, Unknown) or not docker.unit.started.isdigit():
        return []
    # systemd tells microseconds since the boot, on a clock that nobody sets.
    started_s = facts.clock.epoch_s - uptime_s + int(docker.unit.started) / 1e6
    if edited_s <= started_s:
        return []
    return [
        "{} was edited after Docker started (keys: {}): Docker may not have read that yet, and will with this".format(
            docker.daemon_json.path, ", ".join(docker.daemon_json.keys) or "none"
        )
    ]
