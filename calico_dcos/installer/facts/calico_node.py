"""Facts: the container calico-node."""

from typing import Any, Dict, List, NamedTuple, Optional, Union

from ..docker_api import DockerAwayError, NoSuchObjectError, read_container
from ..host import Host
from ..redaction import hide_values
from ..unknown import Unknown
from ..wanted import CalicoNode, compute_settings_hash

NAME = "calico-node"
HASH_LABEL = "org.projectcalico.calico-dcos.settings"

Container = NamedTuple(
    "Container",
    [
        ("image", str),
        ("settings_hash", Optional[str]),
        ("status", str),
        ("is_running", bool),
        ("is_restarting", bool),
        ("pid", int),
        ("started_at", str),
        ("restarts", int),
        ("exit_code", int),
        ("error", str),
        ("settings", Dict[str, str]),
        ("differing", List[str]),
    ],
)


def read_calico_node(host: Host, wanted: CalicoNode) -> Union[Container, None, Unknown]:
    """Read the container; None when there is none."""
    try:
        return parse_container(read_container(host, NAME), wanted)
    except NoSuchObjectError:
        return None
    except DockerAwayError as error:
        return Unknown(str(error))


def parse_container(answer: Any, wanted: CalicoNode) -> Union[Container, Unknown]:
    """Read the answer of ``/containers/calico-node/json``."""
    try:
        state, config = answer["State"], answer["Config"]
        environment = parse_environment(config.get("Env"))
        is_running, is_restarting = bool(state.get("Running")), bool(state.get("Restarting"))
        return Container(
            image=config["Image"],
            settings_hash=(config.get("Labels") or {}).get(HASH_LABEL) or _hash_foreign(answer, wanted),
            # Docker 1.8 and older had no Status.
            status=state.get("Status") or ("running" if is_running else "exited"),
            is_running=is_running,
            is_restarting=is_restarting,
            pid=int(state.get("Pid") or 0),
            started_at=state.get("StartedAt") or "",
            restarts=int(answer.get("RestartCount") or 0),
            exit_code=int(state.get("ExitCode") or 0),
            error="it ran out of memory" if state.get("OOMKilled") else state.get("Error") or "",
            settings=hide_values(environment),
            differing=sorted(name for name, value in wanted.environment.items() if environment.get(name) != value),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return Unknown("Docker's answer is not understood: {!r}".format(error))


def parse_environment(variables: Any) -> Dict[str, str]:
    """Read the variables of a container."""
    return dict(variable.partition("=")[::2] for variable in variables or [])


def _hash_foreign(answer: Any, wanted: CalicoNode) -> Optional[str]:
    """Compute the mark of a container that somebody else made: the same image and settings are as good as ours."""
    options = answer.get("HostConfig") or {}
    policy = (options.get("RestartPolicy") or {}).get("Name")
    if options.get("NetworkMode") != "host" or not options.get("Privileged") or policy != "always":
        return None
    environment = parse_environment(answer["Config"].get("Env"))
    present = {name: environment[name] for name in wanted.environment if name in environment}
    return compute_settings_hash(answer["Config"]["Image"], present)
