"""What a container of calico-node says of itself, and in what it differs from the one that is wanted.

Two that do not differ are equally good, whoever made them: an operator may have followed the guide by hand.
"""

from typing import Any, Dict, List, NamedTuple, Optional

from ..redaction import hide_secrets
from ..wanted import CalicoNode

NAME = "calico-node"
HASH_LABEL = "org.projectcalico.calico-dcos.settings"
DEFAULT_BACKEND = "bird"
# Variables that are compared by what they mean, and the name, which is one thing in two variables.
COMPARED = (
    "NODENAME",
    "HOSTNAME",
    "IP",
    "AS",
    "ETCD_ENDPOINTS",
    "CALICO_NETWORKING_BACKEND",
    "CALICO_LIBNETWORK_ENABLED",
)

# What a container says of itself.
Identity = NamedTuple("Identity", [("name", str), ("address", str), ("as_number", str), ("is_ours", bool)])


def parse_environment(variables: Any) -> Dict[str, str]:
    """Read the variables of a container."""
    return dict(variable.partition("=")[::2] for variable in variables or [])


def parse_identity(answer: Any) -> Optional[Identity]:
    """Read name, address and AS number as calico-node itself reads them; None where the answer makes no sense."""
    try:
        config = answer["Config"]
        environment = parse_environment(config.get("Env"))
        name = environment.get("NODENAME") or environment.get("HOSTNAME") or config.get("Hostname") or ""
        return Identity(
            name=str(name),
            address=str(environment.get("IP") or ""),
            as_number=str(environment.get("AS") or ""),
            is_ours=HASH_LABEL in (config.get("Labels") or {}),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def find_differences(answer: Any, identity: Identity, wanted: CalicoNode) -> List[str]:
    """Find everything that counts in which a container is not as wanted."""
    config, options = answer["Config"], answer.get("HostConfig") or {}
    environment = parse_environment(config.get("Env"))
    pairs = [
        ("image", config.get("Image"), wanted.image),
        ("network", options.get("NetworkMode"), "host"),
        ("restart policy", (options.get("RestartPolicy") or {}).get("Name") or "no", "always"),
        ("name", identity.name, wanted.environment.get("NODENAME", "")),
        ("address", identity.address or "the one that it finds", wanted.environment.get("IP") or "not known"),
        ("AS number", identity.as_number or "the cluster's", wanted.environment.get("AS") or "the cluster's"),
        ("etcd", list_endpoints(environment), list_endpoints(wanted.environment)),
        (
            "backend",
            *[one.get("CALICO_NETWORKING_BACKEND") or DEFAULT_BACKEND for one in (environment, wanted.environment)],
        ),
        ("plugin for Docker", *[describe_libnetwork(one) for one in (environment, wanted.environment)]),
    ]
    # An etcd may be named with its password, and what differs is told to everybody.
    told = "its {} is {}, not {}"
    differs = [hide_secrets(told.format(what, has, wants)) for what, has, wants in pairs if has != wants]
    if not options.get("Privileged"):
        differs.append("it is not privileged")
    lacking = [path for path in wanted.mounts if path not in list_mounts(options.get("Binds"))]
    if lacking:
        differs.append("it lacks the mounts {}".format(", ".join(lacking)))
    others = sorted(
        name for name in set(wanted.environment) - set(COMPARED) if environment.get(name) != wanted.environment[name]
    )
    if others:
        differs.append("its settings {} differ".format(", ".join(others)))
    return differs


def list_endpoints(environment: Dict[str, str]) -> str:
    """List the etcd of a node in one form, whichever variables name it."""
    endpoints = environment.get("ETCD_ENDPOINTS")
    if not endpoints:
        scheme, authority = environment.get("ETCD_SCHEME") or "http", environment.get("ETCD_AUTHORITY")
        endpoints = "{}://{}".format(scheme, authority or "127.0.0.1:2379")
    urls = [url.strip().rstrip("/").replace("//127.0.0.1:", "//localhost:") for url in endpoints.split(",")]
    return ",".join(sorted(url for url in urls if url))


def describe_libnetwork(environment: Dict[str, str]) -> str:
    """Describe whether a node serves Docker's networks."""
    return "on" if (environment.get("CALICO_LIBNETWORK_ENABLED") or "").lower() == "true" else "off"


def list_mounts(binds: Any) -> List[str]:
    """List what of the host is mounted at the same place, and not merely to be read."""
    found = []
    for bind in binds or []:
        parts = str(bind).split(":")
        if len(parts) > 1 and parts[0].rstrip("/") == parts[1].rstrip("/") and "ro" not in parts[2:]:
            found.append(parts[0].rstrip("/"))
        if parts[1:2] == ["/lib/modules"]:
            found.append("/lib/modules")  # to read it is enough
        if parts[1:2] == ["/var/log/calico"]:
            found.append("/var/log/calico")  # wherever its logs go
    return found
