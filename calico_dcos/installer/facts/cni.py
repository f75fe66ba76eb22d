"""Facts: the CNI directories: our plugins with their sums, every other file, and what was pinned."""

import os
from collections import OrderedDict
from typing import Any, Dict, List, NamedTuple, Optional, Set, Union

from ..backups import CNI_CONFIG, UNDONE, Backup
from ..documents import load_json
from ..files import FileError, compute_sha256
from ..host import Host, ToolError, run_program
from ..pins import Pin, read_pins
from ..unknown import Unknown
from ..wanted import Cni as WantedCni

VERSION_TIMEOUT_S = 5
CONFIG_MAX_BYTES = 1 << 20

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
        ("ipam", Optional[str]),
        ("is_wanted", bool),
        ("is_ours", bool),
        ("mtime_epoch_s", float),
    ],
)
PluginDir = NamedTuple("PluginDir", [("path", str), ("files", Union[List[str], Unknown])])
Duplicate = NamedTuple("Duplicate", [("network", str), ("files", List[str])])
# plugins: those that are wanted, there or not; plugin_dirs: every file of every directory that is searched for plugins;
# broken: the files of which Mesos cannot make a network.
Cni = NamedTuple(
    "Cni",
    [
        ("plugins_dir", str),
        ("plugins", List[PluginFile]),
        ("plugin_dirs", List[PluginDir]),
        ("config_dir", str),
        ("configs", Union[List[ConfigFile], Unknown]),
        ("duplicates", List[Duplicate]),
        ("broken", List[str]),
    ],
)


def read_cni(host: Host, wanted: WantedCni, searched: List[str]) -> Cni:
    """Read the configuration directory and those for plugins: the wanted one, and those that the agent searches."""
    pins = read_pins(host)
    names = [plugin.name for plugin in wanted.plugins]
    directories = [wanted.plugins_dir] + [path for path in searched if path.rstrip("/") != wanted.plugins_dir]
    configs = read_configs(host.path(wanted.config_dir), wanted.config)
    if not isinstance(configs, Unknown):
        written = read_written(host)
        configs = [one._replace(is_ours=os.path.join(wanted.config_dir, one.file) in written) for one in configs]
    return Cni(
        plugins_dir=wanted.plugins_dir,
        plugins=[read_plugin(host, wanted.plugins_dir, name, pins.get(name)) for name in names],
        plugin_dirs=[PluginDir(path, list_files(host.path(path))) for path in directories],
        config_dir=wanted.config_dir,
        configs=configs,
        duplicates=find_duplicates(configs),
        broken=find_broken(configs),
    )


def find_duplicates(configs: Union[List[ConfigFile], Unknown]) -> List[Duplicate]:
    """Find the networks that several files configure: of these Mesos uses one, or none."""
    files = OrderedDict()  # type: OrderedDict[str, List[str]]
    for config in [] if isinstance(configs, Unknown) else configs:
        if not isinstance(config.network, Unknown):
            files.setdefault(config.network, []).append(config.file)
    return [Duplicate(network, names) for network, names in files.items() if len(names) > 1]


def find_broken(configs: Union[List[ConfigFile], Unknown]) -> List[str]:
    """Find the files that are no network configuration."""
    return [] if isinstance(configs, Unknown) else [one.file for one in configs if isinstance(one.network, Unknown)]


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
        return str(load_json(output)["cniVersion"])
    except (ValueError, KeyError, TypeError):
        return Unknown("it answers VERSION with {!r}".format(output[:200]))


def read_sha256(path: str) -> Union[str, Unknown]:
    """Compute a file's sum."""
    try:
        return compute_sha256(path)
    except OSError as error:
        return Unknown("{}: {}".format(path, error.strerror))


def read_written(host: Host) -> Set[str]:
    """Read which networks' files this program wrote and has not put back; nothing where that cannot be read."""
    try:
        entries = Backup(host, CNI_CONFIG).find_last()
    except (FileError, OSError):
        return set()
    return {entry.path for entry in entries if entry.state != UNDONE}


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
            text = file.read(CONFIG_MAX_BYTES + 1)
        if len(text) > CONFIG_MAX_BYTES:
            return _build_broken(name, mtime, "longer than {} KB".format(CONFIG_MAX_BYTES >> 10))
        content = load_json(text.decode("utf-8"))
        return parse_config(name, content, mtime, wanted)
    except OSError as error:
        return _build_broken(name, 0.0, error.strerror or str(error))
    except ValueError as error:
        return _build_broken(name, mtime, "no network configuration: {}".format(error))


def parse_config(name: str, content: Any, mtime: float, wanted: Dict[str, Any]) -> ConfigFile:
    """Read the JSON of one file; a ``.conflist`` has no ``type``, and Mesos knows no lists."""
    if not isinstance(content, dict):
        return _build_broken(name, mtime, "no network configuration: it is no JSON object")
    lacking = [key for key in ("name", "type") if not isinstance(content.get(key), str)]
    ipam = content.get("ipam", {})
    if ipam != {} and not (isinstance(ipam, dict) and isinstance(ipam.get("type"), str)):
        lacking.append("ipam.type")
    if lacking:
        return _build_broken(name, mtime, "no network configuration: it lacks {}".format(" and ".join(lacking)))
    return ConfigFile(
        file=name,
        network=content["name"],
        type=content["type"],
        ipam=ipam.get("type"),
        is_wanted=content == wanted,
        is_ours=False,
        mtime_epoch_s=mtime,
    )


def _build_broken(name: str, mtime: float, reason: str) -> ConfigFile:
    return ConfigFile(name, Unknown(reason), None, None, is_wanted=False, is_ours=False, mtime_epoch_s=mtime)
