"""Generated ledgers: the same for the same seed, with rows on boundaries, and huge without memory."""

from __future__ import annotations

import ast
import time
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from support.sandbox_client import Query, opened

import capledger.sandbox
from capledger.sandbox import EVENT_NAMES, Rules, SandboxCustomer, SyntheticLedger, make_row, seed_rows, synthetic_rows
from capledger.sandbox.ledger import StoredLedger

START, END = datetime(2023, 1, 1), datetime(2024, 1, 1)


def moments(rows: list[dict[str, object]]) -> list[datetime]:
    return [datetime.fromisoformat(str(row["ledgerCreatedDate"])) for row in rows]


def test_a_seed_returns_the_same_rows_each_time() -> None:
    """Equal seeds, equal rows; another seed, other rows."""
    assert seed_rows(1, 50, START, END) == seed_rows(1, 50, START, END)
    assert seed_rows(1, 50, START, END) != seed_rows(2, 50, START, END)


@pytest.mark.parametrize("seed", range(20))
def test_seeded_rows_lie_on_boundaries(seed: int) -> None:
    """Within the range, in order, with unique ids; some on bounds, some in one second, some with fractions."""
    boundary = datetime(2023, 7, 7, 7)
    rows = seed_rows(seed, 200, START, END, step=timedelta(days=90), boundaries=[boundary])
    times = moments(rows)
    edges = {START, END, boundary} | {START + number * timedelta(days=90) for number in range(5)}

    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] <= END
    assert len({row["eventLogId"] for row in rows}) == 200
    assert len(edges & set(times)) >= 2
    assert len(set(times)) < 190
    assert any(moment.microsecond for moment in times)
    assert any(row["netAlternateCurrenciesOnEvent"] for row in rows)
    assert any("alternateCurrencyName" in row["entryDetails"][0] for row in rows)


def test_seeded_rows_have_every_event() -> None:
    """A long ledger has every known event name."""
    assert {row["eventName"] for row in seed_rows(3, 2000, START, END)} == set(EVENT_NAMES)


def test_without_currencies_every_row_has_points() -> None:
    """Without currencies every row is selected without ``includeAlternateCurrencies``."""
    rows = seed_rows(4, 300, START, END, currencies=())

    assert not any("alternateCurrencyName" in detail for row in rows for detail in row["entryDetails"])
    assert all(row["entryDetails"] for row in rows)


def test_amounts_are_exact_strings() -> None:
    """Each net is the entry's own amount with its sign, two or three decimals."""
    for row in seed_rows(5, 200, START, END, currencies=()):
        signs = {"CREDIT": 1, "DEBIT": -1, "OPENING_BALANCE": 0}
        net = sum(signs[detail["ledgerEntryType"]] * Decimal(detail["points"]) for detail in row["entryDetails"])

        assert Decimal(row["netPointsOnEvent"]) == net


@pytest.mark.parametrize("style", ["fraction", "plain", "java", "iso"])
async def test_a_synthetic_ledger_has_the_same_pages_as_a_stored_one(style: str) -> None:
    """The same rows, stored or synthetic, return the same pages, in every date style and with concepts."""
    synthetic = synthetic_rows(250, START, timedelta(hours=5, milliseconds=250), first_id=1000)
    stored = [synthetic.row(rank) for rank in range(len(synthetic))]
    query: Query = {"limit": 100, "offset": 1, "startDate": "2023-01-05T00:00:00", "includeConceptDetails": "true"}
    rules = Rules(date_style=style)  # type: ignore[arg-type]  # one of its literals
    customers = SandboxCustomer("1", synthetic), SandboxCustomer("2", stored)
    async with opened(*customers, rules=rules) as client:
        pages = [await client.ledger(query, identifierValue=value) for value in ("1", "2")]
        empty = await client.ledger(ledgerEntryType="DEBIT")

    assert pages[0].body == pages[1].body
    assert len(pages[0].ids) == 100
    assert empty.code == 11003


def test_synthetic_rows_have_overrides() -> None:
    """Overrides are in every row, per cent signs too, while ids, dates and points differ."""
    synthetic = synthetic_rows(10, START, timedelta(days=1), store="100% Quay", eventName="GenericEvent")
    rows = [synthetic.row(rank) for rank in (0, 9)]

    assert [row["store"] for row in rows] == ["100% Quay"] * 2
    assert [row["eventLogId"] for row in rows] == [100_000_001, 100_000_010]
    assert rows[1]["transactionDetails"]["date"] == "2023-01-10 00:00:00.0"
    assert rows[1]["entryDetails"][0]["points"] == rows[1]["netPointsOnEvent"] == "10.200"


async def test_a_million_rows_are_served_at_once() -> None:
    """The last page of a million rows needs the work of one page: much less than to make them all."""
    synthetic = synthetic_rows(1_000_000, START, timedelta(seconds=90))
    async with opened(SandboxCustomer("1", synthetic)) as client:
        started = time.perf_counter()
        page = await client.ledger(limit=100, offset=9999, startDate="2023-01-01T00:00:00", isFilterBasedOnDate="false")
        elapsed = time.perf_counter() - started

    assert page.body["ledgerDetails"]["totalEntries"] == 1_000_000
    assert page.ids[-1] == 100_000_001
    assert elapsed < 1


def test_events_are_found_in_both_kinds_of_ledger() -> None:
    """By id, and by event name with reference; unknown ones are not found."""
    synthetic = synthetic_rows(10, START, timedelta(days=1))
    stored = StoredLedger(synthetic.row(rank) for rank in range(10))
    row = synthetic.row(4)
    bill = str(row["transactionDetails"]["transactionId"])

    for ledger in (synthetic, stored):
        assert ledger.by_id(row["eventLogId"]) == row
        assert ledger.by_id(5) is None
        assert ledger.by_reference("TransactionAdd", bill) == row
        assert ledger.by_reference("ReturnBill", bill) is None
        assert ledger.by_reference("TransactionAdd", "-1") is None


def test_a_row_is_made_with_the_names_of_the_api() -> None:
    """Overrides replace whole keys, and a debit's net is negative."""
    row = make_row(1, START, entry_type="DEBIT", points="2.50", currencies={"Stars": "1.00"}, storeCode="mill")

    assert (row["storeCode"], row["netPointsOnEvent"]) == ("mill", "-2.50")
    assert row["netAlternateCurrenciesOnEvent"] == {"Stars": "-1.00"}


def test_the_sandbox_shares_no_code_with_the_client() -> None:
    """It imports no other module of the package."""
    imported = set()
    for path in Path(capledger.sandbox.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {name for name in names if name.startswith("capledger")}

    assert all(name.startswith("capledger.sandbox") for name in imported)
    assert isinstance(synthetic_rows(1, START, timedelta(days=1)), SyntheticLedger)
