"""Runs of a sync: what each adds, what it costs, and what it says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from support.jobs import FORMATS, backfill, manifest_of, mobile, queries, rows, session_at, set_aside
from support.syncs import START, Ledgers, first_id, held, listed, sync, vanished

from capledger import CustomerLedgerQuery, GroupLedgerQuery, InvalidQueryError
from capledger.backfill import Backfill, Sync
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, SandboxGroup, add_twins, faults, make_row

if TYPE_CHECKING:
    from pathlib import Path

SIZES = [3, 0, 250, 100, 101]


@pytest.mark.parametrize("kind", FORMATS)
async def test_each_run_adds_what_is_new(kind: str, tmp_path: Path) -> None:
    """New and late entries are added once, with the run that saw them; an unchanged ledger costs one request."""
    ledgers, out = Ledgers(SIZES), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        first = await sync(session, 5, out, format=kind)
        new = [ledgers.append_newest(number) for number in range(3)]
        late = ledgers.append_late(2, 3)
        sent = len(box.requests)
        second = await sync(session, 5, out, format=kind)
        sent_again = len(box.requests)
        third = await sync(session, 5, out, format=kind)

    assert [len(manifest.runs) for manifest in (first, second, third)] == [1, 2, 3]
    assert (first.runs[0].entries, first.runs[0].late, first.entries) == (sum(SIZES), 0, sum(SIZES))
    run = second.runs[1]
    assert (run.entries, run.late, run.changed, run.customers, run.proven) == (4, 1, 3, 5, 5)
    assert run.requests == sent_again - sent <= 5 + 3
    assert (third.runs[2].requests, third.runs[2].entries, len(box.requests)) == (5, 0, sent_again + 5)
    assert all(manifest.complete and manifest.runs[-1].complete for manifest in (first, second, third))
    by_run = {int(row["event_log_id"]): int(row["first_seen_run"]) for row in rows(out)}
    assert {id_ for id_, number in by_run.items() if number == 2} == {*new, late}
    assert [held(out, number) for number in range(5)] == [Counter(dates) for dates in map(list, ledgers.dates)]
    assert manifest_of(out)["runs"][1]["entries"] == 4


@pytest.mark.parametrize("kind", FORMATS)
async def test_vanished_entries_are_listed_and_kept(kind: str, tmp_path: Path) -> None:
    """An entry that the service removed stays in the data set and is listed; it is not new when it comes back."""
    ledgers, out = Ledgers([12, 310]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 2, out, format=kind)
        gone = [(number, first_id(number) + 4) for number in range(2)]
        dates = [ledgers.dates[number][id_] for number, id_ in gone]
        for number, _ in gone:
            ledgers.remove(number, 4)
        second = await sync(session, 2, out, format=kind)
        rows_listed = listed(out, "vanished.csv")
        third = await sync(session, 2, out, format=kind)
        for (number, id_), date_ in zip(gone, dates, strict=True):
            ledgers.put(number, id_, date_)
        fourth = await sync(session, 2, out, format=kind)

    assert (second.runs[-1].vanished, second.runs[-1].complete, second.complete) == (2, False, False)
    assert [(row["identifier_value"], int(row["event_log_id"])) for row in rows_listed] == [
        (mobile(number), id_) for number, id_ in gone
    ]
    assert (third.runs[-1].vanished, third.runs[-1].complete, third.runs[-1].requests) == (0, True, 2)
    assert (fourth.runs[-1].entries, fourth.runs[-1].complete, listed(out, "vanished.csv")) == (0, True, [])
    assert (held(out, 0), held(out, 1)) == tuple(Counter(list(dates)) for dates in ledgers.dates)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
async def test_amended_entries_are_listed_and_never_doubled(kind: str, tmp_path: Path) -> None:
    """An entry whose amounts changed stays as it is and is listed with both; it is noticed once."""
    ledgers, out = Ledgers([12, 310]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 2, out, format=kind)
        for number in range(2):
            id_ = max(ledgers.dates[number])
            date_ = ledgers.dates[number][id_]
            ledgers.remove(number, -1)
            ledgers.put(number, id_, date_, points="77.500")
        second = await sync(session, 2, out, format=kind)
        third = await sync(session, 2, out, format=kind)

    assert (second.runs[-1].entries, second.runs[-1].amended, second.runs[-1].vanished) == (0, 2, 0)
    assert (third.runs[-1].amended, third.runs[-1].requests, third.complete) == (0, 2, True)
    assert [(row["noticed_in_run"], row["event_log_id"]) for row in listed(out, "amended.csv")] == [
        ("2", str(max(dates))) for dates in ledgers.dates
    ]
    assert all('"100.000' in row["entry_details"] for row in listed(out, "amended.csv"))
    assert all('"77.500"' in row["current_entry_details"] for row in listed(out, "amended.csv"))
    assert set(held(out, 0).values()) | set(held(out, 1).values()) == {1}


@pytest.mark.parametrize(
    ("kind", "dates"),
    [
        *((kind, {}) for kind in FORMATS),
        ("jsonl", {"start": datetime(2025, 1, 1, 3)}),
        ("jsonl", {"end": datetime(2025, 1, 1, 5)}),
    ],
)
async def test_a_backfill_is_taken_over(kind: str, dates: dict[str, datetime], tmp_path: Path) -> None:
    """A sync goes on with the directory of a backfill, whatever its range: nothing twice, nothing left out."""
    ledgers, out = Ledgers([12, 310, 0]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await backfill(box, queries(3, **dates), out, format=kind)
        ledgers.append_newest(0)
        ledgers.append_late(1, 250)
        first = await sync(session, 3, out, format=None)
        second = await sync(session, 3, out, format=None)

    start = dates.get("start", START)
    expected = [{id_ for id_, moment in of.items() if moment >= start} for of in ledgers.dates]
    assert [set(held(out, number)) for number in range(3)] == expected
    assert max((held(out, 0) + held(out, 1)).values()) == 1
    assert [run.number for run in first.runs] == [1, 2]
    assert (first.format, first.complete, second.complete) == (kind, True, True)
    assert (second.runs[-1].requests, second.runs[-1].entries) == (3, 0)
    assert {int(row["first_seen_run"]) for row in rows(out)} == {1, 2}


async def test_a_backfill_refuses_the_directory_of_a_sync(tmp_path: Path) -> None:
    """A backfill does not touch a data set that a sync keeps up to date."""
    ledgers = Ledgers([3])
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 1, tmp_path / "out")
        with pytest.raises(InvalidQueryError, match="kept up to date by a sync"):
            await Backfill(session, queries(1), out=tmp_path / "out", format="jsonl").run()


async def test_entries_before_the_start_are_left_out(tmp_path: Path) -> None:
    """With a start, rows before it are counted only: late ones there cost a reading down to the start, and no more."""
    ledgers, out = Ledgers([250, 20]), tmp_path / "out"
    start = START + timedelta(hours=15)
    async with ledgers.box as box, session_at(box) as session:
        first = await sync(session, 2, out, start=start)
        second = await sync(session, 2, out, start=start)
        ledgers.append(0, START + timedelta(minutes=5))
        inside = ledgers.append(1, start)
        third = await sync(session, 2, out)
        fourth = await sync(session, 2, out)

    assert [first.entries, second.runs[-1].requests, fourth.runs[-1].requests] == [240, 2, 2]
    assert (third.runs[-1].entries, third.runs[-1].vanished, third.complete, fourth.complete) == (1, 0, True, True)
    assert inside in held(out, 1)


async def test_another_start_is_refused(tmp_path: Path) -> None:
    """A data set has one start."""
    async with Ledgers([3]).box as box, session_at(box) as session:
        await sync(session, 1, tmp_path / "out")
        with pytest.raises(InvalidQueryError, match="the beginning"):
            await sync(session, 1, tmp_path / "out", start=date(2025, 1, 1))


async def test_the_list_may_change(tmp_path: Path) -> None:
    """New customers are read whole; missing ones stay as they are, are counted, and not asked."""
    ledgers, out = Ledgers([3, 4, 5]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 2, out)
        ledgers.append_newest(0)
        sent = len(box.requests)
        manifest = await Sync(session, queries(3)[1:], out=out, format="jsonl").run()

    run = manifest.runs[-1]
    assert (run.customers, run.missing, run.entries, run.complete, len(box.requests) - sent) == (2, 1, 5, True, 2)
    assert [held(out, number).total() for number in range(3)] == [3, 4, 5]


async def test_only_active_customers_are_asked(tmp_path: Path) -> None:
    """A run may be restricted to customers known to have changed; it is not complete, and the next one is."""
    ledgers, out = Ledgers([3, 4, 5]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 3, out)
        for number in range(3):
            ledgers.append_newest(number)
        second = await sync(session, 3, out, active=queries(1))
        third = await sync(session, 3, out)

    run = second.runs[-1]
    assert (run.customers, run.not_asked, run.requests, run.entries, run.complete) == (1, 2, 1, 1, False)
    assert (third.runs[-1].entries, third.complete) == (2, True)


@pytest.mark.parametrize(
    "rules",
    [Rules(omitted=("totalEntries", "pageCount")), Rules(total_cap=20), Rules(total="page"), Rules(hidden_every=7)],
)
async def test_without_totals_dates_overlap(rules: Rules, tmp_path: Path) -> None:
    """Where totals do not count the entries, a run reads back by the overlap, and does not call itself complete."""
    ledgers, out = Ledgers([30], rules=evolve(rules, max_limit=10)), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        first = await sync(session, 1, out, overlap=timedelta(hours=5))
        near, far = ledgers.append_late(0, 27), ledgers.append_late(0, 2)
        new = ledgers.append_newest(0)
        second = await sync(session, 1, out, overlap=timedelta(hours=5))

    hidden = 4 if rules.hidden_every else 0
    assert (first.runs[-1].unproven, first.complete, first.entries) == (1, False, 30 - hidden)
    assert (second.runs[-1].unproven, second.complete) == (1, False)
    assert {near, new} <= set(held(out, 0))
    assert max(held(out, 0).values()) == 1
    assert far not in held(out, 0)


async def test_totals_are_trusted_again(tmp_path: Path) -> None:
    """A ledger whose totals were wrong once is read whole again after some runs, and then proven."""
    ledgers, out = Ledgers([30], rules=Rules(max_limit=10)), tmp_path / "out"
    overlap = timedelta(hours=1)
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 1, out, overlap=overlap)
        box.rules = Rules(max_limit=10, total_offset=-1)
        wrong = await sync(session, 1, out, overlap=overlap)
        box.rules = Rules(max_limit=10)
        late = ledgers.append_late(0, 2)
        later = [await sync(session, 1, out, overlap=overlap) for _ in range(8)]

    assert not wrong.complete
    assert not later[0].complete
    assert later[-1].complete
    assert late in held(out, 0)


async def test_pending_events_are_not_proven(tmp_path: Path) -> None:
    """Where the service warns of pending events, its entries are added, and the run is not complete."""
    ledgers, out = Ledgers([3]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 1, out)
        ledgers.append_newest(0)
        box.faults = faults.always(faults.warning_beside(11002, "pending"))
        manifest = await sync(session, 1, out)

    assert (manifest.runs[-1].unproven, manifest.complete, held(out, 0).total()) == (1, False, 4)


async def test_who_fails_keeps_what_is_held(tmp_path: Path) -> None:
    """A customer who is not known any more is set aside, and the entries stay in the data set."""
    ledgers, out = Ledgers([3, 3]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 2, out)
        box.faults = faults.when(
            lambda logged: logged.query.get("identifierValue") == mobile(0), faults.always(faults.api_error(8015))
        )
        second = await sync(session, 2, out)
        box.faults = None
        third = await sync(session, 2, out)

    assert (second.runs[-1].set_aside, second.runs[-1].complete, second.set_aside) == (1, False, 1)
    assert (third.complete, third.entries, set_aside(out)) == (True, 6, [])


async def test_dates_ahead_of_this_clock_are_read(tmp_path: Path) -> None:
    """Entries are read however they are dated, and the end of a run is the service's own latest date."""
    ledgers, out = Ledgers([3]), tmp_path / "out"
    later = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(days=2)
    ledgers.append(0, later)
    async with ledgers.box as box, session_at(box) as session:
        manifest = await sync(session, 1, out)

    assert (manifest.entries, manifest.complete) == (4, True)
    assert manifest.runs[-1].end == manifest.end == later.replace(tzinfo=UTC)


async def test_lost_files_are_repaired(tmp_path: Path) -> None:
    """The entries of a file that is lost are read again; others are not doubled."""
    ledgers, out = Ledgers([12, 5]), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 2, out)
        ledgers.append_newest(0)
        manifest = await sync(session, 2, out)
        (out / manifest.files[0].file).unlink()
        repaired = await sync(session, 2, out, repair=True)

    assert repaired.complete
    assert [held(out, number) for number in range(2)] == [Counter(list(dates)) for dates in ledgers.dates]


async def test_customers_with_one_identifier_are_told_apart(tmp_path: Path) -> None:
    """Two customers of the list who share an identifier keep their own entries."""
    ledgers, out = Ledgers([310], rules=Rules(source_values_recorded=False)), tmp_path / "out"
    both = [
        CustomerLedgerQuery.mobile(mobile(0), source="INSTORE"),
        CustomerLedgerQuery.mobile(mobile(0), source="ALL"),
    ]
    async with ledgers.box as box, session_at(box) as session:
        await Sync(session, both, out=out, format="jsonl").run()
        ledgers.append_late(0, 2)
        second = await Sync(session, both, out=out, format="jsonl").run()
        ledgers.remove(0, 5)
        third = await Sync(session, both, out=out, format="jsonl").run()

    assert (second.runs[-1].entries, second.runs[-1].late, second.complete) == (2, 2, True)
    assert (third.runs[-1].vanished, vanished(out, 0).total(), third.entries) == (2, 2, 622)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(tie_order="random"),
        Rules(max_limit=20, first_page=1),
        Rules(max_limit=20, offset="index"),
        Rules(max_limit=20, order_parameters=(), default_order="ASC"),
        Rules(max_limit=20, order_parameters=(), default_order="SHUFFLED"),
        Rules(lag=2, lag_every=3),
    ],
)
async def test_any_service(rules: Rules, tmp_path: Path) -> None:
    """Whatever the service does with order, ties, pages and replicas, all rows are held, those with equal keys too."""
    ledger = add_twins([make_row(number, START + timedelta(minutes=number // 2)) for number in range(1, 60)], seed=1)
    box = Sandbox([SandboxCustomer(mobile(0), ledger, customer_id=1)], rules=rules)
    expected = Counter(int(row["eventLogId"]) for row in ledger)
    async with box, session_at(box) as session:
        await sync(session, 1, tmp_path / "out")
        for new, minutes in ((900, 3), (901, 200)):
            box.append(mobile(0), make_row(new, START + timedelta(minutes=minutes)))
            expected[new] += 1
        await sync(session, 1, tmp_path / "out")
        manifest = await sync(session, 1, tmp_path / "out")

    assert (held(tmp_path / "out", 0), manifest.complete) == (expected, True)


async def test_groups(tmp_path: Path) -> None:
    """The ledger of a group is kept up to date as a customer's."""
    ledger = [make_row(number, START + timedelta(hours=number)) for number in range(25)]
    box = Sandbox(groups=[SandboxGroup("381335652", ledger)], rules=Rules(max_limit=10))
    query = GroupLedgerQuery(identifier_value="381335652")
    async with box, session_at(box) as session:
        await Sync(session, [query], out=tmp_path / "out", format="jsonl").run()
        box.append("381335652", make_row(900, START + timedelta(hours=40)))
        manifest = await Sync(session, [query], out=tmp_path / "out", format="jsonl").run()

    assert (manifest.runs[-1].requests, manifest.runs[-1].entries, manifest.entries, manifest.complete) == (
        1,
        1,
        26,
        True,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": timedelta(-1)}, "overlap"),
        ({"format": "xml"}, "format must be one of"),
        ({"concurrency": 0}, "at least 1"),
    ],
)
async def test_arguments_are_checked(options: dict[str, object], message: str, tmp_path: Path) -> None:
    """What cannot work is refused before anything else."""
    async with Ledgers([1]).box as box, session_at(box) as session:
        with pytest.raises(InvalidQueryError, match=message):
            Sync(session, queries(1), out=tmp_path / "out", **options)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(InvalidQueryError, match="no end"):
            await Sync(session, queries(1, end=START), out=tmp_path / "out").run()
