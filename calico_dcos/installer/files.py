"""Writes files so that no one ever sees half of one: a temporary file, fsync, rename, and fsync of the directory."""

import errno
import hashlib
import os
import stat
from contextlib import contextmanager
from typing import BinaryIO, Iterator, List, NamedTuple, Optional, Union

from .host import STATE_DIR, Host

TEMPORARY_DIR = STATE_DIR + "/temporary"
TEMPORARY_SUBDIR = ".calico-dcos"

Attributes = NamedTuple("Attributes", [("mode", int), ("uid", int), ("gid", int)])
# -1: whoever runs this program owns it.
NEW_FILE = Attributes(0o644, -1, -1)
NEW_PRIVATE_FILE = Attributes(0o600, -1, -1)
PROGRAM = Attributes(0o755, -1, -1)
CHUNK_BYTES = 1 << 16

# The content of another file, with its sum: programs are as large as the memory of a task.
FileCopy = NamedTuple("FileCopy", [("path", str), ("sha256", str)])
Content = Union[bytes, FileCopy]


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


def compute_sha256(path: str) -> str:
    """Compute a file's sum, a chunk at a time; OSError if it cannot be read."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def write_content(content: Content, file: BinaryIO) -> None:
    """Write a content into an open file."""
    if isinstance(content, bytes):
        file.write(content)
        return
    with open(content.path, "rb") as source:
        file.writelines(iter(lambda: source.read(CHUNK_BYTES), b""))


def write_file(
    host: Host, path: str, content: bytes, new: Attributes = NEW_FILE, mtime_ns: Optional[int] = None
) -> bool:
    """Write a file (path as seen from here) if its content differs, and say whether it did.

    A file that is there keeps its mode and owner, and its symlink; a new one gets those of new. With mtime_ns, that is
    its time of modification: a backup notes it beforehand, and knows the file again by it.

    Raises:
        FileError: it cannot be written; what was there is then still there.
    """
    if read_file(path) == content:
        return False
    target = _resolve(host, path)
    with _naming(path):
        _replace(host, target, content, read_attributes(target) or new, mtime_ns)
    return True


def write_whole(
    host: Host, path: str, content: Content, attributes: Attributes, mtime_ns: Optional[int] = None
) -> None:
    """Write a file in the place of whatever was there, its mode and owner too; FileError as above."""
    target = _resolve(host, path)
    with _naming(path):
        _replace(host, target, content, attributes, mtime_ns)


def write_program(host: Host, path: str, content: Content) -> None:
    """Write a program of our own in the place of whatever was there; FileError as above."""
    write_whole(host, path, content, PROGRAM)


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


def find_missing_directories(path: str) -> List[str]:
    """Find the directories above a path that writing it would make, the deepest first."""
    missing = []
    directory = os.path.dirname(os.path.realpath(path))
    while not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    return missing


def remove_directory(path: str) -> bool:
    """Remove a directory if it is empty, and say whether it is gone."""
    with _naming(path):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            # The last of these: something is mounted there.
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
                return False
            raise
        _sync_directory(os.path.dirname(path))
    return True


def sweep_temporaries(host: Host, path: str) -> None:
    """Remove what a run left that was killed while it wrote this file.

    Raises:
        FileError: it cannot be removed.
    """
    directory, name = os.path.split(_resolve(host, path))
    with _naming(path):
        for place in (host.path(TEMPORARY_DIR), os.path.dirname(directory)):
            _remove_if_there(os.path.join(place, _name_temporary(name)))
        _remove_if_there(os.path.join(directory, TEMPORARY_SUBDIR, name))
        if os.path.isdir(os.path.join(directory, TEMPORARY_SUBDIR)):
            os.rmdir(os.path.join(directory, TEMPORARY_SUBDIR))


def _remove_if_there(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def _name_temporary(name: str) -> str:
    return ".{}.calico-dcos".format(name)


def _sync_directory(directory: str) -> None:
    """Make the names in a directory last through a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(host: Host, target: str, content: Content, attributes: Attributes, mtime_ns: Optional[int]) -> None:
    directory = os.path.dirname(target)
    os.makedirs(directory, exist_ok=True)
    try:
        for temporary in _choose_temporaries(host, target):
            if _try_replace(temporary, target, content, attributes, mtime_ns):
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
            yield os.path.join(candidate, _name_temporary(name))
    yield os.path.join(directory, TEMPORARY_SUBDIR, name)


def _try_replace(
    temporary: str, target: str, content: Content, attributes: Attributes, mtime_ns: Optional[int]
) -> bool:
    """Write and rename; False where that is not possible from this place: two mounts may show one file system."""
    os.makedirs(os.path.dirname(temporary), exist_ok=True)
    try:
        _write_synced(temporary, content, attributes, mtime_ns, target)
        os.rename(temporary, target)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _write_synced(path: str, content: Content, attributes: Attributes, mtime_ns: Optional[int], target: str) -> None:
    with open(path, "wb") as file:
        # Access lists before the mode, which is a part of them.
        _copy_extended(target, file.fileno())
        # The owner first: a change of owner takes the set-user-id bit away.
        os.fchown(file.fileno(), attributes.uid, attributes.gid)
        os.fchmod(file.fileno(), attributes.mode)
        write_content(content, file)
        file.flush()
        if mtime_ns is not None:
            os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))
        os.fsync(file.fileno())


def _copy_extended(target: str, descriptor: int) -> None:
    """Give a file the access list and SELinux' label of the one that it replaces; a first one, its directory's label.

    A rename keeps the label of where the file was made, with which confined programs may not read it. What the file
    systems do not know is left out.
    """
    is_there = os.path.exists(target)
    for name in ("security.selinux", "system.posix_acl_access") if is_there else ("security.selinux",):
        try:
            value = os.getxattr(target if is_there else os.path.dirname(target), name)
            os.setxattr(descriptor, name, value)
        except OSError:  # noqa: PERF203  (one of them may be known)
            continue


def read_attributes(path: str) -> Optional[Attributes]:
    """Read a file's mode and owner; None where there is none."""
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
