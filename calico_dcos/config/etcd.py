"""Settings of etcd: the proxy on each agent, and what Calico talks to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calico_dcos.core.model import StepName

from .kinds import DNS_NAME, HOST_AND_PORT, Flag, Number, Sha256, Text, Url, Urls
from .parts import Part, build_download
from .release import ETCD_ARCHIVE
from .settings import Derived, Known, setting

if TYPE_CHECKING:
    from .table import Config

SECTION = "Etcd Settings"
DESCRIPTION = (
    "The etcd that Calico uses: through a proxy on each agent, which finds the Universe package of etcd by its DNS "
    "name, or directly."
)
LOCAL_ETCD = "http://localhost:2379"


def _find_endpoints(known: Known) -> str | None:
    return LOCAL_ETCD if known.values["etcd_run_proxy"] else None


@dataclass(frozen=True)
class EtcdSettings:
    """The step etcd-proxy, and the endpoints."""

    etcd_run_proxy: bool = setting(
        Flag(),
        default=True,
        option=f"{SECTION}.run-proxy",
        help_text="Run a proxy on each agent that forwards localhost:2379 to the etcd cluster. Keep it with the "
        "Universe package of etcd; switch it off for an etcd of your own, and give etcd-endpoints.",
    )
    etcd_discovery_srv: str = setting(
        Text("a DNS name", DNS_NAME),
        "etcd.mesos",
        f"{SECTION}.etcd-discovery-url",
        "DNS name whose SRV records lead to the members of etcd.",
    )
    etcd_listen: str = setting(
        Text("host:port", HOST_AND_PORT),
        "127.0.0.1:2379",
        f"{SECTION}.listen",
        "Where the proxy listens on each agent.",
    )
    etcd_endpoints: str = setting(
        Urls(),
        Derived(f"{LOCAL_ETCD} with the proxy; without it, it has to be given", _find_endpoints),
        f"{SECTION}.etcd-endpoints",
        "What Calico talks to: URLs, separated by commas. With the proxy: http://localhost:2379. Without it, this has "
        "to be given.",
        package_default="",
    )
    etcd_archive_url: str = setting(
        Url(),
        ETCD_ARCHIVE,
        f"{SECTION}.override-etcd-url",
        "Where agents fetch the release archive of etcd that the proxy runs. Empty: the one that this package names.",
        package_default="",
        resource="assets.uris.etcd",
    )
    etcd_archive_sha256: str = setting(
        Sha256(),
        "",
        f"{SECTION}.etcd-sha256",
        "SHA-256 sum of that archive. Empty: what the first agent gets counts for all others.",
    )
    etcd_cpus: float = setting(Number(0.01, 64), 0.2, f"{SECTION}.cpu-limit", "CPUs of the proxy on each agent.")
    etcd_mem_mb: float = setting(
        Number(32, 65_536), 128.0, f"{SECTION}.mem-limit", "Memory in MB of the proxy on each agent."
    )


def _build_proxy(config: Config) -> Part:
    return Part(
        wanted={
            "enable": config.etcd_run_proxy,
            "discovery_srv": config.etcd_discovery_srv,
            "listen": config.etcd_listen,
            "archive": build_download(config.etcd_archive_url, config.etcd_archive_sha256),
            "refresh_s": 60,
        },
        words=f"forwards {config.etcd_listen} to the members behind {config.etcd_discovery_srv}",
        cpus=config.etcd_cpus,
        mem_mb=config.etcd_mem_mb,
        ports=(int(config.etcd_listen.rpartition(":")[2]),),
    )


PARTS = {StepName.ETCD_PROXY: _build_proxy}
