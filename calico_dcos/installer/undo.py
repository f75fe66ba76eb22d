"""Puts back what was there before changes of ours: at once when one failed, and all of it on removal.

Only a file that we wrote is put back or taken away. One that somebody else wrote since stays; of ``daemon.json``, which
others edit as well, our keys are taken out.
"""

from typing import Callable, List, NamedTuple, Optional, Tuple

from .backups import CNI_CONFIG, DONE, OPEN, UNDONE, Backup, Entry, Identity, find_origin, list_backups, read_identity
from .daemon_edits import take_out
from .files import FileError, read_file, remove_directory, remove_file, sweep_temporaries, write_file, write_whole
from .host import Host

STORE_BACKUP = "docker-cluster-store"
NETWORK_BACKUP = CNI_CONFIG
PLUGIN_BACKUP = "cni-plugin-"

# What is done to undo something: told in the past, planned before.
Deed = NamedTuple("Deed", [("message", str), ("do", Callable[[], None])])


def find_backups(host: Host, step: str) -> List[str]:
    """Find the backups of a step, in the order in which they are undone: the network before its plugins."""
    prefixes = {"docker-cluster-store": (STORE_BACKUP,), "cni": (NETWORK_BACKUP, PLUGIN_BACKUP)}.get(step, ())
    names = list_backups(host)
    return [name for prefix in prefixes for name in names if name.startswith(prefix)]


def has_unfinished(host: Host, step: str) -> bool:
    """Whether a run of this step was killed before its changes were verified; FileError if that cannot be read."""
    return any(entry.state == OPEN for change in find_backups(host, step) for entry in Backup(host, change).find_last())


def settle_step(host: Host, step: str) -> None:
    """The changes of a step are verified.

    Raises:
        FileError: that cannot be noted.
    """
    for change in find_backups(host, step):
        backup = Backup(host, change)
        for entry in backup.find_last():
            sweep_temporaries(host, host.path(entry.path))
        backup.settle()


def undo_step(host: Host, step: str) -> List[str]:
    """Undo the changes of a step that are not verified, and tell what was done, a line for each file.

    Raises:
        FileError: something cannot be put back; run again, it goes on.
    """
    changes = find_backups(host, step)
    told = [line for change in changes for line in undo_change(host, change, states=(OPEN,))]
    if told:
        remove_made_directories(host, changes)
    return told


def undo_change(host: Host, change: str, states: Tuple[str, ...] = (OPEN, DONE)) -> List[str]:
    """Undo the last change to each file of a backup, and tell what was done; FileError as above."""
    backup = Backup(host, change)
    told = []
    for entry in backup.find_last():
        if entry.state in states:
            deed = _plan(host, backup, entry, entry, entry.written)
            deed.do()
            backup.mark(entry, UNDONE)
            told.append(deed.message)
    return told


def plan_undo_all(host: Host, change: str) -> List[Deed]:
    """Plan what undoes every change to the files of a backup.

    Raises:
        FileError: something cannot be read.
    """
    backup = Backup(host, change)
    entries = backup.read_entries()
    paths = sorted({entry.path for entry in entries})
    plans = [_plan_path(host, backup, [entry for entry in entries if entry.path == path]) for path in paths]
    return [deed for deed in plans if deed is not None]


def remove_made_directories(host: Host, changes: List[str]) -> None:
    """Remove the directories that were made for files that are gone, as far as nobody else uses them by now.

    Raises:
        FileError: one cannot be removed.
    """
    made = {
        directory
        for change in changes
        for entry in Backup(host, change).read_entries()
        for directory in entry.made_directories
    }
    for directory in sorted(made, key=len, reverse=True):
        remove_directory(host.path(directory))


def _plan_path(host: Host, backup: Backup, entries: List[Entry]) -> Optional[Deed]:
    origin = find_origin(entries)
    if origin is None:
        return None
    standing = [entry for entry in entries if entry.state != UNDONE]
    written = [identity for entry in standing for identity in entry.written]
    return _plan(host, backup, standing[-1], origin, written)


def _plan(host: Host, backup: Backup, last: Entry, origin: Entry, written: List[Identity]) -> Deed:
    """Plan what is done with one file: the ladder goes from what needs no change to what must be put back."""
    path = host.path(last.path)

    def leave() -> None:
        sweep_temporaries(host, path)

    def take_away() -> None:
        sweep_temporaries(host, path)
        remove_file(path)

    current = read_identity(path)
    if current == origin.kept:
        return Deed("{} is as it was before".format(path), leave)
    if current is None:
        return Deed("{} was removed by somebody else, and stays away".format(path), leave)
    if current not in written:
        return _plan_take_out(host, backup, last, origin, Deed("left {}".format(path), leave))
    if origin.kept is None or origin.attributes is None:
        return Deed("took {} away: there was none before".format(path), take_away)
    content, attributes, mtime_ns = backup.read_kept(origin), origin.attributes, origin.kept.mtime_ns

    def put_back() -> None:
        sweep_temporaries(host, path)
        write_whole(host, path, content, attributes, mtime_ns)

    return Deed("put {} back as it was before".format(path), put_back)


def _plan_take_out(host: Host, backup: Backup, last: Entry, origin: Entry, leave: Deed) -> Deed:
    """Plan what is done with a file that somebody else has changed since."""
    left = leave._replace(message="{}: somebody else has changed it since".format(leave.message))
    if not last.settings:
        return left
    path = host.path(last.path)
    text = (read_file(path) or b"").decode("utf-8", "replace")
    original = backup.read_kept(origin).decode("utf-8", "replace") if origin.kept is not None else None
    try:
        edited = take_out(text, last.settings, original)
    except ValueError as error:
        raise FileError("our keys cannot be taken out of {}: {}".format(path, error)) from error
    if edited == text:
        return left

    def edit() -> None:
        sweep_temporaries(host, path)
        if edited is None:
            remove_file(path)
        else:
            write_file(host, path, edited.encode("utf-8"))

    if edited is None:
        return Deed("took {} away: only our keys were in it".format(path), edit)
    return Deed("took our keys out of {}, which somebody else has changed since".format(path), edit)
