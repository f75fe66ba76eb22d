"""Makes of the configuration what scheduler and installer go by: the wanted state, and the rules of the walk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from calico_dcos.artifacts import Download, list_downloads, map_downloads
from calico_dcos.core.model import StepName
from calico_dcos.core.pace import Pace, parse_windows
from calico_dcos.core.steps import Policy, StepSpec

from .parts import Part
from .table import PARTS, Config


def build_parts(config: Config) -> dict[StepName, Part]:
    """Build what is configured of each step but for inspect, in their order."""
    return {name: PARTS[name](config) for name in StepName if name is not StepName.INSPECT}


def build_wanted(config: Config) -> dict[str, Any]:
    """Say what hosts are to look like, as the installer reads it."""
    return {
        "etcd_endpoints": config.etcd_endpoints,
        "download_proxy": {"url": config.download_proxy, "exceptions": config.download_proxy_exceptions},
        **{_name(step): dict(part.wanted) for step, part in build_parts(config).items()},
    }


def pin_downloads(wanted: Mapping[str, Any], pins: Mapping[str, str]) -> dict[str, Any]:
    """Fill in the sums of downloads for which no setting gives one, as the first agent reported them."""

    def pin(download: Download) -> Download:
        return {**download, "sha256": download["sha256"] or pins.get(download["url"])}

    pinned: dict[str, Any] = map_downloads(wanted, pin)
    return pinned


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
    inspect = StepSpec(StepName.INSPECT, _fingerprint(""), config.inspect_cpus, config.inspect_mem_mb)
    return (
        inspect,
        *(
            StepSpec(
                name=name,
                settings=_fingerprint(wanted[_name(name)]),
                cpus=part.cpus,
                mem_mb=part.mem_mb,
                is_enabled=part.is_enabled,
                ports=part.ports,
                downloads=frozenset(one["url"] for one in list_downloads(wanted[_name(name)]) if not one["sha256"]),
            )
            for name, part in build_parts(config).items()
        ),
    )


def _name(step: StepName) -> str:
    """Name a step's part of the wanted state."""
    return step.value.replace("-", "_")


def _fingerprint(part: Any) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]
