"""Plans the step cni: plugins first, then the configuration that names them; up to Mesos 1.1 the order is vital."""

from typing import List, Optional

from ..facts.cni import Cni, ConfigFile, PluginFile
from ..facts.mesos_agent import AgentState, MesosAgent
from ..unknown import Unknown
from ..versions import parse_version
from ..wanted import Cni as WantedCni
from ..wanted import Plugin
from .changes import Action, Change, Decision, could_not_look, do, prove, refuse, warn
from .foreign_networks import CONFIG_FILE, refuse_foreign, refuse_twins, warn_of_foreign

__all__ = ["CONFIG_FILE", "plan_cni"]

LAST_CNI_VERSION = (0, 2)


def plan_cni(cni: Cni, agent: MesosAgent, wanted: WantedCni) -> Decision:
    """Plan which plugins and which configuration are still to be put in place."""
    if isinstance(cni.configs, Unknown):
        return could_not_look("the directory of CNI networks: {}".format(cni.configs.reason))
    if isinstance(agent.state, Unknown):
        # Its isolators and its directories are flags: a network that it does not read is none.
        return could_not_look("whether the Mesos agent reads this network: {}".format(agent.state.reason))
    refusal = _find_refusal(agent.state, wanted) or refuse_foreign(cni, agent.state.version, wanted)
    if refusal is not None:
        return refusal
    changes = [
        _install(plugin, reason, wanted)
        for plugin in wanted.plugins
        for reason in [_find_fault(plugin, _find_file(cni, plugin.name))]
        if reason is not None
    ]
    changes += _plan_config(cni.configs, wanted)
    decision = (refuse_twins(cni, wanted) or do(changes)) if changes else _prove(cni, wanted)
    return warn(decision, warn_of_foreign(cni, agent.state.version, wanted))


def _prove(cni: Cni, wanted: WantedCni) -> Decision:
    versions = ", ".join("{} {}".format(plugin.name, plugin.version) for plugin in cni.plugins)
    return prove("{} in {}; network {} is as wanted".format(versions, wanted.plugins_dir, wanted.config["name"]))


def _find_refusal(agent: AgentState, wanted: WantedCni) -> Optional[Decision]:
    version = parse_version(str(wanted.config.get("cniVersion", "0.1.0")))
    if version is None or version > LAST_CNI_VERSION:
        return refuse(
            "Mesos does not understand the results of CNI {}".format(wanted.config.get("cniVersion")),
            "set cniVersion to 0.2.0 or lower",
        )
    if not agent.is_cni_isolator_on:
        return refuse(
            "the agent's isolation ({}) has no network/cni".format(agent.isolation),
            "add network/cni to the agent's --isolation, or disable this step",
        )
    if agent.cni_config_dir is None:
        return refuse(
            "the agent was started without --network_cni_config_dir, and knows no CNI networks",
            "start it with --network_cni_config_dir={} and --network_cni_plugins_dir={}".format(
                wanted.config_dir, wanted.plugins_dir
            ),
        )
    if agent.cni_config_dir.rstrip("/") != wanted.config_dir:
        return refuse(
            "the agent reads CNI configurations from {}, not from {}".format(agent.cni_config_dir, wanted.config_dir),
            "set the option for the CNI configuration directory accordingly",
        )
    if agent.cni_plugins_dirs and wanted.plugins_dir not in [path.rstrip("/") for path in agent.cni_plugins_dirs]:
        return refuse(
            "the agent looks for CNI plugins in {}, not in {}".format(
                ":".join(agent.cni_plugins_dirs), wanted.plugins_dir
            ),
            "set the option for the CNI plugin directory accordingly",
        )
    return None


def _find_file(cni: Cni, name: str) -> PluginFile:
    return next(plugin for plugin in cni.plugins if plugin.name == name)


def _find_fault(wanted: Plugin, file: PluginFile) -> Optional[str]:
    """Find what is wrong with an installed plugin.

    Without a wanted sum, a plugin that somebody else installed will do; one that we installed must still be that one.
    """
    if file.sha256 is None:
        return "it is not there"
    if isinstance(file.sha256, Unknown):
        return "it cannot be read: {}".format(file.sha256.reason)
    expected = wanted.download.sha256
    if expected is None and file.pin is not None:
        if file.pin.url != wanted.download.url:
            return "the one installed is from {}".format(file.pin.url)
        expected = file.pin.sha256
    if expected is not None and file.sha256 != expected:
        return "its sha256 is {}, not {}".format(file.sha256, expected)
    if isinstance(file.version, Unknown):
        return file.version.reason
    return None


def _install(plugin: Plugin, reason: str, wanted: WantedCni) -> Change:
    return Change(
        action=Action.INSTALL_PLUGIN,
        subject=plugin.name,
        message="install CNI plugin {} in {} from {}".format(plugin.name, wanted.plugins_dir, plugin.download.url),
        reason=reason,
        restarts=None,
        impact="the next container on this network uses it",
    )


def _plan_config(configs: List[ConfigFile], wanted: WantedCni) -> List[Change]:
    if any(config.is_wanted for config in configs):
        return []
    ours = [config for config in configs if config.file == CONFIG_FILE]
    return [
        Change(
            action=Action.WRITE_NETWORK,
            subject=CONFIG_FILE,
            message="write {}/{}".format(wanted.config_dir, CONFIG_FILE),
            reason="its content differs" if ours else "it is not there",
            restarts=None,
            impact="Mesos finds network {} when a container asks for it".format(wanted.config["name"]),
        )
    ]
