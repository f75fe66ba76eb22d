"""A client of etcd's v2 API, as far as calico/node needs one; its errors are worded as Go's are."""

import errno
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_TIMEOUT_S = 5
_KEY_NOT_FOUND = 404
_EXISTS_ALREADY = 412
_MAX_ANSWER_BYTES = 64 << 20


class EtcdAwayError(Exception):
    """No endpoint answers, or etcd answers with an error; the message is that of the last one."""


class Etcd:
    """The cluster behind some endpoints, asked in turn.

    Args:
        endpoints: comma-separated URLs.
        resolve: turns the name of a host into what is dialled.
        tls: paths of the certificates of the authority and the client and of the client's key; "" for none.
    """

    def __init__(self, endpoints: str, resolve: Callable[[str], str], tls: tuple[str, str, str] = ("", "", "")) -> None:
        self._urls = [urlsplit(url.strip()) for url in endpoints.split(",") if url.strip()]
        self._resolve = resolve
        self._tls = tls

    def read_tree(self, key: str) -> dict[str, str]:
        """Read the values of all keys below one, by their full names; EtcdAwayError if etcd does not answer."""
        status, answer = self._call("GET", key, {"recursive": "true"})
        return {} if status == _KEY_NOT_FOUND else dict(_list_values(answer["node"]))

    def read(self, key: str) -> str | None:
        """Read the value of a key, None if there is none; EtcdAwayError as above."""
        status, answer = self._call("GET", key, {})
        return None if status == _KEY_NOT_FOUND else answer["node"].get("value")

    def write(self, key: str, value: str, *, ttl_s: int = 0) -> None:
        """Write a key, for `ttl_s` seconds or for ever; EtcdAwayError as above."""
        self._call("PUT", key, {}, {"value": value, **({"ttl": str(ttl_s)} if ttl_s else {})})

    def create(self, key: str, value: str) -> bool:
        """Write a key unless it is there, and tell whether it was written; EtcdAwayError as above."""
        status, _ = self._call("PUT", key, {"prevExist": "false"}, {"value": value})
        return status != _EXISTS_ALREADY

    def delete(self, key: str) -> None:
        """Remove a key, if it is there; EtcdAwayError as above."""
        self._call("DELETE", key, {})

    def _call(
        self, method: str, key: str, query: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        failure = EtcdAwayError("client: no endpoints available")
        for url in self._urls:
            connection = self._connect(url.scheme, url.hostname or "", url.port or 80)
            target = f"/v2/keys{quote(key)}" + (f"?{urlencode(query)}" if query else "")
            body = urlencode(form) if form is not None else None
            headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
            try:
                connection.request(method, target, body, headers)
                response = connection.getresponse()
                answer = json.loads(response.read(_MAX_ANSWER_BYTES))
            except (OSError, ValueError, http.client.HTTPException) as error:
                failure = EtcdAwayError(_word_as_go(error, url.hostname or "", url.port or 80))
                continue
            finally:
                connection.close()
            if response.status < http.client.BAD_REQUEST or response.status in (_KEY_NOT_FOUND, _EXISTS_ALREADY):
                return response.status, answer
            failure = EtcdAwayError(f"{answer.get('errorCode')}: {answer.get('message')} ({answer.get('cause')})")
        raise failure

    def _connect(self, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
        address = self._resolve(host)
        if scheme != "https":
            return http.client.HTTPConnection(address, port, timeout=_TIMEOUT_S)
        import ssl  # noqa: PLC0415 - slow to import, and most clusters do without

        authority, certificate, key = self._tls
        context = ssl.create_default_context(cafile=authority or None)
        if certificate:
            context.load_cert_chain(certificate, key)
        return http.client.HTTPSConnection(address, port, timeout=_TIMEOUT_S, context=context)


def _list_values(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "value" in node:
        yield node["key"], node["value"]
    for child in node.get("nodes", ()):
        yield from _list_values(child)


def _word_as_go(error: Exception, host: str, port: int) -> str:
    place = f"dial tcp {'127.0.0.1' if host == 'localhost' else host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return f"{place}: connect: connection refused"
    if isinstance(error, TimeoutError):
        return f"{place}: i/o timeout"
    if isinstance(error, OSError) and error.errno == errno.ENETUNREACH:
        return f"{place}: connect: network is unreachable"
    return f"{place}: {error}"
