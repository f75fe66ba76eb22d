"""Undoes a whole install, the last step first; what others own or have changed since is left alone.

It needs no wanted state: what was done is read from what is there, and from the backups. Killed at any moment and run
again, it goes on; the backups of a change go only when that change is undone, and the rest of our directory at the end.

While containers use the networks it does nothing, unless it is forced: they could not end cleanly without the plugins.

Neither Docker nor the Mesos agent is restarted. A running Docker goes on with the store until its next start (a reload
with the keys gone changes nothing, or hangs its API), and a Mesos agent before 1.2 knows the network until then.
"""

import os
import shutil
from contextlib import ExitStack
from typing import List, NamedTuple, Optional

from .adoption import KEPT_FILE, NOTE_FILE, Adopted, describe_way_back, read_adopted
from .backups import Backup
from .connectivity.leftovers import plan_sweep
from .docker_api import DockerAwayError, NoSuchObjectError, read_container
from .facts.calico_node import HASH_LABEL, NAME
from .facts.docker import UNIT, is_installed, read_unit
from .files import TEMPORARY_DIR, FileError
from .host import STATE_DIR, Host
from .host_settings import plan_restoring
from .in_use import find_use, tell_users
from .lock import CHANGES, LOCK_DIR, LockedError, hold_lock
from .report import Reporter
from .services.container import remove_container
from .steps import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED
from .undo import Deed, find_backups, plan_undo_all, remove_made_directories
from .wanted import SERVICES, STEPS

# A service's lock is held as long as it is supervised; a supervisor that was told to end takes a moment for it.
SERVICE_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 30
# At the top of an ext4 file system.
FILE_SYSTEMS_OWN = "lost+found"

# change: the backups that a stage undoes; they are discarded once all its deeds are done.
Stage = NamedTuple("Stage", [("change", Optional[str]), ("deeds", List[Deed])])
# faults: what cannot be told now. last: our own directory goes when nothing failed, so that a next run can go on.
Removal = NamedTuple("Removal", [("stages", List[Stage]), ("faults", List[str]), ("last", Optional[Deed])])


NOTHING = Removal([], [], None)
NO_STAGE = Stage(None, [])


def show_removal(host: Host, reporter: Reporter, *, is_forced: bool) -> int:
    """Tell what remove would do, and do nothing."""
    removal = plan_removal(host)
    if _is_in_use(host, removal, reporter, is_forced=is_forced):
        return EXIT_REFUSED
    deeds = [deed for stage in removal.stages for deed in stage.deeds]
    for deed in [*deeds, *([removal.last] if removal.last is not None else [])]:
        reporter.progress("would be done: {}".format(deed.message))
    for fault in removal.faults:
        reporter.failure(fault)
    if removal == NOTHING:
        reporter.progress("nothing to remove")
    return EXIT_FAILED if removal.faults else EXIT_DONE


def remove(host: Host, reporter: Reporter, *, is_forced: bool) -> int:
    """Undo all that was installed on this host, and return the exit status; forced, also under who uses it."""
    if plan_removal(host) == NOTHING:
        reporter.progress("nothing to remove")
        return EXIT_DONE
    try:
        with ExitStack() as locks:
            _hold_services(host, locks)
            locks.enter_context(hold_lock(host, CHANGES, LOCK_TIMEOUT_S, reporter.progress))
            if _is_in_use(host, plan_removal(host), reporter, is_forced=is_forced):
                return EXIT_REFUSED
            return _remove(host, reporter)
    except LockedError as error:
        reporter.failure("{}: end its task first (uninstall the framework), then remove".format(error))
        return EXIT_REFUSED
    except (FileError, OSError) as error:
        reporter.failure("not all is removed, run it again: {}".format(error))
        return EXIT_FAILED


def plan_removal(host: Host) -> Removal:
    """Plan what is removed, the last step first."""
    stages = _plan_leftovers(host)
    faults = []  # type: List[str]
    try:
        stages += _plan_container(host)
    except DockerAwayError as error:
        faults.append("whether a container {} of ours is there is not known: {}".format(NAME, error))
    for change in [change for step in reversed(STEPS) for change in find_backups(host, step)]:
        try:
            stages.append(Stage(change, plan_undo_all(host, change)))
        except FileError as error:  # noqa: PERF203  (what can be undone is)
            faults.append(str(error))
    try:
        stages += _plan_kernel(host)
    except FileError as error:
        faults.append(str(error))
    return Removal([stage for stage in stages if stage != NO_STAGE], faults, _plan_last(host))


def _hold_services(host: Host, locks: ExitStack) -> None:
    for service in reversed(SERVICES):
        if os.path.exists(os.path.join(host.path(LOCK_DIR), service)):
            locks.enter_context(hold_lock(host, service, SERVICE_TIMEOUT_S))


def _is_in_use(host: Host, removal: Removal, reporter: Reporter, *, is_forced: bool) -> bool:
    """Whether something uses what would be removed, which is told; forced, that is told and no obstacle."""
    if not any(stage.deeds for stage in removal.stages):
        return False
    use = find_use(host)
    for doubt in use.doubts:
        reporter.progress("warning: {}".format(doubt))
    if not use.users:
        return False
    told = "Calico is in use: {}".format(tell_users(use.users))
    if is_forced:
        reporter.progress("warning: {}; removed all the same (--force)".format(told))
        return False
    reporter.failure("{}; move these away first, then remove (or remove --force, which cuts them off)".format(told))
    return True


def _remove(host: Host, reporter: Reporter) -> int:
    """Do what is planned under the locks."""
    removal = plan_removal(host)
    faults = list(removal.faults)
    undone = []  # type: List[str]
    for stage in removal.stages:
        found = _do(stage.deeds, reporter)
        faults += found
        if stage.change is not None and not found:
            undone.append(stage.change)
    remove_made_directories(host, undone)
    for change in undone:
        _discard(host, change)
    if not faults and removal.last is not None:
        faults += _do([removal.last], reporter)
    if faults:
        reporter.failure("not all is removed, run it again: {}".format("; ".join(faults)))
        return EXIT_FAILED
    reporter.progress("removed; Docker, and a Mesos agent before 1.2, forget what they read at their next start")
    return EXIT_DONE


def _do(deeds: List[Deed], reporter: Reporter) -> List[str]:
    """Do deeds up to the first that fails, and return why it does."""
    for deed in deeds:
        try:
            deed.do()
        except (FileError, DockerAwayError, OSError) as error:
            return ["{} (to be done: {})".format(error, deed.message)]
        reporter.progress(deed.message)
    return []


def _plan_leftovers(host: Host) -> List[Stage]:
    """Plan to remove what connectivity tests left that were killed."""
    deeds = plan_sweep(host)
    return [Stage(None, deeds)] if deeds else []


def _plan_container(host: Host) -> List[Stage]:
    """Plan to remove the container; one of that name without our mark is somebody else's."""
    try:
        container = read_container(host, NAME)
    except NoSuchObjectError:
        return []
    except DockerAwayError:
        if is_installed(host, read_unit(host, UNIT)):
            raise
        return []
    if HASH_LABEL not in (container.get("Config", {}).get("Labels") or {}):
        return []
    return [Stage(None, [Deed("removed container {}".format(NAME), lambda: remove_container(host))])]


def _discard(host: Host, change: str) -> None:
    """Discard the backups of a change that is undone: at once, so that half of them never count."""
    waste = os.path.join(host.path(TEMPORARY_DIR), "removed-" + change)
    if os.path.isdir(waste):
        shutil.rmtree(waste)
    os.makedirs(os.path.dirname(waste), exist_ok=True)
    os.rename(Backup(host, change).directory, waste)
    shutil.rmtree(waste)


def _plan_kernel(host: Host) -> List[Stage]:
    """Plan to put back what was changed of the kernel's settings; it goes on once the note of it is gone."""
    return [Stage(None, [Deed(told, do) for told, do in plan_restoring(host)])]


def _plan_last(host: Host) -> Optional[Deed]:
    """Plan to remove our directory; the note of a calico-node that was here before us stays, and is told of.

    A directory that is mounted or a link is somebody else's, and is emptied.
    """
    directory = host.path(STATE_DIR)
    is_theirs = os.path.islink(directory) or os.path.ismount(directory)
    if not os.path.isdir(directory) or _is_done(directory, is_theirs=is_theirs):
        return None
    adopted = read_adopted(host)
    if adopted is None and not os.path.exists(host.path(KEPT_FILE)):
        if is_theirs:
            return Deed("emptied {}, which is a mount or a link".format(STATE_DIR), lambda: _clear(directory))
        return Deed("removed {}".format(STATE_DIR), lambda: shutil.rmtree(directory))
    told = "removed {} but for {}: a calico-node of somebody else's was here".format(STATE_DIR, KEPT_FILE)
    if isinstance(adopted, Adopted):
        told += "; how to bring it back: {}".format(describe_way_back(adopted, KEPT_FILE))
    return Deed(told, lambda: _clear(directory))


def _is_done(directory: str, *, is_theirs: bool) -> bool:
    """Whether nothing is in the directory that is to be removed."""
    names, kept = set(os.listdir(directory)), os.path.basename(KEPT_FILE)
    return names <= {kept, FILE_SYSTEMS_OWN} if is_theirs else names == {kept}


def _clear(directory: str) -> None:
    """Remove everything but the note, which gets its last name first: half done and done again, it is still there."""
    note, kept = [os.path.join(directory, os.path.basename(path)) for path in (NOTE_FILE, KEPT_FILE)]
    if os.path.exists(note):
        os.rename(note, kept)
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if path == kept or name == FILE_SYSTEMS_OWN:
            continue
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
