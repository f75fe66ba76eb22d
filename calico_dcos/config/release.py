"""The releases of others' programs that can be installed, and what each of them reads: one row a release of Calico.

Everything in which releases differ is a column here, so that no code asks for a version. Where a row says less than a
release can, nothing breaks: what the oldest one reads, all of them do. That is why an image or a plugin of the
operator's own, whatever its release, works with the row that `calico-release` names.

Calico publishes no sums of its plugins. The columns for them are empty until somebody does: then the sum that the first
agent gets counts for all others, as with any download without a sum.
"""

from __future__ import annotations

from dataclasses import dataclass

ETCD_ARCHIVE = "https://github.com/coreos/etcd/releases/download/v3.3.12/etcd-v3.3.12-linux-amd64.tar.gz"

_PLUGINS = "https://github.com/projectcalico/{}/releases/download/{}/{}"
# The settings of the pool that an image can read from its environment, each with its variable.
_POOL = {"node_ip_pool": "CALICO_IPV4POOL_CIDR", "node_ipip": "CALICO_IPV4POOL_IPIP"}
_POOL_AND_NAT = {**_POOL, "node_nat_outgoing": "CALICO_IPV4POOL_NAT_OUTGOING"}
# What `calicoctl node run` mounts from the host, in the same place there: for the node, and for Docker's plugin.
_MOUNTS = ("/var/log/calico", "/var/run/calico", "/lib/modules", "/run/docker/plugins", "/var/run/docker.sock")
# Felix of 2.4 and later shares the lock of iptables with the host's own programs, which lies in /run.
_MOUNTS_AND_RUN = (*_MOUNTS[:3], "/run", *_MOUNTS[3:])


@dataclass(frozen=True, slots=True)
class Download:
    """A file that agents fetch, and its sum; empty where none was published."""

    url: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Calico.

    Attributes:
        name: as the option has it.
        node_image: the image of calico-node.
        plugins: the CNI plugins, calico and the one for its addresses, by name.
        pool_variables: the settings of the pool that the image reads, each with its variable. With any other of them
            set, the pool is written to etcd by the installer instead.
        has_nat: whether the pool that the image makes by itself has NAT for what leaves it.
        ipip_modes: the modes of IP-in-IP that the image knows.
        felix_health: how Felix tells that it lives: "report" to etcd, "endpoint" on a port of its own.
        name_keys: the keys of the network file that tell the plugins the node's name.
        mounts: the host's directories and sockets that the container gets.
    """

    name: str
    node_image: str
    plugins: dict[str, Download]
    pool_variables: dict[str, str]
    has_nat: bool
    ipip_modes: tuple[str, ...]
    felix_health: str
    name_keys: tuple[str, ...]
    mounts: tuple[str, ...]


def _name_plugins(repository: str, version: str) -> dict[str, Download]:
    return {name: Download(_PLUGINS.format(repository, version, name)) for name in ("calico", "calico-ipam")}


_ALL_MODES = ("off", "always", "cross-subnet")
_ROWS = (
    Release(
        name="2.0",
        node_image="calico/node:v1.0.0",
        plugins=_name_plugins("calico-cni", "v1.5.5"),
        pool_variables={},
        has_nat=False,
        ipip_modes=("off", "always"),
        felix_health="report",
        name_keys=("hostname",),
        mounts=_MOUNTS,
    ),
    # The plugin for addresses of 1.8 to 1.10 knows the old key alone, the other one both: so both are written.
    Release(
        name="2.1",
        node_image="quay.io/calico/node:v1.1.3",
        plugins=_name_plugins("cni-plugin", "v1.8.0"),
        pool_variables=_POOL,
        has_nat=True,
        ipip_modes=_ALL_MODES,
        felix_health="report",
        name_keys=("hostname", "nodename"),
        mounts=_MOUNTS,
    ),
    Release(
        name="2.2",
        node_image="quay.io/calico/node:v1.2.1",
        plugins=_name_plugins("cni-plugin", "v1.8.3"),
        pool_variables=_POOL,
        has_nat=True,
        ipip_modes=_ALL_MODES,
        felix_health="report",
        name_keys=("hostname", "nodename"),
        mounts=_MOUNTS,
    ),
    Release(
        name="2.3",
        node_image="quay.io/calico/node:v1.3.0",
        plugins=_name_plugins("cni-plugin", "v1.9.1"),
        pool_variables=_POOL,
        has_nat=True,
        ipip_modes=_ALL_MODES,
        felix_health="report",
        name_keys=("hostname", "nodename"),
        mounts=_MOUNTS,
    ),
    Release(
        name="2.4",
        node_image="quay.io/calico/node:v2.4.1",
        plugins=_name_plugins("cni-plugin", "v1.10.0"),
        pool_variables=_POOL_AND_NAT,
        has_nat=True,
        ipip_modes=_ALL_MODES,
        felix_health="endpoint",
        name_keys=("hostname", "nodename"),
        mounts=_MOUNTS_AND_RUN,
    ),
    Release(
        name="2.5",
        node_image="quay.io/calico/node:v2.5.1",
        plugins=_name_plugins("cni-plugin", "v1.10.0"),
        pool_variables=_POOL_AND_NAT,
        has_nat=True,
        ipip_modes=_ALL_MODES,
        felix_health="endpoint",
        name_keys=("hostname", "nodename"),
        mounts=_MOUNTS_AND_RUN,
    ),
    Release(
        name="2.6",
        node_image="quay.io/calico/node:v2.6.12",
        plugins=_name_plugins("cni-plugin", "v1.11.8"),
        pool_variables=_POOL_AND_NAT,
        has_nat=True,
        ipip_modes=_ALL_MODES,
        felix_health="endpoint",
        name_keys=("nodename",),
        mounts=_MOUNTS_AND_RUN,
    ),
)
RELEASES = {release.name: release for release in _ROWS}
# The one of the Mesos guide. The package's resource.json carries its files.
DEFAULT = RELEASES["2.0"]


def list_downloads(name: str) -> tuple[str, ...]:
    """List what agents fetch for a release, etcd's archive included."""
    return (ETCD_ARCHIVE, *(plugin.url for plugin in RELEASES[name].plugins.values()))
