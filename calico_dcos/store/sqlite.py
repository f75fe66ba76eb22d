"""Records in an SQLite file: the embedded store.

Durability: a write-ahead log with synchronous=FULL costs one fsync for each batch, and a batch is there after a power
loss if `write` returned. The only writer holds a lock on the file beside it, which the kernel frees when its process
dies; each batch also checks the writer's epoch, so that removing the lock file does not make two writers.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from calico_dcos.scheduler import StoreError, StoreHeldError

from .parts import Limit

BUSY_TIMEOUT_S = 2.0
POLL_S = 0.1

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS writer (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), epoch INTEGER, holder TEXT);
INSERT OR IGNORE INTO writer VALUES (1, 0, '');
"""


class SqliteRecords:
    """Records in one file.

    Args:
        path: of the database; its directory must exist: one that is made up might not be on the volume that lasts.
        label: the store's URL, for messages.
    """

    limit = Limit()

    def __init__(self, *, path: Path, label: str) -> None:
        self._path = path
        self._label = label
        self._connection: sqlite3.Connection | None = None
        self._lock_file: int | None = None
        self._epoch: int | None = None

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Lock the file, then begin a new epoch: whoever wrote before is not the writer any more."""
        with self._telling_errors():
            self._wait_for_lock(time.monotonic() + timeout_s)
            with self._transaction() as connection:
                connection.execute("UPDATE writer SET epoch = epoch + 1, holder = ?", (holder,))
                (self._epoch,) = connection.execute("SELECT epoch FROM writer").fetchone()

    def read(self) -> Mapping[str, bytes]:
        """Read all records."""
        with self._telling_errors():
            return dict(self._connect().execute("SELECT key, value FROM records").fetchall())

    def write(self, changes: Mapping[str, bytes | None]) -> None:
        """Write in one transaction that belongs to our epoch."""
        with self._telling_errors(), self._transaction() as connection:
            epoch, holder = connection.execute("SELECT epoch, holder FROM writer").fetchone()
            if epoch != self._epoch:
                raise StoreHeldError(f"store {self._label} the lock was lost to {holder}; nothing was written")
            puts = [(key, value) for key, value in changes.items() if value is not None]
            connection.executemany("REPLACE INTO records VALUES (?, ?)", puts)
            removals = [(key,) for key, value in changes.items() if value is None]
            connection.executemany("DELETE FROM records WHERE key = ?", removals)

    def close(self) -> None:
        """Close the file and free the lock."""
        self._epoch = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _wait_for_lock(self, deadline: float) -> None:
        if self._lock_file is None:
            self._lock_file = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    message = f"store {self._label} is held by {self._read_holder()}"
                    raise StoreHeldError(message) from error
                time.sleep(POLL_S)
            else:
                return

    def _read_holder(self) -> str:
        (holder,) = self._connect().execute("SELECT holder FROM writer").fetchone()
        return holder or "another scheduler that is just starting"

    def _connect(self) -> sqlite3.Connection:
        """Open the file once; the threads that use it take turns, as the Store's contract says."""
        if self._connection is None:
            self._connection = open_database(self._path)
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"store {self._label}: {error}; its directory must exist, be writable, and have space"
            ) from error


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, durable and with its tables in place.

    Raises:
        sqlite3.Error: it cannot be opened, or somebody is writing to it.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # Only where they are missing: it takes the lock for writing, for which a busy writer may let nobody through.
        if not _is_laid_out(connection):
            connection.executescript(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_laid_out(connection: sqlite3.Connection) -> bool:
    tables = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('records', 'writer')"
    if connection.execute(tables).fetchone() != (2,):
        return False
    return bool(connection.execute("SELECT COUNT(*) FROM writer").fetchone() == (1,))
