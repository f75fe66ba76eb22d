"""Facts: what the container calico-node said last, and what it complained of: asked for where something is wrong."""

import os
import re
from typing import List, NamedTuple, Optional, Union

from ..docker_api import DockerAwayError, NoSuchObjectError, parse_log, read_bytes
from ..host import Host
from ..unknown import Unknown
from .calico_node import NAME, Container
from .felix import Felix

TIMEOUT_S = 5
# A Felix that was just started may have been ended by what its log tells.
YOUNG_S = 60
LINES = 200
# Where Felix's lines go unless CALICO_DISABLE_FILE_LOGGING is true.
FELIX_LOG = "/var/log/calico/felix/current"
TAIL_BYTES = 64 << 10
LINE_MAX = 400
COMPLAINT = re.compile(r"\b(FATAL|ERROR|CRITICAL|panic:)|level=(fatal|error|panic)")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")

# last: the last line; complaint: the last one that tells of an error.
NodeLog = NamedTuple("NodeLog", [("last", Optional[str]), ("complaint", Optional[str])])


def needs_log(container: Union[Container, None, Unknown], felix: Felix) -> bool:
    """Whether there is anything to explain: a container that does not stay up, or a Felix that is not well."""
    if not isinstance(container, Container):
        return False
    is_up = container.is_running and not container.is_restarting
    is_young = isinstance(felix.age_s, int) and felix.age_s < YOUNG_S
    return not is_up or felix.is_ready is not True or felix.age_s is None or is_young


def read_node_log(host: Host) -> Union[NodeLog, Unknown]:
    """Read the end of the container's log, and of Felix's own file."""
    path = "/containers/{}/logs?stdout=1&stderr=1&tail={}".format(NAME, LINES)
    try:
        lines = parse_log(read_bytes(host, path, TIMEOUT_S))
    except (DockerAwayError, NoSuchObjectError) as error:
        return Unknown(str(error))
    return build_node_log(lines, read_tail(host.path(FELIX_LOG)))


def build_node_log(lines: List[str], felix: List[str]) -> NodeLog:
    """Choose the lines that tell most."""
    told = [clean(line) for line in lines if line.strip()]
    complaints = [clean(line) for line in [*lines, *felix] if COMPLAINT.search(line)]
    return NodeLog(told[-1] if told else None, complaints[-1] if complaints else None)


def clean(line: str) -> str:
    """Take colours out of a line, and cut it."""
    return COLOURS.sub("", line).strip()[:LINE_MAX]


def read_tail(path: str) -> List[str]:
    """Read the last lines of a file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - TAIL_BYTES, 0))
            return file.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
