"""Facts: every calico-node on this host that is not ours, and what it differs in from the one that is wanted."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Union
from urllib.parse import quote

from ..docker_api import DockerAwayError, NoSuchObjectError, read_container, read_json
from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..wanted import CalicoNode
from ..web import UnreachableError, fetch
from .comparison import NAME, find_differences, list_endpoints, parse_environment, parse_identity
from .etcd import TIMEOUT_S, find_address
from .system import read_text

# Such an image, whatever its registry and its tag.
IMAGE = re.compile(r"(^|/)calico/node([:@]|$)")
# What every image of it runs: Docker tells an image by its number once its tag has moved.
COMMAND = "start_runit"
# Containers beyond these are not looked into: a host has one calico-node, or somebody has a reason for many.
LOOKED_AT_MAX = 10
UNIT_DIRS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
UNITS_MAX = 2000
ADDRESS_KEY = "/v2/keys/calico/bgp/v1/host/{}/ip_addr_v4"

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
    found = [(parse_theirs(name, answer, wanted), answer) for name, answer in sorted(answers.items())]
    return [_find_address(host, _find_unit(host, one), answer) for one, answer in found if one is not None]


def _find_address(host: Host, theirs: Theirs, answer: Any) -> Theirs:
    """Find the address of one that finds it itself, where it has registered it: in its etcd, under its name."""
    if theirs.address not in ("", "autodetect"):
        return theirs
    for url in list_endpoints(parse_environment(answer["Config"].get("Env"))).split(","):
        dialled = find_address(host, url)
        if isinstance(dialled, Unknown):
            continue
        try:
            told = fetch(dialled, ADDRESS_KEY.format(quote(theirs.name, safe="")), TIMEOUT_S)
        except UnreachableError:
            continue
        return theirs._replace(address=parse_value(told.body.decode("utf-8", "replace")))
    return theirs._replace(address="")


def parse_value(text: str) -> str:
    """Read the value of one key of etcd; empty where there is none."""
    try:
        return str(load_json(text)["node"]["value"])
    except (ValueError, KeyError, TypeError):
        return ""


def _list_names(host: Host) -> List[str]:
    """List the running containers of such an image."""
    return parse_names(read_json(host, "/containers/json"))


def parse_names(answer: Any) -> List[str]:
    """Read the names of containers of a calico-node out of Docker's list."""
    entries = answer if isinstance(answer, list) else []
    named = [entry for entry in entries if isinstance(entry, dict) and _is_node(entry)]
    names = [str(name).lstrip("/") for entry in named for name in (entry.get("Names") or [])]
    return sorted(name for name in names if "/" not in name)


def _is_node(entry: Dict[str, Any]) -> bool:
    return IMAGE.search(str(entry.get("Image", ""))) is not None or entry.get("Command") == COMMAND


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
        if not differs:
            return None
        return Theirs(
            container=container,
            image=str(answer["Config"]["Image"]),
            name=identity.name,
            address=identity.address,
            as_number=identity.as_number,
            differs=differs,
            starter=find_starter(answer),
        )
    except (KeyError, TypeError, AttributeError):
        return None


def is_at_work(answer: Any) -> bool:
    """Whether a container of that image can be a node of this host, and not somebody's shell in it."""
    options = answer.get("HostConfig") or {}
    return bool(options.get("Privileged")) and options.get("NetworkMode") == "host"


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
