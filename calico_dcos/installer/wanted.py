"""What the host should carry: the JSON of CALICO_DCOS_WANTED as values, with every fault reported at once."""

import hashlib
import ipaddress
import json
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional

# In the order in which they are done; a service is supervised, any other step applied.
STEPS = ("etcd-proxy", "docker-cluster-store", "cni", "agent-restart", "calico-node")
SERVICES = ("etcd-proxy", "calico-node")
# exceptions: names that need no proxy, with what lies below them, separated by commas.
Proxy = NamedTuple("Proxy", [("url", str), ("exceptions", str)])
NO_PROXY = Proxy("", "")
COMPLETE_NODES_MAX = 50
FELIX_HEALTH = ("report", "endpoint")
IPIP_MODES = ("off", "always", "cross-subnet")
# What calico-node gets of the host where nothing else is said: the mounts of the oldest release.
MOUNTS = ("/var/log/calico", "/var/run/calico", "/lib/modules", "/run/docker/plugins", "/var/run/docker.sock")
IPV4 = 4
METHODS = ("can-reach", "interface", "skip-interface", "cidr")

Download = NamedTuple("Download", [("url", str), ("sha256", Optional[str])])
EtcdProxy = NamedTuple(
    "EtcdProxy",
    [("is_enabled", bool), ("discovery_srv", str), ("listen", str), ("archive", Download), ("refresh_s", float)],
)
ClusterStore = NamedTuple(
    "ClusterStore", [("is_enabled", bool), ("url", str), ("timeout_s", float), ("may_replace", bool)]
)
Plugin = NamedTuple("Plugin", [("name", str), ("download", Download)])
Cni = NamedTuple(
    "Cni",
    [
        ("is_enabled", bool),
        ("plugins", List[Plugin]),
        ("plugins_dir", str),
        ("config_dir", str),
        ("config", Dict[str, Any]),
        ("name_keys", List[str]),
    ],
)
AgentRestart = NamedTuple("AgentRestart", [("is_enabled", bool), ("timeout_s", float)])
# What is empty is not said, and any will do.
Pool = NamedTuple("Pool", [("cidr", str), ("ipip", str), ("nat_outgoing", str), ("is_written_by_us", bool)])
# environment: of every host; a host's own name and address come to it (see identity.complete_wanted).
CalicoNode = NamedTuple(
    "CalicoNode",
    [
        ("is_enabled", bool),
        ("image", str),
        ("environment", Dict[str, str]),
        ("mounts", List[str]),
        ("poll_s", float),
        ("address_method", str),
        ("felix_health", str),
        ("pool", Pool),
        ("may_adopt", bool),
    ],
)
CompleteNode = NamedTuple("CompleteNode", [("name", str), ("address", str)])
Wanted = NamedTuple(
    "Wanted",
    [
        ("etcd_endpoints", List[str]),
        ("etcd_proxy", EtcdProxy),
        ("cluster_store", ClusterStore),
        ("cni", Cni),
        ("agent_restart", AgentRestart),
        ("calico_node", CalicoNode),
        ("proxy", Proxy),
        ("may_restart", bool),
        ("retry", str),
        ("complete_nodes", List[CompleteNode]),
        ("reach", str),
    ],
)


class WantedError(Exception):
    """The wanted state is malformed; the message names every fault."""


def parse_wanted(text: str) -> Wanted:
    """Read the wanted state; keys that this program does not know are ignored.

    Raises:
        WantedError: it is malformed.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise WantedError("the wanted state is no JSON: {}".format(error)) from error
    if not isinstance(document, dict):
        raise WantedError("the wanted state is no JSON object")
    faults = []  # type: List[str]
    wanted = _read_wanted(_Reader(document, "", faults))
    if faults:
        raise WantedError("; ".join(faults))
    return wanted


def is_enabled(wanted: Wanted, step: str) -> bool:
    """Whether a step is to be done at all; a disabled one is inspected all the same."""
    enabled = {
        "etcd-proxy": wanted.etcd_proxy.is_enabled,
        "docker-cluster-store": wanted.cluster_store.is_enabled,
        "cni": wanted.cni.is_enabled,
        "agent-restart": wanted.agent_restart.is_enabled,
        "calico-node": wanted.calico_node.is_enabled,
    }
    return enabled[step]


def compute_settings_hash(node: CalicoNode) -> str:
    """Compute the mark of a calico-node container: another image, setting or mount gives another mark."""
    text = json.dumps([node.image, sorted(node.environment.items()), node.mounts])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _read_wanted(top: "_Reader") -> Wanted:
    proxy, store = top.child("etcd_proxy"), top.child("docker_cluster_store")
    cni, restart, node = top.child("cni"), top.child("agent_restart"), top.child("calico_node")
    return Wanted(
        etcd_endpoints=top.text("etcd_endpoints", _is_endpoints).split(","),
        etcd_proxy=EtcdProxy(
            is_enabled=proxy.flag("enable"),
            discovery_srv=proxy.text("discovery_srv", _is_name),
            listen=proxy.text("listen", _is_address),
            archive=_read_download(proxy.child("archive")),
            refresh_s=proxy.seconds("refresh_s"),
        ),
        cluster_store=ClusterStore(
            is_enabled=store.flag("enable"),
            url=store.text("cluster_store", _is_store),
            timeout_s=store.seconds("timeout_s"),
            may_replace=store.flag("replace_existing"),
        ),
        cni=Cni(
            is_enabled=cni.flag("enable"),
            plugins=[Plugin(entry.text("name", _is_file_name), _read_download(entry)) for entry in cni.list("plugins")],
            plugins_dir=cni.text("plugins_dir", _is_directory).rstrip("/"),
            config_dir=cni.text("config_dir", _is_directory).rstrip("/"),
            config=_read_network(cni.child("config")),
            name_keys=cni.names("name_keys", ["hostname"]),
        ),
        agent_restart=AgentRestart(is_enabled=restart.flag("enable"), timeout_s=restart.seconds("timeout_s")),
        proxy=_read_proxy(top),
        calico_node=_read_node(node),
        # Without it, nothing is restarted: the scheduler counts who may, and an operator's call says so itself.
        may_restart="may_restart" in top.content and top.flag("may_restart"),
        # Differs after each retry by an operator; no more is made of it.
        retry=str(top.content.get("retry", "")),
        # Whom others have proved already, and by whom this host finds its own address; a call by hand has neither.
        complete_nodes=[
            CompleteNode(entry.text("name", _is_name), entry.text("address", _is_name))
            for entry in top.optional_list("complete_nodes")[:COMPLETE_NODES_MAX]
        ],
        reach=top.optional_word("reach", _is_name, ""),
    )


def _read_node(node: "_Reader") -> CalicoNode:
    """Read what is wanted of calico-node; documents of older schedulers say less of it."""
    pool = node.optional_child("pool")
    return CalicoNode(
        is_enabled=node.flag("enable"),
        image=node.text("image", _is_name),
        environment=node.texts("environment"),
        mounts=node.names("mounts", list(MOUNTS)),
        poll_s=node.seconds("poll_s"),
        address_method=node.optional_word("address_method", _is_method, ""),
        felix_health=node.optional_word("felix_health", lambda text: text in FELIX_HEALTH, FELIX_HEALTH[0]),
        pool=Pool(
            cidr=pool.optional_word("cidr", _is_network, ""),
            ipip=pool.optional_word("ipip", lambda text: text in IPIP_MODES, ""),
            nat_outgoing=pool.optional_word("nat_outgoing", lambda text: text in ("true", "false"), ""),
            is_written_by_us=pool.optional_flag("is_written_by_us"),
        ),
        may_adopt=node.optional_flag("adopt_existing"),
    )


def _read_download(reader: "_Reader") -> Download:
    return Download(url=reader.text("url", _is_url), sha256=reader.optional_text("sha256", _is_sha256))


def _read_proxy(top: "_Reader") -> Proxy:
    if "download_proxy" not in top.content:
        return NO_PROXY
    reader = top.child("download_proxy")
    return Proxy(reader.text("url", _is_proxy), reader.text("exceptions", lambda text: " " not in text))


def _read_network(reader: "_Reader") -> Dict[str, Any]:
    reader.text("name", _is_file_name)
    reader.text("type", _is_file_name)
    return reader.content


def _is_endpoints(text: str) -> bool:
    return all(re.match(r"https?://[^/,\s]+/?$", endpoint) for endpoint in text.split(","))


def _is_name(text: str) -> bool:
    return re.match(r"[A-Za-z0-9_][\w./:@-]*$", text) is not None


def _is_network(text: str) -> bool:
    try:
        return ipaddress.ip_network(text).version == IPV4
    except ValueError:
        return False


def _is_method(text: str) -> bool:
    """Whether a way of finding the address can be followed."""
    word, _, value = text.partition("=")
    if text in ("", "first-found") or word not in METHODS or not value:
        return text in ("", "first-found")
    try:
        for part in value.split(","):
            if word.endswith("interface"):
                re.compile(part)
            elif word == "cidr":
                ipaddress.IPv4Network(part, strict=False)
    except (re.error, ValueError):
        return False
    return True


def _is_file_name(text: str) -> bool:
    return re.match(r"[A-Za-z0-9_][\w.-]*$", text) is not None


def _is_address(text: str) -> bool:
    return re.match(r"\S+:\d+$", text) is not None


def _is_store(text: str) -> bool:
    return re.match(r"(etcd|consul|zk)://[^/\s]\S*$", text) is not None


def _is_directory(text: str) -> bool:
    return text.startswith("/") and ".." not in text.split("/") and text.strip("/") != ""


def _is_url(text: str) -> bool:
    return re.match(r"(https?|file)://\S+$", text) is not None


def _is_proxy(text: str) -> bool:
    return text == "" or re.match(r"https?://\S+$", text) is not None


def _is_sha256(text: str) -> bool:
    return re.match(r"[0-9a-f]{64}$", text) is not None


class _Reader:
    """Reads one JSON object; a fault is noted with its place, and a harmless value stands in for it."""

    def __init__(self, content: Dict[str, Any], place: str, faults: List[str]) -> None:
        self.content = content
        self._place = place
        self._faults = faults

    def child(self, name: str) -> "_Reader":
        value = self.content.get(name)
        if not isinstance(value, dict):
            self._fault(name, "is no object")
            return _Reader({}, self._place + name + ".", [])
        return _Reader(value, self._place + name + ".", self._faults)

    def list(self, name: str) -> "List[_Reader]":
        value = self.content.get(name)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self._fault(name, "is no list of objects")
            return []
        place = "{}{}[{}]."
        return [_Reader(entry, place.format(self._place, name, i), self._faults) for i, entry in enumerate(value)]

    def optional_child(self, name: str) -> "_Reader":
        return self.child(name) if self.content.get(name) is not None else _Reader({}, "", [])

    def optional_list(self, name: str) -> "List[_Reader]":
        return self.list(name) if self.content.get(name) is not None else []

    def optional_flag(self, name: str) -> bool:
        return self.flag(name) if self.content.get(name) is not None else False

    def optional_word(self, name: str, is_valid: Callable[[str], bool], default: str) -> str:
        """Read a text that is not empty; an empty one, and none, stand for the default."""
        return self.text(name, is_valid) if self.content.get(name) not in (None, "") else default

    def names(self, name: str, default: "List[str]") -> "List[str]":
        """Read a list of texts; none stands for the default."""
        value = self.content.get(name)
        if value is None:
            return default
        if isinstance(value, list) and all(isinstance(text, str) and text for text in value):
            return value
        self._fault(name, "is no list of texts")
        return default

    def text(self, name: str, is_valid: Callable[[str], bool]) -> str:
        value = self.content.get(name)
        if isinstance(value, str) and is_valid(value):
            return value
        self._fault(name, "is not valid: {!r}".format(value))
        return ""

    def optional_text(self, name: str, is_valid: Callable[[str], bool]) -> Optional[str]:
        if self.content.get(name) is None:
            return None
        return self.text(name, is_valid)

    def texts(self, name: str) -> Dict[str, str]:
        value = self.content.get(name)
        if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
            return value
        self._fault(name, "is no object of texts")
        return {}

    def flag(self, name: str) -> bool:
        value = self.content.get(name)
        if not isinstance(value, bool):
            self._fault(name, "is neither true nor false: {!r}".format(value))
        return value is True

    def seconds(self, name: str) -> float:
        value = self.content.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return float(value)
        self._fault(name, "is no positive number of seconds: {!r}".format(value))
        return 1.0

    def _fault(self, name: str, fault: str) -> None:
        self._faults.append("{}{} {}".format(self._place, name, fault))
