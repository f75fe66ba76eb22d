"""Puts back what was there before changes of ours: at once when one failed, and all of it on removal.

Only a file that we wrote is put back or taken away. One that somebody else wrote since stays; of ``daemon.json``, which
others edit as well, our keys are taken out, and they are taken out of what comes back, too: what was there before a
second change of ours may hold the keys of the first. A mode or an owner that somebody changed since stays.
"""

from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from .backups import (
    CNI_CONFIG,
    DONE,
    OPEN,
    UNDONE,
    Backup,
    Entry,
    compute_sum,
    find_origin,
    is_among,
    is_same,
    list_backups,
    read_identity,
)
from .daemon_edits import take_out
from .files import (
    NEW_FILE,
    Attributes,
    Content,
    FileCopy,
    FileError,
    read_attributes,
    read_file,
    remove_directory,
    remove_file,
    sweep_temporaries,
    write_file,
    write_whole,
)
from .host import Host

STORE_BACKUP = "docker-cluster-store"
NETWORK_BACKUP = CNI_CONFIG
PLUGIN_BACKUP = "cni-plugin-"

# What is done to undo something: told in the past, planned before.
Deed = NamedTuple("Deed", [("message", str), ("do", Callable[[], None])])
# What a file comes back to. origin: what was there. theirs: its content without anything of ours; None for no file.
# written: our writings since then, the last one at the end.
Past = NamedTuple("Past", [("origin", Entry), ("theirs", Optional[Content]), ("written", List[Entry])])


def find_backups(host: Host, step: str) -> List[str]:
    """Find the backups of a step in the order of their names, in which they are undone: the network, then plugins."""
    # By its name, a backup is a step's: the step's own name, or that with a dash and more behind it.
    return [name for name in list_backups(host) if (name + "-").startswith(step + "-")]


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
            deed = _plan(host, Past(entry, backup.find_kept(entry), [entry]))
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
    standing = [entry for entry in entries if entry.state != UNDONE]
    origin = find_origin(standing)
    if origin is None:
        return None
    return _plan(host, Past(origin, _read_theirs(backup, standing, origin), standing))


def _read_text(content: Optional[Content]) -> Optional[str]:
    """Read a file of settings; None for none."""
    if isinstance(content, FileCopy):
        content = read_file(content.path)
    return None if content is None else content.decode("utf-8", "replace")


def _read_theirs(backup: Backup, standing: List[Entry], origin: Entry) -> Optional[Content]:
    """Read what an entry keeps, without the settings that earlier writings of ours have put into it."""
    content = backup.find_kept(origin)
    earlier = standing[: standing.index(origin)]
    before = find_origin(earlier)
    settings = _find_settings(earlier)
    if content is None or before is None or not settings:
        return content
    text = _read_text(content) or ""
    try:
        edited = take_out(text, settings, _read_text(_read_theirs(backup, earlier, before)))
    except ValueError:
        return content  # it was not valid when it was kept, so there are no keys in it
    return content if edited == text else None if edited is None else edited.encode("utf-8")


def _find_settings(entries: List[Entry]) -> List[Dict[str, str]]:
    return [entry.settings for entry in entries if entry.settings]


def _plan(host: Host, past: Past) -> Deed:
    """Plan what is done with one file: the ladder goes from what needs no change to what must be put back."""
    path = host.path(past.origin.path)

    def leave() -> None:
        sweep_temporaries(host, path)

    def take_away() -> None:
        sweep_temporaries(host, path)
        remove_file(path)

    current = read_identity(path)
    if (current and current.sha256) == (None if past.theirs is None else compute_sum(past.theirs)):
        return Deed("{} is as it was before".format(path), leave)
    if current is None:
        return Deed("{} was removed by somebody else, and stays away".format(path), leave)
    written = [identity for entry in past.written for identity in entry.written]
    if not is_among(current, written) and not is_same(current, past.origin.kept):
        return _plan_take_out(host, past, Deed("left {}".format(path), leave))
    if past.theirs is None:
        return Deed("took {} away: there was none before".format(path), take_away)
    return Deed("put {} back as it was before".format(path), _build_put_back(host, path, past, past.theirs))


def _build_put_back(host: Host, path: str, past: Past, content: Content) -> Callable[[], None]:
    attributes = _choose_attributes(path, past)
    mtime_ns = None if past.origin.kept is None else past.origin.kept.mtime_ns

    def put_back() -> None:
        sweep_temporaries(host, path)
        write_whole(host, path, content, attributes, mtime_ns)

    return put_back


def _choose_attributes(path: str, past: Past) -> Attributes:
    """Choose mode and owner of a file that comes back: its own, unless somebody changed them since it was written."""
    current, left = read_attributes(path), past.written[-1].left
    own = past.origin.attributes or current
    if own is None or (left is not None and current is not None and current != left):
        return current or NEW_FILE
    return own


def _plan_take_out(host: Host, past: Past, leave: Deed) -> Deed:
    """Plan what is done with a file that somebody else has changed since."""
    left = leave._replace(message="{}: somebody else has changed it since".format(leave.message))
    settings = _find_settings(past.written)
    if not settings:
        return left
    path = host.path(past.origin.path)
    text = (read_file(path) or b"").decode("utf-8", "replace")
    try:
        edited = take_out(text, settings, _read_text(past.theirs))
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
