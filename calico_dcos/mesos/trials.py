"""How a task of the connectivity test becomes Mesos' TaskInfo: pure."""

from __future__ import annotations

import json
from typing import Any

from calico_dcos.core.actions import LaunchTrial
from calico_dcos.core.connectivity import TrialKind

from .tasks import (
    KILL_GRACE_S,
    TaskTemplate,
    build_environment,
    build_installer_uri,
    build_labels,
    build_resource,
    build_shell_line,
)

# The installer's words for the kinds of tasks.
ARGUMENTS = {
    TrialKind.WORKLOAD: "connectivity workload",
    TrialKind.CONTAINER: "connectivity container",
    TrialKind.PROBE: "connectivity probe",
}


def build_trial_info(launch: LaunchTrial, template: TaskTemplate) -> dict[str, Any]:
    """Write the TaskInfo of a task of the connectivity test.

    One on the CNI network needs no image: it sees the host's files, and has a network of its own.
    """
    wanted = template.read_wanted()
    environment = {
        "CALICO_DCOS_WANTED": json.dumps({**wanted, "connectivity": dict(launch.order)}, sort_keys=True),
        "CALICO_DCOS_REPORT_URL": f"{template.report_base_url}/{launch.task_id}",
        "CALICO_DCOS_REPORT_TOKEN": template.issue_token(launch.task_id),
    }
    network = {"name": wanted["cni"]["config"]["name"], "labels": build_labels(launch.labels)}
    on_network = {"container": {"type": "MESOS", "network_infos": [network]}} if launch.is_on_network else {}
    return {
        "name": launch.kind.value,
        "task_id": {"value": launch.task_id},
        "agent_id": {"value": launch.agent_id},
        "resources": [build_resource(resource) for resource in launch.resources],
        "command": {
            "shell": True,
            "value": build_shell_line(ARGUMENTS[launch.kind], template.installer_sha256),
            "uris": [build_installer_uri(template)],
            "environment": build_environment(environment),
        },
        "labels": build_labels({**template.labels, "agent": launch.agent_key}),
        "kill_policy": {"grace_period": {"nanoseconds": KILL_GRACE_S * 1_000_000_000}},
        **on_network,
    }
