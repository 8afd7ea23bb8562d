"""Balances, running balances and statements follow from the entries alone, exactly."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st
from support.books import END, START, by_hand, entries_from, ledger

from capledger import EntryDetail, LedgerEntry, books
from capledger.sandbox import make_row
from capledger.sandbox.rows import entry_detail

if TYPE_CHECKING:
    from capledger.books import LedgerAccount

SEEDS = st.integers(0, 10_000)
MOMENTS = st.datetimes(START - timedelta(days=1), END + timedelta(days=1))


def keyed(balances: dict[LedgerAccount, Decimal]) -> dict[Any, Decimal]:
    return {
        (account.program_id, account.points_category, account.alternate_currency_name): amount
        for account, amount in balances.items()
    }


@given(SEEDS, MOMENTS)
def test_balances_are_sums_by_hand(seed: int, moment: datetime) -> None:
    """``balances_at`` equals the plain sum of the details before the moment, whatever the order of the entries."""
    entries = ledger(seed)

    assert keyed(books.balances_at(entries, moment)) == by_hand(entries, moment)
    assert books.balances_at(entries[::-1], moment) == books.balances_at(entries, moment)
    assert keyed(books.balances_at(entries, moment.replace(tzinfo=UTC))) == by_hand(entries, moment)
    assert keyed(books.balances_at(entries, None)) == by_hand(entries)


@given(SEEDS)
def test_running_balances_end_in_the_closing_ones(seed: int) -> None:
    """Running balances are in order of time, each the one before and the movement, and end in the closing balances."""
    entries = ledger(seed)
    last: dict[LedgerAccount, Decimal] = {}
    dates = []
    for item in books.running_balances(entries[::-1]):
        account = item.movement.account
        assert item.balance == last.get(account, Decimal(0)) + item.movement.amount
        last[account] = item.balance
        dates.append(item.movement.date)

    assert last == books.balances_at(entries, None)
    assert dates == sorted(dates)


@given(SEEDS, st.lists(MOMENTS, min_size=1, max_size=4))
def test_statements_compose(seed: int, moments: list[datetime]) -> None:
    """The closing of a statement is the opening of the next; each adds up; together they have every movement once."""
    entries = ledger(seed)
    edges = [None, *sorted(moments), None]
    statements = [books.statement(entries, *edge) for edge in pairwise(edges)]

    for earlier, later in pairwise(statements):
        closing = {part.account: part.closing for part in earlier.accounts}
        for part in later.accounts:
            assert part.opening == closing.get(part.account, 0)
    for part in (part for item in statements for part in item.accounts):
        assert part.closing == part.opening + part.opening_balances + part.credits - part.debits
        assert part.credits >= 0
        assert part.debits >= 0
    movements = [item for statement in statements for item in statement.movements]
    assert movements == books.running_balances(entries)
    assert {part.account: part.closing for part in statements[-1].accounts} == books.balances_at(entries, None)


def test_movements_are_signed_details() -> None:
    """There is one movement per detail, negative for a DEBIT, with the scale of the entry."""
    details = [
        entry_detail("46.690"),
        entry_detail("10.5", ledgerEntryType="DEBIT"),
        entry_detail("20000.00", alternateCurrencyName="Coins"),
        entry_detail("0.00", ledgerEntryType="DEBIT"),
    ]
    (entry,) = entries_from([make_row(1, START, entryDetails=details, netPointsOnEvent="36.190")])

    found = list(books.movements([entry]))

    assert [str(movement.amount) for movement in found] == ["46.690", "-10.5", "20000.00", "0.00"]
    assert [movement.account.currency for movement in found] == ["points", "points", "Coins", "points"]
    assert {movement.date for movement in found} == {START.replace(tzinfo=UTC)}


def test_opening_balances_are_no_credits() -> None:
    """An opening balance changes the balance of its account and is no credit of the period."""
    rows = [
        make_row(1, START, event_name="PointsLedgerBulkJob", entryDetails=[_opening("300.000")]),
        make_row(2, START + timedelta(days=1), points="20.000"),
    ]

    (account,) = books.statement(entries_from(rows), START, END).accounts

    assert [account.opening, account.opening_balances, account.credits, account.closing] == [0, 300, 20, 320]


def _opening(points: str) -> dict[str, Any]:
    return entry_detail(points, ledgerEntryType="OPENING_BALANCE")


def test_days_are_midnights_and_ends_exclusive() -> None:
    """A date is its midnight on the clock of the entries; an entry at the end belongs to the next period."""
    entries = entries_from([make_row(1, datetime(2024, 6, 1)), make_row(2, datetime(2024, 7, 1))])

    june = books.statement(entries, date(2024, 6, 1), date(2024, 7, 1))

    assert [item.movement.event_log_id for item in june.movements] == [1]
    with pytest.raises(ValueError, match="before start"):
        books.statement(entries, date(2024, 7, 1), date(2024, 6, 1))


def test_amounts_are_added_without_rounding() -> None:
    """Sums keep every digit, whatever the precision of the decimal context."""
    rows = [make_row(1, START, points="1" + "0" * 30 + ".001"), make_row(2, START, points="0.001")]

    with localcontext(prec=5):
        (balance,) = books.balances_at(entries_from(rows), None).values()

    assert str(balance) == "1" + "0" * 30 + ".002"


@pytest.mark.parametrize(
    ("details", "net", "exact", "rounding"),
    [
        ([entry_detail("46.69")], "46.688", ["46.688"], ["0"]),
        ([entry_detail("311.03", ledgerEntryType="DEBIT")], "-311.034", ["-311.034"], ["0"]),
        ([entry_detail("46.69"), entry_detail("1.001")], "47.689", ["46.688", "1.001"], ["0", "0"]),
        ([entry_detail("46.69"), entry_detail("1.25")], "47.938", ["46.69", "1.25"], ["0.005", "0.005"]),
        ([entry_detail("300.00")], "437.080", ["300.00"], ["0.005"]),
        ([_opening("0.00")], "0.000", ["0.00"], ["0"]),
        ([_opening("12.50")], "0.000", ["12.50"], ["0.005"]),
    ],
)
def test_nets_prove_rounded_amounts(details: list[Any], net: str, exact: list[str], rounding: list[str]) -> None:
    """The only rounded amount of a net is known exactly; of several, and of opening balances, the error is bounded."""
    entries = entries_from([make_row(1, START, entryDetails=details, netPointsOnEvent=net)])
    found = list(books.movements(entries))

    assert [str(movement.exact) for movement in found] == exact
    assert [movement.rounding for movement in found] == [Decimal(bound) for bound in rounding]


# Sources of entries


def as_rows(entries: list[LedgerEntry]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in entries]


def test_rows_are_as_good_as_entries() -> None:
    """Dictionaries, JSON, Arrow batches and a DuckDB relation have the movements of the entries."""
    duckdb = pytest.importorskip("duckdb")
    pyarrow = pytest.importorskip("pyarrow")
    entries = ledger(5)
    rows = as_rows(entries)
    for row in rows:
        row["net_alternate_currencies_on_event"] = list(row["net_alternate_currencies_on_event"].items())
    columns = ["event_log_id", "event_name", "ledger_created_date", "entry_details"]
    fields = [(name, pyarrow.string()) for name in ("ledger_entry_type", "points_category", "program_name")]
    detail = pyarrow.struct(
        [
            *fields,
            ("points", pyarrow.decimal128(38, 9)),
            ("program_id", pyarrow.int64()),
            ("alternate_currency_name", pyarrow.string()),
        ]
    )
    schema = pyarrow.schema(
        [
            ("event_log_id", pyarrow.int64()),
            ("event_name", pyarrow.string()),
            ("ledger_created_date", pyarrow.timestamp("us", "UTC")),
            ("entry_details", pyarrow.list_(detail)),
        ]
    )
    table = pyarrow.Table.from_pylist([{name: row[name] for name in columns} for row in rows], schema=schema)
    expected = list(books.movements(entries))

    assert list(books.movements(rows)) == expected
    assert list(books.movements(table.to_batches(max_chunksize=7))) == expected
    with duckdb.connect() as database:
        database.register("entries", table)
        assert list(books.movements(database.sql("SELECT * FROM entries"))) == expected
        assert list(books.movements(database.execute("SELECT * FROM entries"))) == expected


def test_json_lines_are_rows() -> None:
    """Rows of JSON, with amounts and dates as strings, are read exactly."""
    rows = json.loads(json.dumps(as_rows(ledger(6)), default=str))

    assert list(books.movements(rows)) == list(books.movements(ledger(6)))


@pytest.mark.parametrize("item", ["an entry", 1, None])
def test_other_items_are_refused(item: Any) -> None:
    """Items that are no entries are a TypeError, and so are amounts that are floats."""
    with pytest.raises(TypeError, match="LedgerEntry"):
        list(books.movements([item]))
    row = as_rows(ledger(1, 1))[0] | {"net_points_on_event": 0.1}
    with pytest.raises(TypeError, match="float"):
        list(books.movements([row]))


async def test_walks_are_collected_first() -> None:
    """A walk is refused with what to do; its entries are collected first."""

    async def walk() -> Any:
        yield ledger(1)[0]

    with pytest.raises(TypeError, match=r"await walk.collect\(\)"):
        list(books.movements(walk()))


def test_missing_values_are_zero() -> None:
    """A detail without an amount moves nothing."""
    entry = LedgerEntry(1, "TransactionAdd", START.replace(tzinfo=UTC), entry_details=[EntryDetail("CREDIT")])

    assert [movement.amount for movement in books.movements([entry])] == [0]


def test_book_names_are_documented() -> None:
    """Every public name of the package has a docstring."""
    for name in set(books.__all__) - {"EntrySource"}:
        assert getattr(books, name).__doc__
