"""``DIR/job.sqlite``: one connection, used by several threads in turn, and its tables.

Each transaction is on the disk when it ends (WAL, ``synchronous=FULL``): after a crash, of the process or of the
machine, the file holds the state after the last of them.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from capledger.backfill.errors import DirectoryInUseError
from capledger.backfill.files import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB_FILE: Final = "job.sqlite"
_LOCK_FILE: Final = "job.lock"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS templates (id INTEGER PRIMARY KEY, query TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS customers (
    id INTEGER PRIMARY KEY,
    fingerprint BLOB NOT NULL UNIQUE,
    identifier_name TEXT NOT NULL,
    identifier_value TEXT NOT NULL,
    source TEXT NOT NULL,
    account_id TEXT,
    template INTEGER NOT NULL REFERENCES templates,
    state TEXT NOT NULL DEFAULT 'planned',
    attempts INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    retry INTEGER NOT NULL DEFAULT 0,
    rows INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    cursor TEXT,
    file TEXT,
    code INTEGER,
    error TEXT
);
CREATE INDEX IF NOT EXISTS customers_planned ON customers (failures, id) WHERE state = 'planned';
CREATE TABLE IF NOT EXISTS pages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer INTEGER NOT NULL REFERENCES customers,
    rows INTEGER NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,
    batch INTEGER
);
CREATE INDEX IF NOT EXISTS pages_customer ON pages (customer);
CREATE INDEX IF NOT EXISTS pages_batch ON pages (batch, customer, id);
CREATE TABLE IF NOT EXISTS bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY,
    rows INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'writing',
    file TEXT,
    bytes INTEGER,
    sha256 TEXT
);
"""


class Database:
    """The database of a job; every method takes its lock, and may be called from any thread.

    Args:
        directory: of the job; None for a temporary database that leaves nothing behind.

    Raises:
        DirectoryInUseError: another process uses the directory.
    """

    def __init__(self, directory: Path | None) -> None:
        self._lock = threading.RLock()
        self._directory_lock = None if directory is None else _lock_directory(directory / _LOCK_FILE)
        if directory is not None:
            make_private(directory / JOB_FILE)
        self._connection = _connect(directory / JOB_FILE if directory is not None else "")
        self._connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_TABLES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything at the end, or nothing after an error."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # the error that led here is the one to report
                    self._connection.execute("ROLLBACK")
                raise

    def fetch_all(self, statement: str, *values: object) -> list[Any]:
        """Return all rows of a result."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def fetch_number(self, statement: str, *values: object) -> int:
        """Return the single number of a result; 0 for null."""
        return self.fetch_all(statement, *values)[0][0] or 0

    def close(self) -> None:
        """Merge the write-ahead log into the file and unlock the directory."""
        with self._lock:
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()  # a step for each page
            self._connection.close()
            if self._directory_lock is not None:
                self._directory_lock.close()
                self._directory_lock = None


def _connect(path: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _lock_directory(path: Path) -> sqlite3.Connection:
    """Lock the directory, on every platform and until the process ends, however it ends."""
    make_private(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        connection.close()
        raise DirectoryInUseError("another process uses this directory: wait until it ends, or stop it") from None
    return connection
