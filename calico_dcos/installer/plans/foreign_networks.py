"""Judges the other files of the CNI directory: up to Mesos 1.1 one bad file there keeps the agent from starting."""

from typing import List, Optional

from ..facts.cni import Cni, ConfigFile, find_duplicates
from ..unknown import Unknown
from ..versions import parse_version
from ..wanted import Cni as WantedCni
from .changes import Decision, refuse

# From this version of Mesos on, a bad or double file in the directory costs that network, not the agent's start.
FIRST_TOLERANT_MESOS = (1, 2)
CONFIG_FILE = "calico.conf"


def is_strict(version: str) -> bool:
    """Whether the agent reads its directory strictly; one whose version is not understood is taken for such."""
    parsed = parse_version(version)
    return parsed is None or parsed < FIRST_TOLERANT_MESOS


def refuse_foreign(cni: Cni, version: str, wanted: WantedCni) -> Optional[Decision]:
    """Refuse to add a file to a directory with which an agent that reads it strictly would not start."""
    if not is_strict(version):
        return None
    for fault in find_faults(cni, wanted):
        return refuse("{}: Mesos {} does not start with that".format(fault, version), "repair or remove it")
    return None


def refuse_twins(cni: Cni, wanted: WantedCni) -> Optional[Decision]:
    """Refuse to add a network that is there already, whatever the version.

    A tolerant agent keeps to the file of that network that it came upon first, and ours would never count. And a file
    of our name that we did not write is somebody's network.
    """
    for config in _find_foreign_twins(cni, wanted):
        return refuse(
            "{}/{} configures network {} too, and Mesos keeps to one file of a network".format(
                cni.config_dir, config.file, config.network
            ),
            "remove it, or give it another name; or make it as wanted",
        )
    for config in [] if isinstance(cni.configs, Unknown) else cni.configs:
        if config.file == CONFIG_FILE and not config.is_ours and not config.is_wanted:
            return refuse(
                "{}/{} is there, and this program did not write it".format(cni.config_dir, CONFIG_FILE),
                "move it away, or give it another name and its network another one",
            )
    return None


def _find_foreign_twins(cni: Cni, wanted: WantedCni) -> List[ConfigFile]:
    """Find the other files of our network that are not as wanted; one that is does as well as ours."""
    return [
        config
        for config in ([] if isinstance(cni.configs, Unknown) else cni.configs)
        if config.file != CONFIG_FILE and config.network == wanted.config["name"] and not config.is_wanted
    ]


def warn_of_foreign(cni: Cni, version: str, wanted: WantedCni) -> List[str]:
    """Build the warnings where the agent is tolerant: these networks do not work, or not as their files say."""
    if is_strict(version):
        return []
    return ["{}: Mesos {} leaves such a network out".format(fault, version) for fault in find_faults(cni, wanted)]


def find_faults(cni: Cni, wanted: WantedCni) -> List[str]:
    """Find what is wrong with the directory once our file is in it, our own file left out."""
    if isinstance(cni.configs, Unknown):
        return []
    others = [config for config in cni.configs if config.file != CONFIG_FILE]
    broken = [
        "{}/{} is broken ({})".format(cni.config_dir, config.file, config.network.reason)
        for config in others
        if isinstance(config.network, Unknown)
    ]
    return broken + _find_twins(cni, others, wanted) + _find_missing_plugins(cni, others)


def _find_twins(cni: Cni, others: List[ConfigFile], wanted: WantedCni) -> List[str]:
    ours = [config for config in others if config.network == wanted.config["name"]]
    # One file that is all that is wanted, under whatever name, is not written a second time.
    is_alone = len(ours) == 1 and ours[0].is_wanted and len(others) == len(cni.configs or [])
    twins = [] if is_alone else ["{} configures network {} too".format(one.file, one.network) for one in ours]
    doubles = [
        "{} all configure network {}".format(" and ".join(double.files), double.network)
        for double in find_duplicates(others)
        if double.network != wanted.config["name"]
    ]
    return twins + doubles


def _find_missing_plugins(cni: Cni, others: List[ConfigFile]) -> List[str]:
    """Find the networks without their plugins; nothing is said where a directory cannot be listed."""
    present = set()
    for directory in cni.plugin_dirs:
        if isinstance(directory.files, Unknown):
            return []
        present.update(directory.files)
    present.update(plugin.name for plugin in cni.plugins)
    return [
        "{} names the plugin {}, which is in none of {}".format(
            config.file, name, ":".join(directory.path for directory in cni.plugin_dirs)
        )
        for config in others
        for name in (config.type, config.ipam)
        if name is not None and name not in present
    ]
