"""What a run writes beside the entries: the manifest, the table of customers, and marks of what is not proven."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pyarrow import parquet
from support.jobs import START, backfill, customer, manifest_of, mobile, queries, rows, sandbox, session_at

from capledger import EventFlags, InvalidQueryError
from capledger.backfill import Backfill, DateRange
from capledger.backfill.progress import JobCounts
from capledger.many.progress import Counts
from capledger.sandbox import Sandbox, SandboxCustomer, make_row

if TYPE_CHECKING:
    from pathlib import Path

TWO = datetime(2025, 1, 2)


async def test_the_manifest_has_ranges_states_and_the_port(tmp_path: Path) -> None:
    """Ranges are ISO dates with zone, states are counted, and the service is named with its port."""
    zone = ZoneInfo("Asia/Kolkata")
    wanted = queries(3, start=START, end=TWO)
    async with sandbox([3, 0], timezone=zone) as box, session_at(box, timezone=zone) as session:
        manifest = await Backfill(session, wanted, out=tmp_path, format="jsonl").run()
        written, url = manifest_of(tmp_path), box.url

    assert manifest.ranges == (DateRange(start=START.replace(tzinfo=zone), end=TWO.replace(tzinfo=zone)),)
    assert written["ranges"] == [{"start": "2025-01-01T00:00:00+05:30", "end": "2025-01-02T00:00:00+05:30"}]
    assert written["service"] == url.removeprefix("http://")
    assert written["states"] == {"planned": 0, "done": 1, "empty": 1, "unproven": 0, "incomplete": 0, "set_aside": 1}
    assert (written["finished"], written["complete"]) == (True, False)


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
async def test_a_table_has_a_row_for_each_customer(kind: str, tmp_path: Path) -> None:
    """State, rows, first and last entry, requests, file and error of each customer are in a table."""
    async with sandbox([150, 0]) as box:
        await backfill(box, queries(3), tmp_path, format=kind)

    table: list[dict[str, Any]]
    if kind == "parquet":
        table = parquet.read_table(tmp_path / "customers.parquet").to_pylist()
    else:
        with (tmp_path / "customers.csv").open(newline="") as file:
            table = list(csv.DictReader(file))
    assert [row["identifier_value"] for row in table] == [mobile(0), mobile(1), mobile(2)]
    assert [row["state"] for row in table] == ["done", "empty", "set_aside"]
    assert [int(row["rows"]) for row in table] == [150, 0, 0]
    assert [int(row["requests"]) for row in table] == [2, 1, 1]
    assert str(table[0]["first_entry"]).startswith("2025-01-01")
    assert str(table[0]["last_entry"]).startswith("2025-01-07")
    assert not table[1]["first_entry"]
    assert table[0]["file"].startswith("entries-00001.")
    assert "CustomerNotFoundError" in table[2]["error"]


async def test_unproven_ledgers_can_be_kept(tmp_path: Path) -> None:
    """With ``on_incomplete="warn"`` such customers are marked, their entries written, and the job is not complete."""
    pending = SandboxCustomer(mobile(1), [make_row(1, TWO)], customer_id=2, pending=True)
    async with Sandbox([customer(0, 3), pending]) as box:
        first = await backfill(box, queries(2), tmp_path)
        second = await backfill(box, queries(2), tmp_path, on_incomplete="warn", retry_set_aside=True)
        with pytest.raises(InvalidQueryError, match="on_incomplete"):
            await backfill(box, queries(2), tmp_path, on_incomplete="ignore")

    assert (first.incomplete, first.entries, first.complete) == (1, 3, False)
    assert (second.unproven, second.done, second.entries) == (1, 1, 4)
    assert (second.finished, second.complete) == (True, False)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
async def test_details_are_a_column(kind: str, tmp_path: Path) -> None:
    """With ``details`` each entry has its event as JSON; the manifest names them, and they are part of the job."""
    async with sandbox([3]) as box:
        manifest = await backfill(box, queries(1), tmp_path, format=kind, details=EventFlags(get_bill_details=True))
        with pytest.raises(InvalidQueryError, match="details event, get_bill_details there and no here"):
            await backfill(box, queries(1), tmp_path, format=kind)

    events = [msgspec.json.decode(row["event"]) for row in rows(tmp_path)]
    assert manifest.details == "event, get_bill_details"
    assert [event["event_log_id"] for event in events] == [10_000, 10_001, 10_002]
    assert all("bill_details" in event for event in events)


async def test_filters_apply(tmp_path: Path) -> None:
    """Any filter of a query is one of the job."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1, till_ids=[1, 2], ledger_entry_type="CREDIT"), tmp_path)

    assert box.requests[0].query["tillIds"] == "1,2"


@pytest.mark.parametrize(
    ("moments", "rates"),
    [
        ([(10, 100), (30, 500), (60, 900)], [100, 500, 900]),
        ([(60, 600), (90, 1_200), (150, 1_800)], [600, 900, 600]),
        ([(200, 1_000)], [300]),
    ],
    ids=["young", "older", "reported rarely"],
)
def test_rates_are_those_of_the_last_minute(moments: list[tuple[float, int]], rates: list[int]) -> None:
    """The rate is the number of requests in the last minute, interpolated between snapshots, and never scaled up."""
    time = 0.0
    counts = JobCounts(Counts(lambda: time))
    counts.run.start()
    found = []
    for moment, requests in moments:
        time, counts.run._requests = moment, requests
        found.append(counts.snapshot().requests_per_minute)

    assert found == rates
