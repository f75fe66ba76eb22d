"""What differs between versions of Mesos: one table, read by the simulated master and agents.

Sources are the release notes of Apache Mesos and its sources at the tags named; 1.12.0 is what was recorded.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Any


class Feature(enum.Enum):
    """A behaviour, with the first version that has it and what it is."""

    TASK_RESURRECTION = "1.1", "an unreachable agent that returns keeps its tasks that are partition-aware"
    CNI_PLUGIN_SEARCH_PATH = "1.1", "--network_cni_plugins_dir is a list of directories; before, it is one"
    CNI_ARGUMENTS = "1.1", "CNI plugins are told a task's NetworkInfo, with its labels, as args of their network"
    HEALTH_CHECK_TYPES = "1.1", "HealthCheck.type; without it only a command is ever run"
    CNI_ON_DEMAND = "1.2", "networks are looked up at launch; before, a bad config keeps the agent from starting"
    UNREGISTERED_TIMEOUT = "1.2", "a recovered agent that does not re-register in time is marked unreachable"
    HEALTH_CHECK_REASON = "1.2", "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED in updates that tell health"
    TASK_ID_RULES = "1.2", "a task id is at most 255 characters long and neither '.' nor '..'"
    RESERVATIONS_IN_TEXT = "1.4", "resources are printed with their allocation and reservations"
    PID_NAMESPACES = "1.2", "DC/OS runs it with namespaces/pid among its isolators, from DC/OS 1.9 on"
    REBOOT_KEEPS_AGENT_ID = "1.4", "an agent whose host rebooted registers with the id that it had"
    LENIENT_ENUMS = "1.5", "unknown enum values in JSON are ignored; before, they are a 400"
    ADDITIVE_RECONFIGURATION = "1.5", "--reconfiguration-policy=additive"
    STARTING_STATE = "1.5", "command executors send TASK_STARTING first"
    REREGISTERED_UPDATES = "1.5", "tasks of a returned agent are told by TASK_RUNNING REASON_AGENT_REREGISTERED"
    UNREACHABLE_TASKS_SURVIVE = "1.5", "tasks that are not partition-aware also survive the return of their agent"
    EXECUTORS_IN_OWN_CGROUP = "1.6", "executors move to name=systemd:/mesos/<container>; before, a slice"
    AGENT_DEACTIVATION = "1.9", "DEACTIVATE_AGENT and REACTIVATE_AGENT"

    @property
    def first_version(self) -> str:
        """The first version that behaves so."""
        return self.value[0]


FRAMEWORK_CAPABILITIES = {
    "REVOCABLE_RESOURCES": "1.0",
    "TASK_KILLING_STATE": "1.0",
    "GPU_RESOURCES": "1.0",
    "SHARED_RESOURCES": "1.1",
    "PARTITION_AWARE": "1.1",
    "MULTI_ROLE": "1.2",
    "RESERVATION_REFINEMENT": "1.4",
    "REGION_AWARE": "1.4",
}

AGENT_CAPABILITIES = {
    "MULTI_ROLE": "1.3",
    "HIERARCHICAL_ROLE": "1.4",
    "RESERVATION_REFINEMENT": "1.4",
    "RESOURCE_PROVIDER": "1.5",
    "RESIZE_VOLUME": "1.8",
    "AGENT_OPERATION_FEEDBACK": "1.9",
    "AGENT_DRAINING": "1.9",
    "TASK_RESOURCE_LIMITS": "1.10",
}

_BUILD = {"build_date": "2018-11-23 17:32:00", "build_time": 1542994320.0, "build_user": ""}

MASTER_CAPABILITIES = {"AGENT_UPDATE": "1.5", "AGENT_DRAINING": "1.9", "QUOTA_V2": "1.9"}


@dataclass(frozen=True, slots=True)
class MesosVersion:
    """A version of Mesos, and what it can do."""

    text: str

    def to_json(self) -> dict[str, Any]:
        """The answer to /version."""
        return {**_BUILD, "version": self.text}

    def has(self, feature: Feature) -> bool:
        """Whether this version behaves so."""
        return self._is_at_least(feature.first_version)

    def known(self, capabilities: dict[str, str]) -> list[str]:
        """Those of a table of names with their first versions that this version knows."""
        return [name for name, first in capabilities.items() if self._is_at_least(first)]

    def _is_at_least(self, first: str) -> bool:
        return _numbers(self.text) >= _numbers(first)


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers of a version; "1.12.0-rc1" -> (1, 12, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    if match is None:
        msg = f"not a version: {text!r}"
        raise ValueError(msg)
    return tuple(int(number) for number in match.group().split("."))
