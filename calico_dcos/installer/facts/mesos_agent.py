"""Facts: the Mesos agent: its unit, and what ``/state`` tells of its version, start and CNI flags."""

import http.client
import json
from typing import Any, List, NamedTuple, Optional, Union

from ..host import Host
from ..systemd import Unit
from ..unknown import Unknown
from ..unread import Unread, read_unread
from ..web import OK, Answer, UnreachableError, fetch, fetch_over_tls
from .docker import read_unit
from .network import find_own_address

UNITS = ("dcos-mesos-slave.service", "dcos-mesos-slave-public.service", "mesos-agent.service", "mesos-slave.service")
LOOPBACK, PORT = "127.0.0.1", 5051
STATE_TIMEOUT_S = 5

AgentState = NamedTuple(
    "AgentState",
    [
        ("version", str),
        ("start_time_epoch_s", float),
        ("isolation", str),
        ("is_cni_isolator_on", bool),
        ("cni_config_dir", Optional[str]),
        ("cni_plugins_dirs", List[str]),
        ("running_tasks", int),
    ],
)
MesosAgent = NamedTuple(
    "MesosAgent",
    [
        ("unit", Union[Unit, None, Unknown]),
        ("endpoint", str),
        ("state", Union[AgentState, Unknown]),
        ("unread", Optional[Unread]),
    ],
)


def read_mesos_agent(host: Host) -> MesosAgent:
    """Read the agent of this host."""
    endpoint = find_endpoint(host)
    return MesosAgent(
        unit=read_agent_unit(host),
        endpoint=endpoint,
        state=read_agent_state(host, endpoint),
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
    """Ask the agent for what of its state counts for changes."""
    answer = read_agent_answer(endpoint)
    if isinstance(answer, Unknown):
        return answer
    try:
        return name_directories(host, parse_agent_state(answer))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Unknown("the agent's state is not understood: {!r}".format(error))


def read_agent_answer(endpoint: str) -> Any:
    """Ask the agent for its whole state, or Unknown; while it recovers it answers 503."""
    try:
        answer = _fetch_state(endpoint)
    except UnreachableError as error:
        return Unknown("the agent at {} does not answer: {}".format(endpoint, error))
    if answer.status != OK:
        text = answer.body.decode("utf-8", "replace").strip()
        return Unknown("the agent at {} answers with status {}: {}".format(endpoint, answer.status, text[:200]))
    try:
        return json.loads(answer.body.decode("utf-8"))
    except ValueError as error:
        return Unknown("the agent's state is not understood: {!r}".format(error))


def _fetch_state(endpoint: str) -> Answer:
    """Ask in plain HTTP; an agent that speaks TLS alone drops that connection, and is asked once more."""
    try:
        return fetch(endpoint, "/state", STATE_TIMEOUT_S)
    except UnreachableError as error:
        if not isinstance(error.__cause__, (ConnectionResetError, http.client.HTTPException)):
            raise
        try:
            return fetch_over_tls(endpoint, "/state", STATE_TIMEOUT_S)
        except UnreachableError:
            raise error from None


def parse_agent_state(state: Any) -> AgentState:
    """Read the answer of ``/state``."""
    flags = state.get("flags") or {}
    plugins = flags.get("network_cni_plugins_dir") or ""
    return AgentState(
        version=str(state["version"]),
        start_time_epoch_s=float(state["start_time"]),
        isolation=flags.get("isolation") or "",
        is_cni_isolator_on=is_cni_isolator_on(flags.get("isolation") or ""),
        cni_config_dir=flags.get("network_cni_config_dir") or None,
        cni_plugins_dirs=[path for path in plugins.split(":") if path],
        running_tasks=count_tasks(state),
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
