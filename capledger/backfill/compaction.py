"""``compact``: merges small data files into large ones, crash-safe and under the eyes of readers.

Readers go by ``manifest.json``, and it changes at once: merged files are written first, then the state and the manifest
name them, and the files that they replace are removed last. What a process did not finish is removed or finished by the
next command that opens the directory.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import fields_dict, frozen

from capledger.backfill.batches import Batches, MergedFile, WrittenFile
from capledger.backfill.customer_tables import write_customers
from capledger.backfill.database import JOB_FILE, Database
from capledger.backfill.files import sha256_of, storage_errors, temporary_file
from capledger.backfill.manifest import ENTRIES, MANIFEST, SHARDS, is_sharded
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


_COUNTS: Final = tuple(fields_dict(Compaction))


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
    if is_sharded(path) and (path / MANIFEST).exists():
        return _compact_shards(path, rows)
    if not ((path / JOB_FILE).exists() and (path / MANIFEST).exists()):
        raise InvalidQueryError(f"no run has ended in this directory: it has no {JOB_FILE} or no {MANIFEST}")
    with closing(Database(path)) as database:
        finish_compaction(database, path)
        result = _compact(database, path, rows)
        finish_compaction(database, path)
    return result


def _compact_shards(directory: Path, rows: int) -> Compaction:
    """Merge the files of each shard, then name them in the manifest, and remove those that they replace last."""
    with closing(Database(directory / SHARDS)):
        folders = [path.parent for path in sorted((directory / SHARDS).glob(f"shard-*/{MANIFEST}"))]
        results, files, changed = [], list[dict[str, Any]](), False
        for folder in folders:
            with closing(Database(folder)) as database:
                _drop_unfinished(database, folder)
                results.append(_compact(database, folder, rows))
                files += _described(Batches(database), f"{SHARDS}/{folder.name}/{ENTRIES}")
                changed = changed or bool(Batches(database).obsolete())
        if changed:
            with storage_errors(MANIFEST):
                _replace_files(directory, files)
        for folder in folders:
            with closing(Database(folder)) as database:
                finish_compaction(database, folder)
    return Compaction(**{name: sum(getattr(result, name) for result in results) for name in _COUNTS})


def _compact(database: Database, path: Path, rows: int) -> Compaction:
    """Merge files, without removing those that they replace."""
    batches = Batches(database)
    before = batches.files()
    sink = sink_for(read_identity(database).format)
    if isinstance(sink, FileSink):
        check_files(path, batches, repair=False, contents=True)
        _merge(batches, path, sink, list(_groups(before, rows)))
    after = batches.files()
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


def _merge(batches: Batches, directory: Path, sink: FileSink, groups: Sequence[Sequence[WrittenFile]]) -> None:
    if not groups:
        return
    entries, merged = directory / ENTRIES, []
    with storage_errors("the data files"):
        sink.open(entries)
        for group in groups:
            number = batches.start_merge()
            name = sink.merge(number, [entries / file.name for file in group])
            size, sha256 = (entries / name).stat().st_size, sha256_of(entries / name)
            merged.append(MergedFile(number, name, size, sha256, tuple(file.name for file in group)))
        sink.close()
    batches.finish_merges(merged)


def finish_compaction(database: Database, directory: Path) -> None:
    """Remove merged files of a process that ended before they were recorded, and files that recorded ones replace."""
    _drop_unfinished(database, directory)
    batches = Batches(database)
    obsolete = batches.obsolete()
    if not obsolete:
        return
    with storage_errors("the data files"):
        if (directory / MANIFEST).exists():
            _replace_files(directory, _described(batches, ENTRIES))
        write_customers(database, directory, read_identity(database).format)
        for name in obsolete:
            (directory / ENTRIES / name).unlink(missing_ok=True)
    batches.forget_obsolete()


def _drop_unfinished(database: Database, directory: Path) -> None:
    """Remove merged files of a process that ended before they were recorded."""
    batches = Batches(database)
    with storage_errors("the data files"):
        for number in batches.unfinished_merges():
            for path in (directory / ENTRIES).glob(f"entries-{number:05}.*"):
                path.unlink()
    batches.drop_merges()


def _described(batches: Batches, folder: str) -> list[dict[str, Any]]:
    """Return the files of the state as a manifest has them."""
    return [
        {"file": f"{folder}/{file.name}", "rows": file.rows, "bytes": file.size, "sha256": file.sha256}
        for file in batches.files()
    ]


def _replace_files(directory: Path, files: list[dict[str, Any]]) -> None:
    """Write the manifest again with other files."""
    manifest: dict[str, Any] = msgspec.json.decode((directory / MANIFEST).read_bytes())
    manifest["files"] = files
    with temporary_file(directory / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
