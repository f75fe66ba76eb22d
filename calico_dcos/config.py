"""The configuration: a frozen value read from environment variables, every fault reported at once."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .core.model import StepName
from .core.steps import Policy, StepSpec

PREFIX = "CALICO_DCOS_"
# What the Universe package installs unless its options say otherwise.
CNI_RELEASE = "https://github.com/projectcalico/calico-cni/releases/download/v1.5.5"
ETCD_ARCHIVE = "https://github.com/coreos/etcd/releases/download/v3.3.12/etcd-v3.3.12-linux-amd64.tar.gz"
NODE_IMAGE = "calico/node:v1.0.0"
LOCAL_ETCD = "http://localhost:2379"
WEEK_S = 7 * 24 * 3600.0
# The highest cniVersion whose results Mesos can read.
CNI_VERSION = "0.1.0"


class ConfigError(Exception):
    """The environment does not make a configuration.

    Attributes:
        faults: one line each, naming the variable, its value and what is allowed.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Download:
    """A file that agents fetch; without a sum, the first agent's sum counts for all."""

    url: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class StepConfig:
    """What every step's section has."""

    is_enabled: bool
    cpus: float
    mem_mb: float


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that an operator can choose.

    Attributes:
        master: host:port, http://host:port or zk://hosts/path.
        state_store: sqlite:///path, etcd://hosts/prefix or etcd+srv://name/prefix.
        advertised_address: address under which agents reach this scheduler; empty: the one that faces the master.
        own_host: hostname or address of the agent that runs this scheduler; empty if unknown.
        etcd_endpoints: what Calico and the checks on each host use, comma-separated.
        node_environment: added to calico-node's environment, winning over what it has by default.
    """

    master: str
    state_store: str
    framework_name: str
    role: str
    principal: str
    secret: str
    failover_timeout_s: float
    bind_address: str
    port: int
    advertised_address: str
    own_host: str
    roster_interval_s: float
    log_level: str
    max_concurrent_agents: int
    max_concurrent_restarts: int
    max_failed_agents: int
    stability_s: float
    max_attempts: int
    backoff_s: float
    max_backoff_s: float
    verify_interval_s: float
    inspect: StepConfig
    etcd_proxy: StepConfig
    etcd_discovery_srv: str
    etcd_listen: str
    etcd_endpoints: str
    etcd_archive: Download
    docker: StepConfig
    docker_cluster_store: str
    docker_replace_existing: bool
    docker_timeout_s: float
    cni: StepConfig
    cni_plugins_dir: str
    cni_config_dir: str
    cni_calico: Download
    cni_calico_ipam: Download
    agent_timeout_s: float
    node: StepConfig
    node_image: str
    node_environment: Mapping[str, str]
    node_poll_s: float


def read_config(environment: Mapping[str, str]) -> Config:
    """Read the configuration from environment variables that begin with CALICO_DCOS_.

    Args:
        environment: all variables; Marathon's PORT0, HOST and LIBPROCESS_IP are defaults for what they imply.

    Raises:
        ConfigError: with every fault that was found.
    """
    reader = _Reader(environment)
    config = _read_all(reader, environment)
    reader.finish()
    return config


def list_settings() -> list[tuple[str, str]]:
    """List every variable that can be set, with its default as text."""
    reader = _Reader({})
    _read_all(reader, {})
    return list(reader.defaults.items())


def _read_all(reader: _Reader, environment: Mapping[str, str]) -> Config:
    run_proxy = reader.flag("ETCD_RUN_PROXY", default=True)
    endpoints = reader.urls("ETCD_ENDPOINTS", LOCAL_ETCD if run_proxy else None)
    has_cni = reader.flag("CNI_ENABLE", default=True)
    return Config(
        master=reader.master("MASTER", "leader.mesos:5050"),
        state_store=reader.text("STATE_STORE", "sqlite:///var/lib/calico-dcos/state.db"),
        framework_name=reader.text("FRAMEWORK_NAME", "calico-install-framework"),
        role=reader.text("ROLE", "slave_public"),
        principal=reader.text("PRINCIPAL", ""),
        secret=reader.text("SECRET", ""),
        failover_timeout_s=reader.number("FAILOVER_TIMEOUT_S", 4 * WEEK_S, 60, 52 * WEEK_S),
        bind_address=reader.text("BIND_ADDRESS", "0.0.0.0"),  # noqa: S104 - agents fetch from it and report to it
        port=reader.integer("PORT", _find_marathon_port(environment), 0, 65_535),
        advertised_address=reader.text("ADVERTISED_ADDRESS", environment.get("LIBPROCESS_IP", "")),
        own_host=reader.text("OWN_HOST", environment.get("HOST", "")),
        roster_interval_s=reader.number("ROSTER_INTERVAL_S", 30, 1, 3600),
        log_level=reader.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        max_concurrent_agents=reader.integer("MAX_CONCURRENT_AGENTS", 1, 1, 1000),
        max_concurrent_restarts=reader.integer("MAX_CONCURRENT_RESTARTS", 1, 1, 1000),
        max_failed_agents=reader.integer("MAX_FAILED_AGENTS", 0, 0, 100_000),
        stability_s=reader.number("STABILITY_PERIOD_S", 30, 0, 3600),
        max_attempts=reader.integer("MAX_ATTEMPTS", 5, 1, 100),
        backoff_s=reader.number("BACKOFF_S", 10, 0, 3600),
        max_backoff_s=reader.number("MAX_BACKOFF_S", 600, 0, 24 * 3600),
        verify_interval_s=reader.number("VERIFY_INTERVAL_S", 24 * 3600, 10, 30 * 24 * 3600),
        inspect=reader.step("INSPECT", is_enabled=True, cpus=0.1, mem_mb=64),
        etcd_proxy=reader.step("ETCD", is_enabled=run_proxy, cpus=0.2, mem_mb=128),
        etcd_discovery_srv=reader.text("ETCD_DISCOVERY_SRV", "etcd.mesos"),
        etcd_listen=reader.text("ETCD_LISTEN", "127.0.0.1:2379"),
        etcd_endpoints=endpoints,
        etcd_archive=reader.download("ETCD_ARCHIVE", ETCD_ARCHIVE),
        docker=reader.step("DOCKER", is_enabled=reader.flag("DOCKER_ENABLE", default=True), cpus=0.2, mem_mb=64),
        docker_cluster_store=reader.text("DOCKER_CLUSTER_STORE", _derive_cluster_store(endpoints)),
        docker_replace_existing=reader.flag("DOCKER_REPLACE_EXISTING", default=False),
        docker_timeout_s=reader.number("DOCKER_TIMEOUT_S", 60, 1, 3600),
        cni=reader.step("CNI", is_enabled=has_cni, cpus=0.2, mem_mb=64),
        cni_plugins_dir=reader.path("CNI_PLUGINS_DIR", "/opt/mesosphere/active/cni"),
        cni_config_dir=reader.path("CNI_CONFIG_DIR", "/opt/mesosphere/etc/dcos/network/cni"),
        cni_calico=reader.download("CNI_CALICO", f"{CNI_RELEASE}/calico"),
        cni_calico_ipam=reader.download("CNI_CALICO_IPAM", f"{CNI_RELEASE}/calico-ipam"),
        agent_timeout_s=reader.number("AGENT_TIMEOUT_S", 120, 1, 3600),
        node=reader.step("NODE", is_enabled=reader.flag("NODE_ENABLE", default=True), cpus=0.2, mem_mb=64),
        node_image=reader.text("NODE_IMAGE", NODE_IMAGE),
        node_environment=reader.mapping("NODE_ENVIRONMENT"),
        node_poll_s=reader.number("NODE_POLL_S", 5, 0.1, 300),
    )


def _find_marathon_port(environment: Mapping[str, str]) -> int:
    port = environment.get("PORT0", "")
    return int(port) if port.isdigit() else 8080


def _derive_cluster_store(endpoints: str) -> str:
    """Docker's address of the same etcd: it knows one scheme, and no other part of a URL than hosts and ports."""
    hosts = [urlsplit(url).netloc for url in endpoints.split(",") if url]
    return f"etcd://{','.join(hosts)}"


def build_wanted(config: Config) -> dict[str, Any]:
    """Say what hosts are to look like, as the installer reads it."""
    return {
        "etcd_endpoints": config.etcd_endpoints,
        "etcd_proxy": {
            "enable": config.etcd_proxy.is_enabled,
            "discovery_srv": config.etcd_discovery_srv,
            "listen": config.etcd_listen,
            "archive": {"url": config.etcd_archive.url, "sha256": config.etcd_archive.sha256},
            "refresh_s": 60,
        },
        "docker_cluster_store": {
            "enable": config.docker.is_enabled,
            "cluster_store": config.docker_cluster_store,
            "timeout_s": config.docker_timeout_s,
            "replace_existing": config.docker_replace_existing,
        },
        "cni": {
            "enable": config.cni.is_enabled,
            "plugins": [
                {"name": "calico", "url": config.cni_calico.url, "sha256": config.cni_calico.sha256},
                {"name": "calico-ipam", "url": config.cni_calico_ipam.url, "sha256": config.cni_calico_ipam.sha256},
            ],
            "plugins_dir": config.cni_plugins_dir,
            "config_dir": config.cni_config_dir,
            "config": {
                "name": "calico",
                "cniVersion": CNI_VERSION,
                "type": "calico",
                "ipam": {"type": "calico-ipam"},
                "etcd_endpoints": config.etcd_endpoints,
            },
        },
        "agent_restart": {"enable": config.cni.is_enabled, "timeout_s": config.agent_timeout_s},
        "calico_node": {
            "enable": config.node.is_enabled,
            "image": config.node_image,
            "environment": _build_node_environment(config),
            "poll_s": config.node_poll_s,
        },
    }


def _build_node_environment(config: Config) -> dict[str, str]:
    return {
        "ETCD_ENDPOINTS": config.etcd_endpoints,
        "CALICO_NETWORKING_BACKEND": "bird",
        "CALICO_LIBNETWORK_ENABLED": "true",
        # DC/OS sets rp_filter to loose on every interface at each start of its agent, and Felix refuses to run so.
        "FELIX_IGNORELOOSERPF": "true",
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
    wanted_by_step: dict[StepName, tuple[StepConfig, Any, tuple[int, ...]]] = {
        StepName.INSPECT: (config.inspect, "", ()),
        StepName.ETCD_PROXY: (config.etcd_proxy, wanted["etcd_proxy"], (int(config.etcd_listen.rpartition(":")[2]),)),
        StepName.DOCKER_CLUSTER_STORE: (config.docker, wanted["docker_cluster_store"], ()),
        StepName.CNI: (config.cni, wanted["cni"], ()),
        StepName.AGENT_RESTART: (config.cni, wanted["agent_restart"], ()),
        StepName.CALICO_NODE: (config.node, wanted["calico_node"], ()),
    }
    return Policy(
        steps=tuple(
            StepSpec(
                name=name,
                settings=_fingerprint(part),
                cpus=step.cpus,
                mem_mb=step.mem_mb,
                is_enabled=step.is_enabled,
                ports=ports,
            )
            for name, (step, part, ports) in wanted_by_step.items()
        ),
        max_concurrent_agents=config.max_concurrent_agents,
        max_concurrent_restarts=config.max_concurrent_restarts,
        max_failed_agents=config.max_failed_agents,
        stability_s=config.stability_s,
        max_attempts=config.max_attempts,
        backoff_s=config.backoff_s,
        max_backoff_s=config.max_backoff_s,
        verify_interval_s=config.verify_interval_s,
        own_host=config.own_host,
    )


def _fingerprint(part: Any) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]


class _Reader:
    """Reads variables one by one, remembers which it was asked for, and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.defaults: dict[str, str] = {}
        self._faults: list[str] = []

    def finish(self) -> None:
        """Raise what was found, misspelt variables included."""
        for name in sorted(self._environment):
            if name.startswith(PREFIX) and name not in self.defaults:
                near = difflib.get_close_matches(name, self.defaults, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self._faults.append(f"{name} is no setting of calico-dcos{hint}")
        if self._faults:
            raise ConfigError(self._faults)

    def _get(self, name: str, default: str | None) -> str | None:
        name = PREFIX + name
        self.defaults[name] = default or ""
        value = self._environment.get(name, "").strip()
        if value:
            return value
        if default is None:
            self._faults.append(f"{name} is not set, and has to be here")
        return default

    def _blame(self, name: str, value: str, allowed: str) -> None:
        self._faults.append(f"{PREFIX}{name}={value!r} is wrong: it takes {allowed}")

    def text(self, name: str, default: str | None) -> str:
        return self._get(name, default) or ""

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            self._blame(name, value, f"one of {', '.join(allowed)}")
            return default
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        return self.choice(name, "true" if default else "false", ("true", "false")) == "true"

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        return int(self._bounded(name, default, low, high, is_whole=True))

    def number(self, name: str, default: float, low: float, high: float) -> float:
        return self._bounded(name, default, low, high, is_whole=False)

    def _bounded(self, name: str, default: float, low: float, high: float, *, is_whole: bool) -> float:
        value = self.text(name, f"{default}")
        kind = "a whole number" if is_whole else "a number"
        try:
            number = float(int(value)) if is_whole else float(value)
        except ValueError:
            number = math.nan
        # A comparison with "not a number" is false, whichever way it is written.
        if not low <= number <= high:
            self._blame(name, value, f"{kind} from {low:g} to {high:g}")
            return float(default)
        return number

    def path(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not value.startswith("/"):
            self._blame(name, value, "an absolute path")
        return value

    def urls(self, name: str, default: str | None) -> str:
        value = self.text(name, default)
        for url in value.split(","):
            if value and not _is_url(url, ("http", "https")):
                self._blame(name, value, "http:// or https:// URLs of etcd, separated by commas")
                break
        return value

    def download(self, name: str, default: str) -> Download:
        url = self.text(f"{name}_URL", default)
        if not _is_url(url, ("http", "https")):
            self._blame(f"{name}_URL", url, "an http:// or https:// URL")
        sha256 = self.text(f"{name}_SHA256", "").lower()
        digits = 64
        if sha256 and (len(sha256) != digits or set(sha256) - set("0123456789abcdef")):
            self._blame(f"{name}_SHA256", sha256, "64 hexadecimal digits")
        return Download(url, sha256 or None)

    def master(self, name: str, default: str) -> str:
        value = self.text(name, default)
        is_address = "://" not in value and value.rpartition(":")[2].isdigit()
        if not is_address and not _is_url(value, ("http", "zk")):
            self._blame(name, value, "host:port, http://host:port or zk://host:port,.../path")
        return value

    def mapping(self, name: str) -> Mapping[str, str]:
        value = self.text(name, "{}")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict) or not all(isinstance(item, str) for item in parsed.values()):
            self._blame(name, value, "a JSON object of strings")
            return {}
        return parsed

    def step(self, name: str, *, is_enabled: bool, cpus: float, mem_mb: float) -> StepConfig:
        return StepConfig(
            is_enabled=is_enabled,
            cpus=self.number(f"{name}_CPUS", cpus, 0.01, 64),
            mem_mb=self.number(f"{name}_MEM_MB", mem_mb, 32, 65_536),
        )


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value.strip())
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        # zk://a:1,b:2/path has no single port; its hosts are checked when it is opened.
        return value.startswith("zk://") and "zk" in schemes
    return parts.scheme in schemes and bool(parts.netloc) and has_port
