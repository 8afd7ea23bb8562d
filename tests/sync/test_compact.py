"""Small data files become large ones, and no entry is lost, doubled or moved out of its customer's reach."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from support.jobs import FORMATS, manifest_of, queries, rows, rows_of, session_at
from support.syncs import Crash, FragileDatabase, Fuse, Ledgers, held, sync

from capledger import InvalidQueryError
from capledger.backfill import DamagedFilesError, ShardedSync, compact, compaction, verify
from capledger.backfill.database import Database

if TYPE_CHECKING:
    from pathlib import Path


async def small_files(out: Path, kind: str, runs: int = 4) -> None:
    """Write a data set with a file for each run."""
    ledgers = Ledgers([4, 3])
    async with ledgers.box as box, session_at(box) as session:
        for _ in range(runs):
            await sync(session, 2, out, format=kind)
            ledgers.append_newest(0)


@pytest.mark.parametrize("kind", FORMATS)
async def test_files_are_merged(kind: str, tmp_path: Path) -> None:
    """The rows are those of before in one file, the manifest names it, and a sync goes on with it."""
    out = tmp_path / "out"
    await small_files(out, kind)
    before = rows(out)
    result = compact(out)
    after = rows(out)

    expected = 1 if kind == "duckdb" else 4
    assert (result.files_before, result.files, result.entries) == (expected, 1, 10)
    assert after == before
    [file] = manifest_of(out)["files"]
    assert rows_of(out / file["file"]) == after
    assert verify(out).ok
    assert len(list((out / "entries").iterdir())) == 1


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
async def test_a_sync_goes_on_after_compaction(kind: str, tmp_path: Path) -> None:
    """Entries are still found in merged files, and new files get new names."""
    out, ledgers = tmp_path / "out", Ledgers([310, 3])
    async with ledgers.box as box, session_at(box) as session:
        for _ in range(3):
            ledgers.append_newest(1)
            await sync(session, 2, out, format=kind)
        compact(out)
        late = ledgers.append_late(0, 2)
        found = await sync(session, 2, out, format=kind)
        ledgers.remove(0, 7)
        manifest = await sync(session, 2, out, format=kind)

    assert (found.runs[-1].entries, found.runs[-1].late, manifest.runs[-1].vanished) == (1, 1, 1)
    assert late in held(out, 0)
    assert len({file.file for file in manifest.files}) == len(manifest.files) == 2
    assert [max(held(out, number).values()) for number in range(2)] == [1, 1]


async def test_only_files_that_fit_together_are_merged(tmp_path: Path) -> None:
    """Files follow one another in a merged one, up to the most rows."""
    out = tmp_path / "out"
    await small_files(out, "jsonl", runs=5)
    result = compact(out, rows=9)

    assert (result.files_before, result.files) == (5, 2)
    assert [file["rows"] for file in manifest_of(out)["files"]] == [9, 2]
    assert compact(out, rows=9).files == 2


async def test_a_crash_at_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a process ends, the files of the manifest have each entry, and the next command finishes the work."""
    whole = tmp_path / "whole"
    await small_files(whole, "jsonl")
    expected = Counter(int(row["event_log_id"]) for row in rows(whole))
    step = 1
    while True:
        out = tmp_path / f"out-{step}"
        shutil.copytree(whole, out)
        fuse = Fuse(step)
        monkeypatch.setattr(FragileDatabase, "fuse", fuse)
        monkeypatch.setattr("capledger.backfill.compaction.Database", FragileDatabase)
        try:
            compact(out)
        except Crash:
            pass
        else:
            break
        finally:
            monkeypatch.setattr("capledger.backfill.compaction.Database", Database)
        named = [row for file in manifest_of(out)["files"] for row in rows_of(out / file["file"])]
        assert Counter(int(row["event_log_id"]) for row in named) == expected
        assert compact(out).files == 1
        assert Counter(int(row["event_log_id"]) for row in rows(out)) == expected
        step += 1

    assert step > 8


async def test_damaged_files_are_not_merged(tmp_path: Path) -> None:
    """Files that are not as they were written are named, and everything stays as it is."""
    out = tmp_path / "out"
    await small_files(out, "jsonl")
    first = out / manifest_of(out)["files"][0]["file"]
    first.write_bytes(b"")
    with pytest.raises(DamagedFilesError, match="changed"):
        compact(out)
    with pytest.raises(InvalidQueryError, match="no run has ended"):
        compact(tmp_path)
    with pytest.raises(InvalidQueryError, match="at least 1"):
        compact(out, rows=0)


@pytest.mark.parametrize("kind", FORMATS)
async def test_shards_are_merged_each_for_itself(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest of a data set in shards names files that exist at each step, also after a crash on the way."""
    ledgers = Ledgers([4, 3, 2])
    settings: dict[str, Any] = {"out": tmp_path, "shard_size": 2, "rate_limited": False, "format": kind}
    async with ledgers.box as box, session_at(box) as session:
        for _ in range(3):
            for number in range(3):
                ledgers.append_newest(number)
            await ShardedSync(session, queries(3), **settings).run()
        before = rows_in(tmp_path)
        monkeypatch.setattr(compaction, "finish_compaction", Mock(side_effect=Crash))
        with pytest.raises(Crash):
            compact(tmp_path)
        monkeypatch.undo()
        on_the_way = rows_in(tmp_path)
        result = compact(tmp_path)
        ledgers.append_newest(0)
        manifest = await ShardedSync(session, queries(3), **settings).run()

    assert on_the_way == before
    assert (result.files, result.entries) == (2, 18)
    assert count_files(tmp_path) == (2 if kind == "duckdb" else 3)
    assert (manifest.complete, manifest.runs[-1].entries, sum(rows_in(tmp_path).values())) == (True, 1, 19)
    assert verify(tmp_path).ok


def count_files(out: Path) -> int:
    """Return the number of data files of all shards, whether the manifest names them or not."""
    return len(list(out.rglob("entries/*")))


def rows_in(out: Path) -> Counter[tuple[str, str]]:
    """Return the rows of the files that the manifest names."""
    found = (row for file in manifest_of(out)["files"] for row in rows_of(out / file["file"]))
    return Counter((row["identifier_value"], str(row["event_log_id"])) for row in found)
