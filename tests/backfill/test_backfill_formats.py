from __future__ import annotations

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st
from support.jobs import backfill, mobile, queries, rows, sandbox, session_at

from capledger.backfill import MisfitError, arrow_batches, arrow_schema
from capledger.frames.schema import COLUMN_NAMES, ENTRY_COLUMNS, ListOf, Struct, pack, rows_of
from capledger.models import EntryDetail, LedgerEntry
from capledger.models._fields import container_and_item, optional_model
from capledger.sandbox import Sandbox, SandboxCustomer, make_row

if TYPE_CHECKING:
    from pathlib import Path

AMOUNTS = ["20000.00", "0.10", "1234567890123456.789", "-46.690", "99999999999999999999999999999.999999999"]
MOMENT = datetime(2025, 3, 4, 5, 6, 7, 890_000)


def ledger() -> list[dict[str, Any]]:
    """Return entries with values that formats get wrong: amounts, fractions, empty and odd strings, null structs."""
    made = [
        make_row(
            number,
            MOMENT,
            points=amount.removeprefix("-"),
            entry_type="DEBIT" if amount.startswith("-") else "CREDIT",
            currencies={'Green, "Points"': "0.30"},
            store='a "quoted",\nname \u20b9',
        )
        for number, amount in enumerate(AMOUNTS, start=1)
    ]
    return [*made, make_row(9, MOMENT, event_name="PointsExpiry", store="", eventDetails={})]


async def written(out: Path, kind: str) -> Path:
    """Write a data set of that ledger; return its only file."""
    async with Sandbox([SandboxCustomer(mobile(0), ledger())]) as box:
        manifest = await backfill(box, queries(1, include_alternate_currencies=True), out, format=kind)
    return out / manifest.files[0].file


def amounts(column: list[Any]) -> list[Decimal]:
    return [Decimal(value) for value in column]


EXPECTED = [*map(Decimal, AMOUNTS), Decimal("100.000")]


async def test_parquet_in_pyarrow(tmp_path: Path) -> None:
    """In pyarrow it has the declared schema, exact amounts, timestamps with zone, lists of structs and maps."""
    from pyarrow import parquet  # noqa: PLC0415 - slow to import

    table = parquet.read_table(await written(tmp_path, "parquet"))

    assert table.schema.equals(arrow_schema())
    assert table.column_names == list(COLUMN_NAMES)
    assert table["net_points_on_event"].to_pylist() == EXPECTED
    assert table["ledger_created_date"].to_pylist() == [MOMENT.replace(tzinfo=UTC)] * 6
    assert table["entry_details"].to_pylist()[0][0]["points"] == Decimal("20000.00")
    assert table["net_alternate_currencies_on_event"].to_pylist()[0] == [('Green, "Points"', Decimal("0.30"))]
    assert table["transaction_details"].to_pylist()[0]["amount"] == Decimal("1250.5")
    assert table["transaction_details"].to_pylist()[-1] is None
    assert table["store"].to_pylist()[0] == 'a "quoted",\nname \u20b9'


async def test_parquet_in_duckdb(tmp_path: Path) -> None:
    """In DuckDB it has DECIMAL(38, 9), and structs with names."""
    import duckdb  # noqa: PLC0415 - slow to import

    path = await written(tmp_path, "parquet")
    statement = """
        SELECT net_points_on_event, entry_details[1].points, net_alternate_currencies_on_event['Green, "Points"'],
            typeof(net_points_on_event)
        FROM read_parquet(?) ORDER BY event_log_id
    """
    with duckdb.connect() as connection:
        found = connection.execute(statement, [str(path)]).fetchall()

    assert [row[0] for row in found] == EXPECTED
    assert found[0][1:] == (Decimal("20000.00"), Decimal("0.30"), "DECIMAL(38,9)")


async def test_parquet_in_polars(tmp_path: Path) -> None:
    """In polars it has exact amounts and timestamps with zone."""
    import polars as pl  # noqa: PLC0415 - slow to import

    frame = pl.read_parquet(await written(tmp_path, "parquet"))

    assert frame["net_points_on_event"].to_list() == EXPECTED
    assert frame.schema["net_points_on_event"] == pl.Decimal(38, 9)
    assert frame.schema["ledger_created_date"] == pl.Datetime("us", "UTC")
    assert frame["entry_details"].to_list()[0][0]["points"] == Decimal("20000.00")


async def test_duckdb_table(tmp_path: Path) -> None:
    """The DuckDB database has the same columns, and the same values as the Parquet files."""
    await written(tmp_path / "duckdb", "duckdb")
    await written(tmp_path / "parquet", "parquet")

    assert rows(tmp_path / "duckdb") == rows(tmp_path / "parquet")


async def test_jsonl_keeps_the_digits(tmp_path: Path) -> None:
    """In JSON lines amounts are strings with all digits received, and timestamps are in UTC."""
    await written(tmp_path, "jsonl")
    first, *_ = found = rows(tmp_path)

    assert [row["net_points_on_event"] for row in found] == [*AMOUNTS, "100.000"]
    assert list(first) == list(COLUMN_NAMES)
    assert first["ledger_created_date"] == "2025-03-04T05:06:07.890000Z"
    assert first["net_alternate_currencies_on_event"] == {'Green, "Points"': "0.30"}
    assert (found[-1]["store"], found[-1]["transaction_details"]) == ("", None)


async def test_csv_is_one_row_an_entry(tmp_path: Path) -> None:
    """In CSV nested values are JSON, and odd strings are unchanged."""
    path = await written(tmp_path, "csv")
    found = rows(tmp_path)

    assert [row["net_points_on_event"] for row in found] == [*AMOUNTS, "100.000"]
    assert found[0]["store"] == 'a "quoted",\nname \u20b9'
    assert found[0]["net_alternate_currencies_on_event"] == '{"Green, \\"Points\\"":"0.30"}'
    assert found[0]["ledger_created_date"] == "2025-03-04T05:06:07.890000Z"
    assert ',"",' in path.read_text(encoding="utf-8").splitlines()[-1]


async def test_arrow_batches_need_no_files() -> None:
    """Record batches of the declared schema and of the size requested come directly from the walks."""
    async with sandbox([250, 120, 0, 30]) as box, session_at(box) as session:
        batches = [batch async for batch in arrow_batches(session, queries(4), rows=100)]

    table = pa.Table.from_batches(batches)
    assert table.schema.equals(arrow_schema())
    assert all(batch.num_rows >= 100 for batch in batches[:-1])
    assert table.num_rows == 400
    assert len(set(table["event_log_id"].to_pylist())) == 400


# The schema


def test_every_field_of_the_model_has_a_column() -> None:
    """Columns are the model's fields in the model's order."""
    names = [item.name for item in fields(LedgerEntry)]

    assert [column.name for column in ENTRY_COLUMNS] == names


def test_every_field_of_nested_models_is_there() -> None:
    """Structs have the fields of their models."""
    kinds = {column.name: column.kind for column in ENTRY_COLUMNS}
    compared = 0
    for item in fields(LedgerEntry):
        container, of = container_and_item(item.type)
        model = of if container is list else optional_model(item)
        if model is None or item.name == "event":
            continue
        kind = kinds[item.name]
        struct = kind.item if isinstance(kind, ListOf) else kind
        assert isinstance(struct, Struct)
        assert [name for name, _ in struct.fields] == [field.name for field in fields(model)]
        compared += 1
    assert compared == 4


def entry(**values: Any) -> LedgerEntry:
    return LedgerEntry(1, "TransactionAdd", MOMENT.replace(tzinfo=UTC), **values)


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"net_points_on_event": Decimal("0.1234567891")}, "net_points_on_event"),
        ({"net_points_on_event": Decimal("1E+29")}, "net_points_on_event"),
        ({"net_points_on_event": Decimal("NaN")}, "net_points_on_event"),
        ({"net_alternate_currencies_on_event": {"a": Decimal("1E-10")}}, "net_alternate_currencies_on_event"),
        ({"entry_details": [EntryDetail(points=Decimal("1E-10"))]}, "entry_details.points"),
        ({"org_id": 2**63}, "org_id"),
        ({"store": "\ud800"}, "store"),
        ({"ledger_created_date_iso": datetime.max.replace(tzinfo=UTC)}, "ledger_created_date_iso"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], column: str) -> None:
    """A value that a column cannot hold is an error that names the column and not the value."""
    with pytest.raises(MisfitError, match=f"column {column}$") as caught:
        pack([entry(**values)])

    assert pickle.loads(pickle.dumps(caught.value)).path == column  # noqa: S301 - our own pickle


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**28), max_value=10**28, places=9))
def test_amounts_that_fit_are_exact(amount: Decimal) -> None:
    """An amount that fits is equal after staging and after Arrow."""
    [row] = rows_of([entry(net_points_on_event=amount)], "mobile", "1")
    batch = pa.RecordBatch.from_pylist([row], schema=arrow_schema())

    assert row["net_points_on_event"] == amount
    assert batch.to_pylist()[0]["net_points_on_event"] == amount
