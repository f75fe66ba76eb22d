"""What a task of the test is to do: the part ``connectivity`` of CALICO_DCOS_WANTED as values."""

import json
import re
from typing import Any, Dict, List, NamedTuple, Optional

from ..wanted import WantedError

# value: the label's value, under which a policy knows the server alone.
Label = NamedTuple("Label", [("name", str), ("value", str)])
MesosOrder = NamedTuple("MesosOrder", [("client_address", str), ("server_address", str), ("label", Label)])
DockerOrder = NamedTuple("DockerOrder", [("server_address", str)])
WorkloadOrder = NamedTuple("WorkloadOrder", [("id", str), ("port", int), ("lifetime_s", float)])
ContainerOrder = NamedTuple(
    "ContainerOrder",
    [
        ("id", str),
        ("agent", str),
        ("port", int),
        ("lifetime_s", float),
        ("makes_network", bool),
        ("made_by", str),
    ],
)
ProbeOrder = NamedTuple(
    "ProbeOrder",
    [
        ("id", str),
        ("port", int),
        ("client", str),
        ("server", str),
        ("mesos", Optional[MesosOrder]),
        ("docker", Optional[DockerOrder]),
    ],
)

_ID = re.compile(r"[0-9a-f]{8,32}$")
_ADDRESS = re.compile(r"[0-9.]{7,15}$")
_WORD = re.compile(r"[\w./:-]{1,255}$")
_MAX_PORT = 65535
_MAX_LIFETIME_S = 86400


def parse_workload(text: str) -> WorkloadOrder:
    """Read what a workload is told; WantedError if it is malformed."""
    reader = _open(text)
    order = WorkloadOrder(reader.text("id", _ID), reader.port(), reader.lifetime())
    reader.check()
    return order


def parse_container(text: str) -> ContainerOrder:
    """Read what the holder of a container is told; WantedError if it is malformed."""
    reader = _open(text)
    makes = reader.content.get("makes_network") is True
    agent, made_by = reader.text("agent", _WORD), reader.text("made_by", _WORD)
    order = ContainerOrder(reader.text("id", _ID), agent, reader.port(), reader.lifetime(), makes, made_by)
    reader.check()
    return order


def parse_probe(text: str) -> ProbeOrder:
    """Read what a probe is told; WantedError if it is malformed."""
    reader = _open(text)
    mesos, docker = reader.child("mesos"), reader.child("docker")
    order = ProbeOrder(
        id=reader.text("id", _ID),
        port=reader.port(),
        client=reader.text("client", _WORD),
        server=reader.text("server", _WORD),
        mesos=None if mesos is None else _read_mesos(mesos),
        docker=None if docker is None else DockerOrder(docker.text("server_address", _ADDRESS)),
    )
    reader.check()
    return order


def _read_mesos(reader: "_Reader") -> MesosOrder:
    label = reader.child("label")
    if label is None:
        reader.fault("label")
        label = reader
    return MesosOrder(
        reader.text("client_address", _ADDRESS),
        reader.text("server_address", _ADDRESS),
        Label(label.text("name", _WORD), label.text("value", _WORD)),
    )


class _Reader:
    """Reads one JSON object, and notes what is wrong with it."""

    def __init__(self, content: Dict[str, Any], place: str, faults: List[str]) -> None:
        self.content = content
        self.place = place
        self.faults = faults

    def check(self) -> None:
        if self.faults:
            raise WantedError("; ".join(self.faults))

    def fault(self, name: str) -> None:
        self.faults.append("{}.{} is not valid: {!r:.60}".format(self.place, name, self.content.get(name)))

    def child(self, name: str) -> "Optional[_Reader]":
        content = self.content.get(name)
        if not isinstance(content, dict):
            return None
        return _Reader(content, "{}.{}".format(self.place, name), self.faults)

    def text(self, name: str, pattern: "re.Pattern[str]") -> str:
        value = self.content.get(name)
        if isinstance(value, str) and pattern.match(value):
            return value
        self.fault(name)
        return ""

    def port(self) -> int:
        value = self.content.get("port")
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_PORT:
            return value
        self.fault("port")
        return 0

    def lifetime(self) -> float:
        value = self.content.get("lifetime_s")
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _MAX_LIFETIME_S:
            return float(value)
        self.fault("lifetime_s")
        return 0.0


def _open(text: str) -> _Reader:
    try:
        content = json.loads(text)["connectivity"]
    except (ValueError, KeyError, TypeError):
        content = None
    if not isinstance(content, dict):
        raise WantedError("it has no object connectivity, which says what to test")
    return _Reader(content, "connectivity", [])
