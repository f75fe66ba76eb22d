"""Writes files so that no one ever sees half of one: a temporary file, fsync, rename, and fsync of the directory."""

import errno
import os
import stat
from contextlib import contextmanager
from typing import Iterator, NamedTuple, Optional

from .host import STATE_DIR, Host

TEMPORARY_DIR = STATE_DIR + "/temporary"
TEMPORARY_SUBDIR = ".calico-dcos"

Attributes = NamedTuple("Attributes", [("mode", int), ("uid", int), ("gid", int)])
# -1: whoever runs this program owns it.
NEW_FILE = Attributes(0o644, -1, -1)
NEW_PRIVATE_FILE = Attributes(0o600, -1, -1)
PROGRAM = Attributes(0o755, -1, -1)


class FileError(Exception):
    """A file cannot be read or written; the message names it and says why."""


def read_file(path: str) -> Optional[bytes]:
    """Read a whole file; None where there is none.

    Raises:
        FileError: it is there and cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError("{}: {}".format(path, error.strerror)) from error


def write_file(host: Host, path: str, content: bytes, new: Attributes = NEW_FILE) -> bool:
    """Write a file (path as seen from here) if its content differs, and say whether it did.

    A file that is there keeps its mode and owner, and its symlink; a new one gets those of new.

    Raises:
        FileError: it cannot be written; what was there is then still there.
    """
    if read_file(path) == content:
        return False
    target = _resolve(host, path)
    with _naming(path):
        _replace(host, target, content, _read_attributes(target) or new)
    return True


def write_program(host: Host, path: str, content: bytes) -> None:
    """Write a program in the place of whatever was there; FileError as above."""
    target = _resolve(host, path)
    with _naming(path):
        _replace(host, target, content, PROGRAM)


def remove_file(path: str) -> bool:
    """Remove a file, and say whether there was one.

    Raises:
        FileError: it cannot be removed.
    """
    if not os.path.lexists(path):
        return False
    with _naming(path):
        os.unlink(path)
        _sync_directory(os.path.dirname(path))
    return True


def _sync_directory(directory: str) -> None:
    """Make the names in a directory last through a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(host: Host, target: str, content: bytes, attributes: Attributes) -> None:
    directory = os.path.dirname(target)
    os.makedirs(directory, exist_ok=True)
    try:
        for temporary in _choose_temporaries(host, target):
            if _try_replace(temporary, target, content, attributes):
                _sync_directory(directory)
                return
    finally:
        subdirectory = os.path.join(directory, TEMPORARY_SUBDIR)
        if os.path.isdir(subdirectory):
            os.rmdir(subdirectory)


def _choose_temporaries(host: Host, target: str) -> Iterator[str]:
    """Choose where the new file is made before it is renamed to target: on its file system, best place first.

    Never directly beside it: Mesos reads every file of its CNI directory, dot files too, but no subdirectory. The names
    are always the same, so that what a killed run left is overwritten by the next.
    """
    directory, name = os.path.split(target)
    own = host.path(TEMPORARY_DIR)
    os.makedirs(own, exist_ok=True)
    device = os.stat(directory).st_dev
    for candidate in (own, os.path.dirname(directory)):
        if os.stat(candidate).st_dev == device:
            yield os.path.join(candidate, ".{}.calico-dcos".format(name))
    yield os.path.join(directory, TEMPORARY_SUBDIR, name)


def _try_replace(temporary: str, target: str, content: bytes, attributes: Attributes) -> bool:
    """Write and rename; False where that is not possible from this place: two mounts may show one file system."""
    os.makedirs(os.path.dirname(temporary), exist_ok=True)
    try:
        _write_synced(temporary, content, attributes)
        os.rename(temporary, target)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _write_synced(path: str, content: bytes, attributes: Attributes) -> None:
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), attributes.mode)
        os.fchown(file.fileno(), attributes.uid, attributes.gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_attributes(path: str) -> Optional[Attributes]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return Attributes(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def _resolve(host: Host, path: str) -> str:
    """Follow symlinks, and never out of a relocated host: its links name the paths of another root."""
    target = os.path.realpath(path)
    if not target.startswith(host.root + "/"):
        raise FileError("{} leads out of {}".format(path, host.root))
    return target


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turn an OSError into a FileError that names the path."""
    try:
        yield
    except OSError as error:
        raise FileError("{}: {}".format(path, error.strerror)) from error
