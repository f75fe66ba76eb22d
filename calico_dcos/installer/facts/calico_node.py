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
        environment = parse_environment(config.get("Env"))
        is_running, is_restarting = bool(state.get("Running")), bool(state.get("Restarting"))
        return Container(
            image=config["Image"],
            settings_hash=(config.get("Labels") or {}).get(HASH_LABEL) or _hash_as_good(answer, wanted),
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


def _hash_as_good(answer: Any, wanted: CalicoNode) -> Optional[str]:
    """Give a container that somebody else made the mark of ours, if it differs in nothing that counts."""
    identity = parse_identity(answer)
    if identity is None or find_differences(answer, identity, wanted):
        return None
    return compute_settings_hash(wanted)
