"""Does the step docker-cluster-store: merges the store into daemon.json, and makes Docker take it.

The file ends up with ``cluster-store`` alone. A reload needs ``cluster-advertise`` beside it (empty will do); after
that nothing does: a start of Docker takes the store without it, a later reload changes nothing. Left in the file it
does harm: with it, a later edit of the store is half taken by a reload, and a second such edit hangs Docker's API.
A ``cluster-advertise`` with a value is an operator's, and stays.
"""

import re
import time
from typing import Callable, Dict, NamedTuple, Tuple

from .. import systemd
from ..backups import Backup
from ..daemon_edits import merge_store, settle_store
from ..docker_api import DockerAwayError, NoSuchObjectError, read_container, read_json
from ..facts.daemon_json import ADVERTISE_KEY, STORE_KEY, DaemonJson, parse_daemon_json
from ..facts.docker import UNIT, find_wrapper, name_container
from ..files import FileError, read_file
from ..host import ToolError
from ..plans.changes import Change
from ..rollbacks import DOCKER, save_rollback
from ..undo import STORE_BACKUP, undo_change
from ..web import CREATED, OK, PRECONDITION_FAILED, Answer, UnreachableError, call, open_connection
from .work import StepError, Work

POLL_S = 0.2
API_TIMEOUT_S = 10
ETCD_TIMEOUT_S = 2
# What Docker logs when it rejects a reload; `systemctl kill` succeeds all the same.
REJECTIONS = (
    "Failed to reload configuration with network controller",
    "Error reconfiguring the daemon",
    "unable to configure the Docker daemon",
)

# A process of the daemon: its pid alone may come again.
Daemon = NamedTuple("Daemon", [("pid", int), ("started", str)])


def write_store(work: Work, change: Change) -> None:
    """Write the file only: what it says is in effect already."""
    del change
    _write(work, settle_store)


def reload_docker(work: Work, change: Change) -> None:
    """Make a running Docker take the store by one SIGHUP, and prove that nothing else happened to it."""
    del change
    _prepare_etcd(work)
    unit, containers = _read_unit(work), _read_containers(work)
    wrapper = find_wrapper(work.host, unit)
    if wrapper is not None:
        raise StepError(
            "{} runs Docker inside of {}, which a reload would end, so Docker is left alone".format(UNIT, wrapper)
        )
    mark = systemd.mark_journal(work.host, UNIT)
    _write(work, merge_store)
    try:
        systemd.reload_unit(work.host, UNIT)
        _wait_for_store(work)
        _check_reload(work, Daemon(unit.main_pid, unit.started), mark)
    except (ToolError, StepError) as error:
        raise _roll_back(work, str(error), mark, containers) from error
    _tell_containers(work, containers)
    _write(work, settle_store)


def restart_docker(work: Work, change: Change) -> None:
    """Restart Docker with the store."""
    del change
    _prepare_etcd(work)
    containers = _read_containers(work)
    mark = systemd.mark_journal(work.host, UNIT)
    _write(work, settle_store)
    try:
        systemd.restart_unit(work.host, UNIT, work.wanted.cluster_store.timeout_s)
        _wait_for_store(work)
    except (ToolError, StepError) as error:
        raise _roll_back(work, str(error), mark, containers) from error
    _tell_ended(work, containers)


def _write(work: Work, edit: Callable[[str, str], str]) -> None:
    path = work.host.path(_file(work).path)
    current = read_file(path)
    text = (current or b"{}").decode("utf-8")
    try:
        edited = edit(text, work.wanted.cluster_store.url)
        content = parse_daemon_json(edited)
    except ValueError as error:
        raise StepError("daemon.json is not valid: {}".format(error)) from error
    if edited.encode("utf-8") == current:
        return
    settings = {key: content[key] for key in (STORE_KEY, ADVERTISE_KEY) if key in content}
    Backup(work.host, STORE_BACKUP).write(path, edited.encode("utf-8"), settings=settings)
    work.reporter.progress("wrote {}".format(path))


def _file(work: Work) -> DaemonJson:
    file = work.facts.docker.daemon_json
    if not isinstance(file, DaemonJson):
        raise StepError("daemon.json cannot be read: {}".format(file.reason))
    return file


def _prepare_etcd(work: Work) -> None:
    """Make sure that etcd answers, and that the directory of Docker's nodes exists.

    Docker would create it, but one that reloads while etcd is away creates a key of that name instead, which keeps
    other daemons from registering.
    """
    url = work.wanted.cluster_store.url
    match = re.match(r"etcd://([^/]+)(/.*)?$", url)
    if match is None:
        return
    faults = []
    for address in match.group(1).split(","):
        try:
            answer = _put_directory(work, address, (match.group(2) or "").rstrip("/"))
        except UnreachableError as error:
            faults.append("{}: {}".format(address, error))
            continue
        # The last of these: it exists.
        if answer.status in (OK, CREATED, PRECONDITION_FAILED):
            return
        faults.append("{}: status {} (is the v2 API on?)".format(address, answer.status))
    raise StepError("the cluster store is not usable, so Docker is left alone: {}".format("; ".join(faults)))


def _put_directory(work: Work, address: str, prefix: str) -> Answer:
    hostname, _, port = address.partition(":")
    connection = open_connection("{}:{}".format(work.host.dial(hostname), port or "2379"), ETCD_TIMEOUT_S)
    return call(connection, "PUT", "/v2/keys{}/docker/nodes?dir=true&prevExist=false".format(prefix))


def _read_unit(work: Work) -> systemd.Unit:
    try:
        return systemd.read_unit(work.host, UNIT)
    except ToolError as error:
        raise StepError(str(error)) from error


def _read_containers(work: Work) -> Dict[str, Tuple[int, str]]:
    """Read pid and start of each running container."""
    running = {}  # type: Dict[str, Tuple[int, str]]
    try:
        for entry in read_json(work.host, "/containers/json"):
            try:
                state = read_container(work.host, entry["Id"])["State"]
            except NoSuchObjectError:
                continue  # it ended since it was listed
            running[name_container(entry)] = (state["Pid"], state["StartedAt"])
    except (DockerAwayError, NoSuchObjectError) as error:
        raise StepError("the running containers cannot be read: {}".format(error)) from error
    return running


def _wait_for_store(work: Work) -> None:
    """Wait until the API shows the store; never the log, which claims success for a reload that was ignored."""
    deadline = time.monotonic() + work.wanted.cluster_store.timeout_s
    shown = "nothing"
    while time.monotonic() < deadline:
        try:
            shown = read_json(work.host, "/info", API_TIMEOUT_S).get("ClusterStore") or "no store"
            if shown == work.wanted.cluster_store.url:
                return
        except (DockerAwayError, NoSuchObjectError) as error:
            shown = str(error)
        time.sleep(POLL_S)
    raise StepError(
        "Docker does not show the store after {:g} s ({})".format(work.wanted.cluster_store.timeout_s, shown)
    )


def _check_reload(work: Work, before: Daemon, mark: systemd.JournalMark) -> None:
    unit = _read_unit(work)
    after = Daemon(unit.main_pid, unit.started)
    if after != before:
        raise StepError("dockerd was restarted meanwhile (pid {} became {})".format(before.pid, after.pid))
    journal = systemd.read_journal(work.host, UNIT, mark, lines=200)
    rejected = [line for line in journal.splitlines() if any(text in line for text in REJECTIONS)]
    if rejected:
        raise StepError("Docker rejected the reload: {}".format(rejected[-1].strip()))


def _tell_containers(work: Work, before: Dict[str, Tuple[int, str]]) -> None:
    """Tell what became of the containers; one that ended in these moments was not ended by a reload."""
    after = _read_containers(work)
    changed = sorted(name for name, state in before.items() if after.get(name) != state)
    if changed:
        work.reporter.progress("meanwhile ended or restarted by themselves: {}".format(", ".join(changed)))
    work.reporter.progress(
        "Docker shows cluster store {}; {} running containers untouched".format(
            work.wanted.cluster_store.url, len(before) - len(changed)
        )
    )


def _tell_ended(work: Work, before: Dict[str, Tuple[int, str]]) -> None:
    """Tell which containers a restart of Docker ended that are not up again."""
    told = _find_down(work, before)
    work.reporter.progress("Docker shows cluster store {}; {}".format(work.wanted.cluster_store.url, told))


def _roll_back(work: Work, reason: str, mark: systemd.JournalMark, containers: Dict[str, Tuple[int, str]]) -> StepError:
    """Put the old file back, bring Docker up where it is down, and build the error that tells so.

    After a reload the file alone: a second SIGHUP with another value is what hangs Docker.
    """
    told = [reason]
    journal = systemd.read_journal(work.host, UNIT, mark)
    try:
        told += undo_change(work.host, STORE_BACKUP) or ["daemon.json is as it was before"]
        # Not before: a run that is refused for this note undoes nothing.
        told += save_rollback(work.host, DOCKER, work.wanted, reason)
        told.append(_bring_up(work))
        told.append(_find_down(work, containers))
    except (FileError, ToolError, StepError) as error:
        told.append("putting things back failed: {}".format(error))
    return StepError("; ".join(told), journal)


def _bring_up(work: Work) -> str:
    """Start Docker again where it is down; a running one is left alone, it keeps its containers."""
    unit = systemd.read_unit(work.host, UNIT)
    if unit.active_state in ("active", "reloading"):
        return "Docker is up (pid {})".format(unit.main_pid)
    systemd.restart_unit(work.host, UNIT, work.wanted.cluster_store.timeout_s)
    return "Docker was started again with it"


def _find_down(work: Work, before: Dict[str, Tuple[int, str]]) -> str:
    """Find out what became of the containers that were running; Docker needs a moment after its start."""
    deadline = time.monotonic() + work.wanted.cluster_store.timeout_s
    fault = ""
    while True:
        try:
            down = sorted(set(before) - set(_read_containers(work)))
            fault = "not up again: {}".format(", ".join(down)) if down else ""
        except StepError as error:
            fault = str(error)
        if not fault or time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    return fault or "all {} containers are up".format(len(before))
