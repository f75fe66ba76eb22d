"""Settings of Docker's cluster store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from calico_dcos.core.model import StepName

from .kinds import CLUSTER_STORE, Flag, Number, Text
from .parts import Part
from .settings import Derived, Known, setting

if TYPE_CHECKING:
    from .table import Config

SECTION = "Configure Docker Cluster-Store"
DESCRIPTION = "Docker's cluster store, which Calico networks of the Docker containerizer need."


def derive_cluster_store(endpoints: str | None) -> str:
    """Docker's address of the same etcd: it knows one scheme, and no other part of a URL than hosts and ports."""
    hosts = [urlsplit(url).netloc for url in (endpoints or "").split(",") if url]
    return f"etcd://{','.join(hosts)}"


def _derive(known: Known) -> str:
    return derive_cluster_store(known.values["etcd_endpoints"])


@dataclass(frozen=True)
class DockerSettings:
    """The step docker-cluster-store."""

    docker_enable: bool = setting(
        Flag(),
        default=True,
        option=f"{SECTION}.enable",
        help_text="Set Docker's cluster store on each agent. Docker 1.11 to 20.10 is only reloaded; Docker 1.10 is "
        "restarted. Off: agents are inspected, and the status page says whether they have it.",
    )
    docker_cluster_store: str = setting(
        Text("etcd://host:port,host:port", CLUSTER_STORE),
        Derived("etcd:// with the hosts of etcd-endpoints", _derive),
        f"{SECTION}.override-docker-cluster-store",
        "Docker's cluster store. Empty: the etcd of etcd-endpoints.",
        package_default="",
    )
    docker_replace_existing: bool = setting(
        Flag(),
        default=False,
        option=f"{SECTION}.replace-existing",
        help_text="Replace another cluster store that Docker already uses, which needs a restart of Docker. Off: such "
        "an agent is refused, with the reason.",
    )
    docker_timeout_s: float = setting(
        Number(1, 3600),
        60.0,
        f"{SECTION}.timeout",
        "Seconds within which Docker has to answer again after a change.",
    )
    docker_cpus: float = setting(
        Number(0.01, 64), 0.2, f"{SECTION}.cpu-limit", "CPUs of the task that configures Docker."
    )
    docker_mem_mb: float = setting(
        Number(32, 65_536), 64.0, f"{SECTION}.mem-limit", "Memory in MB of the task that configures Docker."
    )


def _build_cluster_store(config: Config) -> Part:
    return Part(
        wanted={
            "enable": config.docker_enable,
            "cluster_store": config.docker_cluster_store,
            "timeout_s": config.docker_timeout_s,
            "replace_existing": config.docker_replace_existing,
        },
        words=f"sets Docker's cluster-store to {config.docker_cluster_store}",
        cpus=config.docker_cpus,
        mem_mb=config.docker_mem_mb,
    )


PARTS = {StepName.DOCKER_CLUSTER_STORE: _build_cluster_store}
