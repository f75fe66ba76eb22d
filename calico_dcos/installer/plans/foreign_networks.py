"""Judges the other files of the CNI directory: up to Mesos 1.1 one bad file there keeps the agent from starting."""

from typing import List, Optional, Union

from ..facts.cni import Cni, ConfigFile, find_duplicates
from ..facts.mesos_agent import AgentState
from ..unknown import Unknown
from ..versions import parse_version
from ..wanted import Cni as WantedCni
from .changes import Decision, refuse

# From this version of Mesos on, a bad or double file in the directory costs that network, not the agent's start.
FIRST_TOLERANT_MESOS = (1, 2)
CONFIG_FILE = "calico.conf"


def is_strict(agent: Union[AgentState, Unknown]) -> bool:
    """Whether the agent reads its directory strictly; one whose version cannot be known is taken for such."""
    version = None if isinstance(agent, Unknown) else parse_version(agent.version)
    return version is None or version < FIRST_TOLERANT_MESOS


def name_mesos(agent: Union[AgentState, Unknown]) -> str:
    """Name the agent's Mesos for a sentence."""
    return "this Mesos (its version is not known)" if isinstance(agent, Unknown) else "Mesos " + agent.version


def refuse_foreign(cni: Cni, agent: Union[AgentState, Unknown], wanted: WantedCni) -> Optional[Decision]:
    """Refuse to add a file to a directory with which an agent that reads it strictly would not start."""
    if not is_strict(agent):
        return None
    for fault in find_faults(cni, wanted):
        return refuse("{}: {} does not start with that".format(fault, name_mesos(agent)), "repair or remove it")
    return None


def warn_of_foreign(cni: Cni, agent: Union[AgentState, Unknown], wanted: WantedCni) -> List[str]:
    """Build the warnings where the agent is tolerant: these networks do not work, or not as their files say."""
    if is_strict(agent):
        return []
    return ["{}: {} leaves such a network out".format(fault, name_mesos(agent)) for fault in find_faults(cni, wanted)]


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
