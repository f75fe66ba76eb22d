"""Does the step docker-cluster-store: merges the store into daemon.json, and makes Docker take it.

The file ends up with ``cluster-store`` alone. A reload needs ``cluster-advertise`` beside it (empty will do); after
that nothing does: a start of Docker takes the store without it, a later reload changes nothing. Left in the file it
does harm: with it, a later edit of the store is half taken by a reload, and a second such edit hangs Docker's API.
A ``cluster-advertise`` with a value is an operator's, and stays.
"""

import time
from typing import Callable, NamedTuple

from .. import systemd
from ..backups import Backup
from ..cluster_store import Etcd, parse_store, save_note
from ..daemon_edits import merge_store, settle_store
from ..docker_api import DockerAwayError, NoSuchObjectError, read_json
from ..docker_up import (
    Containers,
    ContainersError,
    begin_change,
    compute_patience_s,
    read_containers,
    restart_docker_unit,
    tell_containers,
)
from ..facts.daemon_json import ADVERTISE_KEY, STORE_KEY, DaemonJson, parse_daemon_json
from ..facts.docker import UNIT
from ..files import read_file
from ..host import ToolError
from ..plans.changes import Change
from ..undo import STORE_BACKUP
from ..way_back import bring_back
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
    daemon = Daemon(unit.main_pid, unit.started)
    # Before: it has none yet, so what it takes next is what it will use.
    save_note(work.host, work.wanted.cluster_store.url, unit)
    mark = systemd.mark_journal(work.host, UNIT)
    begin_change(work.host, containers)
    _write(work, merge_store)
    try:
        systemd.reload_unit(work.host, UNIT)
        _wait_for_store(work, work.wanted.cluster_store.timeout_s)
        _check_reload(work, daemon, mark)
    except (ToolError, StepError) as error:
        raise _fail(work, str(error), mark, containers) from error
    _tell_containers(work, containers)
    _write(work, settle_store)


def restart_docker(work: Work, change: Change) -> None:
    """Restart Docker with the store."""
    del change
    _prepare_etcd(work)
    containers = _read_containers(work)
    patience_s = compute_patience_s(work.wanted.cluster_store.timeout_s, len(containers))
    mark = systemd.mark_journal(work.host, UNIT)
    begin_change(work.host, containers)
    _write(work, settle_store)
    try:
        restart_docker_unit(work.host, patience_s)
        _wait_for_store(work, patience_s)
    except (ToolError, StepError) as error:
        raise _fail(work, str(error), mark, containers) from error
    save_note(work.host, work.wanted.cluster_store.url, _read_unit(work))
    told = tell_containers(work.host, containers, patience_s)
    work.reporter.progress("Docker shows cluster store {}; {}".format(work.wanted.cluster_store.url, told))


def _fail(work: Work, reason: str, mark: systemd.JournalMark, containers: Containers) -> StepError:
    """Go back to what was there before, and build the error that tells so and what is up."""
    journal = systemd.read_journal(work.host, UNIT, mark)
    told = bring_back(work.host, work.wanted, reason, containers)
    return StepError("; ".join([reason, *told]), journal)


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
    etcd = parse_store(work.wanted.cluster_store.url)
    if etcd is None:
        return
    faults = []
    for address in etcd.addresses:
        try:
            answer = _put_directory(work, address, etcd)
        except UnreachableError as error:
            faults.append("{}: {}".format(address, error))
            continue
        # The last of these: it exists.
        if answer.status in (OK, CREATED, PRECONDITION_FAILED):
            return
        faults.append("{}: status {} (is the v2 API on?)".format(address, answer.status))
    raise StepError("the cluster store is not usable, so Docker is left alone: {}".format("; ".join(faults)))


def _put_directory(work: Work, address: str, etcd: Etcd) -> Answer:
    hostname, _, port = address.rpartition(":")
    connection = open_connection("{}:{}".format(work.host.dial(hostname), port), ETCD_TIMEOUT_S)
    return call(connection, "PUT", "/v2/keys{}/docker/nodes?dir=true&prevExist=false".format(etcd.prefix))


def _read_unit(work: Work) -> systemd.Unit:
    try:
        return systemd.read_unit(work.host, UNIT)
    except ToolError as error:
        raise StepError(str(error)) from error


def _read_containers(work: Work) -> Containers:
    try:
        return read_containers(work.host)
    except ContainersError as error:
        raise StepError(str(error)) from error


def _wait_for_store(work: Work, timeout_s: float) -> None:
    """Wait until the API shows the store; never the log, which claims success for a reload that was ignored."""
    deadline = time.monotonic() + timeout_s
    shown = "nothing"
    while time.monotonic() < deadline:
        try:
            shown = read_json(work.host, "/info", API_TIMEOUT_S).get("ClusterStore") or "no store"
            if shown == work.wanted.cluster_store.url:
                return
        except (DockerAwayError, NoSuchObjectError) as error:
            shown = str(error)
        time.sleep(POLL_S)
    raise StepError("Docker does not show the store after {:g} s ({})".format(timeout_s, shown))


def _check_reload(work: Work, before: Daemon, mark: systemd.JournalMark) -> None:
    unit = _read_unit(work)
    after = Daemon(unit.main_pid, unit.started)
    if after != before:
        raise StepError("dockerd was restarted meanwhile (pid {} became {})".format(before.pid, after.pid))
    journal = systemd.read_journal(work.host, UNIT, mark, lines=200)
    rejected = [line for line in journal.splitlines() if any(text in line for text in REJECTIONS)]
    if rejected:
        raise StepError("Docker rejected the reload: {}".format(rejected[-1].strip()))


def _tell_containers(work: Work, before: Containers) -> None:
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
