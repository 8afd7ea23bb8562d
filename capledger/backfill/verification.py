"""``verify``: whether the data files of a job are as they were written; needs no service."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import frozen

from capledger.backfill.batches import Batches, WrittenFile, WrittenFiles
from capledger.backfill.database import JOB_FILE, Database
from capledger.backfill.errors import DamagedFilesError, FileProblem, Reason, StorageError
from capledger.backfill.files import sha256_of, storage_errors
from capledger.backfill.manifest import ENTRIES, MANIFEST
from capledger.backfill.sinks.duckdb import NAME as DUCKDB_FILE
from capledger.backfill.sinks.duckdb import DuckDbSink
from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

#: Damaged files named in an error.
_MAX_NAMED: Final = 5


@frozen(kw_only=True)
class Verification:
    """The result of :func:`verify`."""

    files: int
    """Number of data files of the job."""
    entries: int
    """Number of entries in them, according to the job."""
    problems: tuple[FileProblem, ...]
    """The files that are missing or were changed."""

    @property
    def ok(self) -> bool:
        """Whether every file is as it was written."""
        return not self.problems


def verify(directory: str | PathLike[str]) -> Verification:
    """Compare the size and SHA-256 of every data file with those recorded when it was written.

    Of ``entries.duckdb``, which may have other tables, the entries are counted instead. The file of balances is
    compared too.

    Args:
        directory: of the job; a copy with ``manifest.json`` and the data files is enough, and it may be read-only.

    Raises:
        InvalidQueryError: no job was started in the directory.
        DirectoryInUseError: a run uses the directory.
        StorageError: ``job.sqlite`` or a file cannot be read.
        ConfigurationError: the format needs a package that is not installed.
    """
    path = Path(directory)
    written = recorded_files(path)
    return Verification(
        files=len(written.files),
        entries=sum(file.rows for file in written.files),
        problems=(*find_problems(path, written), *_problems_of_balances(path)),
    )


def recorded_files(directory: Path) -> WrittenFiles:
    """Return the data files of a job, by its database or by the manifest of a copy."""
    has_manifest = (directory / MANIFEST).exists()
    if (directory / JOB_FILE).exists() and (os.access(directory, os.W_OK) or not has_manifest):
        database = Database(directory)
        try:
            return Batches(database).written()
        finally:
            database.close()
    if not has_manifest:
        raise InvalidQueryError(f"no job was started in this directory: it has no {JOB_FILE} and no {MANIFEST}")
    return WrittenFiles([file.written for file in _read_manifest(directory).files])


class _ManifestFile(msgspec.Struct):
    file: str
    rows: int
    bytes: int | None
    sha256: str | None

    @property
    def written(self) -> WrittenFile:
        """Return the file as it was written."""
        name = posixpath.relpath(self.file, ENTRIES)  # of a job in shards: ../shards/shard-00001/entries/...
        return WrittenFile(name, self.rows, self.bytes, self.sha256, 0)


class _ManifestFiles(msgspec.Struct):
    files: list[_ManifestFile]
    balances: _ManifestFile | None = None
    filters: list[str] = msgspec.field(default_factory=list)


def _read_manifest(directory: Path) -> _ManifestFiles:
    with storage_errors(MANIFEST):
        content = (directory / MANIFEST).read_bytes()
    try:
        return msgspec.json.decode(content, type=_ManifestFiles)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise StorageError(f"{MANIFEST} is damaged: restore it from a copy", resumable=False) from error


def recorded_filters(directory: Path) -> set[str]:
    """Return the names of the parameters that the queries of a job have, by the manifest; none before its first run."""
    if not (directory / MANIFEST).exists():
        return set()
    return {name for encoded in _read_manifest(directory).filters for name in msgspec.json.decode(encoded)}


def _problems_of_balances(directory: Path) -> Iterator[FileProblem]:
    """Yield the file of balances if it is not as the manifest states; the next run writes it again."""
    if not (directory / MANIFEST).exists():
        return
    balances = _read_manifest(directory).balances
    if balances is not None:
        with storage_errors(balances.file):
            reason = _problem_of(directory / balances.file, balances.written, contents=True)
        if reason is not None:
            yield FileProblem(file=balances.file, reason=reason, customers=0)


def check_files(directory: Path, batches: Batches, *, repair: bool, contents: bool) -> list[FileProblem]:
    """Return the damaged files of a job whose customers are to be fetched again.

    Args:
        directory: of the job.
        batches: of the job.
        repair: whether they may be.
        contents: whether to compare SHA-256 too, and not only sizes; always with *repair*.

    Raises:
        DamagedFilesError: there are damaged files, and *repair* is False.
    """
    problems = find_problems(directory, batches.written(), contents=contents or repair)
    if not repair:
        _refuse(problems)
    return problems


def check_undamaged(directory: Path) -> None:
    """Compare all files of a job, or of a copy, with what was recorded when they were written.

    Raises:
        InvalidQueryError: no job was started in the directory.
        DamagedFilesError: there are damaged files.
    """
    _refuse([*find_problems(directory, recorded_files(directory)), *_problems_of_balances(directory)])


def _refuse(problems: Sequence[FileProblem]) -> None:
    if problems:
        raise DamagedFilesError(_describe_problems(problems), tuple(problems))


def _describe_problems(problems: Sequence[FileProblem]) -> str:
    first = ", ".join(f"{problem.file} ({problem.reason})" for problem in problems[:_MAX_NAMED])
    more = f" and {len(problems) - _MAX_NAMED:,} more" if len(problems) > _MAX_NAMED else ""
    return f"data files of the job are not as they were written: {first}{more}"


def find_problems(directory: Path, written: WrittenFiles, *, contents: bool = True) -> list[FileProblem]:
    """Return the files that are missing or were changed; without *contents*, sizes are compared only."""
    problems = []
    for file in written.files:
        path = directory / file.path
        with storage_errors(file.name):
            if path.name == DUCKDB_FILE:
                reason = _problem_of_duckdb(path, file, written, contents=contents)
            else:
                reason = _problem_of(path, file, contents=contents)
        if reason is not None:
            problems.append(FileProblem(file=file.path, reason=reason, customers=file.customers))
    return problems


def _problem_of_duckdb(path: Path, file: WrittenFile, written: WrittenFiles, *, contents: bool) -> Reason | None:
    if not path.is_file():
        return "missing"
    return None if DuckDbSink().holds(path.parent, file.rows, written.started, contents=contents) else "changed"


def _problem_of(path: Path, file: WrittenFile, *, contents: bool) -> Reason | None:
    if file.sha256 is None:
        return None  # of a sink whose file is not below the directory
    if not path.is_file():
        return "missing"
    if path.stat().st_size != file.size or (contents and sha256_of(path) != file.sha256):
        return "changed"
    return None
