"""Explains an options file: which steps will run, what may restart, where state goes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from calico_dcos.config import Config, build_parts, build_wanted
from calico_dcos.config.release import RELEASES
from calico_dcos.core.model import StepName
from calico_dcos.redaction import hide_secrets


def explain(config: Config) -> list[str]:
    """Say what a configuration will do to a cluster, line by line."""
    preflight = ["Preflight: agents are inspected, and nothing is changed"] if config.mode == "preflight" else []
    return [
        *preflight,
        *_explain_release(config),
        *_explain_steps(config),
        "",
        *_explain_restarts(config),
        "",
        *_explain_walk(config),
        "",
        f"State goes to {hide_secrets(config.state_store)}",
        f"Calico and its checks use the etcd at {hide_secrets(config.etcd_endpoints)}",
        f"Page and API {_explain_hands(config)}",
    ]


def _explain_release(config: Config) -> Iterator[str]:
    """Say which Calico it is, and warn of an image whose tag is that of another one."""
    release = RELEASES[config.calico_release]
    yield f"Calico {release.name}: {config.node_image}"
    line = re.search(r":v?(\d+\.\d+)\.[^/]*$", config.node_image)
    others = [name for name, row in RELEASES.items() if line is not None and f":v{line[1]}." in row.node_image]
    if others and release.name not in others:
        yield (
            f"Warning: {config.node_image} looks like Calico {others[0]}, and is told what {release.name} reads: "
            f"set Run Calico-Node.calico-release to {others[0]}"
        )
    pool = build_wanted(config)["calico_node"]["pool"]
    if pool["is_written_by_us"]:
        nat = "with" if pool["nat_outgoing"] == "true" else "without"
        yield (
            f"Pool {pool['cidr']} (IP-in-IP {pool['ipip']}, {nat} NAT) is written to etcd by the first agent, if none "
            f"is there: {config.node_image} does not read all that is set"
        )


def _explain_hands(config: Config) -> str:
    if config.operator_token:
        return "let whoever shows the operator token pause, resume, retry and skip"
    return "are read-only: there is no operator-token"


def _explain_steps(config: Config) -> Iterator[str]:
    off = "inspected only; the status page says whether the agent has it"
    yield "Steps on each agent:"
    yield f"  {StepName.INSPECT.value:<21} on   reads the facts of each agent, changes nothing"
    for name, part in build_parts(config).items():
        yield f"  {name.value:<21} {'on ' if part.is_enabled else 'off'}  {part.words if part.is_enabled else off}"


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
    yield from _explain_restart_times(config)


def _explain_restart_times(config: Config) -> Iterator[str]:
    if config.restart_windows:
        yield f"  when                  {config.restart_windows} ({config.restart_zone})"
    if config.restart_interval_s:
        yield f"  one after another     {config.restart_interval_s:g} s apart"
    if config.drain:
        yield "  drained               the agent is deactivated around its restart (Mesos 1.9 and later)"
    if config.restart_blocker_url:
        yield f"  only if               {hide_secrets(config.restart_blocker_url)} allows it"
    if config.restart_blocker_prometheus:
        asked = hide_secrets(config.restart_blocker_prometheus)
        yield f"  only if               {asked} returns nothing for {config.restart_blocker_query}"


def _explain_walk(config: Config) -> Iterator[str]:
    yield "The walk:"
    yield f"  agents at a time      {config.max_concurrent_agents}"
    yield f"  next agent after      calico-node was healthy for {config.stability_period_s:g} s"
    yield f"  stops                 at more than {config.max_failed_agents} failed agents"
    yield f"  looks again           every {config.verify_interval_s:g} s"
    if config.canary_agents:
        end = f"healthy for {config.canary_wait_s:g} s" if config.canary_wait_s else "an operator lets it go on"
        yield f"  waits                 after {config.canary_agents} complete agents, until {end}"
