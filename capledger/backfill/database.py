"""``DIR/job.sqlite``: one connection, used by several threads in turn, and its tables.

Each transaction is on the disk when it ends (WAL, ``synchronous=FULL``): after a crash, of the process or of the
machine, the file holds the state after the last of them.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from capledger.backfill.errors import DirectoryInUseError, StorageError
from capledger.backfill.files import make_private
from capledger.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB_FILE: Final = "job.sqlite"
#: Version of the tables, which a change of them raises.
_VERSION: Final = 1
_LOCK_FILE: Final = "job.lock"
#: How to begin, commit and roll back a transaction, and one within another.
_OUTERMOST: Final = ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
_NESTED: Final = ("SAVEPOINT nested", "RELEASE nested", "ROLLBACK TO nested")
#: The part of an error code of SQLite that names the kind of error.
_PRIMARY_CODE: Final = 0xFF
_IN_USE: Final = "another process uses this directory: wait until it ends, or stop it"
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNUSABLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_PERM: "it cannot be read",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
}

_TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE templates (id INTEGER PRIMARY KEY, query TEXT NOT NULL UNIQUE);
CREATE TABLE customers (
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
    listed INTEGER NOT NULL DEFAULT 1,
    asked INTEGER NOT NULL DEFAULT 1,
    deferred INTEGER NOT NULL DEFAULT 0,
    rows INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    first_entry TEXT,
    last_entry TEXT,
    cursor TEXT,
    code INTEGER,
    error TEXT
);
CREATE INDEX customers_planned ON customers (failures, id) WHERE state = 'planned';
CREATE TABLE pages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer INTEGER NOT NULL REFERENCES customers,
    rows INTEGER NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,
    batch INTEGER,
    run INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX pages_customer ON pages (customer);
CREATE INDEX pages_batch ON pages (batch, customer, id);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    rows INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'writing',
    file TEXT,
    bytes INTEGER,
    sha256 TEXT
);
CREATE TABLE parts (
    customer INTEGER NOT NULL REFERENCES customers,
    batch INTEGER NOT NULL REFERENCES batches,
    rows INTEGER NOT NULL,
    PRIMARY KEY (customer, batch)
) WITHOUT ROWID;
CREATE INDEX parts_batch ON parts (batch);
CREATE TABLE balances (
    customer INTEGER PRIMARY KEY REFERENCES customers,
    opening_at TEXT,
    opening BLOB,
    closing_at TEXT NOT NULL,
    closing BLOB NOT NULL
);
CREATE TABLE ledgers (
    customer INTEGER PRIMARY KEY REFERENCES customers,
    newest BLOB,
    earlier INTEGER,
    first_total INTEGER,
    distrusted INTEGER NOT NULL DEFAULT 0,
    run INTEGER NOT NULL DEFAULT 0,
    added INTEGER NOT NULL DEFAULT 0,
    late INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE differences (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers,
    run INTEGER NOT NULL,
    held BLOB NOT NULL,
    current BLOB
);
CREATE INDEX differences_customer ON differences (customer);
CREATE TABLE runs (number INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE obsolete (file TEXT PRIMARY KEY);
"""
_TABLE_NAMES: Final = frozenset(re.findall(r"CREATE TABLE (\w+)", _TABLES))


class Database:
    """The database of a job; every method takes its lock, and may be called from any thread.

    Args:
        directory: of the job; None for a temporary database that leaves nothing behind.

    Raises:
        DirectoryInUseError: another process uses the directory.
        StorageError: the file cannot be read or written; any method raises this.
        ConfigurationError: another release made the file, with other tables.
    """

    def __init__(self, directory: Path | None) -> None:
        self._lock = threading.RLock()
        with _storage_errors():
            self._directory_lock = None if directory is None else _open_lock(directory / _LOCK_FILE)
        try:
            if directory is not None and self._directory_lock is not None:
                with _storage_errors():
                    _take_lock(self._directory_lock, directory / _LOCK_FILE)
            self._connection = _open(directory)
        except BaseException:
            self._unlock_directory()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything at the end, or nothing after an error; may be nested."""
        nested = self._connection.in_transaction
        begin, commit, rollback = _NESTED if nested else _OUTERMOST
        with self._lock, _storage_errors():
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute(commit)
            except BaseException:
                with suppress(sqlite3.Error):  # the error that led here is the one to report
                    self._connection.execute(rollback)
                raise

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Undo all changes at the end."""
        with self._lock, _storage_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def fetch_all(self, statement: str, *values: object) -> list[Any]:
        """Return all rows of a result."""
        with self._lock, _storage_errors():
            return self._connection.execute(statement, values).fetchall()

    def fetch_number(self, statement: str, *values: object) -> int:
        """Return the single number of a result; 0 for null."""
        return self.fetch_all(statement, *values)[0][0] or 0

    def close(self) -> None:
        """Merge the write-ahead log into the file, and unlock the directory."""
        with self._lock:
            with suppress(sqlite3.Error):  # such as a full disk, which was reported before
                self._connection.execute("PRAGMA incremental_vacuum").fetchall()  # a step for each page
            self._connection.close()
            self._unlock_directory()

    def _unlock_directory(self) -> None:
        if self._directory_lock is not None:
            self._directory_lock.close()
            self._directory_lock = None


@contextmanager
def removed_if_unused(directory: Path) -> Iterator[None]:
    """Remove the database of a directory after an error, whatever it interrupts, if nothing was recorded in it."""
    try:
        yield
    except BaseException:
        with suppress(OSError, sqlite3.Error, DirectoryInUseError):
            _remove_unused(directory)
        raise


def _remove_unused(directory: Path) -> None:
    lock = _open_lock(directory / _LOCK_FILE)
    try:
        _take_lock(lock, directory / _LOCK_FILE)
        if _is_unused(directory / JOB_FILE):
            for name in (JOB_FILE, f"{JOB_FILE}-wal", f"{JOB_FILE}-shm", _LOCK_FILE):
                (directory / name).unlink(missing_ok=True)
    finally:
        lock.close()


def _is_unused(path: Path) -> bool:
    """Return whether nothing is recorded in a file that may be absent, empty or without tables."""
    if not path.exists():
        return True
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('meta', 'customers')")
        if tables < 2:  # noqa: PLR2004 - both
            return True
        [(recorded,)] = connection.execute("SELECT EXISTS (SELECT 1 FROM meta) OR EXISTS (SELECT 1 FROM customers)")
        return not recorded
    finally:
        connection.close()


def _open(directory: Path | None) -> sqlite3.Connection:
    with _storage_errors():
        if directory is not None:
            make_private(directory / JOB_FILE)
        path = directory / JOB_FILE if directory is not None else ""
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            _check_tables(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_tables(connection: sqlite3.Connection) -> None:
    """Make the tables of a new database in one transaction, and refuse one of another version or with losses."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    [(version,)] = connection.execute("PRAGMA user_version")
    if not tables:
        connection.executescript(f"BEGIN IMMEDIATE; PRAGMA user_version={_VERSION}; {_TABLES} COMMIT;")
    elif version != _VERSION:
        raise ConfigurationError("the job in this directory was started by another release: finish it there")
    elif not tables >= _TABLE_NAMES or connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
        raise damaged_error()


def damaged_error() -> StorageError:
    """Return the error of a database with other contents than were written."""
    return StorageError(f"{JOB_FILE} is damaged: restore it from a copy, or choose another directory", resumable=False)


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn errors of SQLite and of the operating system into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & _PRIMARY_CODE
        if code in _DAMAGED:
            raise damaged_error() from error
        if code in _UNUSABLE:
            raise StorageError(f"{JOB_FILE} cannot be used: {_UNUSABLE[code]}") from error
        raise


def _open_lock(path: Path) -> sqlite3.Connection:
    """Return a connection whose lock holds on every platform and until the process ends, however it ends."""
    make_private(path)
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)


def _take_lock(lock: sqlite3.Connection, path: Path) -> None:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY:
            raise
        raise DirectoryInUseError(_IN_USE) from None
    if not path.exists():  # removed by a process that found no job to keep, and ends
        raise DirectoryInUseError(_IN_USE)
