"""``compact``: merges small data files into large ones, crash-safe and under the eyes of readers.

Readers go by ``manifest.json``, and it changes at once: merged files are written first, then the state and the manifest
name them, and the files that they replace are removed last. What a process did not finish is removed or finished by the
next command that opens the directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import frozen

from capledger.backfill.batches import Batches, MergedFile, WrittenFile
from capledger.backfill.customer_tables import write_customers
from capledger.backfill.database import JOB_FILE, Database
from capledger.backfill.files import sha256_of, storage_errors, temporary_file
from capledger.backfill.manifest import ENTRIES, MANIFEST
from capledger.backfill.plan import read_identity
from capledger.backfill.sinks import sink_for
from capledger.backfill.sinks.file_sink import FileSink
from capledger.backfill.verification import check_files
from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike


@frozen(kw_only=True)
class Compaction:
    """The result of :func:`compact`."""

    files_before: int
    """Number of data files before."""
    files: int
    """Number of data files now."""
    entries: int
    """Number of entries in them; the same before and after."""


def compact(directory: str | PathLike[str], *, rows: int = 1_000_000) -> Compaction:
    """Merge data files of a directory that follow one another, as long as they have at most so many rows together.

    Readers that go by ``manifest.json`` are not disturbed until it changes. A database of DuckDB is one file already.

    Args:
        directory: of a backfill or a sync that has ended a run.
        rows: most rows of a merged file.

    Raises:
        InvalidQueryError: the directory has no data set, or the argument cannot be used.
        DamagedFilesError: data files are missing or were changed; nothing was merged.
        DirectoryInUseError: a run uses the directory.
        StorageError: a file cannot be read or written.
        ConfigurationError: the format needs a package that is not installed.
    """
    path = Path(directory)
    if rows < 1:
        raise InvalidQueryError("rows must be at least 1")
    if not ((path / JOB_FILE).exists() and (path / MANIFEST).exists()):
        raise InvalidQueryError(f"no run has ended in this directory: it has no {JOB_FILE} or no {MANIFEST}")
    database = Database(path)
    try:
        finish_compaction(database, path)
        batches = Batches(database)
        before = batches.files()
        sink = sink_for(read_identity(database).format)
        if isinstance(sink, FileSink):
            check_files(path, batches, repair=False, contents=True)
            _merge(database, path, sink, list(_groups(before, rows)))
        after = batches.files()
    finally:
        database.close()
    return Compaction(files_before=len(before), files=len(after), entries=sum(file.rows for file in after))


def _groups(files: Sequence[WrittenFile], most_rows: int) -> Iterator[list[WrittenFile]]:
    """Yield files that are to be merged, in their order."""
    group: list[WrittenFile] = []
    for file in files:
        if group and sum(other.rows for other in group) + file.rows > most_rows:
            if len(group) > 1:
                yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group


def _merge(database: Database, directory: Path, sink: FileSink, groups: Sequence[Sequence[WrittenFile]]) -> None:
    if not groups:
        return
    batches, entries = Batches(database), directory / ENTRIES
    merged = []
    with storage_errors("the data files"):
        sink.open(entries)
        for group in groups:
            number = batches.start_merge()
            name = sink.merge(number, [entries / file.name for file in group])
            size, sha256 = (entries / name).stat().st_size, sha256_of(entries / name)
            merged.append(MergedFile(number, name, size, sha256, tuple(file.name for file in group)))
        sink.close()
    batches.finish_merges(merged)
    finish_compaction(database, directory)


def finish_compaction(database: Database, directory: Path) -> None:
    """Remove merged files of a process that ended before they were recorded, and files that recorded ones replace."""
    batches, entries = Batches(database), directory / ENTRIES
    with storage_errors("the data files"):
        for number in batches.unfinished_merges():
            for path in entries.glob(f"entries-{number:05}.*"):
                path.unlink()
        batches.drop_merges()
        obsolete = batches.obsolete()
        if not obsolete:
            return
        if (directory / MANIFEST).exists():
            _replace_files(batches, directory)
        write_customers(database, directory, read_identity(database).format)
        for name in obsolete:
            (entries / name).unlink(missing_ok=True)
    batches.forget_obsolete()


def _replace_files(batches: Batches, directory: Path) -> None:
    """Write the manifest again with the files of the state."""
    manifest: dict[str, Any] = msgspec.json.decode((directory / MANIFEST).read_bytes())
    manifest["files"] = [
        {"file": f"{ENTRIES}/{file.name}", "rows": file.rows, "bytes": file.size, "sha256": file.sha256}
        for file in batches.files()
    ]
    with temporary_file(directory / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
