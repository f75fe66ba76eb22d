"""Reads keys of etcd's v2 API, in which Calico 2.x keeps everything, through the first endpoint that answers."""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Union

from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..web import NOT_FOUND, OK, UnreachableError, fetch
from .etcd import find_address

TIMEOUT_S = 2
MESSAGE_MAX = 200

# value: None for a directory; ttl_s: what is left of its time to live, as etcd counts it; None where it has none.
Key = NamedTuple("Key", [("name", str), ("value", Optional[str]), ("ttl_s", Optional[int])])


def read_keys(host: Host, endpoints: List[str], name: str, *, is_recursive: bool = False) -> Union[List[Key], Unknown]:
    """Read a key, or all below it; an empty list where there is none."""
    path = "/v2/keys{}{}".format(name, "?recursive=true" if is_recursive else "")
    faults = []
    for url in endpoints:
        address = find_address(host, url)
        if isinstance(address, Unknown):
            faults.append("{}: {}".format(url, address.reason))
            continue
        try:
            answer = fetch(address, path, TIMEOUT_S)
        except UnreachableError as error:
            faults.append("{}: {}".format(url, error))
            continue
        return parse_keys(answer.status, answer.body.decode("utf-8", "replace"), url + path)
    return Unknown("; ".join(faults) or "no endpoint of etcd is configured")


def parse_keys(status: int, text: str, asked: str) -> Union[List[Key], Unknown]:
    """Read etcd's answer: every key in it that is no directory."""
    if status == NOT_FOUND and not is_not_found(text):
        return Unknown("{} is not served: etcd's v2 API is off, or this is another program".format(asked))
    if status == NOT_FOUND:
        return []
    try:
        return list(_list_keys(load_json(text if status == OK else "null")["node"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Unknown("{} answers with status {}: {!r}".format(asked, status, text[:MESSAGE_MAX]))


def is_not_found(text: str) -> bool:
    """Whether it is etcd that says so: its code for a key that is not there."""
    try:
        return bool(load_json(text)["errorCode"] == 100)  # noqa: PLR2004 - etcd's "Key not found"
    except (ValueError, KeyError, TypeError):
        return False


def _list_keys(node: Dict[str, Any]) -> Iterator[Key]:
    if node.get("dir"):
        for child in node.get("nodes") or []:
            for key in _list_keys(child):
                yield key
        return
    ttl_s = node.get("ttl")
    yield Key(str(node["key"]), str(node.get("value") or ""), None if ttl_s is None else int(ttl_s))
