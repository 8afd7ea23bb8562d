"""The ledgers of a backfill are checked from its files, in every format, in bounded memory."""

from __future__ import annotations

import csv
import json
import stat
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.books import entries_from
from support.jobs import FORMATS, START, backfill, mobile, queries, rows, sandbox
from support.shell import run

from capledger import CustomerLedgerQuery, books
from capledger.backfill import DamagedFilesError, check_directory
from capledger.errors import InvalidQueryError
from capledger.sandbox import Sandbox, SandboxCustomer, make_row, seed_rows

if TYPE_CHECKING:
    from pathlib import Path

END = START + timedelta(days=300)


def transfer(kind: str, points: str, customer: int) -> dict[str, Any]:
    options = {"event_name": "PointsTransfer", "customerId": customer}
    return make_row(7, START, points=points, entry_type=kind, **options)  # type: ignore[arg-type]  # options of any type


def ledgers(*, wrong: bool) -> list[list[dict[str, Any]]]:
    """Return three ledgers with sound books, or with a wrong net and a transfer whose sides differ."""
    found = [seed_rows(number, 60, START, END, first_id=1_000 * (number + 1)) for number in range(3)]
    found[0].append(transfer("DEBIT", "30.000", 1))
    found[1].append(transfer("CREDIT", "31.000" if wrong else "30.000", 2))
    if wrong:
        found[2].append(make_row(99, START, points="46.690", netPointsOnEvent="47.690"))
    return found


def customers(*, wrong: bool) -> list[SandboxCustomer]:
    found = enumerate(ledgers(wrong=wrong))
    return [SandboxCustomer(mobile(number), rows, customer_id=number + 1) for number, rows in found]


async def written(out: Path, kind: str, *, wrong: bool) -> Path:
    async with Sandbox(customers(wrong=wrong)) as box:
        await backfill(box, queries(3, include_alternate_currencies=True), out, format=kind)
    return out


@pytest.mark.parametrize("kind", FORMATS)
async def test_sound_books_of_every_format(tmp_path: Path, kind: str) -> None:
    """Seeded ledgers have no discrepancy, whatever the format of the files."""
    check = check_directory(await written(tmp_path / "job", kind, wrong=False))

    assert list(check) == []
    assert (check.customers, check.entries) == (3, 182)


@pytest.mark.parametrize("kind", FORMATS)
async def test_errors_are_found_in_every_format(tmp_path: Path, kind: str) -> None:
    """A wrong net is found with its customer and entry, and a transfer whose sides differ without a customer."""
    net, pair = check_directory(await written(tmp_path / "job", kind, wrong=True))

    assert (net.identifier_value, net.discrepancy.check) == (mobile(2), "net")
    assert [movement.event_log_id for movement in net.discrepancy.near] == [99]
    assert (pair.identifier_value, pair.discrepancy.check) == (None, "transfer")
    assert [pair.discrepancy.expected, pair.discrepancy.found] == [30, 31]
    assert mobile(2) not in repr(net)


@pytest.mark.parametrize("kind", FORMATS)
async def test_rows_of_files_are_entries(tmp_path: Path, kind: str) -> None:
    """What a reader of each format returns is taken by the books as it is."""
    out = await written(tmp_path / "job", kind, wrong=False)
    found = books.balances_at(rows(out), None)

    expected = books.balances_at(entries_from([row for ledger in ledgers(wrong=False) for row in ledger]), None)
    assert {account: amount for account, amount in found.items() if amount} == {
        account: amount for account, amount in expected.items() if amount
    }


async def test_a_customer_under_two_identifiers_is_one_side_of_a_transfer(tmp_path: Path) -> None:
    """A customer who is listed under two identifiers has a transfer twice in the files, which is no discrepancy."""
    rows = [[transfer("DEBIT", "30.000", 1)], [transfer("CREDIT", "30.000", 2)]]
    one, other = (SandboxCustomer(mobile(number), part, customer_id=number + 1) for number, part in enumerate(rows))
    async with Sandbox([one, other]) as box:
        listed = [*queries(2), CustomerLedgerQuery.customer_id(1)]
        await backfill(box, listed, tmp_path / "job")

    check = check_directory(tmp_path / "job")

    assert list(check) == []
    assert (check.customers, check.entries) == (3, 3)


async def test_command_lists_discrepancies(tmp_path: Path) -> None:
    """The command prints a table, writes a private file and exits with 3; it leaves nothing else behind."""
    out = await written(tmp_path / "job", "parquet", wrong=True)
    before = {path.name for path in out.iterdir()}

    table = await run(None, "check-books", str(out), COLUMNS="120")
    result = await run(None, "check-books", str(out), "--json")

    assert (table.code, result.code) == (3, 3)
    assert table.err == f"capledger: 2 discrepancies in 183 entries of 3 customers: see {out / 'discrepancies.csv'}\n"
    assert [line.split()[0] for line in table.lines] == ["Customer", mobile(2), "several"]
    assert table.lines[1].split()[-2:] == ["46.690", "47.690"]
    document = json.loads(result.out)
    assert [document[name] for name in ("customers", "entries", "errors", "notices")] == [3, 183, 2, 0]
    assert document["discrepancies"][0]["event_log_ids"] == [99]
    assert {path.name for path in out.iterdir()} - before == {"discrepancies.csv"}
    assert stat.S_IMODE((out / "discrepancies.csv").stat().st_mode) == 0o600
    with (out / "discrepancies.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["check"] for line in lines] == ["net", "transfer"]
    assert lines[0]["difference"].rstrip("0") == "1."


async def test_command_says_that_the_books_add_up(tmp_path: Path) -> None:
    """Sound books are one line on stderr and exit code 0; balances below zero are notices where they are asked for."""
    out = await written(tmp_path / "job", "parquet", wrong=False)

    sound = await run(None, "check-books", str(out))
    noticed = await run(None, "check-books", str(out), "--non-negative", "4110", "--json")

    assert (sound.code, sound.out) == (0, "")
    assert sound.err == "capledger: the books add up: 182 entries of 3 customers\n"
    assert (noticed.code, json.loads(noticed.out)["errors"]) == (0, 0)
    assert {item["check"] for item in json.loads(noticed.out)["discrepancies"]} == {"below_zero"}


async def test_filtered_entries_have_other_nets(tmp_path: Path) -> None:
    """With filters the net is not that of the details shown, which is recognized, also in a copy without the state."""
    async with Sandbox(customers(wrong=False)) as box:
        filters = {"include_alternate_currencies": True, "point_category_type": "REGULAR"}
        await backfill(box, queries(3, **filters), tmp_path / "job", format="parquet")

    assert list(check_directory(tmp_path / "job")) == []
    (tmp_path / "job" / "job.sqlite").unlink()
    assert list(check_directory(tmp_path / "job")) == []
    manifest = json.loads((tmp_path / "job" / "manifest.json").read_bytes())
    (tmp_path / "job" / "manifest.json").write_text(json.dumps(manifest | {"filters": []}))
    assert {item.discrepancy.check for item in check_directory(tmp_path / "job")} == {"net"}
    assert list(check_directory(tmp_path / "job", filtered=True)) == []


@pytest.mark.parametrize("kind", FORMATS)
async def test_damaged_files_are_not_checked(tmp_path: Path, kind: str) -> None:
    """Nothing is said of the books while a file is not as it was written, whatever DuckDB makes of the rest of it."""
    out = await written(tmp_path / "job", kind, wrong=False)
    file = next((out / "entries").iterdir())
    content = file.read_bytes()

    file.write_bytes(content[: content.rfind(b"\n", 0, len(content) // 2) + 1])
    damaged = await run(None, "check-books", str(out))
    with pytest.raises(DamagedFilesError, match=file.name):
        check_directory(out)
    file.unlink()
    missing = await run(None, "check-books", str(out))

    assert [damaged.code, missing.code] == [1, 1]
    assert f"{file.name} (changed); capledger backfill --repair" in damaged.err
    assert f"{file.name} (missing); capledger backfill --repair" in missing.err


async def test_directories_without_a_job_are_refused(tmp_path: Path) -> None:
    """A directory without a job is a usage error."""
    with pytest.raises(InvalidQueryError, match="no job"):
        list(check_directory(tmp_path))
    assert (await run(None, "check-books", str(tmp_path))).code == 2


async def test_memory_is_bounded(tmp_path: Path) -> None:
    """Checking 36,000 entries takes little more memory than checking 600."""
    peaks = []
    for name, size in (("small", 200), ("large", 12_000)):
        async with sandbox([size] * 3) as box:
            await backfill(box, queries(3), tmp_path / name, format="parquet")
        code = (
            "import resource, sys; from capledger.backfill import check_directory; "
            "check = check_directory(sys.argv[1]); list(check); "
            "print(check.entries, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        command = [sys.executable, "-c", code, str(tmp_path / name)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603, ASYNC221 - our own code
        entries, peak = map(int, shown.split())
        assert entries == 3 * size
        peaks.append(peak)

    assert peaks[1] - peaks[0] < 120
