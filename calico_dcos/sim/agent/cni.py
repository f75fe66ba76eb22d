"""CNI networks as the isolator network/cni of an agent finds them, and containers that it attaches to them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


def list_networks(info: dict[str, Any]) -> list[dict[str, Any]]:
    """The networks that a TaskInfo wants to be attached to, as it names them."""
    return [network for network in info.get("container", {}).get("network_infos", []) if network.get("name")]


def attach(options: AgentOptions, container: str, network: dict[str, Any]) -> str:
    """Attach a container to a network; its address there. Raises NetworkError with what the plugin says."""
    _make_namespace(options, container)
    done = _run_plugin(options, container, network, "ADD")
    try:
        if done.returncode == 0:
            address: str = json.loads(done.stdout)["ip4"]["ip"].partition("/")[0]
            return address
    except (ValueError, KeyError):
        pass
    msg = (
        f"Collect failed: The CNI plugin '{done.args[0]}' failed to attach container {container} to CNI network "
        f"'{network['name']}': stdout='{done.stdout}', stderr='{done.stderr}'"
    )
    raise NetworkError(msg)


def detach(options: AgentOptions, container: str, network: dict[str, Any]) -> None:
    """Detach a container that is gone; what a plugin says against it is only noted."""
    try:
        done = _run_plugin(options, container, network, "DEL")
    except NetworkError as error:
        print(f"Failed to detach {container}: {error}", flush=True)
        return
    if done.returncode != 0:
        print(f"Failed to detach {container}: {done.stdout}{done.stderr}", flush=True)
    _remove_namespace(options, container)


def build_entry(options: AgentOptions, container: str) -> tuple[str, ...]:
    """Build what starts a program in a container's network namespace."""
    if not options.has_network_namespaces:
        return ()
    return ("/usr/bin/nsenter", f"--net={_name_namespace(options, container)}", "--")


def read_namespace(options: AgentOptions, container: str) -> dict[str, str]:
    """What programs in a container's namespace have in their environment: the plugin of a stand-in network says."""
    if options.has_network_namespaces:
        return {}
    text = _name_namespace(options, container).read_text(encoding="utf-8")
    return {name: value for name, value in json.loads(text).items() if name.isupper()} if text else {}


def _name_namespace(options: AgentOptions, container: str) -> Path:
    return Path(f"{options.work_dir}-run") / "isolators/network/cni" / container / "ns"


def _make_namespace(options: AgentOptions, container: str) -> None:
    namespace = _name_namespace(options, container)
    namespace.parent.mkdir(parents=True, exist_ok=True)
    namespace.touch()
    if options.has_network_namespaces:
        command = ["/usr/bin/unshare", f"--net={namespace}", "ip", "link", "set", "lo", "up"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            msg = f"Failed to create a network namespace for container {container}: {done.stderr.strip()}"
            raise NetworkError(msg)


def _remove_namespace(options: AgentOptions, container: str) -> None:
    namespace = _name_namespace(options, container)
    if options.has_network_namespaces:
        subprocess.run(["/usr/bin/umount", "--lazy", str(namespace)], capture_output=True, check=False)
    namespace.unlink(missing_ok=True)


def _run_plugin(
    options: AgentOptions, container: str, network: dict[str, Any], command: str
) -> subprocess.CompletedProcess[str]:
    """Run the plugin of a network as Mesos does, with what the task says of the network among its arguments."""
    config = _find_config(options, network["name"])
    plugin = next(
        (directory / config["type"] for directory in options.cni_plugins_dirs if (directory / config["type"]).exists()),
        None,
    )
    if plugin is None:
        msg = f"Failed to find CNI plugin '{config['type']}'"
        raise NetworkError(msg)
    # Mesos 1.0 tells plugins nothing of the task.
    tells_network = options.version.has(Feature.CNI_ARGUMENTS)
    told = {"org.apache.mesos": {"network_info": {key: network[key] for key in network if key != "address"}}}
    environment = {
        **options.executor_environment,
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container,
        "CNI_NETNS": str(_name_namespace(options, container)),
        "CNI_IFNAME": "eth0",
        "CNI_PATH": ":".join(str(directory) for directory in options.cni_plugins_dirs),
    }
    return subprocess.run(
        [str(plugin)],
        input=json.dumps({**config, **({"args": told} if tells_network else {})}),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _find_config(options: AgentOptions, name: str) -> dict[str, Any]:
    for path in _files(options.cni_config_dir) if options.cni_config_dir is not None else ():
        try:
            config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if config.get("name") == name:
            return config
    msg = f"Unknown CNI network '{name}'"
    raise NetworkError(msg)
