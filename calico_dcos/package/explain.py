"""Explains an options file: which steps will run, what may restart, where state goes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from calico_dcos.config import Config


def explain(config: Config) -> list[str]:
    """Say what a configuration will do to a cluster, line by line."""
    return [
        *_explain_steps(config),
        "",
        *_explain_restarts(config),
        "",
        *_explain_walk(config),
        "",
        f"State goes to {hide_login(config.state_store)}",
        f"Calico and its checks use the etcd at {config.etcd_endpoints}",
    ]


def hide_login(url: str) -> str:
    """Cut user and password out of a URL."""
    return re.sub(r"//[^/]*@", "//***@", url)


def _explain_steps(config: Config) -> Iterator[str]:
    off = "off: inspected only; the status page says whether the agent has it"
    steps = (
        ("inspect", True, "reads the facts of each agent, changes nothing"),
        (
            "etcd-proxy",
            config.etcd_run_proxy,
            f"forwards {config.etcd_listen} to the members behind {config.etcd_discovery_srv}",
        ),
        ("docker-cluster-store", config.docker_enable, f"sets Docker's cluster-store to {config.docker_cluster_store}"),
        ("cni", config.cni_enable, f"plugins into {config.cni_plugins_dir}, network into {config.cni_config_dir}"),
        ("agent-restart", config.cni_enable, "only where the Mesos agent has to read the network anew"),
        ("calico-node", config.node_enable, f"runs {config.node_image}"),
    )
    yield "Steps on each agent:"
    for name, is_enabled, text in steps:
        yield f"  {name:<21} {'on ' if is_enabled else 'off'}  {text if is_enabled else off.removeprefix('off: ')}"


def _explain_restarts(config: Config) -> Iterator[str]:
    yield "What may restart:"
    if not config.docker_enable:
        yield "  Docker                never"
    elif config.docker_replace_existing:
        yield "  Docker                on 1.10, and where another cluster-store is in effect; elsewhere it is reloaded"
    else:
        yield "  Docker                on 1.10; 1.11 to 20.10 is reloaded; another cluster-store in effect is refused"
    if config.cni_enable:
        yield "  Mesos agent           below Mesos 1.2 (DC/OS 1.8); 1.2 and later never"
    else:
        yield "  Mesos agent           never"
    yield f"  at the same time      at most {config.max_concurrent_restarts}"


def _explain_walk(config: Config) -> Iterator[str]:
    yield "The walk:"
    yield f"  agents at a time      {config.max_concurrent_agents}"
    yield f"  next agent after      calico-node was healthy for {config.stability_period_s:g} s"
    yield f"  stops                 at more than {config.max_failed_agents} failed agents"
    yield f"  looks again           every {config.verify_interval_s:g} s"
