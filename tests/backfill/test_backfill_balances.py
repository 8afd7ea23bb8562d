"""A backfill with balances has those of each customer at both ends of its range, and its books can be checked."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.jobs import BASIC, FORMATS, backfill, manifest_of, mobile, queries, session_at, set_aside
from support.shell import run

from capledger import GroupLedgerQuery, InvalidQueryError, LedgerSession, RetryPolicy
from capledger.backfill import Backfill, JobStoppedError, check_directory, cut_shards, estimate, run_shard, verify
from capledger.backfill.manifest import write_manifest
from capledger.backfill.sharded import merge_manifests
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, faults, make_row, seed_rows

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.backfill import Manifest
    from capledger.sandbox import LoggedRequest

FIRST, START, END = datetime(2024, 1, 1), datetime(2024, 5, 1), datetime(2024, 10, 1)
LAST = datetime(2024, 12, 31)
Key = tuple[str, int | None, str | None, str | None]


def rows_of(number: int) -> list[dict[str, Any]]:
    return seed_rows(number, 30, FIRST, LAST, first_id=1_000 * (number + 1))


def sandbox(count: int = 3, **options: Any) -> Sandbox:
    """Return a sandbox with seeded ledgers, and one more customer without entries."""
    ledgers = [rows_of(number) for number in range(count)]
    customers = [SandboxCustomer(mobile(number), rows) for number, rows in enumerate([*ledgers, []])]
    return Sandbox(customers, **options)


def wanted(count: int = 4, **options: Any) -> Any:
    return queries(count, **{"include_alternate_currencies": True, "start": START, "end": END, **options})


def by_hand(number: int, end: datetime) -> dict[Key, Decimal]:
    """Return the balances of a customer before a moment, without those of zero."""
    sums: dict[Key, Decimal] = {}
    for row in rows_of(number):
        for detail in row["entryDetails"] if datetime.fromisoformat(str(row["ledgerCreatedDate"])) < end else ():
            names = ("programId", "pointsCategory", "alternateCurrencyName")
            key: Any = (mobile(number), *map(detail.get, names))
            amount = Decimal(detail["points"])
            sums[key] = sums.get(key, Decimal(0)) + (-amount if detail["ledgerEntryType"] == "DEBIT" else amount)
    return {key: amount for key, amount in sums.items() if amount}


def table(out: Path) -> list[dict[str, Any]]:
    """Return the rows of the file of balances."""
    if (out / "balances.parquet").exists():
        from pyarrow import parquet  # noqa: PLC0415 - slow to import

        return list(parquet.read_table(out / "balances.parquet").to_pylist())
    with (out / "balances.csv").open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        row.update({name: value or None for name, value in row.items()})
        row["program_id"] = row["program_id"] and int(row["program_id"])
        row.update({name: row[name] and Decimal(row[name]) for name in ("opening_balance", "closing_balance")})
        row.update({name: row[name] and datetime.fromisoformat(row[name]) for name in ("opening_at", "closing_at")})
    return rows


def amounts(rows: list[dict[str, Any]], name: str) -> dict[Key, Decimal]:
    keys = ("identifier_value", "program_id", "points_category", "alternate_currency_name")
    return {tuple(row[key] for key in keys): row[name] for row in rows if row[name]}


def of_balances(requests: list[LoggedRequest]) -> list[LoggedRequest]:
    return [request for request in requests if "Balance" in request.path]


@pytest.mark.parametrize("kind", FORMATS)
async def test_balances_at_both_ends_of_the_range(tmp_path: Path, kind: str) -> None:
    """In every format there is a row a customer and account, and the entries lead from one end to the other."""
    async with sandbox() as box:
        manifest = await backfill(box, wanted(), tmp_path / "job", format=kind, balances=True)
        sent = of_balances(box.requests)
    rows = table(tmp_path / "job")
    check = check_directory(tmp_path / "job")

    assert len(sent) == 2 * 4
    for name, end in (("opening_balance", START), ("closing_balance", END)):
        assert amounts(rows, name) == {key: value for number in range(3) for key, value in by_hand(number, end).items()}
    assert {row["opening_at"] for row in rows} == {START.replace(tzinfo=UTC)}
    assert {row["closing_at"] for row in rows} == {END.replace(tzinfo=UTC) - timedelta(seconds=1)}
    assert {row["identifier_value"] for row in rows} == {mobile(number) for number in range(4)}
    assert [item.discrepancy for item in check] == []
    assert (check.customers, check.balances) == (4, sum(row["closing_balance"] is not None for row in rows))
    assert manifest.requests == len(box.requests)
    assert manifest.balances is not None
    assert manifest_of(tmp_path / "job")["balances"]["sha256"] == manifest.balances.sha256
    assert manifest.balances.rows == len(rows)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
async def test_wrong_balances_are_found(tmp_path: Path, kind: str) -> None:
    """A wrong balance at either end is a discrepancy of its customer and account, and so are missing balances."""
    wrong, nobody = faults.wrong_balance("5.000", row=1), faults.edit_balances("none", _without_balances)
    script = faults.on_balances(faults.numbered({1: wrong, 4: wrong, 6: nobody}))
    async with sandbox(faults=script) as box:
        options = {"format": kind, "balances": True, "concurrency": 1}
        await backfill(box, wanted(), tmp_path / "job", **options)

    found = list(check_directory(tmp_path / "job"))

    assert {item.discrepancy.check for item in found} == {"closing_balance"}
    ones = [item for item in found if item.identifier_value != mobile(2)]
    assert [(item.identifier_value, item.discrepancy.difference) for item in ones] == [
        (mobile(0), Decimal(-5)),
        (mobile(1), Decimal(5)),
    ]
    lost = {item.discrepancy.expected for item in found if item.identifier_value == mobile(2)}
    assert lost == {value for key, value in by_hand(2, END).items() if key[3] is None}


def _without_balances(details: dict[str, Any]) -> None:
    details["ledgerClosingBalance"].clear()
    details["totalEntries"] = details["pageCount"] = 0


@pytest.mark.parametrize("edges", ["both", "none"])
@pytest.mark.parametrize("precision", ["full", "second"])
async def test_entries_at_the_ends_are_no_discrepancy(tmp_path: Path, edges: Any, precision: Any) -> None:
    """Whether balances include the second of their moment or not, entries around both ends raise no alarm."""
    moments = [end + timedelta(milliseconds=500 * step) for end in (START, END) for step in range(-4, 5)]
    rows = [make_row(number, moment, points=f"{2**number}.000") for number, moment in enumerate(moments, 1)]
    async with Sandbox([SandboxCustomer(mobile(0), rows)], rules=Rules(edges=edges, edge_precision=precision)) as box:
        await backfill(box, wanted(1), tmp_path / "job", balances=True)

    assert list(check_directory(tmp_path / "job")) == []


async def test_ledgers_without_a_start_take_one_request(tmp_path: Path) -> None:
    """Without a start there is no opening balance; an end that has no whole seconds is cut off before it."""
    async with sandbox() as box:
        options: dict[str, Any] = {"start": None, "end": END + timedelta(milliseconds=700)}
        await backfill(box, wanted(**options), tmp_path / "job", balances=True)
        sent = of_balances(box.requests)

    assert [request.query["endDate"] for request in sent] == ["2024-09-30T23:59:59"] * 4
    assert {row["opening_at"] for row in table(tmp_path / "job")} == {None}
    assert list(check_directory(tmp_path / "job")) == []


async def test_what_was_fetched_is_not_requested_again(tmp_path: Path) -> None:
    """Where balances fail for everybody, nobody is set aside, and the next run requests those of the others only."""
    down = faults.on_balances(lambda request: faults.status(503) if request.number > 3 and not repaired else None)
    repaired: list[int] = []
    async with sandbox(faults=down) as box:
        options: dict[str, Any] = {"balances": True, "concurrency": 1}
        with pytest.raises(JobStoppedError):
            await backfill_once(box, tmp_path / "job", **options)
        repaired.append(len(box.requests))
        manifest = await backfill(box, wanted(), tmp_path / "job", **options)
        again = box.requests[repaired[0] :]

    assert manifest.complete
    assert [request.query["identifierValue"] for request in of_balances(again)] == [
        mobile(number) for number in (1, 1, 2, 2, 3, 3)
    ]
    assert list(check_directory(tmp_path / "job")) == []


async def test_a_stopped_run_has_balances_of_written_customers_only(tmp_path: Path) -> None:
    """After a run that was stopped, balances are of customers whose entries are in files, so that both agree."""
    async with sandbox() as box, session_at(box) as session:
        job = Backfill(
            session, wanted(), out=tmp_path / "job", format="csv", balances=True, concurrency=1, interval=0.001
        )
        async for progress in job.watch():
            if progress.finished:
                job.stop()

    written = {row["identifier_value"] for row in table(tmp_path / "job")}
    assert len(written) < 4
    assert list(check_directory(tmp_path / "job")) == []


async def backfill_once(box: Sandbox, out: Path, **options: Any) -> Manifest:
    """Run without retries."""
    async with session_at(box, retry=RetryPolicy(attempts=1)) as session:
        return await Backfill(session, wanted(), out=out, format="jsonl", pause=0.0, **options).run()


async def test_balances_that_fail_set_their_customer_aside(tmp_path: Path) -> None:
    """A customer whose balances are refused is set aside with the error; one that fails once is read twice at most."""
    faulty = {mobile(1): [faults.api_error(9005)] * 10, mobile(2): [faults.status(503)]}

    def fault_of(request: LoggedRequest) -> Any:
        left = faulty.get(request.query["identifierValue"])
        return left.pop() if left else None

    async with sandbox(faults=faults.on_balances(fault_of)) as box:
        manifest = await backfill_once(box, tmp_path / "job", balances=True)

    assert manifest.set_aside == 1
    assert [(row["identifier_value"], row["code"]) for row in set_aside(tmp_path / "job")] == [(mobile(1), "9005")]
    assert {row["identifier_value"] for row in table(tmp_path / "job")} == {mobile(0), mobile(2), mobile(3)}
    assert list(check_directory(tmp_path / "job")) == []


async def test_pending_events_are_waited_for(tmp_path: Path) -> None:
    """Balances with events pending are not proven, as a ledger is not; with "warn" they are kept and marked."""
    page = {"ledgerDetails": {"totalEntries": 0, "ledgerClosingBalance": []}, "warnings": [{"code": 11002}]}
    async with sandbox(1, faults=faults.on_balances(faults.always(faults.json_body(page)))) as box:
        strict = await backfill(box, wanted(1), tmp_path / "strict", balances=True)
        kept = await backfill(box, wanted(1), tmp_path / "kept", balances=True, on_incomplete="warn")

    assert (strict.incomplete, table(tmp_path / "strict")) == (1, [])
    assert (kept.unproven, len(table(tmp_path / "kept"))) == (1, 1)


async def test_contradictory_balances_are_left_out_with_a_warning(tmp_path: Path) -> None:
    """Balances whose pages contradict each other set a customer aside; with "warn" its ledger is kept without them."""
    script = faults.on_balances(
        faults.always(faults.edit_balances("fewer", lambda details: details.update(totalEntries=99)))
    )
    async with sandbox(1, faults=script) as box:
        strict = await backfill(box, wanted(1), tmp_path / "strict", balances=True)
        kept = await backfill(box, wanted(1), tmp_path / "kept", balances=True, on_incomplete="warn")

    assert (strict.incomplete, strict.entries) == (1, 0)
    assert (kept.unproven, table(tmp_path / "kept")) == (1, [])
    assert kept.entries > 0
    assert list(check_directory(tmp_path / "kept")) == []


async def test_lost_files_are_fetched_again_with_their_balances(tmp_path: Path) -> None:
    """--repair fetches the balances of the customers of a lost file again; a changed file of balances is found."""
    out = tmp_path / "job"
    async with sandbox() as box:
        await backfill(box, wanted(), out, balances=True)
        first = table(out)
        for path in (out / "entries").iterdir():
            path.unlink()
        (out / "balances.csv").write_text("")
        problems = verify(out).problems
        before = len(box.requests)
        await backfill(box, wanted(), out, balances=True, repair=True)
        sent = of_balances(box.requests[before:])

    assert "balances.csv" in {problem.file for problem in problems}
    assert len(sent) == 2 * 3
    assert sorted(map(str, table(out))) == sorted(map(str, first))
    assert verify(out).ok


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([GroupLedgerQuery(identifier_value="1")], "customers and not of groups"),
        (queries(1, store_code="quay"), "by store_code"),
        (queries(1, event_filter="TransactionAdd"), "by event_filter"),
        (queries(1, program_id=4110), "by program_id"),
    ],
    ids=["group", "store", "event", "programme"],
)
async def test_queries_without_balances_are_refused(given: list[Any], reason: str, tmp_path: Path) -> None:
    """Balances of groups, and under filters that the service does not apply to them, are refused before any request."""
    async with sandbox() as box:
        with pytest.raises(InvalidQueryError, match=reason):
            await backfill(box, given, tmp_path / "job", balances=True)

    assert box.requests == []


async def test_balances_are_part_of_the_job(tmp_path: Path) -> None:
    """A job that was started without balances is not continued with them."""
    async with sandbox() as box:
        await backfill(box, wanted(), tmp_path / "job")
        with pytest.raises(InvalidQueryError, match="balances no there and yes here"):
            await backfill(box, wanted(), tmp_path / "job", balances=True)

    assert not (tmp_path / "job" / "balances.csv").exists()


@pytest.mark.parametrize(("start", "each"), [(START, 2), (None, 1)])
async def test_the_plan_counts_balances(start: datetime | None, each: int) -> None:
    """An estimate counts one request for the balances of each customer, and another where the range has a start."""
    async with sandbox() as box, session_at(box) as session:
        without = await estimate(session, wanted(start=start))
        found = await estimate(session, wanted(start=start), balances=True)

    assert of_balances(box.requests) == []
    assert (found.balance_requests, without.balance_requests) == (4 * each, 0)
    assert found.requests == without.requests + 4 * each


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
async def test_books_of_shards(tmp_path: Path, kind: str) -> None:
    """The shards of a job have balances, and are checked together by the manifest of the whole job."""
    script = faults.on_balances(faults.numbered({6: faults.wrong_balance("5.000", row=1)}))
    async with sandbox(faults=script) as box:
        connect = partial(LedgerSession, box.url, BASIC, timezone=UTC)
        out = tmp_path / "whose" / "shards"
        shards = cut_shards(
            wanted(), out=out, connect=connect, end=END, size=1, format=kind, balances=True, concurrency=1
        )
        manifests = {shard.number: await asyncio.to_thread(run_shard, shard) for shard in shards}
    write_manifest(merge_manifests(manifests, planned=0, duplicates=0), tmp_path / "whose")

    check = check_directory(tmp_path / "whose")

    (found,) = check
    assert (found.identifier_value, found.discrepancy.difference) == (mobile(2), Decimal(5))
    assert (check.customers, check.entries) == (4, sum(manifest.entries for manifest in manifests.values()))


async def test_command_line(tmp_path: Path) -> None:
    """The options of the command, its lines, and what check-books prints of a wrong balance."""
    (tmp_path / "c.csv").write_text(f"mobile\n{mobile(0)}\n{mobile(1)}\n")
    command = ("backfill", str(tmp_path / "c.csv"), "--out", str(tmp_path / "job"), "--balances", "--format", "csv")
    script = faults.on_balances(faults.nth(2, faults.wrong_balance("5.000")))
    async with sandbox(faults=script) as box:
        plan = await run(box, *command, "--plan")
        done = await run(box, *command, "--concurrency", "1")
    checked = await run(None, "check-books", str(tmp_path / "job"))
    result = json.loads((await run(None, "check-books", str(tmp_path / "job"), "--json")).out)

    assert " (2 of them for balances) for " in plan.out
    assert f"{len(table(tmp_path / 'job'))} rows of balances in balances.csv" in done.lines
    assert checked.code == 3
    assert "closing balance" in checked.out
    assert checked.err.startswith("capledger: 1 discrepancy in ")
    assert f" and {result['balances']} balances of 2 customers: see " in checked.err
    assert (result["errors"], result["discrepancies"][0]["identifier_value"]) == (1, mobile(1))
