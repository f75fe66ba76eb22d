"""A policy that forbids everything to one workload of the test, in Calico's v1 data model, for a while only."""

import json
from typing import Any, Dict, List, NamedTuple, Optional, Union
from urllib.parse import quote, urlencode

from ..documents import load_json
from ..facts.etcd import find_address
from ..host import Host
from ..unknown import Unknown
from ..web import NOT_FOUND, UnreachableError, call, open_connection
from .order import Label

POLICY_KEY = "/v2/keys/calico/v1/policy/tier/default/policy/"
HOSTS_KEY = "/v2/keys/calico/v1/host?recursive=true"
# Before every policy of an operator.
ORDER = -1000000
# The key goes by itself where whoever put it is killed before it takes it away again.
TTL_S = 90
TIMEOUT_S = 5
FIRST_ERROR = 300
ENDPOINTS_MAX = 16 * 1024 * 1024

# labels: of the endpoint that has an address.
Endpoint = NamedTuple("Endpoint", [("key", str), ("labels", Dict[str, str])])


class PolicyError(Exception):
    """Etcd did not do what it was asked; the text says what and why."""


def name_policy(label: Label) -> str:
    """Name the policy for a workload."""
    return "calico-dcos-connectivity-{}".format(label.value)


def build_policy(label: Label) -> Dict[str, Any]:
    """Build the policy: whoever has the label is reached by nobody."""
    return {
        "order": ORDER,
        "selector": "{} == '{}'".format(label.name, label.value),
        "inbound_rules": [{"action": "deny"}],
        "outbound_rules": [{"action": "allow"}],
    }


def put_policy(host: Host, endpoints: List[str], label: Label, ttl_s: int = TTL_S) -> None:
    """Put the policy in place for a while; PolicyError if that is not possible."""
    text = json.dumps(build_policy(label), sort_keys=True)
    body = urlencode({"value": text, "ttl": ttl_s}).encode("ascii")
    _call(host, endpoints, "PUT", POLICY_KEY + quote(name_policy(label)), body)


def remove_policy(host: Host, endpoints: List[str], label: Label) -> None:
    """Take the policy away; one that is gone is as good. PolicyError if that is not possible."""
    _call(host, endpoints, "DELETE", POLICY_KEY + quote(name_policy(label)))


def find_endpoint(host: Host, endpoints: List[str], address: str) -> Optional[Endpoint]:
    """Find the endpoint of an address in etcd; None where Calico knows none. PolicyError as above."""
    return parse_endpoints(_call(host, endpoints, "GET", HOSTS_KEY), address)


def parse_endpoints(text: str, address: str) -> Optional[Endpoint]:
    """Find the endpoint of an address in etcd's answer for all hosts."""
    try:
        nodes = [load_json(text)["node"]]
    except (ValueError, KeyError, TypeError):
        return None
    while nodes:
        node = nodes.pop()
        nodes += node.get("nodes") or []
        if "/endpoint/" in node.get("key", "") and "{}/32".format(address) in node.get("value", ""):
            return _parse_endpoint(node)
    return None


def _parse_endpoint(node: Dict[str, Any]) -> Endpoint:
    try:
        labels = load_json(node["value"]).get("labels") or {}
        return Endpoint(str(node["key"]), {str(name): str(value) for name, value in labels.items()})
    except (ValueError, AttributeError):
        return Endpoint(str(node["key"]), {})


def _call(host: Host, endpoints: List[str], method: str, path: str, body: Optional[bytes] = None) -> str:
    """Ask the first endpoint that answers."""
    faults = []  # type: List[str]
    for url in endpoints:
        answer = _ask(host, url, method, path, body)
        if isinstance(answer, str):
            return answer
        faults.append("{}: {}".format(url, answer.reason))
    raise PolicyError("etcd: {}".format("; ".join(faults) or "no endpoint is configured"))


def _ask(host: Host, url: str, method: str, path: str, body: Optional[bytes]) -> Union[str, Unknown]:
    address = find_address(host, url)
    if isinstance(address, Unknown):
        return address
    headers = {} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = call(open_connection(address, TIMEOUT_S), method, path, body, headers)
    except UnreachableError as error:
        return Unknown(str(error))
    text = answer.body[:ENDPOINTS_MAX].decode("utf-8", "replace")
    if answer.status >= FIRST_ERROR and answer.status != NOT_FOUND:
        return Unknown("it answers {} with status {}: {:.200}".format(method, answer.status, text))
    return text
