"""CNI networks as the isolator network/cni of an agent finds them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from calico_dcos.sim.agent.options import AgentOptions
from calico_dcos.sim.versions import Feature, MesosVersion


class NetworkError(Exception):
    """A network config that an agent cannot use."""


def parse_plugins_dirs(text: str, version: MesosVersion) -> tuple[Path, ...]:
    """The directories that --network-cni-plugins-dir names."""
    parts = text.split(":") if version.has(Feature.CNI_PLUGIN_SEARCH_PATH) else [text]
    return tuple(Path(part) for part in parts if part)


def check_at_start(options: AgentOptions) -> None:
    """Raise NetworkError where an agent exits at its start: before Mesos 1.2, for whatever is wrong with a network."""
    config_dir = options.cni_config_dir
    if config_dir is None:
        return
    if not config_dir.is_dir():
        msg = f"The CNI network configuration directory '{config_dir}' does not exist"
        raise NetworkError(msg)
    if options.version.has(Feature.CNI_ON_DEMAND):
        return
    for directory in options.cni_plugins_dirs:
        if not directory.is_dir() or not any(directory.iterdir()):
            msg = f"The CNI plugin directory '{directory}' does not exist or is empty"
            raise NetworkError(msg)
    names = [_load(path, options.cni_plugins_dirs) for path in _files(config_dir)]
    if not names:
        msg = f"Failed to create CNI network configs: no valid config in '{config_dir}'"
        raise NetworkError(msg)
    for name in names:
        if names.count(name) > 1:
            msg = f"Multiple CNI network configuration files have the same name '{name}'"
            raise NetworkError(msg)


def unknown_network(info: dict[str, object], options: AgentOptions, networks_at_start: frozenset[str]) -> str | None:
    """The first network that a TaskInfo names and that the agent does not know; None if it knows all."""
    if options.cni_config_dir is None:
        return None
    on_demand = options.version.has(Feature.CNI_ON_DEMAND)
    known = find_networks(options) if on_demand else networks_at_start
    return next((name for name in _wanted(info) if name not in known), None)


def find_networks(options: AgentOptions) -> frozenset[str]:
    """The networks whose configs are valid now."""
    names = set()
    for path in _files(options.cni_config_dir) if options.cni_config_dir is not None else ():
        try:
            names.add(_load(path, options.cni_plugins_dirs))
        except NetworkError as fault:
            print(f"Skipping a CNI network: {fault}", flush=True)
    return frozenset(names)


def _files(config_dir: Path) -> list[Path]:
    """Every entry that is no directory, whatever its name, as Mesos reads them."""
    return [path for path in config_dir.iterdir() if not path.is_dir()] if config_dir.is_dir() else []


def _load(path: Path, plugins_dirs: tuple[Path, ...]) -> str:
    try:
        config = json.loads(path.read_text())
        name: str = config["name"]
        plugins = [config["type"], *([config["ipam"]["type"]] if "ipam" in config else [])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"Failed to parse CNI network configuration file '{path}': {error!r}"
        raise NetworkError(msg) from error
    for plugin in plugins:
        if not any(os.access(directory / plugin, os.X_OK) for directory in plugins_dirs):
            msg = f"Failed to find CNI plugin '{plugin}' used by CNI network configuration file '{path}'"
            raise NetworkError(msg)
    return name


def _wanted(info: dict[str, object]) -> Iterable[str]:
    container = info.get("container")
    networks = container.get("network_infos", []) if isinstance(container, dict) else []
    return [network["name"] for network in networks if network.get("name")]
