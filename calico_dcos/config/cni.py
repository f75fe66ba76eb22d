"""Settings of Calico's CNI plugins and network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calico_dcos.core.model import StepName

from .kinds import CIDRS, AbsolutePath, Choice, Flag, Number, Sha256, Text, Url, Whole
from .packaged import derive_packaged, derive_sum
from .parts import Part, build_download
from .release import RELEASES
from .settings import setting

if TYPE_CHECKING:
    from .table import Config

SECTION = "Install CNI"
DESCRIPTION = "Calico's CNI plugins and network, which the unified containerizer needs."
# The highest cniVersion whose results Mesos can read.
CNI_VERSION = "0.1.0"


@dataclass(frozen=True)
class CniSettings:
    """The steps cni and agent-restart."""

    cni_enable: bool = setting(
        Flag(),
        default=True,
        option=f"{SECTION}.enable",
        help_text="Install the CNI plugins and the network on each agent. Mesos 1.2 and later is not restarted; an "
        "older agent is. Off: agents are inspected, and the status page says whether they have them.",
    )
    cni_plugins_dir: str = setting(
        AbsolutePath(),
        "/opt/mesosphere/active/cni",
        f"{SECTION}.cni-plugins-dir",
        "Directory of CNI plugins on the agents.",
    )
    cni_config_dir: str = setting(
        AbsolutePath(),
        "/opt/mesosphere/etc/dcos/network/cni",
        f"{SECTION}.cni-config-dir",
        "Directory of CNI networks on the agents.",
    )
    cni_calico_url: str = setting(
        Url(),
        derive_packaged("cni_calico_url", lambda release: release.plugins["calico"].url),
        f"{SECTION}.override-calico-url",
        "Where agents fetch the plugin calico. Empty: the one of calico-release.",
        package_default="",
        resource="assets.uris.calico-cni",
    )
    cni_calico_sha256: str = setting(
        Sha256(),
        derive_sum("calico", "cni_calico_url"),
        f"{SECTION}.calico-sha256",
        "SHA-256 sum of that plugin. Empty: what the first agent gets counts for all others.",
        package_default="",
    )
    cni_calico_ipam_url: str = setting(
        Url(),
        derive_packaged("cni_calico_ipam_url", lambda release: release.plugins["calico-ipam"].url),
        f"{SECTION}.override-calico-ipam-url",
        "Where agents fetch the plugin calico-ipam. Empty: the one of calico-release.",
        package_default="",
        resource="assets.uris.calico-ipam",
    )
    cni_calico_ipam_sha256: str = setting(
        Sha256(),
        derive_sum("calico-ipam", "cni_calico_ipam_url"),
        f"{SECTION}.calico-ipam-sha256",
        "SHA-256 sum of that plugin. Empty: what the first agent gets counts for all others.",
        package_default="",
    )
    cni_mtu: int = setting(
        Whole(0, 65_535),
        0,
        f"{SECTION}.mtu",
        "MTU of the interfaces of containers: that of the network, less 20 with IP-in-IP. 0: the plugin's own, 1500.",
    )
    cni_ipv4_pools: str = setting(
        Text("networks, such as 10.1.0.0/16, separated by commas", CIDRS),
        "",
        f"{SECTION}.ipv4-pools",
        "Pools out of which containers on the network calico get addresses, separated by commas. Empty: any pool.",
    )
    cni_log_level: str = setting(
        Choice(("", "DEBUG", "INFO", "WARNING", "ERROR")),
        "",
        f"{SECTION}.log-level",
        "How much the CNI plugins log. Empty: their own level.",
    )
    agent_timeout_s: float = setting(
        Number(1, 3600),
        120.0,
        f"{SECTION}.agent-timeout",
        "Seconds within which a restarted Mesos agent has to be back.",
    )
    cni_cpus: float = setting(Number(0.01, 64), 0.2, f"{SECTION}.cpu-limit", "CPUs of each task that installs CNI.")
    cni_mem_mb: float = setting(
        Number(32, 65_536), 64.0, f"{SECTION}.mem-limit", "Memory in MB of each task that installs CNI."
    )


def _build_cni(config: Config) -> Part:
    return Part(
        wanted={
            "enable": config.cni_enable,
            "plugins": [
                {"name": "calico", **build_download(config.cni_calico_url, config.cni_calico_sha256)},
                {"name": "calico-ipam", **build_download(config.cni_calico_ipam_url, config.cni_calico_ipam_sha256)},
            ],
            "plugins_dir": config.cni_plugins_dir,
            "config_dir": config.cni_config_dir,
            "config": {
                "name": "calico",
                "cniVersion": CNI_VERSION,
                "type": "calico",
                "ipam": {"type": "calico-ipam", **_build_ipam_options(config)},
                "etcd_endpoints": config.etcd_endpoints,
                **_build_network_options(config),
            },
            "name_keys": list(RELEASES[config.calico_release].name_keys),
        },
        words=f"plugins into {config.cni_plugins_dir}, network into {config.cni_config_dir}",
        cpus=config.cni_cpus,
        mem_mb=config.cni_mem_mb,
    )


def _build_network_options(config: Config) -> dict[str, Any]:
    """The plugin's options; one that is not set is not written, so that the network of an earlier release stays."""
    given = {"mtu": config.cni_mtu, "log_level": config.cni_log_level}
    return {name: value for name, value in given.items() if value}


def _build_ipam_options(config: Config) -> dict[str, Any]:
    pools = [pool for pool in config.cni_ipv4_pools.split(",") if pool]
    return {"ipv4_pools": pools} if pools else {}


def _build_agent_restart(config: Config) -> Part:
    return Part(
        wanted={"enable": config.cni_enable, "timeout_s": config.agent_timeout_s},
        words="only where the Mesos agent has to read the network anew",
        cpus=config.cni_cpus,
        mem_mb=config.cni_mem_mb,
    )


PARTS = {StepName.CNI: _build_cni, StepName.AGENT_RESTART: _build_agent_restart}
