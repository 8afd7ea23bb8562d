from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from deltalake import DeltaTable
from pyarrow import parquet
from pyiceberg.catalog import load_catalog
from support.jobs import START, backfill, mobile, queries, sandbox
from support.object_stores import BUCKET, make_bucket, moto_server, use_store_and_catalog
from support.shell import run

from capledger import InvalidQueryError
from capledger.backfill import ObjectStore, StorageError, arrow_schema, publish_delta, publish_iceberg
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, make_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZES = [3, 0, 7, 12]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as running:
        asyncio.run(make_bucket(running))
        yield running


@pytest.fixture(autouse=True)
def environment(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_store_and_catalog(endpoint, tmp_path, monkeypatch)


def rows_in_files(out: Path) -> list[dict[str, Any]]:
    return ordered(parquet.read_table(out / "entries").to_pylist())


def rows_of_delta(uri: str) -> list[dict[str, Any]]:
    return ordered(DeltaTable(uri).to_pyarrow_table().to_pylist())


def rows_of_iceberg(name: str) -> list[dict[str, Any]]:
    with closing(load_catalog("lake")) as catalog:
        return ordered(catalog.load_table(name).scan().to_arrow().to_pylist())


def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["identifier_value"], row["event_log_id"]))


async def test_every_column_survives(tmp_path: Path) -> None:
    """Each column has values somewhere, and a table of either kind has the rows of the files."""
    ledger = [
        make_row(
            number,
            START + timedelta(hours=number),
            currencies={"Miles": f"{number}.125", "Stars": "2.500"},
            customerDetails={"firstName": "Ann", "userId": number},
        )
        for number in range(1, 6)
    ]
    async with Sandbox([SandboxCustomer(mobile(0), ledger, customer_id=1)], rules=Rules(date_style="iso")) as box:
        given = queries(1, include_alternate_currencies=True, include_concept_details=True)
        await backfill(box, given, tmp_path / "out", format="parquet", details=True)
        publish_delta(tmp_path / "out", f"{tmp_path}/delta")
        publish_iceberg(tmp_path / "out", "lake.loyalty.filled")

    rows = rows_in_files(tmp_path / "out")
    assert list(rows[0]) == arrow_schema().names
    assert [name for name in arrow_schema().names if all(row[name] in (None, [], {}) for row in rows)] == []
    assert rows_of_delta(f"{tmp_path}/delta") == rows
    assert rows_of_iceberg("loyalty.filled") == rows


async def test_a_delta_table_has_each_file_once(tmp_path: Path) -> None:
    """A second run adds nothing, and one after more customers adds them alone."""
    out, uri = tmp_path / "out", f"s3://{BUCKET}/{uuid4().hex}"
    async with sandbox(SIZES) as box:
        await backfill(box, queries(2), out, format="parquet")
        first = publish_delta(out, uri)
        again = publish_delta(out, uri)
        await backfill(box, queries(4), out, format="parquet")
        more = publish_delta(out, uri)

    assert (first.files, first.entries, first.known) == (1, 3, 0)
    assert (again.files, again.entries, again.known) == (0, 0, 1)
    assert (more.files, more.entries, more.known) == (1, 19, 1)
    assert rows_of_delta(uri) == rows_in_files(out)
    assert [field.name for field in DeltaTable(uri).schema().fields] == arrow_schema().names


async def test_an_iceberg_table_has_each_file_once(tmp_path: Path) -> None:
    """A second run adds nothing, and one after more customers adds them alone."""
    out, name = tmp_path / "out", "lake.loyalty.entries"
    async with sandbox(SIZES) as box:
        await backfill(box, queries(2), out, format="parquet")
        first = publish_iceberg(out, name)
        again = publish_iceberg(out, name)
        await backfill(box, queries(4), out, format="parquet")
        more = publish_iceberg(out, name)

    assert (first.files, first.entries, first.known) == (1, 3, 0)
    assert (again.files, again.entries, again.known) == (0, 0, 1)
    assert (more.files, more.entries, more.known) == (1, 19, 1)
    assert rows_of_iceberg("loyalty.entries") == rows_in_files(out)


async def test_data_of_a_store_can_be_published(tmp_path: Path) -> None:
    """Files in an object store are read from there, and an Iceberg table refers to them there."""
    out, url = tmp_path / "out", f"s3://{BUCKET}/{uuid4().hex}"
    async with sandbox(SIZES) as box:
        store = ObjectStore(url)
        committed = store.commit("job", await backfill(box, queries(4), out, format="parquet"), out)
        store.write_results(committed, b"")

    publish_delta(url, f"{tmp_path}/delta")
    publish_iceberg(url, "lake.loyalty.stored")

    assert rows_of_delta(f"{tmp_path}/delta") == rows_in_files(out)
    assert len(rows_of_iceberg("loyalty.stored")) == sum(SIZES)
    assert publish_iceberg(url, "lake.loyalty.stored").files == 0


async def test_replaced_files_are_refused(tmp_path: Path) -> None:
    """Where files of a table are not in the data set any more, their rows would be there twice."""
    async with sandbox(SIZES) as box:
        await backfill(box, queries(2), tmp_path / "out", format="parquet")
        publish_delta(tmp_path / "out", f"{tmp_path}/delta")
        publish_iceberg(tmp_path / "out", "lake.loyalty.replaced")
        [path] = (tmp_path / "out" / "entries").iterdir()
        path.unlink()
        await backfill(box, queries(4), tmp_path / "out", format="parquet", repair=True)

    with pytest.raises(InvalidQueryError, match="replaced in the data set"):
        publish_delta(tmp_path / "out", f"{tmp_path}/delta")
    with pytest.raises(InvalidQueryError, match="replaced in the data set"):
        publish_iceberg(tmp_path / "out", "lake.loyalty.replaced")


async def test_what_cannot_be_published_is_one_sentence(tmp_path: Path) -> None:
    """A directory without data, another format, a wrong name and a table out of reach are said."""
    with pytest.raises(InvalidQueryError, match=r"no data set in this directory"):
        publish_delta(tmp_path, f"{tmp_path}/delta")
    async with sandbox([1]) as box:
        await backfill(box, queries(1), tmp_path / "lines", format="jsonl")
        await backfill(box, queries(1), tmp_path / "out", format="parquet")
    with pytest.raises(InvalidQueryError, match="the files are jsonl"):
        publish_delta(tmp_path / "lines", f"{tmp_path}/delta")
    with pytest.raises(InvalidQueryError, match=r"CATALOG\.NAMESPACE\.TABLE"):
        publish_iceberg(tmp_path / "out", "entries")
    with pytest.raises(StorageError, match="the Delta table cannot be used"):
        publish_delta(tmp_path / "out", "s3://no-such-bucket/table")
    with pytest.raises(StorageError, match="the Iceberg table cannot be used"):
        publish_iceberg(tmp_path / "out", "unknown.loyalty.entries")


async def test_the_command_says_what_it_added(tmp_path: Path) -> None:
    """One table is named, and the line has what was added and what was there."""
    async with sandbox(SIZES) as box:
        await backfill(box, queries(4), tmp_path / "out", format="parquet")
    command = ("publish", str(tmp_path / "out"))

    wrong = await run(None, *command)
    first = await run(None, *command, "--delta", f"{tmp_path}/delta")
    again = await run(None, *command, "--delta", f"{tmp_path}/delta", "--json")
    iceberg = await run(None, *command, "--iceberg", "lake.loyalty.commanded")

    assert (wrong.code, "name one table" in wrong.err) == (2, True)
    assert (first.code, first.out) == (0, "22 entries added in 1 file, 0 there already\n")
    assert again.out == '{"files":0,"entries":0,"known":1}\n'
    assert (iceberg.code, iceberg.out) == (0, first.out)
