"""Keys of etcd's v2 API, as the stand-ins of the network read and write them."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode

from calico_dcos.sim.standins.calico_node.policies import POLICIES, is_denied

TIMEOUT_S = 3
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


def is_kept_out(address: str, labels: dict[str, str]) -> bool:
    """Whether a policy keeps everything from an endpoint with these labels; none does while etcd is away."""
    try:
        nodes = call(address, "GET", POLICIES).get("node", {}).get("nodes", [])
    except EtcdAwayError:
        return False
    return is_denied((node["value"] for node in nodes if "value" in node), labels)
