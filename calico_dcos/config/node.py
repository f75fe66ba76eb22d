"""Settings of calico-node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .kinds import CIDR, WORD, Choice, Flag, Number, Text, Texts
from .release import NODE_IMAGE
from .settings import setting

SECTION = "Run Calico-Node"
DESCRIPTION = "The container calico-node on each agent, which both kinds of containers need."


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
        Text("a Docker image", WORD),
        NODE_IMAGE,
        f"{SECTION}.override-node-image",
        "Docker image of calico-node. Empty: the one that this package names.",
        package_default="",
        resource="assets.container.docker.calico-node",
    )
    node_ip_pool: str = setting(
        Text("a network, such as 192.168.0.0/16", CIDR),
        "",
        f"{SECTION}.ip-pool",
        "Network out of which containers get addresses, made where there is none; calico-node reads it from v1.1.0 on. "
        "Empty: its own default, 192.168.0.0/16.",
    )
    node_ipip: str = setting(
        Choice(("", "off", "always", "cross-subnet")),
        "",
        f"{SECTION}.ipip",
        "IP-in-IP of that network: off, always or cross-subnet; calico-node reads this from v1.1.0 on. Empty: its own "
        "default, off.",
    )
    node_nat_outgoing: str = setting(
        Choice(("", "true", "false")),
        "",
        f"{SECTION}.nat-outgoing",
        "Whether containers reach the world outside through NAT; calico-node reads this from v2.4.0 on. Empty: its own "
        "default, true.",
    )
    node_ip_autodetection: str = setting(
        Text("a method, such as can-reach=10.0.0.1 or interface=eth0", WORD),
        "",
        f"{SECTION}.ip-autodetection-method",
        "How calico-node finds its host's address where there are several, such as interface=eth0; it reads this from "
        "v1.1.0 on. Empty: the first that it finds.",
    )
    node_ignore_loose_rpf: bool = setting(
        Flag(),
        default=True,
        option=f"{SECTION}.ignore-loose-rp-filter",
        help_text="Let Felix run although DC/OS sets rp_filter to loose on interfaces. Off: Felix refuses to run on "
        "such a host.",
    )
    node_environment: Mapping[str, str] = setting(
        Texts(),
        {},
        f"{SECTION}.extra-environment",
        "More variables of calico-node, as NAME=value pairs separated by semicolons, such as "
        "FELIX_LOGSEVERITYSCREEN=debug. They win over everything else.",
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
