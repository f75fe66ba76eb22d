"""Settings of calico-node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .kinds import NO_BLANKS, Flag, Number, Text, Texts
from .settings import setting

SECTION = "Run Calico-Node"
DESCRIPTION = "The container calico-node on each agent, which both kinds of containers need."
NODE_IMAGE = "calico/node:v1.0.0"


@dataclass(frozen=True)
class NodeSettings:
    """The step calico-node."""

    node_enable: bool = setting(
        Flag(),
        default=True,
        option=f"{SECTION}.enable",
        help_text="Run the container calico-node on each agent. Off: agents are inspected, and the status page says "
        "whether they have it.",
    )
    node_image: str = setting(
        Text("a Docker image", NO_BLANKS),
        NODE_IMAGE,
        f"{SECTION}.override-node-image",
        "Docker image of calico-node. Empty: the one that this package names.",
        package_default="",
        resource="assets.container.docker.calico-node",
    )
    node_environment: Mapping[str, str] = setting(
        Texts(),
        {},
        f"{SECTION}.extra-environment",
        'More variables of calico-node, as a JSON object in a string: {"FELIX_LOGSEVERITYSCREEN": "debug"}. They win '
        "over everything else.",
        package_default="",
    )
    node_poll_s: float = setting(
        Number(0.1, 300),
        5.0,
        f"{SECTION}.poll-interval",
        "Seconds between two looks at the container.",
    )
    node_cpus: float = setting(
        Number(0.01, 64), 0.2, f"{SECTION}.cpu-limit", "CPUs of the task that watches the container."
    )
    node_mem_mb: float = setting(
        Number(32, 65_536), 64.0, f"{SECTION}.mem-limit", "Memory in MB of the task that watches the container."
    )
