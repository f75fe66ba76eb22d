"""Backups: what was there before a change to a file, under /var/lib/calico-dcos/backup/<change>/<number>.

Every file that a step changes on the host is written through ``Backup.write``. An entry tells what was there (content,
mode, owner, symlink, or that there was nothing), which directories had to be made, and by what the file that we wrote
is known again: the sum of its content, noted before it is written. Times do not count: file systems keep them more or
less finely, and a copy or a touch changes them.

An entry is *open* until the step is verified, then *done*; *undone* once it was put back. A run that was killed leaves
it open, and the next run goes on with it: what is put back is what was there before the change, not half of it.
"""

import hashlib
import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional

from .files import (
    NEW_FILE,
    NEW_PRIVATE_FILE,
    Attributes,
    Content,
    FileCopy,
    FileError,
    compute_sha256,
    find_missing_directories,
    read_attributes,
    read_file,
    write_file,
    write_whole,
)
from .host import STATE_DIR, Host

BACKUP_DIR = STATE_DIR + "/backup"
# The change that writes the network's configuration.
CNI_CONFIG = "cni-config"
META_FILE = "meta.json"
CONTENT_FILE = "content"
OPEN, DONE, UNDONE = "open", "done", "undone"

# By its sum a file is known again; its time is kept to be put back with it, and tells nothing.
Identity = NamedTuple("Identity", [("sha256", str), ("mtime_ns", int)])
# kept: None where there was no file. symlink: what the path pointed to; it is followed, never replaced.
# settings: the keys that were merged into a file which others edit as well, with their values. left: the mode and owner
# that the file had when it was written: others, found later, are somebody else's; null in notes of earlier versions.
Entry = NamedTuple(
    "Entry",
    [
        ("number", str),
        ("path", str),
        ("state", str),
        ("kept", Optional[Identity]),
        ("attributes", Optional[Attributes]),
        ("symlink", Optional[str]),
        ("made_directories", List[str]),
        ("written", List[Identity]),
        ("settings", Dict[str, str]),
        ("left", Optional[Attributes]),
    ],
)


def choose_mtime_ns() -> int:
    """Choose the time of modification of a file that is written now, in whole microseconds."""
    return int(time.time() * 1e6) * 1000


def read_identity(path: str) -> Optional[Identity]:
    """Read a file's identity; None where there is none. FileError if it cannot be read."""
    try:
        return Identity(compute_sha256(path), os.stat(path).st_mtime_ns)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError("{}: {}".format(path, error.strerror)) from error


def is_same(one: Optional[Identity], other: Optional[Identity]) -> bool:
    """Whether two files, or their absences, have the same content."""
    return (one and one.sha256) == (other and other.sha256)


def is_among(one: Optional[Identity], others: List[Identity]) -> bool:
    """Whether a file has the content of one of these."""
    return any(is_same(one, other) for other in others)


def list_backups(host: Host) -> List[str]:
    """List the changes that have backups."""
    directory = host.path(BACKUP_DIR)
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def find_origin(entries: List[Entry]) -> Optional[Entry]:
    """Find the entry that keeps what was there before us: a chain of our own writings is followed to its beginning.

    A chain is broken where somebody else changed the file between two changes of ours: theirs is then what was there.
    None without any entry that stands.
    """
    standing = [entry for entry in entries if entry.state != UNDONE]
    if not standing:
        return None
    index = len(standing) - 1
    while index > 0 and is_among(standing[index].kept, standing[index - 1].written):
        index -= 1
    return standing[index]


class Backup:
    """The backups of one change to one file; mtime_ns is what it will have, where that has to be known before."""

    def __init__(self, host: Host, change: str, mtime_ns: Optional[int] = None) -> None:
        self._host = host
        self._mtime_ns = mtime_ns
        self._directory = host.path("{}/{}".format(BACKUP_DIR, change))

    @property
    def directory(self) -> str:
        """Where its entries are."""
        return self._directory

    def write(
        self,
        path: str,
        content: Content,
        attributes: Optional[Attributes] = None,
        settings: Optional[Dict[str, str]] = None,
    ) -> None:
        """Keep what is at path, and write content in its place; with attributes, its mode and owner too.

        Raises:
            FileError: it cannot be kept or written; what was there is then still there.
        """
        mtime_ns = self._mtime_ns or choose_mtime_ns()
        left = _complete(attributes or read_attributes(path) or NEW_FILE)
        self._keep(path, Identity(compute_sum(content), mtime_ns), settings or {}, left)
        if attributes is None and isinstance(content, bytes):
            write_file(self._host, path, content, NEW_FILE, mtime_ns)
        else:
            write_whole(self._host, path, content, attributes or NEW_FILE, mtime_ns)

    def read_entries(self) -> List[Entry]:
        """Read the entries, the oldest first; one without a meta file was not finished, and does not count.

        Raises:
            FileError: one cannot be read.
        """
        if not os.path.isdir(self._directory):
            return []
        numbers = sorted(number for number in os.listdir(self._directory) if self._has_meta(number))
        return [self._read_entry(number) for number in numbers]

    def find_last(self) -> List[Entry]:
        """Find the last entry of each path: the paths are options, and an option may have changed."""
        return list({entry.path: entry for entry in self.read_entries()}.values())

    def find_kept(self, entry: Entry) -> Optional[FileCopy]:
        """Find the content that an entry keeps; None where there was no file.

        Raises:
            FileError: it cannot be read, or is not what was kept.
        """
        if entry.kept is None:
            return None
        path = os.path.join(self._directory, entry.number, CONTENT_FILE)
        if not is_same(read_identity(path), entry.kept):
            raise FileError("{} is not what was kept there".format(path))
        return FileCopy(path, entry.kept.sha256)

    def mark(self, entry: Entry, state: str) -> None:
        """Note what became of an entry; FileError if that is not possible."""
        self._save(entry._replace(state=state))

    def settle(self) -> None:
        """The change is verified: its entry is no longer open."""
        for entry in self.find_last():
            if entry.state == OPEN:
                self.mark(entry, DONE)

    def _keep(self, path: str, writing: Identity, settings: Dict[str, str], left: Attributes) -> None:
        current = read_identity(path)
        entries = self.read_entries()
        ours = [entry for entry in entries if entry.path == self._host.name_path(path)]
        last = ours[-1] if ours else None
        is_open = last is not None and last.state == OPEN
        if last is not None and is_open and (is_same(current, last.kept) or is_among(current, last.written)):
            settings = dict(last.settings, **settings)
            self._save(last._replace(written=[*last.written, writing], settings=settings, left=left))
            return
        number = "{:04d}".format(int(entries[-1].number if entries else 0) + 1)
        directory = os.path.join(self._directory, number)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if current is not None:
            kept = os.path.join(directory, CONTENT_FILE)
            write_whole(self._host, kept, FileCopy(path, current.sha256), NEW_PRIVATE_FILE)
        # The meta file comes last: an entry without one was not finished, and does not count.
        self._save(
            Entry(
                number=number,
                path=self._host.name_path(path),
                state=OPEN,
                kept=current,
                attributes=read_attributes(path),
                symlink=os.readlink(path) if os.path.islink(path) else None,
                made_directories=[self._host.name_path(made) for made in find_missing_directories(path)],
                written=[writing],
                settings=settings,
                left=left,
            )
        )

    def _has_meta(self, number: str) -> bool:
        return os.path.exists(os.path.join(self._directory, number, META_FILE))

    def _read_entry(self, number: str) -> Entry:
        path = os.path.join(self._directory, number, META_FILE)
        try:
            return parse_entry(number, json.loads((read_file(path) or b"{}").decode("utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise FileError("{} is not understood: {!r}".format(path, error)) from error

    def _save(self, entry: Entry) -> None:
        content = json.dumps(build_meta(entry), indent=2, sort_keys=True).encode("utf-8") + b"\n"
        path = os.path.join(self._directory, entry.number, META_FILE)
        write_file(self._host, path, content, NEW_PRIVATE_FILE)


def compute_sum(content: Content) -> str:
    """Compute the sum of a content; that of a copy is known."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else content.sha256


def build_meta(entry: Entry) -> Dict[str, Any]:
    """Build the JSON form of an entry; its number is its directory's name."""
    meta = dict(entry._asdict())
    del meta["number"]
    meta["kept"] = entry.kept and dict(entry.kept._asdict())
    meta["attributes"] = entry.attributes and dict(entry.attributes._asdict())
    meta["left"] = entry.left and dict(entry.left._asdict())
    meta["written"] = [dict(identity._asdict()) for identity in entry.written]
    return meta


def parse_entry(number: str, meta: Dict[str, Any]) -> Entry:
    """Read an entry's JSON form.

    Raises:
        KeyError, TypeError: it is malformed.
    """
    fields = dict(meta, number=number)
    fields["kept"] = Identity(**meta["kept"]) if meta["kept"] is not None else None
    fields["attributes"] = Attributes(**meta["attributes"]) if meta["attributes"] is not None else None
    fields["written"] = [Identity(**identity) for identity in meta["written"]]
    fields["left"] = Attributes(**meta["left"]) if meta.get("left") is not None else None
    return Entry(**fields)


def _complete(attributes: Attributes) -> Attributes:
    """Name the owner that is left open: whoever runs this program."""
    uid = os.geteuid() if attributes.uid < 0 else attributes.uid
    return Attributes(attributes.mode, uid, os.getegid() if attributes.gid < 0 else attributes.gid)
