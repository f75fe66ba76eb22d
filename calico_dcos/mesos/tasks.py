"""How a launch becomes Mesos' TaskInfo: pure.

The shell line holds the installer's sum and fixed words, nothing else; what is configured travels as JSON in an
environment variable, which no shell reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from calico_dcos.core.actions import Launch
from calico_dcos.core.model import StepName
from calico_dcos.core.resources import Resource, ResourceKind
from calico_dcos.core.steps import SERVICES

from .translate import parse_version

# DC/OS brings a Python of its own. Up to DC/OS 1.10, LD_LIBRARY_PATH makes the host's programs load its libraries.
_ENTER = "unset LD_LIBRARY_PATH"
_CHOOSE_PYTHON = "p=/opt/mesosphere/bin/python3; [ -x $p ] || p=python3"

_HEALTH_CHECK = {
    # Each check is a Python of its own. A service that became healthy says so itself; this is for when it is not.
    "delay_seconds": 2.0,
    "interval_seconds": 10.0,
    "timeout_seconds": 20.0,
    "consecutive_failures": 3,
    # A first download may take long; until then, "not yet healthy" is no failure.
    "grace_period_seconds": 600.0,
}
# Time for a supervisor to end in order; it leaves what it supervises running.
KILL_GRACE_S = 30


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """What all tasks have in common.

    Attributes:
        installer_url: its last part must be installer.pyz, the name that it has in the sandbox.
        report_base_url: without a trailing slash; the task's id is added.
        read_wanted: gives the wanted configuration as it is at the moment, of which the installer takes its part.
        issue_token: gives the secret of a task, by its id.
        labels: put on each task, for other tools.
        rename: gives the URL by which agents fetch what is at the installer's, as it is at the moment.
        agent_login: principal and secret for the agents' endpoints, with a colon between them; empty for none.
    """

    installer_url: str
    installer_sha256: str
    report_base_url: str
    read_wanted: Callable[[], Mapping[str, Any]]
    issue_token: Callable[[str], str]
    labels: Mapping[str, str] = field(default_factory=dict)
    rename: Callable[[str], str] = str
    agent_login: str = ""

    def __post_init__(self) -> None:
        """Refuse what must not come into a shell line.

        Raises:
            ValueError: the sum is none, or the installer would have another name.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", self.installer_sha256):
            raise ValueError(f"not a SHA-256 sum: {self.installer_sha256!r}")
        if not self.installer_url.endswith("/installer.pyz"):
            raise ValueError(f"the installer's URL does not end with /installer.pyz: {self.installer_url}")


def build_task_info(launch: Launch, template: TaskTemplate, *, master_version: str = "") -> dict[str, Any]:
    """Write the TaskInfo of a launch.

    Args:
        launch: what to start.
        template: what all tasks have in common.
        master_version: decides in which form health checks are written.
    """
    task = {
        # Stable, since Mesos-DNS makes names of it; the id is what tells tasks apart.
        "name": launch.step.value,
        "task_id": {"value": launch.task_id},
        "agent_id": {"value": launch.agent_id},
        "resources": [build_resource(resource) for resource in launch.resources],
        "command": _build_command(launch, template),
        "labels": build_labels({**template.labels, "agent": launch.agent_key}),
    }
    if launch.step in SERVICES:
        task["health_check"] = _build_health_check(launch, template, master_version)
        task["kill_policy"] = {"grace_period": {"nanoseconds": KILL_GRACE_S * 1_000_000_000}}
    return task


def build_shell_line(arguments: str, sha256: str) -> str:
    """Write the command of a task: the installer runs only if its sum is right."""
    check = f"echo '{sha256}  installer.pyz' | sha256sum -c - || exit 1"
    return f"{_ENTER}; {check}; {_CHOOSE_PYTHON}; exec $p installer.pyz {arguments}"


def choose_arguments(step: StepName) -> str:
    """Choose the installer's arguments for a step: fixed words."""
    if step is StepName.INSPECT:
        return "inspect"
    return f"supervise {step.value}" if step in SERVICES else f"apply {step.value}"


def _build_command(launch: Launch, template: TaskTemplate) -> dict[str, Any]:
    environment = {
        "CALICO_DCOS_WANTED": _build_wanted(launch, template),
        "CALICO_DCOS_REPORT_URL": f"{template.report_base_url}/{launch.task_id}",
        "CALICO_DCOS_REPORT_TOKEN": template.issue_token(launch.task_id),
        **({"CALICO_DCOS_AGENT_LOGIN": template.agent_login} if template.agent_login else {}),
    }
    return {
        "shell": True,
        "value": build_shell_line(choose_arguments(launch.step), template.installer_sha256),
        "uris": [build_installer_uri(template)],
        "environment": build_environment(environment),
    }


def build_installer_uri(template: TaskTemplate) -> dict[str, Any]:
    """Write where the installer comes from."""
    # Not from the fetcher's cache: a copy that was damaged there would be damaged for good.
    return {"value": template.rename(template.installer_url), "executable": False, "extract": False, "cache": False}


def _build_health_check(launch: Launch, template: TaskTemplate, master_version: str) -> dict[str, Any]:
    """Write a health check that runs the installer again, as it was verified when the task began.

    Mesos 1.0 knows no type, 1.2 demands it. A master of unknown version gets it: an unknown field does no harm.
    """
    command = {
        "shell": True,
        "value": f"{_ENTER}; {_CHOOSE_PYTHON}; exec $p installer.pyz {choose_arguments(launch.step)} --health",
        "environment": build_environment({"CALICO_DCOS_WANTED": _build_wanted(launch, template)}),
    }
    is_typed = parse_version(master_version)[:2] != (1, 0)
    return {**_HEALTH_CHECK, "command": command, **({"type": "COMMAND"} if is_typed else {})}


def _build_wanted(launch: Launch, template: TaskTemplate) -> str:
    ours = {
        "may_restart": launch.may_restart,
        "retry": launch.retry_word,
        "reach": launch.reach,
        "complete_nodes": [{"name": node.name, "address": node.address} for node in launch.complete_nodes],
    }
    return json.dumps({**template.read_wanted(), **ours}, sort_keys=True)


def build_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    """Write an environment."""
    return {"variables": [{"name": name, "value": value} for name, value in variables.items()]}


def build_labels(labels: Mapping[str, str]) -> dict[str, Any]:
    """Write labels."""
    return {"labels": [{"key": key, "value": value} for key, value in labels.items()]}


def build_resource(resource: Resource) -> dict[str, Any]:
    """Echo a part of an offer, with the role that it was offered in."""
    shown: dict[str, Any] = {"name": resource.name, "type": resource.kind.value, "role": resource.role}
    match resource.kind:
        case ResourceKind.SCALAR:
            shown["scalar"] = {"value": resource.amount}
        case ResourceKind.RANGES:
            shown["ranges"] = {"range": [{"begin": begin, "end": end} for begin, end in resource.ranges]}
    return shown
