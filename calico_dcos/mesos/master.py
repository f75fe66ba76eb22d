"""Where the Mesos master is, and whether it is there."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from requests.auth import HTTPBasicAuth

log = logging.getLogger(__name__)

USUAL_PORT = 5050
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
        with open_session() as session:
            version = session.get(f"http://{master}/version", timeout=timeout_s).json()["version"]
    except (requests.ConnectionError, requests.Timeout) as error:
        raise MasterError(f"nothing answers at {master}; is this where the Mesos master is?") from error
    except (requests.RequestException, KeyError, TypeError) as error:
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


class _MasterSession(requests.Session):
    """A session with the masters of one cluster, which share their credentials."""

    def should_strip_auth(self, old_url: str, new_url: str) -> bool:
        """Keep the login when a master sends us on to the one that leads, which will ask for it as well.

        requests would drop it, since the leader is another host; but whoever says who leads has the secret already.
        """
        return urlsplit(new_url).scheme != urlsplit(old_url).scheme


def open_session(login: Login | None = None) -> requests.Session:
    """Open a session that ignores proxy settings: a master is inside the cluster."""
    session = _MasterSession()
    session.trust_env = False
    session.auth = None if login is None else HTTPBasicAuth(*login.pair)
    return session


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
