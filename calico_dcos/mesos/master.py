"""Where the Mesos master is, and whether it is there."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from calico_dcos.outbound import Answer, Caller, CallError

log = logging.getLogger(__name__)

USUAL_PORT = 5050
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
FORMS = "host:port, http://host:port or zk://host:port,host:port/mesos"


class MasterError(Exception):
    """There is no master to talk to; the text says in one line where it was sought, and what to do."""


def check_master(address: str, *, timeout_s: float) -> str:
    """Ask the master for its version, to tell a wrong address before anything depends on it.

    Raises:
        MasterError: the address is none, or no Mesos answers there.
    """
    master = find_master(address, timeout_s=timeout_s)
    try:
        version = json.loads(Caller().call("GET", f"http://{master}/version", deadline_s=timeout_s).body)["version"]
    except CallError as error:
        raise MasterError(f"nothing answers at {master}; is this where the Mesos master is?") from error
    except (ValueError, KeyError, TypeError) as error:
        raise MasterError(f"what answers at {master} is no Mesos master; set {FORMS}") from error
    log.info("Found Mesos %s at %s", version, master)
    return str(version)


def find_master(address: str, *, timeout_s: float) -> str:
    """Give "host:port" of a master: the one that is configured, or the leader that ZooKeeper knows.

    Raises:
        MasterError: the address is none, or ZooKeeper knows of no leader.
    """
    parsed = parse_master(address)
    if not parsed.startswith("zk://"):
        return parsed
    path = f"/{parsed.removeprefix('zk://').partition('/')[2]}"
    with _connect_zookeeper(parsed, timeout_s) as zookeeper:
        try:
            names = sorted(name for name in zookeeper.get_children(path) if name.startswith("json.info_"))
            # The oldest candidate leads: ZooKeeper numbers them.
            leader = json.loads(zookeeper.get(f"{path}/{names[0]}")[0])["address"]
        except NoNodeError as error:
            raise MasterError(f"ZooKeeper has no such path: {parsed}; DC/OS and Mesos use /mesos") from error
        except (KazooException, IndexError, ValueError, KeyError, TypeError) as error:
            raise MasterError(f"no Mesos master leads at {parsed}; are the masters up?") from error
        return f"{leader['ip']}:{leader['port']}"


def parse_master(address: str) -> str:
    """Bring an address into one of two forms: "host:port" or "zk://hosts/path", without user and password.

    Raises:
        MasterError: it is neither.
    """
    scheme, _, rest = address.rpartition("://")
    hosts, _, path = rest.rpartition("@")[2].partition("/")
    if scheme == "zk" and hosts and path.strip("/"):
        return f"zk://{hosts}/{path.strip('/')}"
    host, _, port = hosts.partition(":")
    if scheme in {"", "http"} and host and "," not in host and (port or "0").isdecimal() and not path:
        return f"{host}:{port or USUAL_PORT}"
    raise MasterError(f"this is no address of a master; set {FORMS} (https and IPv6 are not supported)")


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a Mesos that authenticates, in any letters: requests and pymesos write only those of the West."""

    principal: str
    secret: str = field(repr=False)

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """As requests takes it."""
        return self.principal.encode(), self.secret.encode()

    @property
    def header(self) -> str:
        """As it stands in a request."""
        return f"Basic {b64encode(b':'.join(self.pair)).decode()}"


def build_login(principal: str, secret: str) -> Login | None:
    """Make a login; None where there is no secret: a principal alone is only told in FrameworkInfo."""
    return Login(principal, secret) if principal and secret else None


def ask_master(
    caller: Caller, address: str, path: str, *, login: Login | None, deadline_s: float, max_bytes: int
) -> Answer:
    """Ask a master; one that does not lead names the one that does, which is asked then, with the same login.

    No other redirect is followed: whoever says who leads has the login already, but only masters are to have it.

    Raises:
        CallError: there is no answer.
    """
    headers = {} if login is None else {"Authorization": login.header}
    asked = address
    for _ in range(2):
        url = f"http://{asked}{path}"
        answer = caller.call("GET", url, deadline_s=deadline_s, headers=headers, max_bytes=max_bytes)
        if answer.status not in _REDIRECTS:
            return answer
        asked = _read_leader(answer.headers.get("location", ""))
    raise CallError(f"{address}: it sends us on and on; no master leads at present")


def _read_leader(location: str) -> str:
    """Read "host:port" out of where a master sends us on to.

    Raises:
        CallError: it is no such place.
    """
    try:
        return parse_master(urlsplit(location).netloc)
    except (MasterError, ValueError) as error:
        raise CallError(f"a master sends us on to what is no master: {location[:60]!r}") from error


def advise(status: int) -> str:
    """Say what helps against a refusal of the master."""
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return "set the options principal and secret to those that this cluster's Mesos knows"
        case HTTPStatus.FORBIDDEN:
            return "give the principal leave to register with the role and to read agents, in Mesos' ACLs or in DC/OS"
        case HTTPStatus.BAD_REQUEST:
            return "see the master's words: an option such as role or principal does not suit this cluster"
        case _:
            return "see whether the master leads and how busy it is"


@contextmanager
def _connect_zookeeper(url: str, timeout_s: float) -> Iterator[Any]:
    logger = logging.getLogger(f"{__name__}.kazoo")
    # It tells of each connection, and one is made whenever the agents are read.
    logger.setLevel(logging.WARNING)
    hosts = url.removeprefix("zk://").partition("/")[0]
    zookeeper = KazooClient(hosts=hosts, timeout=timeout_s, logger=logger)
    try:
        zookeeper.start(timeout=timeout_s)
        yield zookeeper
    except KazooTimeoutError as error:
        raise MasterError(f"no ZooKeeper answers at {url}; is this where the masters' ZooKeeper is?") from error
    finally:
        zookeeper.stop()
        zookeeper.close()
