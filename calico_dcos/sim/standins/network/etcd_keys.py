"""Keys of etcd's v2 API, as the stand-ins of the network read and write them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

TIMEOUT_S = 3
POLICIES = "/calico/v1/policy/tier/default/policy"
_FIRST_ERROR = 300


class EtcdAwayError(Exception):
    """etcd does not answer."""


def call(address: str, method: str, key: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """Call; {} where etcd refuses.

    Raises:
        EtcdAwayError: it does not answer.
    """
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    body = None if form is None else urlencode(form)
    headers = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    path = "/v2/keys" + quote(key) + ("?recursive=true" if method == "GET" else "")
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise EtcdAwayError(str(error)) from error
    finally:
        connection.close()
    document: dict[str, Any] = json.loads(content) if answer.status < _FIRST_ERROR else {}
    return document


def list_policies(address: str) -> Iterator[dict[str, Any]]:
    """List the policies in place; none while etcd is away."""
    try:
        nodes = call(address, "GET", POLICIES).get("node", {}).get("nodes", [])
    except EtcdAwayError:
        return
    for node in nodes:
        if "value" in node:
            yield json.loads(node["value"])


def is_denied(address: str, labels: dict[str, str]) -> bool:
    """Whether a policy keeps everything from an endpoint with these labels; of selectors, name == 'value' is known."""
    for policy in list_policies(address):
        name, _, value = str(policy.get("selector", "")).partition(" == ")
        if labels.get(name.strip()) == value.strip().strip("'\"") and name.strip() in labels:
            rules = policy.get("inbound_rules") or [{}]
            return bool(rules[0].get("action") == "deny")
    return False
