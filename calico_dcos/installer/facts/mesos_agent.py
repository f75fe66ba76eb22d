"""Facts: the Mesos agent: its unit, and what its endpoints tell of its version, start, CNI flags and tasks.

Of ``/state`` only the head is read: what follows, all tasks that it ever ran, may be many times the memory of a task.
``/version`` is told to everybody, also where the others want a login.
"""

import base64
import http.client
import re
from contextlib import suppress
from typing import Any, Dict, List, NamedTuple, Optional, Union

from ..documents import load_json
from ..host import Host
from ..systemd import Unit
from ..unknown import Unknown
from ..unread import Unread, read_unread
from ..web import OK, Answer, ReadBody, UnreachableError, call, fetch, open_tls_connection, read_whole
from .docker import read_unit
from .network import find_own_address

UNITS = ("dcos-mesos-slave.service", "dcos-mesos-slave-public.service", "mesos-agent.service", "mesos-slave.service")
LOOPBACK, PORT = "127.0.0.1", 5051
STATE_TIMEOUT_S = 5
LOGIN_VARIABLE = "CALICO_DCOS_AGENT_LOGIN"
UNAUTHORIZED, FORBIDDEN = 401, 403
# Flags, resources and attributes take some ten kilobytes.
HEAD_MAX_BYTES = 1 << 20
CHUNK_BYTES = 1 << 14
# Where the long part begins. Within a text its quotes would be escaped, and an attribute of that name is no list.
_FRAMEWORKS = re.compile(rb',\s*"(?:completed_)?frameworks":\s*\[')

AgentState = NamedTuple(
    "AgentState",
    [
        ("version", str),
        ("start_time_epoch_s", float),
        ("isolation", str),
        ("is_cni_isolator_on", bool),
        ("cni_config_dir", Optional[str]),
        ("cni_plugins_dirs", List[str]),
        ("running_tasks", Union[int, Unknown]),
    ],
)
# version: told also where the state is not; wants_login: it answers, and not to us.
MesosAgent = NamedTuple(
    "MesosAgent",
    [
        ("unit", Union[Unit, None, Unknown]),
        ("endpoint", str),
        ("version", Union[str, Unknown]),
        ("wants_login", bool),
        ("state", Union[AgentState, Unknown]),
        ("unread", Optional[Unread]),
    ],
)


def read_mesos_agent(host: Host) -> MesosAgent:
    """Read the agent of this host."""
    endpoint = find_endpoint(host)
    answer = _fetch(host, endpoint, "/state", read_head)
    state = _read_state(host, endpoint, answer)
    return MesosAgent(
        unit=read_agent_unit(host),
        endpoint=endpoint,
        version=state.version if isinstance(state, AgentState) else read_version(host, endpoint),
        wants_login=isinstance(answer, Answer) and answer.status in (UNAUTHORIZED, FORBIDDEN),
        state=state,
        unread=read_unread(host),
    )


def find_endpoint(host: Host) -> str:
    """Find where the agent listens: Mesos tells its tasks; by hand, whoever has the default port is asked.

    An agent of DC/OS listens on the address that it found for itself, and not on the loopback.
    """
    pid = host.variable("MESOS_SLAVE_PID") or ""
    told = host.variable("MESOS_AGENT_ENDPOINT") or pid.rpartition("@")[2]
    if told:
        return told
    address = host.dial(LOOPBACK)
    if address == LOOPBACK:  # otherwise simulated hosts share this machine
        address = find_own_address(PORT) or LOOPBACK
    return "{}:{}".format(address, PORT)


def read_agent_unit(host: Host) -> Union[Unit, None, Unknown]:
    """Find the agent's unit: the active one, else one that exists; None where systemd knows none."""
    existing = None  # type: Optional[Unit]
    for name in UNITS:
        unit = read_unit(host, name)
        if isinstance(unit, Unknown):
            return unit
        if unit.load_state == "loaded" and unit.active_state in ("active", "activating", "reloading"):
            return unit
        if unit.load_state == "loaded" and existing is None:
            existing = unit
    return existing


def read_agent_state(host: Host, endpoint: str) -> Union[AgentState, Unknown]:
    """Ask the agent for what of its state counts for changes; while it recovers it answers 503."""
    return _read_state(host, endpoint, _fetch(host, endpoint, "/state", read_head))


def _read_state(host: Host, endpoint: str, answer: Union[Answer, Unknown]) -> Union[AgentState, Unknown]:
    state = _parse_answer(endpoint, "/state", answer)
    if isinstance(state, Unknown):
        return state
    if isinstance(state, dict) and "flags" not in state:
        # Older versions list them behind the tasks, and some are told not to show them to everybody.
        flags = read_answer(host, endpoint, "/flags")
        if isinstance(flags, Unknown):
            return Unknown("the agent does not tell its flags: {}".format(flags.reason))
        state["flags"] = flags.get("flags") if isinstance(flags, dict) else None
    try:
        read = name_directories(host, parse_agent_state(state))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Unknown("the agent's state is not understood: {!r}".format(error))
    return (
        read if isinstance(read.running_tasks, int) else read._replace(running_tasks=read_running_tasks(host, endpoint))
    )


def read_version(host: Host, endpoint: str) -> Union[str, Unknown]:
    """Ask for the version of an agent whose state is not told."""
    answer = read_answer(host, endpoint, "/version")
    if isinstance(answer, Unknown):
        return answer
    version = answer.get("version") if isinstance(answer, dict) else None
    return version if isinstance(version, str) else Unknown("the agent does not tell its version")


def read_running_tasks(host: Host, endpoint: str) -> Union[int, Unknown]:
    """Ask how many tasks run on the agent, of all frameworks."""
    answer = read_answer(host, endpoint, "/metrics/snapshot?timeout=2secs")
    if isinstance(answer, Unknown):
        return answer
    count = answer.get("slave/tasks_running") if isinstance(answer, dict) else None
    return int(count) if isinstance(count, (int, float)) else Unknown("the agent does not count its tasks")


def read_answer(host: Host, endpoint: str, path: str) -> Any:
    """Ask the agent for a document, the whole of it, or Unknown."""
    return _parse_answer(endpoint, path, _fetch(host, endpoint, path, read_whole))


def read_head(response: http.client.HTTPResponse) -> bytes:
    """Read a state up to where it lists its frameworks, and close what is open there.

    Raises:
        UnreachableError: that does not come within a bearable length.
    """
    head = b""
    for chunk in iter(lambda: response.read(CHUNK_BYTES), b""):
        # A word may be cut in two.
        begin = max(0, len(head) - 64)
        head += chunk
        match = _FRAMEWORKS.search(head, begin)
        if match is not None:
            return head[: match.start()] + b"}"
        if len(head) > HEAD_MAX_BYTES:
            raise UnreachableError("its state is longer than {} MB".format(HEAD_MAX_BYTES >> 20))
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return head


def _fetch(host: Host, endpoint: str, path: str, read_body: ReadBody) -> Union[Answer, Unknown]:
    """Ask in plain HTTP; an agent that speaks TLS alone drops that connection, and is asked once more."""
    headers = build_login(host.variable(LOGIN_VARIABLE) or "")
    try:
        return fetch(endpoint, path, STATE_TIMEOUT_S, read_body, headers)
    except UnreachableError as error:
        reason = str(error)
        if isinstance(error.__cause__, (ConnectionResetError, http.client.HTTPException)):
            # One that does not speak TLS either is told by what was said at first.
            with suppress(UnreachableError):
                connection = open_tls_connection(endpoint, STATE_TIMEOUT_S)
                return call(connection, "GET", path, headers=headers, read_body=read_body)
        return Unknown("the agent at {} does not answer: {}".format(endpoint, reason))


def build_login(login: str) -> Dict[str, str]:
    """Build the header of a login, a principal and its secret with a colon between them; none without one."""
    encoded = base64.b64encode(login.encode("utf-8")).decode("ascii")
    return {"Authorization": "Basic " + encoded} if login else {}


def _parse_answer(endpoint: str, path: str, answer: Union[Answer, Unknown]) -> Any:
    if isinstance(answer, Unknown):
        return answer
    if answer.status in (UNAUTHORIZED, FORBIDDEN):
        return Unknown("the agent at {} wants a login for {}; set the option agent-login".format(endpoint, path))
    if answer.status != OK:
        text = answer.body.decode("utf-8", "replace").strip()
        return Unknown("the agent at {} answers with status {}: {}".format(endpoint, answer.status, text[:200]))
    try:
        return load_json(answer.body.decode("utf-8"))
    except ValueError as error:
        return Unknown("the agent's answer to {} is not understood: {!r}".format(path, error))


def parse_agent_state(state: Any) -> AgentState:
    """Read the answer of ``/state``, or its head."""
    flags = state.get("flags") or {}
    plugins = flags.get("network_cni_plugins_dir") or ""
    return AgentState(
        version=str(state["version"]),
        start_time_epoch_s=float(state["start_time"]),
        isolation=flags.get("isolation") or "",
        is_cni_isolator_on=is_cni_isolator_on(flags.get("isolation") or ""),
        cni_config_dir=flags.get("network_cni_config_dir") or None,
        cni_plugins_dirs=[path for path in plugins.split(":") if path],
        running_tasks=count_tasks(state) if "frameworks" in state else Unknown("not counted"),
    )


def is_cni_isolator_on(isolation: str) -> bool:
    """Whether containers get networks from CNI: Mesos takes network/cni where no other network isolator is named."""
    networks = [name.strip() for name in isolation.split(",") if name.strip().startswith("network/")]
    return not networks or "network/cni" in networks


def name_directories(host: Host, state: AgentState) -> AgentState:
    """Name the directories as the host does: a simulated agent was started with where they really are."""
    return state._replace(
        cni_config_dir=state.cni_config_dir and host.name_path(state.cni_config_dir),
        cni_plugins_dirs=[host.name_path(path) for path in state.cni_plugins_dirs],
    )


def count_tasks(state: Any) -> int:
    """Count the tasks that run on the agent, of all frameworks."""
    executors = [entry for framework in state.get("frameworks") or [] for entry in framework.get("executors") or []]
    return sum(len(executor.get("tasks") or []) for executor in executors)
