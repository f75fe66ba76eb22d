"""dockerd's options: their names as keys of daemon.json and as flags, what they hold, and which versions have them.

Read in the source of Docker 1.10 to 20.10. dockerd does not start with a key that it does not know, with one that is
given by a flag as well, or with a value of another kind; a reload is rejected for the same. Versions are given loosely:
where it is not known when a key came or went, it counts as known.
"""

import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from .versions import parse_version

Version = Tuple[int, int]
# kind: what the key holds, see KINDS. since, until: the first and the last version that know it.
Option = NamedTuple(
    "Option",
    [("key", str), ("flag", str), ("short", str), ("kind", str), ("since", Version), ("until", Version)],
)
FIRST, LAST = (1, 10), (99, 0)
# From here on, runtimes given by flags and by the file are put together.
MERGES_RUNTIMES = (18, 9)
# What each kind takes, in the words of name_kind. Nothing minds null.
KINDS = {
    "text": ("text",),
    "bool": ("true or false",),
    "number": ("number",),
    "size": ("text", "number"),
    "list": ("list of texts", "empty list"),
    "lists": ("list of objects", "empty list"),
    "map": ("object of texts", "empty object"),
    "object": ("object", "object of texts", "empty object"),
}
NULL = "null"
# One of a line, or several of one kind: kind: key, key=flag, key=flag/short, key@since, key@since-until
_TABLE = """
text: api-cors-header bip bridge=bridge/b cgroup-parent cluster-advertise cluster-store containerd@1.11
text: containerd-namespace@19.3 containerd-plugins-namespace@19.3 data-root@17.5 default-cgroupns-mode@20.10
text: default-gateway default-gateway-v6 default-ipc-mode@17.7 default-runtime@1.12 deprecated-key-path@17.6 exec-root
text: fixed-cidr fixed-cidr-v6 graph=graph/g group=group/G host-gateway-ip@20.10 init-path@1.13 ip log-driver
text: log-level=log-level/l metrics-addr@1.13 pidfile=pidfile/p seccomp-profile@1.13 storage-driver=storage-driver/s
text: swarm-default-advertise-addr@1.12 tlscacert tlscert tlskey userland-proxy-path@1.12 userns-remap config-file
bool: api-enable-cors@1.10-17.8 cri-containerd@18.7 debug=debug/D disable-legacy-registry@1.10-18.9 experimental@1.13
bool: icc init@1.13 ip-forward ip-masq ip6tables@20.10 iptables ipv6 live-restore@1.12 no-new-privileges@17.6
bool: raw-logs@1.11 restart=restart/r rootless@19.3 selinux-enabled tls tlsverify userland-proxy
number: cpu-rt-period@1.13 cpu-rt-runtime@1.13 max-concurrent-downloads@1.12 max-concurrent-uploads@1.12
number: max-download-attempts@20.10 mtu network-control-plane-mtu@17.7 network-diagnostic-port@17.10
number: oom-score-adjust@1.12 shutdown-timeout@1.13
size: default-shm-size@17.4
list: allow-nondistributable-artifacts@17.6 authorization-plugins=authorization-plugin dns dns-opts=dns-opt dns-search
list: exec-opts=exec-opt hosts=host/H insecure-registries=insecure-registry@1.11 labels=label
list: registry-mirrors=registry-mirror@1.11 storage-opts=storage-opt
lists: default-address-pools=default-address-pool@18.4
map: cluster-store-opts=cluster-store-opt log-opts=log-opt
object: builder=@18.7 default-ulimits=default-ulimit features=@18.7 runtimes=add-runtime@1.12
any: default-ulimit@1.10-17.8 insecure-registry@1.10-1.10 registry-mirror@1.10-1.10
any: node-generic-resources=node-generic-resource@17.7 node-generic-resource@17.7-18.2
"""
# Of Docker as Red Hat builds it.
_RED_HAT = "any: add-registry block-registry enable-secrets signature-verification userns-remap-group-adds"
# Docker EE has got keys of later versions.
_ENTERPRISE = re.compile(r"\bee\b")


def build_options() -> List[Option]:
    """Build the table."""
    lines = (_TABLE + _RED_HAT).strip().splitlines()
    return [
        _parse_option(kind.strip(), word)
        for kind, _, words in [line.partition(":") for line in lines]
        for word in words.split()
    ]


def name_flag(key: str) -> str:
    """Name the flag of a key."""
    return next((option.flag for option in build_options() if option.key == key), key)


def _parse_option(kind: str, word: str) -> Option:
    name, _, versions = word.partition("@")
    key, is_named, flag = name.partition("=")
    flag, _, short = flag.partition("/")
    since, _, until = versions.partition("-")
    return Option(
        key, flag if is_named else key, short, kind, parse_version(since) or FIRST, parse_version(until) or LAST
    )


def find_given(words: List[str]) -> Dict[str, List[str]]:
    """Find the options that the daemon's words give, by key, each with its values; a switch has the value ``true``.

    Flags that the table does not know go by their own name.
    """
    options = [option for option in build_options() if option.flag]
    # The names of Docker 1.10 come last, and count where there is no other.
    flags = {option.flag: option for option in reversed(options)}
    shorts = {option.short: option for option in options if option.short}
    given = {}  # type: Dict[str, List[str]]
    rest = list(words)
    while rest:
        word = rest.pop(0)
        for key, value in _read_word(word, flags, shorts):
            is_pending = value is None and bool(rest)
            given.setdefault(key, []).append(rest.pop(0) if is_pending else value or "")
    return given


def _read_word(word: str, flags: Dict[str, Option], shorts: Dict[str, Option]) -> List[Tuple[str, Optional[str]]]:
    """Read one word: the keys that it gives, with their values; None for one that is in the next word."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        option = flags.get(name)
        if option is None:
            return [(name, value)] if name else []
        return [(option.key, value if equals else "true" if option.kind == "bool" else None)]
    found = []  # type: List[Tuple[str, Optional[str]]]
    letters = word[1:] if word.startswith("-") else ""
    for index, letter in enumerate(letters):
        option = shorts.get(letter)
        if option is None:
            break
        if option.kind != "bool":
            return [*found, (option.key, letters[index + 1 :].lstrip("=") or None)]
        found.append((option.key, "true"))
    return found


def name_kind(value: object) -> str:
    """Name what kind of value JSON has: all that is told of values, which may be secrets."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (int, float)):
        return "number" if isinstance(value, int) else "fraction"
    if isinstance(value, list):
        return _name_many("list", value)
    return _name_many("object", list(value.values())) if isinstance(value, dict) else "something else"


def _name_many(name: str, values: List[object]) -> str:
    if not values:
        return "empty {}".format(name)
    if all(isinstance(value, str) for value in values):
        return "{} of texts".format(name)
    if name == "list" and all(isinstance(value, dict) for value in values):
        return "list of objects"
    return name


def find_faults(kinds: Dict[str, str], given: Dict[str, List[str]], version: str) -> List[str]:
    """Find for which keys, of these kinds, a dockerd of this version with these flags would reject its file."""
    number = parse_version(version) or LAST
    faults = ["the keys graph and data-root are one option"] if {"graph", "data-root"} <= set(kinds) else []
    for key, kind in kinds.items():
        known = [option for option in build_options() if option.key == key and _has(option, number, version)]
        if not known:
            faults.append("Docker {} knows no key {}".format(version, key))
        elif key in given and not (key == "runtimes" and number >= MERGES_RUNTIMES):
            faults.append("{} is given by a flag of dockerd (--{}) as well".format(key, known[0].flag))
        elif kind != NULL and kind not in KINDS.get(known[0].kind, (kind,)):
            expected = " or ".join(one for one in KINDS[known[0].kind] if not one.startswith("empty"))
            faults.append("{} is {}, and Docker takes {} there".format(key, kind, expected))
    return faults


def _has(option: Option, number: Version, version: str) -> bool:
    return option.since <= number <= option.until or _ENTERPRISE.search(version) is not None
