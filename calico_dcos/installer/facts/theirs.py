"""Facts: every calico-node on this host that is not ours, and what it differs in from the one that is wanted."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Union

from ..docker_api import DockerAwayError, NoSuchObjectError, read_container, read_json
from ..host import Host
from ..unknown import Unknown
from ..wanted import CalicoNode
from .calico_node import HASH_LABEL, NAME, parse_environment
from .node import Identity, parse_identity
from .system import read_text

# Such an image, whatever its registry and its tag.
IMAGE = re.compile(r"(^|/)calico/node([:@]|$)")
# Containers beyond these are not looked into: a host has one calico-node, or somebody has a reason for many.
LOOKED_AT_MAX = 10
UNIT_DIRS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
UNITS_MAX = 2000
DEFAULT_BACKEND = "bird"
# Variables that are compared by what they mean, and the name, which is one thing in two variables.
COMPARED = ("NODENAME", "HOSTNAME", "IP", "AS", "ETCD_ENDPOINTS", "CALICO_NETWORKING_BACKEND", "CALICO_LIBNETWORK_ENABLED")

# differs: in what, one part of a sentence each. starter: what else than Docker starts it: "unit NAME", or words for it.
Theirs = NamedTuple(
    "Theirs",
    [
        ("container", str),
        ("image", str),
        ("name", str),
        ("address", str),
        ("as_number", str),
        ("differs", List[str]),
        ("starter", Optional[str]),
    ],
)


def read_theirs(host: Host, wanted: CalicoNode) -> Union[List[Theirs], Unknown]:
    """Read every calico-node here that is not ours and not as good; wanted is complete with name and address."""
    try:
        names = [name for name in _list_names(host) if name != NAME][:LOOKED_AT_MAX]
        answers = {name: answer for name in [NAME, *names] for answer in _read(host, name)}
    except DockerAwayError as error:
        return Unknown(str(error))
    found = [parse_theirs(name, answer, wanted) for name, answer in sorted(answers.items())]
    return [_find_unit(host, one) for one in found if one is not None]


def _list_names(host: Host) -> List[str]:
    """List the running containers of such an image."""
    return parse_names(read_json(host, "/containers/json"))


def parse_names(answer: Any) -> List[str]:
    """Read the names of containers of calico-node's image out of Docker's list."""
    entries = answer if isinstance(answer, list) else []
    named = [entry for entry in entries if isinstance(entry, dict) and IMAGE.search(str(entry.get("Image", "")))]
    names = [str(name).lstrip("/") for entry in named for name in (entry.get("Names") or [])]
    return sorted(name for name in names if "/" not in name)


def _read(host: Host, name: str) -> List[Any]:
    try:
        return [read_container(host, name)]
    except NoSuchObjectError:
        return []


def parse_theirs(container: str, answer: Any, wanted: CalicoNode) -> Optional[Theirs]:
    """Read one; None where it is ours, as good as ours, or no calico-node that works on this host."""
    identity = parse_identity(answer)
    if identity is None or (identity.is_ours and container == NAME):
        return None
    try:
        if container != NAME and not is_at_work(answer):
            return None
        differs = find_differences(answer, identity, wanted)
        if container != NAME:
            differs.insert(0, "its container is {}".format(container))
        return Theirs(
            container=container,
            image=str(answer["Config"]["Image"]),
            name=identity.name,
            address=identity.address,
            as_number=identity.as_number,
            differs=differs,
            starter=find_starter(answer),
        ) if differs else None
    except (KeyError, TypeError, AttributeError):
        return None


def is_at_work(answer: Any) -> bool:
    """Whether a container of that image can be a node of this host, and not somebody's shell in it."""
    options = answer.get("HostConfig") or {}
    return bool(options.get("Privileged")) and options.get("NetworkMode") == "host"


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
        ("backend", *[one.get("CALICO_NETWORKING_BACKEND") or DEFAULT_BACKEND for one in (environment, wanted.environment)]),
        ("plugin for Docker", *[describe_libnetwork(one) for one in (environment, wanted.environment)]),
    ]
    differs = ["its {} is {}, not {}".format(what, has, wants) for what, has, wants in pairs if has != wants]
    if not options.get("Privileged"):
        differs.append("it is not privileged")
    lacking = [path for path in wanted.mounts if path not in list_mounts(options.get("Binds"))]
    if lacking:
        differs.append("it lacks the mounts {}".format(", ".join(lacking)))
    others = sorted(name for name in set(wanted.environment) - set(COMPARED) if environment.get(name) != wanted.environment[name])
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


def find_starter(answer: Any) -> Optional[str]:
    """Find what else than Docker starts a container: it would start it again beside ours."""
    labels = answer["Config"].get("Labels") or {}
    options = answer.get("HostConfig") or {}
    if any(str(label).startswith("io.kubernetes.") for label in labels):
        return "Kubernetes"
    if "MESOS_TASK_ID" in parse_environment(answer["Config"].get("Env")):
        return "Mesos"
    policy = (options.get("RestartPolicy") or {}).get("Name") or "no"
    if options.get("AutoRemove") or policy == "no":
        return "something other than Docker, which does not restart it"
    return None


def _find_unit(host: Host, theirs: Theirs) -> Theirs:
    """Find the unit of systemd that starts a container, by its name in the unit's file."""
    for directory in UNIT_DIRS:
        for name in _list_units(host.path(directory)):
            text = read_text("{}/{}".format(host.path(directory), name))
            if isinstance(text, str) and parse_unit(text, theirs.container):
                return theirs._replace(starter="unit {}".format(name))
    return theirs


def _list_units(directory: str) -> List[str]:
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".service"))
    except OSError:
        return []
    return [name for name in names if os.path.isfile(os.path.join(directory, name))][:UNITS_MAX]


def parse_unit(text: str, container: str) -> bool:
    """Whether a unit's file runs a container of this name, or calicoctl, which does."""
    starts = [line for line in text.replace("\\\n", " ").splitlines() if line.lstrip().startswith("ExecStart")]
    named = re.compile(r"--name[= ]{}(\s|$)".format(re.escape(container)))
    return any(named.search(line) or "calicoctl node" in line for line in starts)
