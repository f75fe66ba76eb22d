"""What a store URL says, and opening the store that it names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from calico_dcos.scheduler import Store, StoreError

from .etcd import EtcdRecords
from .etcd_client import EtcdAddress
from .records import RecordStore
from .sqlite import SqliteRecords
from .srv import resolve_srv

FORMS = "sqlite:///absolute/path/state.db, etcd://host:2379,host:2379/path or etcd+srv://etcd.mesos/path"


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


def open_store(url: str) -> Store:
    """Choose the backend by the URL; the store is reached for when it is acquired or loaded.

    Raises:
        StoreError: the URL names no store.
    """
    parsed = parse_store_url(url)
    match parsed.scheme:
        case "sqlite":
            return RecordStore(label=parsed.label, records=_build_sqlite(parsed))
        case "etcd" | "etcd+srv":
            return RecordStore(label=parsed.label, records=_build_etcd(parsed))
        case "zk":
            raise StoreError(f"store {parsed.label}: zk:// is not available in this release; use {FORMS}")
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
    if not url.hosts or not url.path:
        raise StoreError(f"store {url.label}: needs a host and a path, as in {url.scheme}://etcd.mesos/calico")
    if bool(url.user) is not bool(url.password):
        raise StoreError(f"store {url.label}: needs both a user and a password, as in etcd://user:password@host/path")
    address = EtcdAddress(find_endpoints=_build_finder(url), user=url.user, password=url.password)
    return EtcdRecords(address=address, prefix=url.path, label=url.label)


def _build_finder(url: StoreUrl) -> Callable[[], tuple[str, ...]]:
    """Say how the endpoints are found: by DNS, each time anew, or in the URL."""
    if url.scheme == "etcd+srv":
        return partial(resolve_srv, url.hosts[0])
    endpoints = tuple(host if ":" in host else f"{host}:2379" for host in url.hosts)
    if not all(endpoint.rpartition(":")[2].isdecimal() for endpoint in endpoints):
        raise StoreError(f"store {url.label}: a port must be a number; use {FORMS}")
    return lambda: endpoints
