"""Finds what is right by itself and wrong beside another setting, or on more than one agent."""

from __future__ import annotations

from calico_dcos.redaction import hide_secrets

from .release import RELEASES
from .table import Config

# What the installer finds on each agent, with a word for it: one value for all of them would make them one node.
FOUND_VARIABLES = {
    "NODENAME": "name",
    "HOSTNAME": "name",
    "FELIX_FELIXHOSTNAME": "name",
    "IP": "address",
}


def find_contradictions(config: Config) -> list[str]:
    """Say what cannot be had, one line each."""
    return [*_find_unknown_modes(config), *_find_found_variables(config), *_find_tls(config)]


def _find_tls(config: Config) -> list[str]:
    """Docker's store, the CNI plugins and calico-node would each need certificates, which nothing brings to agents."""
    if "https://" not in config.etcd_endpoints.lower():
        return []
    given = hide_secrets(config.etcd_endpoints)
    reason = "no certificates come to the agents, for Docker, the CNI plugins and calico-node to reach an etcd with TLS"
    remedy = "give endpoints with http://, such as that of a proxy on each agent which has them"
    return [f"CALICO_DCOS_ETCD_ENDPOINTS={given!r} is wrong: {reason}; {remedy}"]


def _find_unknown_modes(config: Config) -> list[str]:
    modes = RELEASES[config.calico_release].ipip_modes
    if not config.node_ipip or config.node_ipip in modes:
        return []
    able = [release.name for release in RELEASES.values() if config.node_ipip in release.ipip_modes]
    known = f"Calico {config.calico_release} knows only {' and '.join(modes)}"
    return [f"CALICO_DCOS_NODE_IPIP={config.node_ipip!r} is wrong: {known}; set calico-release to {' or '.join(able)}"]


def _find_found_variables(config: Config) -> list[str]:
    given = [(name, word) for name, word in FOUND_VARIABLES.items() if name in config.node_environment]
    return [_refuse_variable(name, word) for name, word in given]


def _refuse_variable(name: str, word: str) -> str:
    hint = " (see ip-autodetection-method)" if word == "address" else ""
    return (
        f"CALICO_DCOS_NODE_ENVIRONMENT sets {name}: all agents would be one node, as that is the {word} of a node; "
        f"take it out, each agent's own is found there{hint}"
    )
