"""The few calls to etcd that the store makes, over etcd3 0.12: the only module that knows that library.

Endpoints are tried in turn, each call within a few seconds. Every failure is an EtcdError.
"""

from __future__ import annotations

import http.client
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import grpc

from .srv import SrvError

with warnings.catch_warnings():
    # The generated code of etcd3 is older than protobuf 3.20, which warns about each piece of it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import etcd3

CALL_TIMEOUT_S = 2.0
# Records of a page, and how many times as long as a call a page may take.
PAGE_RECORDS = 100
PAGE_PATIENCE = 5
READ_TRIES = 3
# What etcd says, and what gRPC does before it is asked.
_TOO_LARGE = ("request is too large", "larger than max")

_GRPC_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # a store of a large cluster is larger than the usual 4 MB
    ("grpc.enable_http_proxy", 0),  # etcd is inside the cluster
    ("grpc.use_local_subchannel_pool", 1),  # a new client must not inherit the back-off of the one that failed
)
_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
_Result = TypeVar("_Result")


class EtcdError(Exception):
    """No endpoint did what was asked; the text says in one line what each of them said."""


class SlowEtcdError(EtcdError):
    """An endpoint did not answer in time."""


class TooLargeError(EtcdError):
    """What was to be written is larger than etcd takes: asking another endpoint would not help."""


@dataclass(frozen=True, slots=True)
class EtcdAddress:
    """Where etcd is, and who we are to it.

    Attributes:
        find_endpoints: gives the endpoints as "host:port", asked again when a connection is made.
    """

    find_endpoints: Callable[[], Sequence[str]]
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LockKey:
    """The lock as etcd holds it: the revision of its creation tells holders apart, its version their writes."""

    holder: str
    lease: int
    created: int
    version: int


class EtcdClient:
    """A connection to one of several endpoints, made anew on the next one when it fails. For one thread."""

    def __init__(self, *, address: EtcdAddress, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._endpoint = ""
        self._client: Any = None

    def read_prefix(self, prefix: str) -> dict[str, bytes]:
        """Read all keys that begin with the prefix, as of one moment, named without it.

        They come in pages, and each page has a time of its own: how long all of it takes is the network's business.
        """
        for _ in range(READ_TRIES):
            try:
                return self._read_pages(prefix)
            except EtcdError as error:
                # The moment that was being read is gone from etcd's history.
                if "compacted" not in str(error):
                    raise
        raise EtcdError("its history is compacted faster than it can be read")

    def _read_pages(self, prefix: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        key, revision, limit = prefix.encode(), 0, PAGE_RECORDS
        while True:
            page = etcd3.etcdrpc.RangeRequest(key=key, range_end=_find_end(prefix), limit=limit, revision=revision)
            try:
                answer = self._call(partial(self._read_page, page))
            except SlowEtcdError:
                if limit == 1:
                    raise
                limit = max(1, limit // 4)
                continue
            revision = revision or answer.header.revision
            found |= {one.key.decode().removeprefix(prefix): bytes(one.value) for one in answer.kvs}
            if not answer.more:
                return found
            key = answer.kvs[-1].key + b"\0"

    def _read_page(self, page: Any, client: Any) -> Any:
        timeout_s = PAGE_PATIENCE * self._timeout_s
        return client.kvstub.Range(page, timeout_s, credentials=client.call_credentials, metadata=client.metadata)

    def create_lock(self, name: str, holder: str, lease: int) -> LockKey:
        """Create the lock if it is not there, and read it: it is ours if it is bound to our lease."""

        def create(client: Any) -> Any:
            steps = client.transactions
            return client.transaction(
                compare=[steps.version(name) == 0],
                success=[steps.put(name, holder, lease), steps.get(name)],
                failure=[steps.get(name)],
            )

        _, answers = self._call(create)
        return _parse_lock(*answers[-1][0])

    def write(
        self, *, lock: str, expected: LockKey, changes: Mapping[str, bytes | None]
    ) -> tuple[bool, LockKey | None]:
        """Put and remove keys if the lock is as expected, and count its version up.

        Returns:
            Whether it was done, and the lock as it is now.
        """

        def transact(client: Any) -> Any:
            steps = client.transactions
            return client.transaction(
                compare=[steps.create(lock) == expected.created, steps.version(lock) == expected.version],
                success=[
                    *(steps.delete(key) if value is None else steps.put(key, value) for key, value in changes.items()),
                    steps.put(lock, expected.holder, expected.lease),
                    steps.get(lock),
                ],
                failure=[steps.get(lock)],
            )

        was_done, answers = self._call(transact)
        return was_done, _parse_lock(*answers[-1][0]) if answers[-1] else None

    def grant_lease(self, ttl_s: int) -> int:
        """Get a lease; what is bound to it disappears ttl_s after it was last kept alive."""
        return int(self._call(lambda client: client.lease(ttl_s).id))

    def keep_lease_alive(self, lease: int) -> bool:
        """Prolong the lease; tell whether there still is one."""
        answers = self._call(lambda client: list(client.refresh_lease(lease)))
        return any(answer.TTL > 0 for answer in answers)

    def revoke_lease(self, lease: int) -> None:
        """Remove the lease with all that is bound to it."""
        self._call(lambda client: client.revoke_lease(lease))

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _call(self, ask: Callable[[Any], _Result]) -> _Result:
        """Ask the endpoints in turn until one answers.

        A call may reach etcd even though its answer does not reach us, so it can be asked twice: each is harmless then.
        """
        failures = []
        is_slow = False
        for endpoint in self._order_endpoints():
            try:
                return ask(self._connect(endpoint))
            except (etcd3.Etcd3Exception, grpc.RpcError) as error:
                self.close()
                told = f"{endpoint}: {describe_failure(endpoint, error)}"
                if any(words in told for words in _TOO_LARGE):
                    raise TooLargeError(told) from error
                is_slow = is_slow or _get_code(error) is grpc.StatusCode.DEADLINE_EXCEEDED
                failures.append(told)
        raise (SlowEtcdError if is_slow else EtcdError)("; ".join(failures))

    def _order_endpoints(self) -> Iterator[str]:
        """The endpoint that is connected, without asking where the others are; then the others."""
        asked = self._endpoint if self._client is not None else ""
        if asked:
            yield asked
        try:
            endpoints = self._address.find_endpoints()
        except SrvError as error:
            raise EtcdError(str(error)) from error
        yield from (endpoint for endpoint in endpoints if endpoint != asked)

    def _connect(self, endpoint: str) -> Any:
        if self._client is None:
            host, _, port = endpoint.rpartition(":")
            self._endpoint = endpoint
            self._client = etcd3.client(
                host=host,
                port=port,
                user=self._address.user or None,
                password=self._address.password or None,
                timeout=self._timeout_s,
                grpc_options=_GRPC_OPTIONS,
            )
            # The token also goes with each call as metadata; as a credential, gRPC sends it over TLS only.
            self._client.call_credentials = None
        return self._client


def _find_end(prefix: str) -> bytes:
    """The first key after all that begin with the prefix, which ends with a slash."""
    return prefix[:-1].encode() + bytes([ord(prefix[-1]) + 1])


def _get_code(error: Exception) -> Any:
    cause = error if isinstance(error, grpc.RpcError) else error.__context__
    return cause.code() if isinstance(cause, grpc.Call) else None


def _parse_lock(holder: bytes, metadata: Any) -> LockKey:
    return LockKey(holder.decode(), metadata.lease_id, metadata.create_revision, metadata.version)


def describe_failure(endpoint: str, error: Exception) -> str:
    """Say in one line what an endpoint did wrong; an etcd that is too old is told apart from one that is away."""
    is_no_v3 = isinstance(error, etcd3.exceptions.ConnectionFailedError) or _get_code(error) is _UNAVAILABLE
    version = read_version(endpoint) if is_no_v3 else ""
    if version.startswith("2."):
        return f"etcd {version} has no v3 API, use a zk://host:2181/path store instead"
    cause = error if isinstance(error, grpc.RpcError) else error.__context__
    details = cause.details() if isinstance(cause, grpc.Call) else None
    return str(details or error).rpartition(": ")[2].replace("\n", " ")


def read_version(endpoint: str) -> str:
    """Ask over plain HTTP for etcd's version; empty if there is no answer."""
    host, _, port = endpoint.rpartition(":")
    try:
        connection = http.client.HTTPConnection(host, int(port), timeout=1.0)
        try:
            connection.request("GET", "/version")
            return str(json.loads(connection.getresponse().read())["etcdserver"])
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""
