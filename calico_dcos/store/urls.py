"""What a store URL says, and opening the store that it names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from calico_dcos.scheduler import Store, StoreError
from calico_dcos.troubles import Troubles

from .etcd import EtcdRecords
from .etcd_client import EtcdAddress
from .records import RecordStore
from .sqlite import SqliteRecords
from .srv import resolve_srv
from .zookeeper import ZooKeeperRecords
from .zookeeper_client import ZooKeeperAddress

FORMS = "zk://host:2181,host:2181/path, etcd://host:2379/path, etcd+srv://etcd.mesos/path or sqlite:///path/state.db"


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A store URL in parts.

    Attributes:
        hosts: as written, "host" or "host:port".
        path: with its leading slash, without a trailing one.
        label: the URL without user and password, for messages.
    """

    scheme: str
    hosts: tuple[str, ...]
    path: str
    user: str
    password: str = field(repr=False)
    label: str


def open_store(url: str, troubles: Troubles | None = None) -> Store:
    """Choose the backend by the URL; the store is reached for when it is acquired or loaded.

    Args:
        url: of the store.
        troubles: where it is told that a record was too large.

    Raises:
        StoreError: the URL names no store.
    """
    parsed = parse_store_url(url)
    match parsed.scheme:
        case "sqlite":
            return RecordStore(label=parsed.label, records=_build_sqlite(parsed), troubles=troubles)
        case "etcd" | "etcd+srv":
            return RecordStore(label=parsed.label, records=_build_etcd(parsed), troubles=troubles)
        case "zk":
            return RecordStore(label=parsed.label, records=_build_zookeeper(parsed), troubles=troubles)
        case _:
            raise StoreError(f"store {parsed.label}: unknown kind of store {parsed.scheme!r}; use {FORMS}")


def parse_store_url(url: str) -> StoreUrl:
    """Take a store URL apart.

    Raises:
        StoreError: it is no URL.
    """
    label = hide_secrets(url)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreError(f"store {label}: this is no URL; use {FORMS}") from error
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return StoreUrl(
        scheme=parts.scheme,
        hosts=tuple(host for host in hosts.split(",") if host),
        path=parts.path.rstrip("/"),
        user=unquote(user),
        password=unquote(password),
        label=label,
    )


def hide_secrets(url: str) -> str:
    """Cut user and password out of a URL, even out of one that is not well formed."""
    return re.sub(r"//.*@", "//***@", url)


def _build_sqlite(url: StoreUrl) -> SqliteRecords:
    if url.hosts or url.user or not url.path:
        raise StoreError(f"store {url.label}: needs an absolute path after sqlite://, as in sqlite:///data/state.db")
    return SqliteRecords(path=Path(unquote(url.path)), label=url.label)


def _build_etcd(url: StoreUrl) -> EtcdRecords:
    _require_parts(url, "etcd.mesos/calico")
    address = EtcdAddress(find_endpoints=_build_finder(url), user=url.user, password=url.password)
    return EtcdRecords(address=address, prefix=url.path, label=url.label)


def _build_zookeeper(url: StoreUrl) -> ZooKeeperRecords:
    _require_parts(url, "zk-1.zk:2181,zk-2.zk:2181/calico")
    address = ZooKeeperAddress(hosts=",".join(_add_ports(url, 2181)), user=url.user, password=url.password)
    return ZooKeeperRecords(address=address, prefix=url.path, label=url.label)


def _require_parts(url: StoreUrl, example: str) -> None:
    if not url.hosts or not url.path:
        raise StoreError(f"store {url.label}: needs a host and a path, as in {url.scheme}://{example}")
    if "//" in url.path or "," in url.path or ":" in url.path:
        raise StoreError(f"store {url.label}: {url.path} is no path; all hosts come before it, as in zk://h1,h2/calico")
    if bool(url.user) is not bool(url.password):
        form = f"{url.scheme}://user:password@host/path"
        raise StoreError(f"store {url.label}: needs both a user and a password, as in {form}")


def _build_finder(url: StoreUrl) -> Callable[[], tuple[str, ...]]:
    """Say how the endpoints are found: by DNS, each time anew, or in the URL."""
    if url.scheme == "etcd+srv":
        return partial(resolve_srv, url.hosts[0])
    endpoints = _add_ports(url, 2379)
    return lambda: endpoints


def _add_ports(url: StoreUrl, usual_port: int) -> tuple[str, ...]:
    addresses = tuple(host if ":" in host else f"{host}:{usual_port}" for host in url.hosts)
    if not all(re.fullmatch(r"[^:]+:\d{1,5}", address) for address in addresses):
        raise StoreError(f"store {url.label}: each host is a name or IPv4 address, with a number as port; use {FORMS}")
    return addresses
