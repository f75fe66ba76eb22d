"""Puts back what was there before changes of ours: at once when one failed, and all of it on removal.

Only a file that we wrote is put back or taken away. One that somebody else wrote since stays; of ``daemon.json``, which
others edit as well, our keys are taken out.
"""

from typing import List, Tuple

from .backups import DONE, OPEN, UNDONE, Backup, Entry, Identity, find_origin, list_backups, read_identity
from .daemon_edits import take_out
from .files import read_file, remove_directory, remove_file, sweep_temporaries, write_file, write_whole
from .host import Host

STORE_BACKUP = "docker-cluster-store"
NETWORK_BACKUP = "cni-config"
PLUGIN_BACKUP = "cni-plugin-"


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
    return [line for change in find_backups(host, step) for line in undo_change(host, change, states=(OPEN,))]


def undo_change(host: Host, change: str, states: Tuple[str, ...] = (OPEN, DONE)) -> List[str]:
    """Undo the last change to each file of a backup, and tell what was done; FileError as above."""
    backup = Backup(host, change)
    told = []
    for entry in backup.find_last():
        if entry.state in states:
            told.append(_put_back(host, backup, entry, entry, entry.written))
            backup.mark(entry, UNDONE)
    return told


def undo_all(host: Host, change: str) -> List[str]:
    """Undo every change to the files of a backup, and tell what was done; FileError as above."""
    backup = Backup(host, change)
    entries = backup.read_entries()
    told = []
    for path in sorted({entry.path for entry in entries}):
        same = [entry for entry in entries if entry.path == path]
        origin = find_origin(same)
        if origin is None:
            sweep_temporaries(host, host.path(path))
            continue
        standing = [entry for entry in same if entry.state != UNDONE]
        written = [identity for entry in standing for identity in entry.written]
        told.append(_put_back(host, backup, standing[-1], origin, written))
        # The directories that earlier changes made, whether they stand or not.
        for entry in same:
            _remove_made_directories(host, entry)
    return told


def _put_back(host: Host, backup: Backup, last: Entry, origin: Entry, written: List[Identity]) -> str:
    path = host.path(last.path)
    sweep_temporaries(host, path)
    current = read_identity(path)
    if current is None:
        _remove_made_directories(host, last)
        return "{} is not there".format(path) if origin.kept is None else "{} stays away, as it was found".format(path)
    if current == origin.kept:
        return "{} is as it was before".format(path)
    if current not in written:
        return _take_out(host, backup, path, last, origin)
    if origin.kept is None or origin.attributes is None:
        remove_file(path)
        _remove_made_directories(host, origin)
        return "{} was taken away: there was none before".format(path)
    write_whole(host, path, backup.read_kept(origin), origin.attributes, origin.kept.mtime_ns)
    return "{} was put back".format(path)


def _take_out(host: Host, backup: Backup, path: str, last: Entry, origin: Entry) -> str:
    """Undo what can be undone of a change to a file that somebody else has changed since."""
    left = "{} was left as it is: somebody else has changed it since".format(path)
    if not last.settings:
        return left
    text = (read_file(path) or b"").decode("utf-8", "replace")
    original = backup.read_kept(origin).decode("utf-8", "replace") if origin.kept is not None else None
    try:
        edited = take_out(text, last.settings, original)
    except ValueError as error:
        return "{} ({})".format(left, error)
    if edited is None:
        remove_file(path)
        _remove_made_directories(host, origin)
        return "{} was taken away: nothing but our keys was in it".format(path)
    if not write_file(host, path, edited.encode("utf-8")):
        return left
    return "our keys were taken out of {}, which somebody else has changed since".format(path)


def _remove_made_directories(host: Host, entry: Entry) -> None:
    """Remove the directories that were made for a file, as far as nobody else uses them by now."""
    for directory in entry.made_directories:
        if not remove_directory(host.path(directory)):
            return
