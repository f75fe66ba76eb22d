"""Facts: etcd through the configured endpoints, and who answers where the proxy listens."""

import time
from typing import List, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..versions import parse_version
from ..web import NOT_FOUND, OK, NotHttpError, UnreachableError, call, fetch, open_connection, split_address

TIMEOUT_S = 2
UNAUTHORIZED, FORBIDDEN = 401, 403

# The v3 API's JSON gateway moved with the versions of etcd: 3.4, 3.3, 3.0 to 3.2.
V3_PATHS = ("/v3/maintenance/status", "/v3beta/maintenance/status", "/v3alpha/maintenance/status")
FIRST_WITH_V3 = (3, 0)

EtcdAnswer = NamedTuple("EtcdAnswer", [("version", str), ("is_healthy", bool), ("latency_ms", float)])
Endpoint = NamedTuple(
    "Endpoint",
    [
        ("url", str),
        ("etcd", Union[EtcdAnswer, Unknown]),
        ("has_v2", Union[bool, Unknown]),
        ("has_v3", Union[bool, Unknown]),
    ],
)
# answers: "etcd", "nothing", or "something else"
Listener = NamedTuple("Listener", [("address", str), ("answers", str), ("detail", str)])


class NotEtcdError(UnreachableError):
    """Something answers, and it is not etcd."""


def read_endpoints(host: Host, urls: List[str]) -> List[Endpoint]:
    """Ask each endpoint for its version, its health and its APIs."""
    return [read_endpoint(host, url) for url in urls]


def read_endpoint(host: Host, url: str) -> Endpoint:
    """Ask one endpoint; one with TLS is not asked, its certificates are not ours."""
    address = find_address(host, url)
    if isinstance(address, Unknown):
        return Endpoint(url, address, address, address)
    try:
        etcd = ask_etcd(address)
    except UnreachableError as error:
        unknown = Unknown(str(error))
        return Endpoint(url, unknown, unknown, unknown)
    return Endpoint(url, etcd, ask_v2(address), ask_v3(address, etcd.version))


def find_address(host: Host, url: str) -> Union[str, Unknown]:
    """Find the ``host:port`` to dial for an endpoint."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return Unknown("an endpoint with {} is not asked".format(parts.scheme))
    return "{}:{}".format(host.dial(parts.hostname or ""), parts.port or 2379)


def ask_v2(address: str) -> Union[bool, Unknown]:
    """Find out whether the v2 API is on: without it, etcd 3.4 and later know no ``/v2``."""
    try:
        status = fetch(address, "/v2/keys/", TIMEOUT_S).status
    except UnreachableError as error:
        return Unknown(str(error))
    if status in (OK, UNAUTHORIZED, FORBIDDEN):
        return True
    return False if status == NOT_FOUND else Unknown("it answers /v2/keys/ with status {}".format(status))


def ask_v3(address: str, version: str) -> Union[bool, Unknown]:
    """Find out whether the v3 API is on, through its JSON gateway, which an operator may have switched off."""
    statuses = []
    try:
        for path in V3_PATHS:
            connection = open_connection(address, TIMEOUT_S)
            statuses.append(call(connection, "POST", path, b"{}", {"Content-Type": "application/json"}).status)
            if statuses[-1] in (OK, UNAUTHORIZED, FORBIDDEN):
                return True
    except UnreachableError as error:
        return Unknown(str(error))
    if (parse_version(version) or FIRST_WITH_V3) < FIRST_WITH_V3:
        return False
    return Unknown("its JSON gateway does not answer (status {})".format(", ".join(str(one) for one in statuses)))


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
        return str(load_json(text)["etcdserver"])
    except (ValueError, KeyError, TypeError):
        return None


def parse_health(status: int, text: str) -> bool:
    """Read ``{"health": "true"}`` (a text in some versions); where the path is unknown, answering is all there is."""
    if status == NOT_FOUND:
        return True
    try:
        return status == OK and str(load_json(text)["health"]).lower() == "true"
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
