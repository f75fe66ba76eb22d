"""Settings of calico-node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .kinds import CIDR, WORD, Choice, Flag, Number, Text, Texts
from .node_kinds import AddressMethod
from .packaged import derive_packaged
from .release import DEFAULT, RELEASES
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
    calico_release: str = setting(
        Choice(tuple(RELEASES)),
        DEFAULT.name,
        f"{SECTION}.calico-release",
        "Release of Calico: its calico-node and its CNI plugins together, and what they read. For an image or a plugin "
        "of your own, the release that it is made of.",
    )
    node_image: str = setting(
        Text("a Docker image", WORD),
        derive_packaged("node_image", lambda release: release.node_image),
        f"{SECTION}.override-node-image",
        "Docker image of calico-node. Empty: the one of calico-release.",
        package_default="",
        resource="assets.container.docker.calico-node",
    )
    node_ip_pool: str = setting(
        Text("a network, such as 192.168.0.0/16", CIDR),
        "",
        f"{SECTION}.ip-pool",
        "Network out of which containers get addresses, made where etcd has none. Empty: 192.168.0.0/16.",
    )
    node_ipip: str = setting(
        Choice(("", "off", "always", "cross-subnet")),
        "",
        f"{SECTION}.ipip",
        "IP-in-IP of that network: off, always, or cross-subnet (from calico-release 2.1 on). Empty: off.",
    )
    node_nat_outgoing: str = setting(
        Choice(("", "true", "false")),
        "",
        f"{SECTION}.nat-outgoing",
        "Whether what leaves that network gets the agent's address (NAT). Empty: the release's own default, false for "
        "2.0 and true from 2.1 on.",
    )
    node_ip_autodetection: str = setting(
        AddressMethod(),
        "",
        f"{SECTION}.ip-autodetection-method",
        "How the installer finds the agent's address for Calico: can-reach=ADDRESS, interface=REGEX,..., "
        "skip-interface=REGEX,..., cidr=NETWORK,... or first-found. An agent on which it finds none, or several, is "
        "refused. Empty: the address by which the agent reaches the Mesos master, or else etcd.",
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
        "FELIX_LOGSEVERITYSCREEN=debug. They win over everything else; name and address of a node are found on each "
        "agent and cannot be given here.",
        package_default="",
    )
    node_adopt_existing: bool = setting(
        Flag(),
        default=False,
        option=f"{SECTION}.adopt-existing",
        help_text="Replace a calico-node that somebody else runs on an agent; its name, address and AS number are "
        "kept, and its settings are noted on the agent. Off: such an agent is refused, with what differs.",
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
