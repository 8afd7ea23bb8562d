"""What ``backfill`` and ``verify`` do about files: damaged, locked, too large for a column or a disk."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.command_jobs import GOES_ON, OTHER, backfill, command_of, customers
from support.jobs import rows as file_rows
from support.shell import MOBILE, START, finish, rows, run, sandbox, start

from capledger.sandbox import Sandbox, SandboxCustomer, make_row

if TYPE_CHECKING:
    from pathlib import Path

SMALL_FILES = ("sh", "-c", 'ulimit -f 64 && exec "$@"', "sh")


async def test_values_that_do_not_fit_set_one_customer_aside(tmp_path: Path) -> None:
    """Zeros beyond a column's scale are no loss; an amount too large for it sets its customer aside."""
    customers(tmp_path / "c.csv", [f"mobile,{MOBILE}", f"mobile,{OTHER}"])
    amounts = {MOBILE: "250.5" + "0" * 37, OTHER: "1" * 40}
    ledgers = [SandboxCustomer(name, [make_row(1, START, points=points)]) for name, points in amounts.items()]
    async with Sandbox(ledgers) as box:
        result = await backfill(box, tmp_path, "--format", "parquet", "--progress-interval", "0")

    assert (result.code, result.lines[0]) == (3, "1 entry of 1 customer in 1 file")
    assert result.err.startswith("capledger: 1 set aside with MisfitError: a value does not fit the column ")
    assert [str(row["net_points_on_event"]) for row in file_rows(tmp_path / "out")] == ["250.500000000"]


async def test_locked_directory_has_its_own_code(tmp_path: Path) -> None:
    """A directory that another process uses is exit code 4 and one line."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        await backfill(box, tmp_path)
        with closing(sqlite3.connect(tmp_path / "out" / "job.lock", isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            result = await backfill(box, tmp_path)
            lock.execute("ROLLBACK")

    assert (result.code, result.out, result.err.count("\n")) == (4, "", 1)
    assert "another process uses this directory" in result.err


async def test_corrupt_state_is_one_line(tmp_path: Path) -> None:
    """A job.sqlite that is damaged is exit code 1 and one line, which does not promise to go on."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        await backfill(box, tmp_path)
        for name in ("job.sqlite-wal", "job.sqlite-shm"):
            (tmp_path / "out" / name).unlink(missing_ok=True)
        (tmp_path / "out" / "job.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 100)
        result = await backfill(box, tmp_path)

    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "job.sqlite" in result.err
    assert "goes on" not in result.err


async def test_full_disk_goes_on(tmp_path: Path) -> None:
    """A full disk is exit code 1 and one line; once there is room, the same command finishes."""
    customers(tmp_path / "c.csv")
    command = (*command_of(tmp_path), "--progress-interval", "0")
    async with sandbox(2_000) as box:
        full = await finish(await start(box, *command, within=SMALL_FILES))
        result = await run(box, *command)

    assert (full.code, full.err.count("\n"), result.code) == (1, 1, 0)
    assert full.err.endswith(GOES_ON)
    assert "Traceback" not in full.err
    assert result.lines[0] == "2,000 entries of 1 customer in 1 file"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a read-only file system")
async def test_read_only_disk_is_one_line(tmp_path: Path) -> None:
    """A directory that cannot be written is exit code 1 and one line that names it."""
    customers(tmp_path / "c.csv")
    read_only = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o ro tmpfs {tmp_path} && exec "$@"', "sh")
    async with sandbox(1) as box:
        process = await start(
            box, "backfill", "-", "--out", tmp_path / "out", "--progress-interval", "0", within=read_only
        )
        result = await finish(process, f"mobile\n{MOBILE}\n".encode())

    assert (result.code, result.out, result.err.count("\n"), box.requests) == (1, "", 1, [])
    assert result.err == f"capledger: the directory {tmp_path / 'out'} cannot be used: Read-only file system\n"


async def test_damaged_files_are_found_and_repaired(tmp_path: Path) -> None:
    """A changed file is named by ``verify`` and by the job, with exit code 1; --repair fetches its customers again."""
    customers(tmp_path / "c.csv")
    async with sandbox(3) as box:
        await backfill(box, tmp_path)
        intact = await run(None, "verify", tmp_path / "out")
        [file] = (tmp_path / "out" / "entries").iterdir()
        file.write_text("changed")
        verified = await run(None, "verify", tmp_path / "out")
        as_json = await run(None, "verify", tmp_path / "out", "--json")
        refused = await backfill(box, tmp_path)
        repaired = await backfill(box, tmp_path, "--repair")
        again = await run(None, "verify", tmp_path / "out")

    assert (intact.code, intact.out, intact.err) == (0, "1 file with 3 entries, all as they were written\n", "")
    assert (verified.code, refused.code, repaired.code, again.code) == (1, 1, 0, 0)
    assert verified.lines[1].split() == [f"entries/{file.name}", "changed", "1"]
    assert verified.err.startswith("capledger: 1 of 1 file missing or changed; the backfill's command with --repair ")
    assert json.loads(as_json.out)["problems"] == [
        {"file": f"entries/{file.name}", "reason": "changed", "customers": 1}
    ]
    assert file.name in refused.err
    assert "--repair" in refused.err
    assert repaired.lines[0] == "3 entries of 1 customer in 1 file"


async def test_verify_without_a_job_is_a_usage_error(tmp_path: Path) -> None:
    """A directory without a job is exit code 2 and one line; a damaged manifest of a copy is exit code 1."""
    result = await run(None, "verify", tmp_path)
    books = await run(None, "check-books", tmp_path / "none")
    (tmp_path / "manifest.json").write_text('{"files": 3}')
    damaged = await run(None, "verify", tmp_path)

    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "no job was started" in result.err
    assert (books.code, books.err) == (2, result.err)
    assert (damaged.code, damaged.err) == (1, "capledger: manifest.json is damaged: restore it from a copy\n")


async def test_duckdb_file_open_elsewhere(tmp_path: Path) -> None:
    """A DuckDB file that another process has open is exit code 1 and one line; then the same command goes on."""
    customers(tmp_path / "c.csv")
    command = ("backfill", tmp_path / "c.csv", "--out", tmp_path / "out", "--format", "duckdb", "--progress-interval=0")
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    async with sandbox(3) as box:
        first = await run(box, *command)
        customers(tmp_path / "c.csv", [f"mobile,{MOBILE}", f"mobile,{OTHER}"])
        box.add(SandboxCustomer(OTHER, rows(2)))
        path = tmp_path / "out" / "entries" / "entries.duckdb"
        holder = await start(None, str(path), program=("-c", hold))
        assert holder.stdout is not None
        await holder.stdout.readline()
        locked = await run(box, *command)
        await finish(holder, b"")
        last = await run(box, *command)

    assert (first.code, locked.code, last.code) == (0, 1, 0)
    assert locked.err.count("\n") == 1
    assert "entries.duckdb is open in another program" in locked.err
    assert locked.err.endswith(GOES_ON)
    assert last.lines[0] == "5 entries of 2 customers in 1 file"
