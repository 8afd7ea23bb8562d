"""Data files that are missing or were changed, and disks that cannot be used."""

from __future__ import annotations

import os
import pickle
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import duckdb
import pytest
from support.jobs import FORMATS, backfill, entries_in, expected, queries, sandbox

from capledger import InvalidQueryError
from capledger.backfill import (
    DamagedFilesError,
    DirectoryInUseError,
    FileProblem,
    JobStoppedError,
    MisfitError,
    StorageError,
    verify,
)
from capledger.backfill.database import Database
from capledger.sandbox import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = [120] * 6


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("damage", ["missing", "changed"])
async def test_damaged_files_are_named_and_repaired(
    kind: str, damage: Literal["missing", "changed"], tmp_path: Path
) -> None:
    """A finished job names files that are missing or changed, and repairs them by fetching their customers only."""
    out = tmp_path / "out"
    async with sandbox(SIZES) as box:
        first = await backfill(box, queries(6), out, format=kind, roll_rows=200)
        intact = verify(out)
        damaged = first.files[0].file
        if damage == "missing":
            (out / damaged).unlink()
        elif kind == "duckdb":
            with duckdb.connect(str(out / damaged)) as connection:
                connection.execute("DELETE FROM entries WHERE event_log_id % 2 = 0")
        else:
            (out / damaged).write_bytes((out / damaged).read_bytes()[:-1] + b"?")
        found = verify(out)
        sent = len(box.requests)
        with pytest.raises(DamagedFilesError, match=damaged) as caught:
            await backfill(box, queries(6), out, format=kind, roll_rows=200)
        assert len(box.requests) == sent
        second = await backfill(box, queries(6), out, format=kind, roll_rows=200, repair=True)

    customers = 6 if kind == "duckdb" else 2
    assert (intact.ok, intact.entries, intact.files) == (True, 720, len(first.files))
    assert found.problems == (FileProblem(file=damaged, reason=damage, customers=customers),)
    assert caught.value.problems == found.problems
    assert len(box.requests) == sent + 2 * customers
    assert (second.complete, second.entries) == (True, 720)
    assert verify(out).ok
    assert entries_in(out) == expected(SIZES)


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "flipped"])
async def test_a_database_that_cannot_be_opened_is_repaired(damage: str, tmp_path: Path) -> None:
    """A damaged entries.duckdb is a changed file, also where DuckDB refuses to open it, and is repaired."""
    path = tmp_path / "entries" / "entries.duckdb"
    async with sandbox(SIZES) as box:
        await backfill(box, queries(6), tmp_path, format="duckdb")
        whole = path.read_bytes()
        flipped = whole[:20] + bytes(byte ^ 0xFF for byte in whole[20:40]) + whole[40:]
        path.write_bytes({"empty": b"", "garbage": b"?" * 9_000, "cut": whole[:9_000], "flipped": flipped}[damage])
        found = verify(tmp_path)
        with pytest.raises(DamagedFilesError, match=r"entries\.duckdb \(changed\)"):
            await backfill(box, queries(6), tmp_path, format="duckdb")
        manifest = await backfill(box, queries(6), tmp_path, format="duckdb", repair=True)

    assert [problem.reason for problem in found.problems] == ["changed"]
    assert manifest.complete
    assert verify(tmp_path).ok
    assert entries_in(tmp_path) == expected(SIZES)


async def test_a_database_damaged_before_its_first_batch_is_named(tmp_path: Path) -> None:
    """What a crash left of a new entries.duckdb has no entries yet, so the error says to remove it."""
    directory = tmp_path / "blocks"  # DuckDB's messages have the path
    path = directory / "entries" / "entries.duckdb"
    async with sandbox([3], faults=faults.first(20, faults.status(503))) as box:
        with pytest.raises(JobStoppedError):
            await backfill(box, queries(1), directory, format="duckdb")
        path.write_bytes(b"")
        with pytest.raises(StorageError, match=r"entries\.duckdb is damaged: remove it"):
            await backfill(box, queries(1), directory, format="duckdb")
        path.unlink()
        manifest = await backfill(box, queries(1), directory, format="duckdb")

    assert manifest.complete


async def test_a_missing_file_is_found_before_the_job_is_finished(tmp_path: Path) -> None:
    """A job with customers left compares the sizes of its files before the first request."""
    out = tmp_path / "out"
    async with sandbox(SIZES) as box:
        first = await backfill(box, queries(3), out, roll_rows=200)
        (out / first.files[0].file).write_bytes(b"")
        sent = len(box.requests)
        with pytest.raises(DamagedFilesError, match="changed"):
            await backfill(box, queries(6), out, roll_rows=200)

    assert len(box.requests) == sent


async def test_a_copy_can_be_verified(tmp_path: Path) -> None:
    """The manifest and the data files are enough, and tables beside the entries do not matter."""
    out = tmp_path / "out"
    async with sandbox(SIZES) as box:
        manifest = await backfill(box, queries(6), out, format="duckdb")
    with duckdb.connect(str(out / manifest.files[0].file)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    (out / "job.sqlite").unlink()

    assert verify(out).ok
    with pytest.raises(InvalidQueryError, match="no job was started in this directory"):
        verify(tmp_path)


async def test_a_read_only_copy_can_be_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the state cannot be opened, the manifest is enough."""
    async with sandbox(SIZES) as box:
        await backfill(box, queries(6), tmp_path)
    (tmp_path / "job.sqlite").write_bytes(b"cannot be opened")
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert verify(tmp_path).ok


async def test_a_directory_in_use_is_not_verified(tmp_path: Path) -> None:
    """A directory in use is an error of its own."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path)
    database = Database(tmp_path)

    with pytest.raises(DirectoryInUseError):
        verify(tmp_path)
    database.close()


async def test_no_customer_is_divided_among_files(tmp_path: Path) -> None:
    """All entries of a customer are in one file, however small the files are."""
    async with sandbox([250, 90, 130]) as box:
        manifest = await backfill(box, queries(3), tmp_path / "out", roll_rows=100, concurrency=1)

    assert [file.rows for file in manifest.files] == [250, 220]


def test_errors_survive_pickling() -> None:
    """Errors of a backfill can be sent to another process, with their fields."""
    problem = FileProblem(file="entries/entries-00001.csv", reason="missing", customers=2)
    errors = [
        DamagedFilesError("damaged", (problem,)),
        DirectoryInUseError("in use"),
        JobStoppedError("stopped", 3),
        MisfitError("misfit", "points"),
        StorageError("full", resumable=False),
    ]
    copies = pickle.loads(pickle.dumps(errors))  # noqa: S301 - our own pickle

    assert [type(copy) for copy in copies] == [type(error) for error in errors]
    assert [vars(copy) for copy in copies] == [vars(error) for error in errors]


# Disks


def change(statement: str) -> Callable[[Path], None]:
    """Return what changes a database by a statement of SQL."""

    def execute(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return execute


def flip(path: Path) -> None:
    """Change some bytes of every page after the first."""
    content = bytearray(path.read_bytes())
    for at in range(4_096, len(content), 7):
        content[at] ^= 0x5A
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database" * 1_000),
        lambda path: os.truncate(path, 5_000),
        lambda path: os.truncate(path, 100),
        flip,
        change("DROP TABLE batches"),
        change("UPDATE meta SET value = '{' WHERE key = 'identity'"),
    ],
    ids=["no database", "truncated", "header alone", "flipped", "a table lost", "a value lost"],
)
async def test_a_damaged_job_is_one_error(damage: Callable[[Path], None], tmp_path: Path) -> None:
    """A job.sqlite that has lost anything is named, the same call cannot continue, and nothing is called complete."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path)
        damage(tmp_path / "job.sqlite")
        with pytest.raises(StorageError, match=r"job\.sqlite is damaged: restore it from a copy") as caught:
            await backfill(box, queries(1), tmp_path)
        sent = len(box.requests)

    assert not caught.value.resumable
    assert sent == 1


async def test_a_full_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends the run with one of our errors, and the same call continues."""
    open_database = Database.__init__

    def limited(self: Database, directory: Path | None) -> None:
        open_database(self, directory)
        pages = self.fetch_number("PRAGMA page_count")
        self.fetch_all(f"PRAGMA max_page_count = {pages + 5}")

    async with sandbox([300] * 20) as box:
        with monkeypatch.context() as patch:
            patch.setattr(Database, "__init__", limited)
            with pytest.raises(StorageError, match="the disk is full") as caught:
                await backfill(box, queries(20), tmp_path)
        manifest = await backfill(box, queries(20), tmp_path)

    assert caught.value.resumable
    assert manifest.complete


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs file permissions")
async def test_a_directory_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    """A path below a file cannot be a directory."""
    (tmp_path / "file").touch()
    async with sandbox([3]) as box:
        with pytest.raises(StorageError, match="Not a directory"):
            await backfill(box, queries(1), tmp_path / "file" / "out")
        with pytest.raises(InvalidQueryError, match="out must name a directory"):
            await backfill(box, queries(1), "")  # type: ignore[arg-type]  # a path that names nothing


async def test_a_database_open_elsewhere_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """entries.duckdb that another program holds is named; what was fetched is written by the next run."""

    def locked(*_: object, **__: object) -> None:
        raise duckdb.IOException("IO Error: Could not set lock on file: Conflicting lock is held")

    async with sandbox([3]) as box:
        with monkeypatch.context() as patch:
            patch.setattr(duckdb, "connect", locked)
            with pytest.raises(StorageError, match=r"entries\.duckdb is open in another program"):
                await backfill(box, queries(1), tmp_path, format="duckdb")
        manifest = await backfill(box, queries(1), tmp_path, format="duckdb")

    assert manifest.complete
    assert entries_in(tmp_path) == expected([3])


async def test_a_batch_that_was_written_and_not_recorded_is_no_damage(tmp_path: Path) -> None:
    """After a crash between the commit of DuckDB and that of the job, the database is intact, and the job finishes."""
    async with sandbox(SIZES) as box:
        await backfill(box, queries(6), tmp_path, format="duckdb", roll_rows=200)
        with closing(sqlite3.connect(tmp_path / "job.sqlite")) as connection, connection:
            connection.execute("UPDATE batches SET state = 'writing', file = NULL WHERE number = 2")

        assert verify(tmp_path).ok
        manifest = await backfill(box, queries(6), tmp_path, format="duckdb")

    assert manifest.complete
    assert entries_in(tmp_path) == expected(SIZES)
