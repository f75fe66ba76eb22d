"""Facts: the sockets by which Docker finds Calico's drivers for networks and addresses."""

from typing import List, NamedTuple, Union

from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..web import OK, UnixConnection, UnreachableError, call

DIRECTORY = "/run/docker/plugins"
NETWORK, IPAM = "NetworkDriver", "IpamDriver"
DRIVERS = (("calico.sock", NETWORK), ("calico-ipam.sock", IPAM))
TIMEOUT_S = 2
HEADERS = {"Accept": "application/vnd.docker.plugins.v1.2+json"}

# implements: what it says that it is; unknown where it does not answer as a plugin of Docker's does.
Driver = NamedTuple("Driver", [("socket", str), ("role", str), ("implements", Union[List[str], Unknown])])


def read_docker_drivers(host: Host) -> List[Driver]:
    """Ask each driver what it is, as Docker does before it uses one for the first time."""
    return [
        Driver("{}/{}".format(DIRECTORY, name), role, ask_driver(host, "{}/{}".format(DIRECTORY, name)))
        for name, role in DRIVERS
    ]


def ask_driver(host: Host, path: str) -> Union[List[str], Unknown]:
    """Have one driver say what it implements."""
    try:
        answer = call(UnixConnection(host.path(path), TIMEOUT_S), "POST", "/Plugin.Activate", b"", HEADERS)
    except UnreachableError as error:
        return Unknown(str(error))
    return parse_driver(answer.status, answer.body.decode("utf-8", "replace"))


def parse_driver(status: int, text: str) -> Union[List[str], Unknown]:
    """Read ``{"Implements": ["NetworkDriver"]}``."""
    try:
        return [str(name) for name in load_json(text if status == OK else "null")["Implements"]]
    except (ValueError, KeyError, TypeError):
        return Unknown("it answers Plugin.Activate with status {}: {!r}".format(status, text[:200]))
