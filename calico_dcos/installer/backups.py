"""Backups: what was there before a change, under /var/lib/calico-dcos/backup/<change>/<number>, kept for good.

A backup is *open* until its change is verified. A run that was killed leaves it open; the next run goes on with it as
long as the file is still as that run wrote it, so that what is put back is what was there before the change.
"""

import hashlib
import json
import os
import shutil
from typing import Any, Dict, Optional

from .files import NEW_PRIVATE_FILE, read_file, remove_file, write_file
from .host import STATE_DIR, Host

BACKUP_DIR = STATE_DIR + "/backup"
META_FILE = "meta.json"
CONTENT_FILE = "content"


class Backup:
    """The backups of one change to one file."""

    def __init__(self, host: Host, change: str, path: str) -> None:
        self._host = host
        self._path = path
        self._directory = host.path("{}/{}".format(BACKUP_DIR, change))

    def keep(self, new_sha256: str) -> None:
        """Keep the file as it is now, before one with new_sha256 is written; FileError if that is not possible."""
        current = read_file(self._path)
        last = self._find_last()
        if last is not None and self._is_open(last) and _compute_sha256(current) == self._read_meta(last)["written"]:
            return
        number = "{:04d}".format(int(last or 0) + 1)
        directory = os.path.join(self._directory, number)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if current is not None:
            write_file(self._host, os.path.join(directory, CONTENT_FILE), current, NEW_PRIVATE_FILE)
            shutil.copystat(self._path, os.path.join(directory, CONTENT_FILE))
        # The meta file comes last: a backup without one was not finished, and does not count.
        self._write_meta(number, {"path": self._path, "open": True, "written": new_sha256})

    def settle(self) -> None:
        """The change is verified: its backup is no longer open."""
        last = self._find_last()
        if last is not None and self._is_open(last):
            self._write_meta(last, dict(self._read_meta(last), open=False))

    def put_back(self) -> bool:
        """Put back what was there before an unverified change, and say whether there was something to put back."""
        last = self._find_last()
        if last is None or not self._is_open(last):
            return False
        kept = read_file(os.path.join(self._directory, last, CONTENT_FILE))
        if kept is None:
            remove_file(self._path)
        else:
            write_file(self._host, self._path, kept)
        self.settle()
        return True

    def _find_last(self) -> Optional[str]:
        if not os.path.isdir(self._directory):
            return None
        complete = [name for name in os.listdir(self._directory) if self._has_meta(name)]
        return max(complete) if complete else None

    def _has_meta(self, number: str) -> bool:
        return os.path.exists(os.path.join(self._directory, number, META_FILE))

    def _is_open(self, number: str) -> bool:
        return bool(self._read_meta(number)["open"])

    def _read_meta(self, number: str) -> Any:
        content = read_file(os.path.join(self._directory, number, META_FILE)) or b"{}"
        return json.loads(content.decode("utf-8"))

    def _write_meta(self, number: str, meta: Dict[str, Any]) -> None:
        content = json.dumps(meta, indent=2, sort_keys=True).encode("utf-8") + b"\n"
        write_file(self._host, os.path.join(self._directory, number, META_FILE), content, NEW_PRIVATE_FILE)


def _compute_sha256(content: Optional[bytes]) -> Optional[str]:
    return None if content is None else hashlib.sha256(content).hexdigest()
