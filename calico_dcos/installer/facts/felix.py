"""Facts: whether Felix, Calico's daemon for routes and rules inside of calico-node, lives and says that it is well.

By default it says nothing: the image sets its interval of reports to 0. So it is started with one, or with its health
endpoint where it has one (from Calico 2.4 on). That its container runs says nothing of it: runit starts it again and
again.
"""

import platform
from typing import Any, Dict, List, NamedTuple, Optional, Union
from urllib.parse import quote

from ..docker_api import DockerAwayError, NoSuchObjectError, read_json
from ..documents import load_json
from ..host import Host
from ..unknown import Unknown
from ..web import UnreachableError, fetch
from .calico_node import NAME, Container
from .etcd_keys import Key, read_keys

ENDPOINT = "endpoint"
HEALTH_PORT = 9099
TIMEOUT_S = 2
FIRST_ERROR = 300
# Where Felix reports itself, with a time to live.
STATUS_KEY = "/calico/felix/v1/host/{}/status"
NAME_SETTINGS = ("FELIX_FELIXHOSTNAME", "NODENAME", "HOSTNAME")
TTL_SETTING, INTERVAL_SETTING = "FELIX_REPORTINGTTLSECS", "FELIX_REPORTINGINTERVALSECS"
TTL_S, INTERVAL_S = 90, 30
# A report that is not renewed for so long is an old one, though its time to live is not over.
STALE_S = 30
# Felix reports for the first time when it is up for 10 s: one that ends again and again never does.
FIRST_REPORT_S = 20
# Its age in a report is never above that of its process, which is read some moments before, in whole seconds.
SLACK_S = 3
TOP = "/containers/{}/top?ps_args={}".format(NAME, quote("-eo pid,ppid,etime,args"))
PROGRAM = "calico-felix"

# age_s: how long its process lives; None where there is none. container_s: how long the oldest process there lives.
# asked: who told whether it is ready; detail: in its words.
Felix = NamedTuple(
    "Felix",
    [
        ("is_ready", Union[bool, Unknown]),
        ("asked", str),
        ("detail", str),
        ("age_s", Union[int, None, Unknown]),
        ("container_s", Union[int, Unknown]),
    ],
)
Ages = NamedTuple("Ages", [("felix_s", Union[int, None, Unknown]), ("container_s", Union[int, Unknown])])


def read_felix(host: Host, container: Union[Container, None, Unknown], endpoints: List[str], health: str) -> Felix:
    """Ask whether Felix is ready, in the way that its release has, and how long it has lived."""
    if not isinstance(container, Container):
        reason = Unknown("there is no container calico-node" if container is None else container.reason)
        return Felix(reason, "nobody", "", reason, reason)
    ages = read_ages(host)
    if health == ENDPOINT:
        return ask_health(host)._replace(age_s=ages.felix_s, container_s=ages.container_s)
    report = ask_report(host, find_node_name(container.settings), endpoints, container.settings, ages.felix_s)
    return report._replace(age_s=ages.felix_s, container_s=ages.container_s)


def _build(asked: str, detail: str, *, is_ready: Union[bool, Unknown]) -> Felix:
    unread = Unknown("not looked for")
    return Felix(is_ready, asked, detail, unread, unread)


def ask_health(host: Host) -> Felix:
    """Ask Felix's own health endpoint."""
    address = "{}:{}".format(host.dial("127.0.0.1"), HEALTH_PORT)
    asked = "http://{}/readiness".format(address)
    try:
        answer = fetch(address, "/readiness", TIMEOUT_S)
    except UnreachableError as error:
        return _build(asked, "Felix does not answer: {}".format(error), is_ready=False)
    detail = answer.body.decode("utf-8", "replace").strip()[:200] or "status {}".format(answer.status)
    return _build(asked, detail, is_ready=answer.status < FIRST_ERROR)


def find_node_name(settings: Dict[str, str]) -> str:
    """Find the name under which Felix reports: that of its settings, else the host's."""
    names = [settings[name] for name in NAME_SETTINGS if settings.get(name)]
    return names[0] if names else platform.node()


def ask_report(
    host: Host, name: str, endpoints: List[str], settings: Dict[str, str], age_s: Union[int, None, Unknown]
) -> Felix:
    """Ask etcd for the report of Felix, whose process lives for age_s; it lapses when Felix does not renew it."""
    key = STATUS_KEY.format(quote(name, safe=""))
    keys = read_keys(host, endpoints, key)
    if isinstance(keys, Unknown):
        return _build("etcd", "", is_ready=keys)
    return parse_report(keys[0] if keys else None, settings, key, age_s)


def parse_report(
    report: Optional[Key], settings: Dict[str, str], asked: str, age_s: Union[int, None, Unknown]
) -> Felix:
    """Judge a report by what is left of its time to live, and by how long its Felix was up.

    Etcd keeps a moment, not a time to live: where its members' clocks differ, the first says too much or too little.
    """
    if report is None:
        is_silenced = settings.get(INTERVAL_SETTING) == "0"
        reason = " ({} is 0)".format(INTERVAL_SETTING) if is_silenced else ""
        return _build(asked, "Felix has reported nothing to etcd lately" + reason, is_ready=False)
    if report.ttl_s is None:
        return _build(asked, "", is_ready=Unknown("the report has no time to live"))
    silent_s = _read_number(settings.get(TTL_SETTING), TTL_S) - report.ttl_s
    stale_s = max(STALE_S, 2 * _read_number(settings.get(INTERVAL_SETTING), INTERVAL_S))
    uptime_s = read_uptime(report.value)
    if isinstance(age_s, int) and 0 < uptime_s <= age_s:
        silent_s = min(silent_s, int(age_s - uptime_s))
    if silent_s > stale_s:
        return _build(asked, "Felix has not reported to etcd for {} s".format(silent_s), is_ready=False)
    if isinstance(age_s, int) and uptime_s > age_s + SLACK_S:
        told = "Felix has reported nothing to etcd since it was started {} s ago".format(age_s)
        return _build(asked, told, is_ready=Unknown(told) if age_s < FIRST_REPORT_S else False)
    return _build(asked, "Felix reported to etcd {} s ago".format(max(silent_s, 0)), is_ready=True)


def read_uptime(value: Optional[str]) -> float:
    """Read in a report for how many seconds its Felix was up; 0 where it does not tell."""
    try:
        return float(load_json(value or "")["uptime"])
    except (ValueError, KeyError, TypeError):
        return 0.0


def _read_number(text: Optional[str], default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default


def read_ages(host: Host) -> Ages:
    """Ask Docker for the processes of the container."""
    try:
        return parse_ages(read_json(host, TOP))
    except (DockerAwayError, NoSuchObjectError) as error:
        unknown = Unknown(str(error))
        return Ages(unknown, unknown)


def parse_ages(answer: Any) -> Ages:
    """Read the answer of ``/containers/calico-node/top`` with the columns ELAPSED and COMMAND."""
    try:
        titles = [str(title) for title in answer["Titles"]]
        elapsed, command = titles.index("ELAPSED"), titles.index("COMMAND")
        rows = [(parse_elapsed(row[elapsed]), row[command]) for row in answer["Processes"]]
        ages = [age_s for age_s, words in rows if is_felix(words)]
        return Ages(max(ages) if ages else None, max(age_s for age_s, _ in rows))
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        unknown = Unknown("Docker's list of processes is not understood: {!r}".format(error))
        return Ages(unknown, unknown)


def is_felix(command: str) -> bool:
    """Whether a command line is Felix's: not that of who watches it, nor of its log."""
    return any(word.rpartition("/")[2] == PROGRAM for word in command.split()[:2])


def parse_elapsed(text: str) -> int:
    """Read ``[[DD-]HH:]MM:SS``, as ps writes it."""
    days, _, clock = text.strip().rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds + int(days or 0) * 86400


def find_quiet(host: Host, names: List[str], endpoints: List[str]) -> List[str]:
    """Find the nodes whose Felix has stopped to report; one that cannot be asked for is not quiet."""
    quiet = []
    for name in names:
        report = ask_report(host, name, endpoints, {}, None)
        if report.is_ready is False:
            quiet.append(name)
    return quiet
