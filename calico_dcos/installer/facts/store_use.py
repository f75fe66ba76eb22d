"""Facts: whether Docker keeps its networks in the store that it shows; after two reloads by others it does not.

Nothing is made to find out. What can be asked: Docker lists its networks from its store each time, and etcd tells which
are in it; Docker's log tells of each store that it was given and did not take; and what we set ourselves is noted.
"""

from typing import Dict, List, NamedTuple, Optional, Union

from .. import systemd
from ..cluster_store import Etcd, parse_store, read_note
from ..docker_api import DockerAwayError, NoSuchObjectError, read_json
from ..documents import load_json
from ..host import Host, ToolError
from ..unknown import Unknown
from ..web import NOT_FOUND, OK, UnreachableError, fetch, split_address

NETWORKS_KEY = "/docker/network/v1.0/network"
SCOPE = "global"
UNIT = "docker.service"
TIMEOUT_S = 2
LOG_LINES = 2000
NAMES_MAX = 50
STARTED = ("Daemon has completed initialization", "API listen on")
NOT_TAKEN = "cannot accept new configuration because it "

# in_store, elsewhere: names of Docker's networks of all hosts that are in the store, and of those that are not.
# not_shown: how many networks the store has that Docker does not show. not_taken: what Docker logged since its start of
# a store that it did not take; null where its log has nothing of it. is_noted: this process took the store from us.
StoreUse = NamedTuple(
    "StoreUse",
    [
        ("in_store", Union[List[str], Unknown]),
        ("elsewhere", Union[List[str], Unknown]),
        ("not_shown", Union[int, Unknown]),
        ("not_taken", Union[str, None, Unknown]),
        ("is_noted", bool),
    ],
)


def read_store_use(host: Host, url: str, unit: Union[systemd.Unit, Unknown]) -> StoreUse:
    """Read what shows whether the store is used."""
    note = read_note(host)
    is_noted = (
        note is not None
        and isinstance(unit, systemd.Unit)
        and (note.store, note.pid, note.started) == (url, unit.main_pid, unit.started)
    )
    not_taken = Unknown("its unit is not known") if isinstance(unit, Unknown) else read_not_taken(host, unit.main_pid)
    compared = _compare(host, url)
    if isinstance(compared, Unknown):
        return StoreUse(compared, compared, compared, not_taken, is_noted)
    return compared._replace(not_taken=not_taken, is_noted=is_noted)


def _compare(host: Host, url: str) -> Union[StoreUse, Unknown]:
    """Compare the networks that Docker shows with those in the store, which others add to and take from meanwhile."""
    etcd = parse_store(url)
    if etcd is None:
        return Unknown("a store of this kind is not asked")
    before, shown, after = read_kept(host, etcd), _read_shown(host), read_kept(host, etcd)
    if isinstance(before, Unknown):
        return before
    if isinstance(after, Unknown):
        return after
    if isinstance(shown, Unknown):
        return shown
    ever, always = set(before) | set(after), set(before) & set(after)
    return StoreUse(
        in_store=sorted(name for key, name in shown.items() if key in ever)[:NAMES_MAX],
        elsewhere=sorted(name for key, name in shown.items() if key not in ever)[:NAMES_MAX],
        not_shown=len(always - set(shown)),
        not_taken=None,
        is_noted=False,
    )


def _read_shown(host: Host) -> Union[Dict[str, str], Unknown]:
    """Read the names of Docker's networks of all hosts, by id; those of a swarm have a scope of their own."""
    try:
        networks = read_json(host, "/networks")
        return {str(one["Id"]): str(one["Name"]) for one in networks if one.get("Scope") == SCOPE}
    except (DockerAwayError, NoSuchObjectError, KeyError, TypeError, AttributeError) as error:
        return Unknown("Docker does not list its networks: {}".format(error))


def read_kept(host: Host, etcd: Etcd) -> Union[List[str], Unknown]:
    """Read the ids of the networks in a store."""
    faults = []
    for address in etcd.addresses:
        try:
            hostname, port = split_address(address)
            answer = fetch(
                "{}:{}".format(host.dial(hostname), port), "/v2/keys{}{}".format(etcd.prefix, NETWORKS_KEY), TIMEOUT_S
            )
        except UnreachableError as error:
            faults.append("{}: {}".format(address, error))
            continue
        if answer.status == OK:
            return parse_kept(answer.body.decode("utf-8", "replace"))
        if answer.status == NOT_FOUND:
            return []
        faults.append("{}: status {}".format(address, answer.status))
    return Unknown("the store does not tell: {}".format("; ".join(faults)))


def parse_kept(text: str) -> Union[List[str], Unknown]:
    """Read etcd's answer for a directory."""
    try:
        return [str(node["key"]).rpartition("/")[2] for node in load_json(text)["node"].get("nodes") or []]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Unknown("the store's answer is not understood: {!r}".format(error))


def read_not_taken(host: Host, pid: int) -> Union[str, None, Unknown]:
    """Read in the log of this process of Docker whether it was given a store that it did not take."""
    argv = ["journalctl", "-b", "--no-pager", "-o", "cat", "-n", str(LOG_LINES)]
    argv += ["-u", UNIT, "_PID={}".format(pid)]
    try:
        return parse_not_taken(host.run(argv, systemd.QUERY_TIMEOUT_S).output.splitlines())
    except ToolError as error:
        return Unknown(str(error))


def parse_not_taken(lines: List[str]) -> Union[Optional[str], Unknown]:
    """Find a store that was not taken; a log that does not begin with Docker's start tells nothing by its silence."""
    found = [line.strip() for line in lines if NOT_TAKEN in line]
    if found:
        return found[-1]
    if any(mark in line for line in lines for mark in STARTED):
        return None
    return Unknown("Docker's log does not go back to its start")
