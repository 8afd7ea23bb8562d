"""``capledger sync`` and ``capledger compact``: one line a run, what needs attention, and exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.jobs import mobile
from support.shell import CommandResult, run
from support.syncs import Ledgers

from capledger.backfill.database import Database
from capledger.sandbox import Rules, faults

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.sandbox import Sandbox


def listed(path: Path, numbers: list[int]) -> str:
    path.write_text("".join(f"{line}\n" for line in ["mobile", *map(mobile, numbers)]), encoding="utf-8")
    return str(path)


async def sync(box: Sandbox, place: Path, *options: str, numbers: tuple[int, ...] = (0, 1, 2)) -> CommandResult:
    path = listed(place / "customers.csv", list(numbers))
    return await run(box, "sync", path, "--out", str(place / "out"), "--progress-interval", "0", *options)


async def test_a_run_is_one_line(tmp_path: Path) -> None:
    """Each run prints what is new and in how many requests it was proven; nothing else, and exits with 0."""
    ledgers = Ledgers([3, 40, 0])
    async with ledgers.box as box:
        first = await sync(box, tmp_path, "--format", "jsonl")
        ledgers.append_newest(0)
        ledgers.append_late(1, 3)
        second = await sync(box, tmp_path)
        third = await sync(box, tmp_path)

    assert first.out == "43 new entries of 2 customers; 3 customers proven in 3 requests\n"
    assert second.out == "2 new entries of 2 customers, 1 late; 3 customers proven in 3 requests\n"
    assert third.out == "no new entries; 3 customers proven in 3 requests\n"
    assert [(result.code, result.err) for result in (first, second, third)] == [(0, "")] * 3


async def test_books_of_a_data_set(tmp_path: Path) -> None:
    """With --balances the books of a data set can be checked after each run, until --no-balances."""
    ledgers, out = Ledgers([3, 40, 0]), tmp_path / "out"
    async with ledgers.box as box:
        first = await sync(box, tmp_path, "--format", "jsonl", "--balances")
        ledgers.append_late(1, 3)
        second = await sync(box, tmp_path)
        checked = await run(None, "check-books", str(out))
        third = await sync(box, tmp_path, "--no-balances")

    assert first.out.endswith("3 customers proven in 6 requests\n")
    assert second.out == "1 new entry of 1 customer, 1 late; 3 customers proven in 6 requests\n"
    assert (checked.code, checked.err.startswith("capledger: the books add up: 44 entries and ")) == (0, True)
    assert third.out == "no new entries; 3 customers proven in 3 requests\n"
    assert not (out / "balances.csv").exists()


async def test_what_needs_attention(tmp_path: Path) -> None:
    """Vanished entries, customers set aside and ledgers without proof exit with 3, and say why."""
    ledgers = Ledgers([3, 4, 5])
    async with ledgers.box as box:
        await sync(box, tmp_path, "--format", "jsonl")
        ledgers.remove(0, 1)
        vanished = await sync(box, tmp_path)
        box.faults = faults.when(
            lambda logged: logged.query.get("identifierValue") == mobile(1), faults.always(faults.api_error(8015))
        )
        aside = await sync(box, tmp_path)
        box.faults, box.rules = None, Rules(omitted=("totalEntries", "pageCount"))
        unproven = await sync(box, tmp_path, "--overlap", "12h", "--json")

    assert (vanished.code, vanished.err) == (
        3,
        "capledger: 1 entry vanished at the service: kept, and listed in DIR/vanished.csv\n",
    )
    assert vanished.out == "no new entries, 1 vanished; 3 customers proven in 4 requests\n"
    assert (aside.code, aside.out) == (3, "no new entries; 2 customers proven in 3 requests, 1 set aside\n")
    assert unproven.code == 3
    assert "3 ledgers not proven complete" in unproven.err
    assert "read back 12 h 00 min" in unproven.err
    manifest = json.loads(unproven.out)
    assert [item["complete"] for item in manifest["runs"]] == [True, False, False, False]
    assert manifest["complete"] is False


async def test_active_customers_and_other_lists(tmp_path: Path) -> None:
    """--active asks only some, and a list may change; both exit with 0 and say how many were not asked."""
    ledgers = Ledgers([3, 4, 5])
    active = listed(tmp_path / "active.csv", [0])
    async with ledgers.box as box:
        await sync(box, tmp_path, "--format", "jsonl", numbers=(0, 1))
        some = await sync(box, tmp_path, "--active", active, numbers=(0, 1))
        other = await sync(box, tmp_path, numbers=(1, 2))

    assert (some.code, some.out) == (0, "no new entries; 1 customer proven in 1 request, 1 not asked\n")
    assert (other.code, other.out) == (0, "5 new entries of 1 customer; 2 customers proven in 2 requests\n")
    assert other.err.splitlines() == [
        "capledger: 1 new customer added to the job",
        "capledger: 1 customer of the job not in the list any more: kept in the job",
    ]


async def test_a_finished_backfill_names_sync(tmp_path: Path) -> None:
    """A backfill that is run again says to which end it has fetched and what goes on; sync does, and then owns it."""
    ledgers = Ledgers([3])
    path, out = listed(tmp_path / "customers.csv", [0]), str(tmp_path / "out")
    job = ("backfill", path, "--out", out, "--format", "jsonl", "--to", "2026-01-01")
    async with ledgers.box as box:
        await run(box, *job)
        again = await run(box, *job)
        taken = await run(box, "sync", path, "--out", out)
        refused = await run(box, *job)

    assert again.err == (
        "capledger: this job was finished before, with the entries to 2026-01-01 00:00:00 UTC; "
        "capledger sync CUSTOMERS --out DIR adds later ones\n"
    )
    assert (again.code, taken.code, refused.code) == (0, 0, 2)
    assert taken.out == "no new entries; 1 customer proven in 1 request\n"
    assert "kept up to date by a sync" in refused.err


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A directory in use exits with 4, of sync and of compact."""
    ledgers = Ledgers([3])
    async with ledgers.box as box:
        await sync(box, tmp_path, "--format", "jsonl", numbers=(0,))
        database = Database(tmp_path / "out")
        try:
            refused = [
                await sync(box, tmp_path, numbers=(0,)),
                await run(box, "compact", str(tmp_path / "out")),
            ]
        finally:
            database.close()

    assert [result.code for result in refused] == [4, 4]


@pytest.mark.parametrize("json_", [False, True])
async def test_compact(tmp_path: Path, *, json_: bool) -> None:
    """Files are merged, and counted in one line or one object."""
    ledgers = Ledgers([3])
    async with ledgers.box as box:
        for _ in range(3):
            await sync(box, tmp_path, "--format", "jsonl", numbers=(0,))
            ledgers.append_newest(0)
        result = await run(None, "compact", str(tmp_path / "out"), *(["--json"] if json_ else []))
        empty = await run(None, "compact", str(tmp_path))

    printed = '{"files_before":3,"files":1,"entries":5}\n' if json_ else "3 files before, 1 now, with 5 entries\n"
    assert (result.code, result.out, result.err) == (0, printed, "")
    assert empty.code == 2
    assert "no run has ended" in empty.err


@pytest.mark.parametrize("value", ["3", "-1d", "3 weeks", ""])
async def test_overlap_is_a_time(value: str, tmp_path: Path) -> None:
    """An overlap is days or hours."""
    async with Ledgers([1]).box as box:
        result = await sync(box, tmp_path, "--overlap", value)

    assert (result.code, "not days or hours" in result.err) == (2, True)
