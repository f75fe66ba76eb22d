"""Settings of calico-node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calico_dcos.core.model import StepName

from .kinds import CIDR, WORD, Choice, Flag, Number, Text, Texts
from .node_kinds import AddressMethod
from .packaged import derive_packaged
from .parts import Part
from .release import DEFAULT, RELEASES, Release
from .settings import setting

if TYPE_CHECKING:
    from .table import Config

SECTION = "Run Calico-Node"
DESCRIPTION = "The container calico-node on each agent, which both kinds of containers need."
# The pool of every release where no option gives another one.
DEFAULT_POOL = "192.168.0.0/16"
POOL_SETTINGS = ("node_ip_pool", "node_ipip", "node_nat_outgoing")
# How Felix is made to tell that it lives. The report's interval is that of etcd's key, which lapses after 90 s.
# By the reports, others know a node that is dead: they are wanted beside an endpoint, too.
_REPORT = {"FELIX_REPORTINGINTERVALSECS": "5"}
HEALTH_VARIABLES = {"report": _REPORT, "endpoint": {**_REPORT, "FELIX_HEALTHENABLED": "true"}}


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


def _build_node(config: Config) -> Part:
    release = RELEASES[config.calico_release]
    pool = _build_pool(config, release)
    return Part(
        wanted={
            "enable": config.node_enable,
            "image": config.node_image,
            "environment": _build_node_environment(config, release, pool),
            "mounts": list(release.mounts),
            "poll_s": config.node_poll_s,
            "address_method": config.node_ip_autodetection,
            "felix_health": release.felix_health,
            "pool": pool,
            "adopt_existing": config.node_adopt_existing,
        },
        words=f"runs {config.node_image}",
        cpus=config.node_cpus,
        mem_mb=config.node_mem_mb,
    )


def _build_pool(config: Config, release: Release) -> dict[str, Any]:
    """The pool of addresses; one that the image cannot be told to make is written by the installer, with all it has."""
    given = {name: getattr(config, name) for name in POOL_SETTINGS}
    is_written = any(text for name, text in given.items() if name not in release.pool_variables)
    defaults = (DEFAULT_POOL, "off", "true" if release.has_nat else "false") if is_written else ("", "", "")
    cidr, ipip, nat = (text or default for text, default in zip(given.values(), defaults, strict=True))
    return {"cidr": cidr, "ipip": ipip, "nat_outgoing": nat, "is_written_by_us": is_written}


def _build_node_environment(config: Config, release: Release, pool: Mapping[str, Any]) -> dict[str, str]:
    """The variables that are the same on every agent: the installer adds the node's name and address."""
    given = {variable: getattr(config, name) for name, variable in release.pool_variables.items()}
    if pool["is_written_by_us"]:
        # Felix has to be told of IP-in-IP by itself: calicoctl does so in etcd when it makes such a pool.
        given = {"NO_DEFAULT_POOLS": "true", "FELIX_IPINIPENABLED": "" if pool["ipip"] == "off" else "true"}
    # DC/OS sets rp_filter to loose on every interface at each start of its agent, and Felix refuses to run so.
    given["FELIX_IGNORELOOSERPF"] = "true" if config.node_ignore_loose_rpf else ""
    return {
        "ETCD_ENDPOINTS": config.etcd_endpoints,
        "CALICO_NETWORKING_BACKEND": "bird",
        "CALICO_LIBNETWORK_ENABLED": "true",
        **HEALTH_VARIABLES[release.felix_health],
        **{name: value for name, value in given.items() if value},
        **config.node_environment,
    }


PARTS = {StepName.CALICO_NODE: _build_node}
