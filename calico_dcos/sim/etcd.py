"""A small stand-in for an etcd member: health, version, and the v2 keys that Calico 2.0 and Docker use.

Keys live in memory, those with a ttl until it is over; there is no v3 API, no watch and no second member.
"""

import hashlib
import json
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

VERSION = {"etcdserver": "3.4.23", "etcdcluster": "3.4.0"}

_KEYS = "/v2/keys"
_FIRST_INDEX = 3  # what a member that has just registered itself is at


@dataclass(frozen=True, slots=True)
class Node:
    """A key: a value, or a directory if there is none."""

    key: str
    value: str | None
    modified: int
    created: int
    expires_s: float | None = None  # on the monotonic clock

    @property
    def is_directory(self) -> bool:
        """Whether it holds other keys."""
        return self.value is None

    def render(self) -> dict[str, Any]:
        """Build its JSON, without what it holds."""
        content = {"dir": True} if self.value is None else {"value": self.value}
        indexes = {"modifiedIndex": self.modified, "createdIndex": self.created}
        return {"key": self.key, **content, **self._render_ttl(), **indexes}

    def _render_ttl(self) -> dict[str, Any]:
        if self.expires_s is None:
            return {}
        left_s = self.expires_s - time.monotonic()
        expiration = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + left_s)) + ".000000000Z"
        return {"expiration": expiration, "ttl": math.ceil(left_s)}


class EtcdError(Exception):
    """A call that etcd refuses, with its code, message and HTTP status."""

    def __init__(self, code: int, cause: str) -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.message, self.status = _ERRORS[code]


_ERRORS = {
    100: ("Key not found", HTTPStatus.NOT_FOUND),
    101: ("Compare failed", HTTPStatus.PRECONDITION_FAILED),
    102: ("Not a file", HTTPStatus.FORBIDDEN),
    104: ("Not a directory", HTTPStatus.BAD_REQUEST),
    105: ("Key already exists", HTTPStatus.PRECONDITION_FAILED),
    107: ("Root is read only", HTTPStatus.BAD_REQUEST),
    108: ("Directory not empty", HTTPStatus.FORBIDDEN),
    202: ("The given TTL in POST form is not a number", HTTPStatus.BAD_REQUEST),
}


class Keys:
    """All keys; every method raises EtcdError for what etcd refuses."""

    def __init__(self) -> None:
        self.index = _FIRST_INDEX
        self._nodes: dict[str, Node] = {}

    def get(self, key: str, *, recursive: bool) -> dict[str, Any]:
        """Answer a GET."""
        self._expire()
        if key == "/":
            children = self._render_children(key, recursive=recursive)
            return {"action": "get", "node": {"dir": True, **children}}
        node = self._find(key)
        children = self._render_children(key, recursive=recursive) if node.is_directory else {}
        return {"action": "get", "node": {**node.render(), **children}}

    def put(self, key: str, form: Mapping[str, str]) -> tuple[HTTPStatus, dict[str, Any]]:
        """Answer a PUT; `form` holds value, dir, ttl, prevExist and prevValue as they are sent."""
        self._expire()
        if key == "/":
            raise EtcdError(107, "/")
        before = self._nodes.get(key)
        self._check_conditions(key, before, form)
        expires_s = _parse_expiry(form)
        if before is not None and before.is_directory:
            raise EtcdError(102, key)
        self._make_parents(key)
        self.index += 1
        value = None if _is_set(form, "dir") else form.get("value", "")
        action = {"false": "create", "true": "update"}.get(form.get("prevExist", ""), "set")
        created = before.created if before and action == "update" else self.index
        node = self._nodes[key] = Node(key, value, self.index, created, expires_s)
        answer = {"action": "compareAndSwap" if "prevValue" in form else action, "node": node.render()}
        if before is None:
            return HTTPStatus.CREATED, answer
        return HTTPStatus.OK, {**answer, "prevNode": before.render()}

    def delete(self, key: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a DELETE; `form` holds dir and recursive."""
        self._expire()
        if key == "/":
            raise EtcdError(107, "/")
        node = self._find(key)
        if node.is_directory and not (_is_set(form, "dir") or _is_set(form, "recursive")):
            raise EtcdError(102, key)
        held = [name for name in self._nodes if name.startswith(f"{key}/")]
        if held and not _is_set(form, "recursive"):
            raise EtcdError(108, key)
        self.index += 1
        for name in [key, *held]:
            del self._nodes[name]
        rendered = replace(node, modified=self.index).render()
        rendered.pop("value", None)
        return {"action": "delete", "node": rendered, "prevNode": node.render()}

    def _expire(self) -> None:
        """Remove what is over, with what it holds."""
        now_s = time.monotonic()
        over = [key for key, node in self._nodes.items() if node.expires_s is not None and node.expires_s <= now_s]
        for key in over:
            self.index += 1
            for name in [name for name in self._nodes if name == key or name.startswith(f"{key}/")]:
                del self._nodes[name]

    def _find(self, key: str) -> Node:
        node = self._nodes.get(key)
        if node is None:
            raise EtcdError(100, key)
        return node

    def _check_conditions(self, key: str, node: Node | None, form: Mapping[str, str]) -> None:
        wanted_before = form.get("prevExist")
        if wanted_before == "false" and node is not None:
            raise EtcdError(105, key)
        if (wanted_before == "true" or "prevValue" in form) and node is None:
            raise EtcdError(100, key)
        if "prevValue" in form and node is not None and node.value != form["prevValue"]:
            raise EtcdError(101, f"[{form['prevValue']} != {node.value}]")

    def _make_parents(self, key: str) -> None:
        parts = key.strip("/").split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/" + "/".join(parts[:depth])
            node = self._nodes.setdefault(parent, Node(parent, None, self.index + 1, self.index + 1))
            if not node.is_directory:
                raise EtcdError(104, parent)

    def _render_children(self, key: str, *, recursive: bool) -> dict[str, Any]:
        prefix = key.rstrip("/") + "/"
        children = [
            node
            for name, node in sorted(self._nodes.items())
            if name.startswith(prefix) and "/" not in name[len(prefix) :]
        ]
        rendered = [
            {**node.render(), **(self._render_children(node.key, recursive=True) if recursive else {})}
            for node in children
        ]
        return {"nodes": rendered} if rendered else {}


class EtcdServer(ThreadingHTTPServer):
    """An etcd member that listens on one address."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        self.keys = Keys()
        name = f"{address[0]}:{address[1]}".encode()
        self.member_id, self.cluster_id = (hashlib.sha256(kind + name).hexdigest()[:16] for kind in (b"m", b"c"))
        self.lock = threading.Lock()
        super().__init__(address, _Handler)

    def build_member(self) -> dict[str, Any]:
        """Build the entry of the only member in /v2/members."""
        host, port = str(self.server_address[0]), self.server_port
        clients, peers = [f"http://{host}:{port}"], [f"http://{host}:{port + 1}"]
        return {"id": self.member_id, "name": "default", "peerURLs": peers, "clientURLs": clients}


class _Handler(BaseHTTPRequestHandler):
    """One connection to it."""

    protocol_version = "HTTP/1.1"
    server: EtcdServer

    def do_GET(self) -> None:
        """Answer what is read."""
        path = urlsplit(self.path).path
        if path == "/health":
            self._send(HTTPStatus.OK, '{"health":"true"}', "text/plain; charset=utf-8")
        elif path == "/version":
            self._send(HTTPStatus.OK, _render(VERSION))
        elif path == "/v2/members":
            self._send(HTTPStatus.OK, _render({"members": [self.server.build_member()]}) + "\n")
        else:
            self._answer_keys()

    def do_PUT(self) -> None:
        """Answer what is written."""
        self._answer_keys()

    def do_DELETE(self) -> None:
        """Answer what is removed."""
        self._answer_keys()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer_keys(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = dict(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))
        if not (parts.path + "/").startswith(f"{_KEYS}/"):
            self._send(HTTPStatus.NOT_FOUND, "404 page not found\n", "text/plain; charset=utf-8")
            return
        key = "/" + unquote(parts.path.removeprefix(_KEYS)).strip("/")
        with self.server.lock:
            status, content = self._act(key, form)
        self._send(status, _render(content) + "\n")

    def _act(self, key: str, form: Mapping[str, str]) -> tuple[HTTPStatus, dict[str, Any]]:
        keys = self.server.keys
        try:
            match self.command:
                case "PUT":
                    return keys.put(key, form)
                case "DELETE":
                    return HTTPStatus.OK, keys.delete(key, form)
                case _:
                    return HTTPStatus.OK, keys.get(key, recursive=_is_set(form, "recursive"))
        except EtcdError as error:
            content = {"errorCode": error.code, "message": error.message, "cause": error.cause, "index": keys.index}
            return error.status, content

    def _send(self, status: HTTPStatus, text: str, content_type: str = "application/json") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("X-Etcd-Cluster-Id", self.server.cluster_id)
        self.send_header("X-Etcd-Index", str(self.server.keys.index))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _render(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))


def _parse_expiry(form: Mapping[str, str]) -> float | None:
    text = form.get("ttl", "")
    if not text:
        return None
    if not text.isdecimal():
        raise EtcdError(202, "Update")
    return time.monotonic() + int(text) if int(text) else None


def _is_set(form: Mapping[str, str], name: str) -> bool:
    return form.get(name, "false") == "true"
