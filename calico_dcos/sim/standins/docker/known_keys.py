"""Which keys of daemon.json each version of Docker knows, what they hold, and which flags give the same; pure.

Written from the source of moby at its tags v1.10.0 to v20.10.24, and not from the installer's own table: the two are
held against each other by a test.
"""

from collections.abc import Mapping
from typing import Any

Version = tuple[int, int]

_TEXTS = """
api-cors-header bip bridge cgroup-parent cluster-advertise cluster-store containerd containerd-namespace data-root
default-cgroupns-mode default-gateway default-gateway-v6 default-ipc-mode default-runtime exec-root fixed-cidr
fixed-cidr-v6 graph group host-gateway-ip init-path ip log-driver log-level metrics-addr pidfile seccomp-profile
storage-driver swarm-default-advertise-addr tlscacert tlscert tlskey userland-proxy-path userns-remap
"""
_SWITCHES = """
cri-containerd debug disable-legacy-registry experimental icc init ip-forward ip-masq ip6tables iptables ipv6
live-restore no-new-privileges raw-logs rootless selinux-enabled tls tlsverify userland-proxy
"""
_NUMBERS = """
cpu-rt-period cpu-rt-runtime max-concurrent-downloads max-concurrent-uploads max-download-attempts mtu
network-control-plane-mtu network-diagnostic-port oom-score-adjust shutdown-timeout
"""
_LISTS = """
allow-nondistributable-artifacts authorization-plugins default-address-pools dns dns-opts dns-search exec-opts hosts
insecure-registries labels registry-mirrors storage-opts
"""
_OBJECTS = "builder cluster-store-opts default-ulimits features log-opts runtimes"
_OTHERS = "config-file default-shm-size deprecated-key-path node-generic-resources restart"

# The first version that knows a key, of those that came after 1.10.
_SINCE: Mapping[str, Version] = {
    "containerd": (1, 11), "insecure-registries": (1, 11), "raw-logs": (1, 11), "registry-mirrors": (1, 11),
    "default-runtime": (1, 12), "live-restore": (1, 12), "max-concurrent-downloads": (1, 12),
    "max-concurrent-uploads": (1, 12), "oom-score-adjust": (1, 12), "runtimes": (1, 12),
    "swarm-default-advertise-addr": (1, 12), "cpu-rt-period": (1, 13), "cpu-rt-runtime": (1, 13),
    "experimental": (1, 13), "init": (1, 13), "init-path": (1, 13), "metrics-addr": (1, 13), "seccomp-profile": (1, 13),
    "shutdown-timeout": (1, 13), "userland-proxy-path": (1, 13), "default-shm-size": (17, 4), "data-root": (17, 5),
    "allow-nondistributable-artifacts": (17, 6), "no-new-privileges": (17, 6), "deprecated-key-path": (17, 6),
    "default-ipc-mode": (17, 9),
    "default-ulimits": (17, 9), "network-control-plane-mtu": (17, 9), "node-generic-resources": (17, 9),
    "network-diagnostic-port": (17, 12), "default-address-pools": (18, 6), "builder": (18, 9),
    "cri-containerd": (18, 9),
    "features": (18, 9), "rootless": (19, 3), "containerd-namespace": (19, 3), "default-cgroupns-mode": (20, 10),
    "host-gateway-ip": (20, 10), "ip6tables": (20, 10), "max-download-attempts": (20, 10),
}  # fmt: skip
_UNTIL: Mapping[str, Version] = {"disable-legacy-registry": (18, 9)}
_SHORT = {"H": "hosts", "D": "debug", "l": "log-level", "p": "pidfile", "g": "graph", "G": "group", "b": "bridge",
          "s": "storage-driver"}  # fmt: skip
# Flags are called otherwise than the key where each gives one of several.
_FLAGS = {
    "add-runtime": "runtimes", "authorization-plugin": "authorization-plugins",
    "cluster-store-opt": "cluster-store-opts", "default-address-pool": "default-address-pools",
    "default-ulimit": "default-ulimits", "dns-opt": "dns-opts", "exec-opt": "exec-opts", "host": "hosts",
    "insecure-registry": "insecure-registries", "label": "labels", "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors", "storage-opt": "storage-opts",
}  # fmt: skip


def list_keys(version: Version) -> frozenset[str]:
    """List the keys that a version knows."""
    keys = f"{_TEXTS} {_SWITCHES} {_NUMBERS} {_LISTS} {_OBJECTS} {_OTHERS}".split()
    return frozenset(key for key in keys if _SINCE.get(key, version) <= version <= _UNTIL.get(key, version))


def find_unknown(config: Mapping[str, Any], version: Version) -> list[str]:
    """Find the keys that a version does not know."""
    return sorted(set(config) - list_keys(version))


def find_wrong(config: Mapping[str, Any]) -> str:
    """Find a value of another type than Docker's, and name its type as Go does; empty for none."""
    kinds = ((_TEXTS, str), (_SWITCHES, bool), (_NUMBERS, int), (_LISTS, list), (_OBJECTS, dict))
    for keys, kind in kinds:
        for key in keys.split():
            value = config.get(key)
            is_right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
            if value is not None and not is_right:
                return type(value).__name__
    if any(not isinstance(value, str) for value in (config.get("log-opts") or {}).values()):
        return "number"
    return ""


def name_key(flag: str) -> str:
    """Name the key of a flag."""
    name = flag.lstrip("-")
    return _FLAGS.get(name, name) if flag.startswith("--") else _SHORT.get(name, name)
