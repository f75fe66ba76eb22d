"""How an agent was started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calico_dcos.sim.resources import Resources
from calico_dcos.sim.versions import MesosVersion


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """The command line; times in seconds.

    Attributes:
        unshare: the command that gives a task a PID namespace of its own; empty where tasks have none.
        has_network_namespaces: whether the network namespaces of containers on a CNI network are the kernel's; else
            a file stands in for each, as the plugins of simulated hosts have it.
    """

    master_ip: str
    master_port: int
    ip: str
    port: int
    hostname: str
    version: MesosVersion
    work_dir: Path
    resources: Resources
    attributes: tuple[tuple[str, str], ...]
    executor_environment: dict[str, str]
    flags: dict[str, str]
    executor_reregistration_timeout_s: float
    registration_backoff_s: float
    recovery_timeout_s: float
    reconfiguration_policy: str
    launcher: str
    cgroups_hierarchy: Path
    boot_id: str
    cni_config_dir: Path | None
    cni_plugins_dirs: tuple[Path, ...]
    unshare: tuple[str, ...]
    has_network_namespaces: bool

    @property
    def pid(self) -> str:
        """The address as libprocess writes it."""
        return f"slave(1)@{self.ip}:{self.port}"

    @property
    def attribute_items(self) -> list[dict[str, Any]]:
        """The attributes as the v1 API tells them."""
        return [{"name": name, "type": "TEXT", "text": {"value": text}} for name, text in self.attributes]
