"""Facts: whether Felix, Calico's daemon inside of calico-node, is ready."""

import json
import platform
from typing import Any, List, NamedTuple, Optional, Union
from urllib.parse import quote

from ..host import Host
from ..unknown import Unknown
from ..web import NOT_FOUND, OK, UnreachableError, fetch
from .calico_node import Container
from .etcd import find_address

HEALTH_PORT = 9099
TIMEOUT_S = 2
FIRST_ERROR = 300
UNAVAILABLE = 503
# Where Felix 2.x reports itself, with a time to live: /calico/felix/v1/host/<name>/status
STATUS_KEY = "/v2/keys/calico/felix/v1/host/{}/status"
NAME_SETTINGS = ("FELIX_FELIXHOSTNAME", "NODENAME", "HOSTNAME")

# asked: who told; detail: in its words.
Felix = NamedTuple("Felix", [("is_ready", Union[bool, Unknown]), ("asked", str), ("detail", str)])


def read_felix(host: Host, container: Union[Container, None, Unknown], endpoints: List[str]) -> Felix:
    """Ask Felix itself where it answers (from Calico 2.4 on, with FELIX_HEALTHENABLED), else etcd for its report."""
    if not isinstance(container, Container):
        reason = "there is no container calico-node" if container is None else container.reason
        return Felix(Unknown(reason), "nobody", "")
    return ask_health(host) or ask_report(host, find_node_name(container), endpoints)


def ask_health(host: Host) -> Optional[Felix]:
    """Ask Felix's own health endpoint; None where there is none."""
    address = "{}:{}".format(host.dial("127.0.0.1"), HEALTH_PORT)
    try:
        answer = fetch(address, "/readiness", TIMEOUT_S)
    except UnreachableError:
        return None
    detail = answer.body.decode("utf-8", "replace").strip()[:200] or "status {}".format(answer.status)
    if answer.status in (NOT_FOUND, *range(400, UNAVAILABLE)):
        return None  # something else answers there
    return Felix(answer.status < FIRST_ERROR, "http://{}/readiness".format(address), detail)


def find_node_name(container: Container) -> str:
    """Find the name under which Felix reports: that of its settings, else the host's."""
    names = [container.settings[name] for name in NAME_SETTINGS if container.settings.get(name)]
    return names[0] if names else platform.node()


def ask_report(host: Host, name: str, endpoints: List[str]) -> Felix:
    """Ask etcd for the report of Felix, which lapses when Felix does not renew it."""
    path = STATUS_KEY.format(quote(name, safe=""))
    faults = []
    for url in endpoints:
        address = find_address(host, url)
        if isinstance(address, Unknown):
            faults.append("{}: {}".format(url, address.reason))
            continue
        try:
            answer = fetch(address, path, TIMEOUT_S)
        except UnreachableError as error:
            faults.append("{}: {}".format(url, error))
            continue
        return Felix(*parse_report(answer.status, answer.body.decode("utf-8", "replace"), url + path))
    return Felix(Unknown("; ".join(faults)), "etcd", "")


def parse_report(status: int, text: str, asked: str) -> Any:
    """Read etcd's answer; no report is none, whatever the reason, and is told as such."""
    if status == NOT_FOUND:
        return False, asked, "Felix has reported nothing lately"
    try:
        report = json.loads(json.loads(text)["node"]["value"] if status == OK else "null")
        return report["status"] == "up", asked, "reported {} at {}".format(report["status"], report.get("time"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Unknown("the report is not understood (status {}): {!r}".format(status, text[:200])), asked, ""
