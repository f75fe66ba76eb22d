"""The table of all settings, and the value that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from calico_dcos.core.model import StepName

from . import cni, docker, etcd, framework, node, pace, rollout, security
from .cni import CniSettings
from .docker import DockerSettings
from .etcd import EtcdSettings
from .framework import FrameworkSettings
from .node import NodeSettings
from .pace import PaceSettings
from .parts import Part
from .rollout import RolloutSettings
from .security import SecuritySettings
from .settings import Setting, build_setting


@dataclass(frozen=True)
class Config(
    FrameworkSettings,
    SecuritySettings,
    RolloutSettings,
    PaceSettings,
    EtcdSettings,
    DockerSettings,
    NodeSettings,
    CniSettings,
):
    """Everything that an operator can choose: one field for each setting."""


# In the order in which they are read and shown: what follows from something else comes after it.
SETTINGS: tuple[Setting, ...] = tuple(
    build_setting(entry.name, entry.metadata["entry"]) for section in Config.__bases__ for entry in fields(section)
)

# The package's sections of options, in their order, and what each is about.
SECTIONS: dict[str, str] = {
    module.SECTION: module.DESCRIPTION for module in (framework, security, rollout, pace, etcd, docker, cni, node)
}

# What builds the part of each step but for inspect.
PARTS: dict[StepName, Callable[[Config], Part]] = {**etcd.PARTS, **docker.PARTS, **cni.PARTS, **node.PARTS}
