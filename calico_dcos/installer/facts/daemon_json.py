"""Facts: Docker's ``daemon.json``: whether it is valid, which keys it has, and how it lies on the disk."""

import json
import os
import stat
from collections import OrderedDict
from typing import Any, Dict, List, NamedTuple, Optional, Union

from ..dockerd_options import name_kind
from ..documents import load_json
from ..host import Host
from ..unknown import Unknown

DEFAULT_PATH = "/etc/docker/daemon.json"
STORE_KEY = "cluster-store"
ADVERTISE_KEY = "cluster-advertise"
AUTHORIZATION_KEY = "authorization-plugins"

# Only the values of these keys are told: others may hold secrets (proxies, log drivers).
DaemonJson = NamedTuple(
    "DaemonJson",
    [
        ("path", str),
        ("is_present", bool),
        ("fault", Optional[str]),
        ("keys", List[str]),
        ("kinds", Dict[str, str]),
        ("cluster_store", Optional[str]),
        ("cluster_advertise", Optional[str]),
        ("authorization_plugins", List[str]),
        ("mtime_epoch_s", Optional[float]),
        ("mode", Optional[str]),
        ("owner", Optional[str]),
        ("symlink", Optional[str]),
    ],
)

ABSENT = DaemonJson(
    path=DEFAULT_PATH,
    is_present=False,
    fault=None,
    keys=[],
    kinds={},
    cluster_store=None,
    cluster_advertise=None,
    authorization_plugins=[],
    mtime_epoch_s=None,
    mode=None,
    owner=None,
    symlink=None,
)


def parse_daemon_json(text: str) -> "OrderedDict[str, Any]":
    """Read the file's keys in their order.

    Raises:
        ValueError: it is no JSON object; Docker would not start with it either.
    """
    content = load_json(text, object_pairs_hook=OrderedDict, parse_constant=_refuse_constant)
    if not isinstance(content, OrderedDict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  (one error for all faults)
    for key in (STORE_KEY, ADVERTISE_KEY):
        if not isinstance(content.get(key, ""), str):
            raise ValueError("{} is no text".format(key))  # noqa: TRY004  (as above)
    try:
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no character") from None
    return content


def _refuse_constant(name: str) -> Any:
    raise ValueError("{} is no JSON".format(name))


def read_daemon_json(host: Host, path: str) -> Union[DaemonJson, Unknown]:
    """Read the file; unknown when it is there and cannot be read."""
    here = host.path(path)
    if not os.path.lexists(here):
        return ABSENT._replace(path=path)
    try:
        status = os.stat(here)
        with open(here, "rb") as file:
            raw = file.read()
    except OSError as error:
        return Unknown("{}: {}".format(path, error.strerror))
    fault = None  # type: Optional[str]
    content = OrderedDict()  # type: OrderedDict[str, Any]
    try:
        content = parse_daemon_json(raw.decode("utf-8"))
    except ValueError as error:
        fault = str(error)
    return DaemonJson(
        path=path,
        is_present=True,
        fault=fault,
        keys=list(content),
        kinds={key: name_kind(value) for key, value in content.items()},
        cluster_store=content.get(STORE_KEY),
        cluster_advertise=content.get(ADVERTISE_KEY),
        authorization_plugins=_find_texts(content.get(AUTHORIZATION_KEY)),
        mtime_epoch_s=round(status.st_mtime, 3),
        mode="{:04o}".format(stat.S_IMODE(status.st_mode)),
        owner="{}:{}".format(status.st_uid, status.st_gid),
        symlink=os.readlink(here) if os.path.islink(here) else None,
    )


def _find_texts(value: Any) -> List[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
