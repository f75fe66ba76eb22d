"""Makes of the configuration what scheduler and installer go by: the wanted state, and the rules of the walk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from calico_dcos.core.model import StepName
from calico_dcos.core.pace import Pace, parse_windows
from calico_dcos.core.steps import Policy, StepSpec

from .release import RELEASES, Release
from .table import Config

# The highest cniVersion whose results Mesos can read.
CNI_VERSION = "0.1.0"
# The pool of every release where no option gives another one.
DEFAULT_POOL = "192.168.0.0/16"
POOL_SETTINGS = ("node_ip_pool", "node_ipip", "node_nat_outgoing")
# How Felix is made to tell that it lives. The report's interval is that of etcd's key, which lapses after 90 s.
# By the reports, others know a node that is dead: they are wanted beside an endpoint, too.
_REPORT = {"FELIX_REPORTINGINTERVALSECS": "5"}
HEALTH_VARIABLES = {"report": _REPORT, "endpoint": {**_REPORT, "FELIX_HEALTHENABLED": "true"}}


def build_wanted(config: Config) -> dict[str, Any]:
    """Say what hosts are to look like, as the installer reads it."""
    release = RELEASES[config.calico_release]
    pool = _build_pool(config, release)
    return {
        "etcd_endpoints": config.etcd_endpoints,
        "etcd_proxy": {
            "enable": config.etcd_run_proxy,
            "discovery_srv": config.etcd_discovery_srv,
            "listen": config.etcd_listen,
            "archive": _build_download(config.etcd_archive_url, config.etcd_archive_sha256),
            "refresh_s": 60,
        },
        "docker_cluster_store": {
            "enable": config.docker_enable,
            "cluster_store": config.docker_cluster_store,
            "timeout_s": config.docker_timeout_s,
            "replace_existing": config.docker_replace_existing,
        },
        "cni": {
            "enable": config.cni_enable,
            "plugins": [
                {"name": "calico", **_build_download(config.cni_calico_url, config.cni_calico_sha256)},
                {"name": "calico-ipam", **_build_download(config.cni_calico_ipam_url, config.cni_calico_ipam_sha256)},
            ],
            "plugins_dir": config.cni_plugins_dir,
            "config_dir": config.cni_config_dir,
            "config": {
                "name": "calico",
                "cniVersion": CNI_VERSION,
                "type": "calico",
                "ipam": {"type": "calico-ipam", **_build_ipam_options(config)},
                "etcd_endpoints": config.etcd_endpoints,
                **_build_network_options(config),
            },
            "name_keys": list(release.name_keys),
        },
        "download_proxy": {"url": config.download_proxy, "exceptions": config.download_proxy_exceptions},
        "agent_restart": {"enable": config.cni_enable, "timeout_s": config.agent_timeout_s},
        "calico_node": {
            "enable": config.node_enable,
            "image": config.node_image,
            "environment": _build_node_environment(config, release, pool),
            "mounts": list(release.mounts),
            "poll_s": config.node_poll_s,
            "address_method": config.node_ip_autodetection,
            "felix_health": release.felix_health,
            "pool": pool,
            "adopt_existing": config.node_adopt_existing,
        },
    }


def _build_network_options(config: Config) -> dict[str, Any]:
    """The plugin's options; one that is not set is not written, so that the network of an earlier release stays."""
    given = {"mtu": config.cni_mtu, "log_level": config.cni_log_level}
    return {name: value for name, value in given.items() if value}


def _build_ipam_options(config: Config) -> dict[str, Any]:
    pools = [pool for pool in config.cni_ipv4_pools.split(",") if pool]
    return {"ipv4_pools": pools} if pools else {}


def _build_pool(config: Config, release: Release) -> dict[str, Any]:
    """The pool of addresses; one that the image cannot be told to make is written by the installer, with all it has."""
    given = {name: getattr(config, name) for name in POOL_SETTINGS}
    is_written = any(text for name, text in given.items() if name not in release.pool_variables)
    defaults = (DEFAULT_POOL, "off", "true" if release.has_nat else "false") if is_written else ("", "", "")
    cidr, ipip, nat = (text or default for text, default in zip(given.values(), defaults, strict=True))
    return {"cidr": cidr, "ipip": ipip, "nat_outgoing": nat, "is_written_by_us": is_written}


def _build_node_environment(config: Config, release: Release, pool: Mapping[str, Any]) -> dict[str, str]:
    """The variables that are the same on every agent: the installer adds the node's name and address."""
    given = {variable: getattr(config, name) for name, variable in release.pool_variables.items()}
    if pool["is_written_by_us"]:
        # Felix has to be told of IP-in-IP by itself: calicoctl does so in etcd when it makes such a pool.
        given = {"NO_DEFAULT_POOLS": "true", "FELIX_IPINIPENABLED": "" if pool["ipip"] == "off" else "true"}
    # DC/OS sets rp_filter to loose on every interface at each start of its agent, and Felix refuses to run so.
    given["FELIX_IGNORELOOSERPF"] = "true" if config.node_ignore_loose_rpf else ""
    return {
        "ETCD_ENDPOINTS": config.etcd_endpoints,
        "CALICO_NETWORKING_BACKEND": "bird",
        "CALICO_LIBNETWORK_ENABLED": "true",
        **HEALTH_VARIABLES[release.felix_health],
        **{name: value for name, value in given.items() if value},
        **config.node_environment,
    }


def pin_downloads(wanted: Mapping[str, Any], pins: Mapping[str, str]) -> dict[str, Any]:
    """Fill in the sums of downloads for which no setting gives one, as the first agent reported them."""

    def pin(download: Mapping[str, Any]) -> dict[str, Any]:
        return {**download, "sha256": download["sha256"] or pins.get(download["url"])}

    proxy, cni = wanted["etcd_proxy"], wanted["cni"]
    return {
        **wanted,
        "etcd_proxy": {**proxy, "archive": pin(proxy["archive"])},
        "cni": {**cni, "plugins": [pin(plugin) for plugin in cni["plugins"]]},
    }


def build_policy(config: Config, wanted: Mapping[str, Any]) -> Policy:
    """Make the rules of the walk, with a fingerprint of each step's part of what is wanted."""
    return Policy(
        steps=_build_steps(config, wanted),
        max_concurrent_agents=config.max_concurrent_agents,
        max_concurrent_restarts=config.max_concurrent_restarts,
        max_failed_agents=config.max_failed_agents,
        stability_s=config.stability_period_s,
        max_attempts=config.max_attempts,
        backoff_s=config.backoff_s,
        max_backoff_s=config.max_backoff_s,
        verify_interval_s=config.verify_interval_s,
        forget_after_s=config.forget_agents_after_s,
        own_host=config.own_host,
        first_agents=tuple(name.strip() for name in config.first_agents.split(",") if name.strip()),
        is_public_first=config.walk_order == "public-first",
        pace=_build_pace(config),
    )


def _build_pace(config: Config) -> Pace:
    return Pace(
        is_preflight=config.mode == "preflight",
        canary_agents=config.canary_agents,
        canary_wait_s=config.canary_wait_s,
        windows=parse_windows(config.restart_windows),
        zone=ZoneInfo(config.restart_zone),
        restart_interval_s=config.restart_interval_s,
        has_blocker=bool(config.restart_blocker_url or config.restart_blocker_prometheus),
        drains=config.drain,
        tests=config.connectivity_test,
    )


def _build_steps(config: Config, wanted: Mapping[str, Any]) -> tuple[StepSpec, ...]:
    def build(name: StepName, part: Any, cpus: float, mem_mb: float, *, is_enabled: bool) -> StepSpec:
        return StepSpec(name=name, settings=_fingerprint(part), cpus=cpus, mem_mb=mem_mb, is_enabled=is_enabled)

    def list_unpinned(*downloads: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(download["url"] for download in downloads if not download["sha256"])

    etcd, docker, cni, node = config.etcd_run_proxy, config.docker_enable, config.cni_enable, config.node_enable
    archive, plugins = wanted["etcd_proxy"]["archive"], wanted["cni"]["plugins"]
    proxy = build(StepName.ETCD_PROXY, wanted["etcd_proxy"], config.etcd_cpus, config.etcd_mem_mb, is_enabled=etcd)
    return (
        build(StepName.INSPECT, "", config.inspect_cpus, config.inspect_mem_mb, is_enabled=True),
        replace(proxy, ports=(int(config.etcd_listen.rpartition(":")[2]),), downloads=list_unpinned(archive)),
        build(
            StepName.DOCKER_CLUSTER_STORE,
            wanted["docker_cluster_store"],
            config.docker_cpus,
            config.docker_mem_mb,
            is_enabled=docker,
        ),
        replace(
            build(StepName.CNI, wanted["cni"], config.cni_cpus, config.cni_mem_mb, is_enabled=cni),
            downloads=list_unpinned(*plugins),
        ),
        build(StepName.AGENT_RESTART, wanted["agent_restart"], config.cni_cpus, config.cni_mem_mb, is_enabled=cni),
        build(StepName.CALICO_NODE, wanted["calico_node"], config.node_cpus, config.node_mem_mb, is_enabled=node),
    )


def _fingerprint(part: Any) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]


def _build_download(url: str, sha256: str) -> dict[str, Any]:
    """A file that agents fetch; without a sum, the first agent's sum counts for all."""
    return {"url": url, "sha256": sha256 or None}
