"""Facts: etcd through the configured endpoints, and who answers where the proxy listens."""

import json
import time
from typing import List, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from ..host import Host
from ..unknown import Unknown
from ..web import NOT_FOUND, OK, NotHttpError, UnreachableError, fetch, split_address

TIMEOUT_S = 2

EtcdAnswer = NamedTuple("EtcdAnswer", [("version", str), ("is_healthy", bool), ("latency_ms", float)])
Endpoint = NamedTuple("Endpoint", [("url", str), ("etcd", Union[EtcdAnswer, Unknown])])
# answers: "etcd", "nothing", or "something else"
Listener = NamedTuple("Listener", [("address", str), ("answers", str), ("detail", str)])


class NotEtcdError(UnreachableError):
    """Something answers, and it is not etcd."""


def read_endpoints(host: Host, urls: List[str]) -> List[Endpoint]:
    """Ask each endpoint for its version and health."""
    return [Endpoint(url, read_endpoint(host, url)) for url in urls]


def read_endpoint(host: Host, url: str) -> Union[EtcdAnswer, Unknown]:
    """Ask one endpoint; one with TLS is not asked, its certificates are not ours."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return Unknown("an endpoint with {} is not asked".format(parts.scheme))
    try:
        return ask_etcd("{}:{}".format(host.dial(parts.hostname or ""), parts.port or 2379))
    except UnreachableError as error:
        return Unknown(str(error))


def ask_etcd(address: str) -> EtcdAnswer:
    """Ask ``host:port`` for ``/version`` and ``/health``.

    Raises:
        UnreachableError: nothing answers there.
        NotEtcdError: something else answers there.
    """
    started = time.monotonic()
    answer = fetch(address, "/version", TIMEOUT_S)
    latency_ms = round((time.monotonic() - started) * 1000, 1)
    version = parse_etcd_version(answer.body.decode("utf-8", "replace")) if answer.status == OK else None
    if version is None:
        raise NotEtcdError("what answers there is not etcd (status {} for /version)".format(answer.status))
    health = fetch(address, "/health", TIMEOUT_S)
    return EtcdAnswer(version, parse_health(health.status, health.body.decode("utf-8", "replace")), latency_ms)


def parse_etcd_version(text: str) -> Optional[str]:
    """Read ``{"etcdserver": "3.4.23", ...}``, or ``etcd 2.0.13`` as it was before 2.1; None when it is not etcd."""
    if text.startswith("etcd "):
        return text.split()[1]
    try:
        return str(json.loads(text)["etcdserver"])
    except (ValueError, KeyError, TypeError):
        return None


def parse_health(status: int, text: str) -> bool:
    """Read ``{"health": "true"}`` (a text in some versions); where the path is unknown, answering is all there is."""
    if status == NOT_FOUND:
        return True
    try:
        return status == OK and str(json.loads(text)["health"]).lower() == "true"
    except (ValueError, KeyError, TypeError):
        return False


def read_listener(host: Host, listen: str) -> Listener:
    """Find out who answers where the proxy listens."""
    hostname, port = split_address(listen)
    address = "{}:{}".format(host.dial(hostname), port)
    try:
        return Listener(address, "etcd", "etcd {}".format(ask_etcd(address).version))
    except (NotEtcdError, NotHttpError) as error:
        return Listener(address, "something else", str(error))
    except UnreachableError as error:
        # Also a gateway whose members are away: it takes the connection and drops it.
        return Listener(address, "nothing", str(error))
