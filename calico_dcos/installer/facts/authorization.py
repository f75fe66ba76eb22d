"""Facts: authorization plugins that Docker is to go by: without one of them it does not start, and a reload ends it."""

import os
import stat
from typing import Any, List, NamedTuple, Union

from ..docker_api import DockerAwayError, NoSuchObjectError, read_json
from ..host import Host
from ..unknown import Unknown

SOCKETS_DIR = "/run/docker/plugins"
SPECS_DIRS = ("/etc/docker/plugins", "/usr/lib/docker/plugins")
SPEC_ENDINGS = (".spec", ".json")

AuthorizationPlugin = NamedTuple("AuthorizationPlugin", [("name", str), ("is_there", Union[bool, Unknown])])


def read_authorization_plugins(host: Host, names: List[str]) -> List[AuthorizationPlugin]:
    """Look for each of these where Docker does: its socket, its specification, and the plugins that Docker runs."""
    return [AuthorizationPlugin(name, is_there(host, name)) for name in names]


def is_there(host: Host, name: str) -> Union[bool, Unknown]:
    """Whether Docker finds a plugin of this name."""
    sockets = ["{}/{}.sock".format(SOCKETS_DIR, name), "{}/{}/{}.sock".format(SOCKETS_DIR, name, name)]
    if any(_is_socket(host.path(path)) for path in sockets):
        return True
    specs = [
        "{}/{}{}".format(directory, place, ending)
        for directory in SPECS_DIRS
        for place in (name, "{}/{}".format(name, name))
        for ending in SPEC_ENDINGS
    ]
    if any(os.path.exists(host.path(path)) for path in specs):
        return True
    try:
        return is_run_by_docker(name, read_json(host, "/plugins"))
    except NoSuchObjectError:
        return False  # Docker before 1.13 runs none
    except DockerAwayError as error:
        return Unknown(str(error))


def is_run_by_docker(name: str, plugins: Any) -> bool:
    """Whether Docker runs a plugin of this name; a name without a tag means the latest."""
    wanted = name if ":" in name.rpartition("/")[2] else name + ":latest"
    entries = plugins if isinstance(plugins, list) else []
    return any(one.get("Name") in (name, wanted) and one.get("Enabled") for one in entries if isinstance(one, dict))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
