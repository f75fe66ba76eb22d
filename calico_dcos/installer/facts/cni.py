"""Facts: the CNI directories: our plugins with their sums, every other file, and what was pinned."""

import hashlib
import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Union

from ..host import Host, ToolError, run_program
from ..pins import Pin, read_pins
from ..unknown import Unknown
from ..wanted import Cni as WantedCni

VERSION_TIMEOUT_S = 5
CHUNK_BYTES = 1 << 20

PluginFile = NamedTuple(
    "PluginFile",
    [
        ("name", str),
        ("sha256", Union[str, None, Unknown]),
        ("is_executable", bool),
        ("version", Union[str, Unknown]),
        ("mtime_epoch_s", float),
        ("pin", Optional[Pin]),
    ],
)
ConfigFile = NamedTuple(
    "ConfigFile",
    [
        ("file", str),
        ("network", Union[str, Unknown]),
        ("type", Optional[str]),
        ("is_wanted", bool),
        ("mtime_epoch_s", float),
    ],
)
Cni = NamedTuple(
    "Cni",
    [
        ("plugins_dir", str),
        ("plugins", List[PluginFile]),
        ("other_plugins", Union[List[str], Unknown]),
        ("config_dir", str),
        ("configs", Union[List[ConfigFile], Unknown]),
    ],
)


def read_cni(host: Host, wanted: WantedCni) -> Cni:
    """Read both directories."""
    pins = read_pins(host)
    names = [plugin.name for plugin in wanted.plugins]
    found = list_files(host.path(wanted.plugins_dir))
    return Cni(
        plugins_dir=wanted.plugins_dir,
        plugins=[read_plugin(host, wanted.plugins_dir, name, pins.get(name)) for name in names],
        other_plugins=found if isinstance(found, Unknown) else [name for name in found if name not in names],
        config_dir=wanted.config_dir,
        configs=read_configs(host.path(wanted.config_dir), wanted.config),
    )


def list_files(directory: str) -> Union[List[str], Unknown]:
    """List a directory's files, subdirectories left out as Mesos does; one that does not exist has none."""
    try:
        return sorted(name for name in os.listdir(directory) if not os.path.isdir(os.path.join(directory, name)))
    except FileNotFoundError:
        return []
    except OSError as error:
        return Unknown("{}: {}".format(directory, error.strerror))


def read_plugin(host: Host, directory: str, name: str, pin: Optional[Pin]) -> PluginFile:
    """Read one plugin, and ask it for its version."""
    path = os.path.join(host.path(directory), name)
    if not os.path.exists(path):
        return PluginFile(
            name=name,
            sha256=None,
            is_executable=False,
            version=Unknown("{} is not there".format(path)),
            mtime_epoch_s=0.0,
            pin=pin,
        )
    is_executable = os.access(path, os.X_OK)
    return PluginFile(
        name=name,
        sha256=read_sha256(path),
        is_executable=is_executable,
        version=ask_version(host, path) if is_executable else Unknown("{} is not executable".format(path)),
        mtime_epoch_s=os.stat(path).st_mtime,
        pin=pin,
    )


def ask_version(host: Host, path: str) -> Union[str, Unknown]:
    """Ask a plugin for its CNI version: the one command that a plugin answers without a container."""
    environment = dict(host.build_tool_environment(), CNI_COMMAND="VERSION")
    try:
        return parse_plugin_version(run_program([path], environment, VERSION_TIMEOUT_S).output)
    except ToolError as error:
        return Unknown(str(error))


def parse_plugin_version(output: str) -> Union[str, Unknown]:
    """Read the answer to ``CNI_COMMAND=VERSION``."""
    try:
        return str(json.loads(output)["cniVersion"])
    except (ValueError, KeyError, TypeError):
        return Unknown("it answers VERSION with {!r}".format(output[:200]))


def read_sha256(path: str) -> Union[str, Unknown]:
    """Compute a file's sum."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
                digest.update(chunk)
    except OSError as error:
        return Unknown("{}: {}".format(path, error.strerror))
    return digest.hexdigest()


def read_configs(directory: str, wanted: Dict[str, Any]) -> Union[List[ConfigFile], Unknown]:
    """Read every file of the config directory: Mesos parses each of them, whatever its name."""
    names = list_files(directory)
    if isinstance(names, Unknown):
        return names
    return [read_config(directory, name, wanted) for name in names]


def read_config(directory: str, name: str, wanted: Dict[str, Any]) -> ConfigFile:
    """Read one network configuration."""
    path = os.path.join(directory, name)
    try:
        mtime = os.stat(path).st_mtime
        with open(path, "rb") as file:
            content = json.loads(file.read().decode("utf-8"))
        return _build_config(name, mtime, str(content["name"]), str(content["type"]), is_wanted=content == wanted)
    except OSError as error:
        return _build_config(name, 0.0, Unknown(error.strerror or str(error)))
    except (ValueError, KeyError, TypeError) as error:
        return _build_config(name, mtime, Unknown("no network configuration: {!r}".format(error)))


def _build_config(
    name: str, mtime: float, network: Union[str, Unknown], plugin: Optional[str] = None, *, is_wanted: bool = False
) -> ConfigFile:
    return ConfigFile(file=name, network=network, type=plugin, is_wanted=is_wanted, mtime_epoch_s=mtime)
