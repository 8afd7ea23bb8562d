"""Entries as tables of Arrow, polars and pandas."""

from __future__ import annotations

import builtins
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from capledger import BasicAuth, ConfigurationError, CustomerLedgerQuery, LedgerEntry, LedgerSession, frames
from capledger.backfill import MisfitError, arrow_batches, arrow_schema
from capledger.sandbox import DEMO_MOBILE, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

QUERY = CustomerLedgerQuery.mobile(DEMO_MOBILE, end=date(2026, 7, 2), include_alternate_currencies=True)
ENTRY = LedgerEntry(
    1,
    "TransactionAdd",
    datetime(2026, 1, 1, tzinfo=UTC),
    net_points_on_event=Decimal("0.123456789"),
    net_alternate_currencies_on_event={"Coins": Decimal("20000.00")},
)
MAKERS: dict[str, Callable[[list[LedgerEntry]], Any]] = {
    "pyarrow": frames.entries_to_arrow,
    "polars": frames.entries_to_polars,
    "pandas": frames.entries_to_pandas,
}


async def test_a_walk_has_the_columns_of_a_backfill_that_come_from_entries() -> None:
    """The table of a walk equals the batches of the same query without identifier and run, amounts included."""
    async with (
        Sandbox() as box,
        LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session,
    ):
        walk = session.entries(QUERY)
        first = await anext(walk)
        table = await walk.to_arrow()
        batches = [batch async for batch in arrow_batches(session, [QUERY])]

    expected = pa.Table.from_batches(batches, schema=arrow_schema()).drop_columns(
        ["identifier_name", "identifier_value", "first_seen_run"]
    )
    assert table.to_pylist() == expected.to_pylist()[1:]
    assert table.schema.equals(frames.entry_schema())
    assert first.event_log_id == expected["event_log_id"][0].as_py()


def test_no_amount_becomes_a_float() -> None:
    """In each library, the amount has all nine digits."""
    expected = Decimal("0.123456789")

    assert frames.entries_to_arrow([ENTRY])["net_points_on_event"][0].as_py() == expected
    assert frames.entries_to_polars([ENTRY])["net_points_on_event"].sum() == expected
    assert frames.entries_to_pandas([ENTRY])["net_points_on_event"].sum() == expected


def test_a_table_can_be_read_without_copying_by_others() -> None:
    """Arrow's C stream: DuckDB and polars read the table as it is."""
    ledger = frames.entries_to_arrow([ENTRY, ENTRY])

    with duckdb.connect() as connection:
        connection.register("ledger", ledger)
        [(total,)] = connection.execute("SELECT sum(net_alternate_currencies_on_event['Coins']) FROM ledger").fetchall()

    assert total == Decimal(40000)
    assert pl.DataFrame(ledger)["event_log_id"].to_list() == [1, 1]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_no_entries_are_a_table_without_rows(make: Callable[[list[LedgerEntry]], Any]) -> None:
    """The columns are there all the same."""
    table = make([])

    assert len(table) == 0
    assert list(table.schema.names if isinstance(table, pa.Table) else table.columns) == frames.entry_schema().names


def test_types_of_pandas_are_those_of_arrow() -> None:
    """Nothing is an object column."""
    table = frames.entries_to_pandas([ENTRY])

    assert {type(kind) for kind in table.dtypes} == {pd.ArrowDtype}


def test_a_value_that_does_not_fit_is_refused() -> None:
    """Ten decimals fit no column; the error names it."""
    entry = LedgerEntry(1, "TransactionAdd", datetime(2026, 1, 1, tzinfo=UTC), net_points_on_event=Decimal("1e-10"))

    with pytest.raises(MisfitError, match="net_points_on_event"):
        frames.entries_to_arrow([entry])


@pytest.mark.parametrize("package", MAKERS)
def test_a_missing_package_is_named_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setattr("capledger.frames.extras.import_module", lambda name: without(package, name))
    frames.entry_schema.cache_clear()

    with pytest.raises(ConfigurationError, match=rf"{package} is not installed: pip install 'capledger\[\w+\]'"):
        MAKERS[package]([ENTRY])


def without(package: str, name: str) -> Any:
    if name == package:
        raise ModuleNotFoundError(name=name)
    return builtins.__import__(name)
