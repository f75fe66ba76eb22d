"""Facts: the container calico-node."""

from typing import Any, Dict, List, NamedTuple, Optional, Union

from ..docker_api import DockerAwayError, NoSuchObjectError, has_image, read_container
from ..host import Host
from ..redaction import hide_values
from ..unknown import Unknown
from ..wanted import CalicoNode, compute_settings_hash
from .comparison import HASH_LABEL, NAME, find_differences, parse_environment, parse_identity

__all__ = ["HASH_LABEL", "NAME", "Container", "parse_container", "parse_environment", "read_calico_node"]

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


def read_image(host: Host, image: str) -> Union[bool, Unknown]:
    """Whether the image is here, and need not be pulled."""
    try:
        return has_image(host, image)
    except DockerAwayError as error:
        return Unknown(str(error))


def parse_container(answer: Any, wanted: CalicoNode) -> Union[Container, Unknown]:
    """Read the answer of ``/containers/calico-node/json``."""
    try:
        state, config = answer["State"], answer["Config"]
        mark, differs = (config.get("Labels") or {}).get(HASH_LABEL), list_differences(answer, wanted)
        is_as_marked = mark in (None, compute_settings_hash(wanted))
        environment = parse_environment(config.get("Env"))
        is_running, is_restarting = bool(state.get("Running")), bool(state.get("Restarting"))
        return Container(
            image=config["Image"],
            # The mark alone proves nothing: what it was given to may have been changed since, or made anew by hand.
            settings_hash=mark if not is_as_marked else None if differs else compute_settings_hash(wanted),
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
            differing=differs
            if mark and is_as_marked
            else sorted(name for name, value in wanted.environment.items() if environment.get(name) != value),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return Unknown("Docker's answer is not understood: {!r}".format(error))


def list_differences(answer: Any, wanted: CalicoNode) -> List[str]:
    """List in what a container is not as wanted, whoever made it."""
    identity = parse_identity(answer)
    return ["it does not tell its settings"] if identity is None else find_differences(answer, identity, wanted)
