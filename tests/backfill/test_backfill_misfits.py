"""Values that a column or a sink cannot hold set their customer aside, and nobody else."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.jobs import FORMATS, backfill, entries_in, expected, mobile, queries, rows, sandbox, set_aside

from capledger.backfill import StorageError
from capledger.backfill.sinks import csv
from capledger.frames import schema
from capledger.sandbox import Sandbox, SandboxCustomer, make_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from capledger.backfill import Chunks, JobProgress

WHEN = datetime(2025, 1, 2)
AMOUNTS = ("entry_details", "net_points_on_event")


def box_of(*points: str) -> Sandbox:
    """Return a sandbox with a customer for each amount, with one entry of it."""
    return Sandbox(
        [
            SandboxCustomer(mobile(number), [make_row(number + 1, WHEN, points=amount)], customer_id=number + 1)
            for number, amount in enumerate(points)
        ]
    )


@pytest.mark.parametrize("kind", FORMATS)
async def test_trailing_zeros_are_no_loss(kind: str, tmp_path: Path) -> None:
    """An amount with zeros beyond the scale of its column is written in every format."""
    async with box_of("250.5" + "0" * 37) as box:
        manifest = await backfill(box, queries(1), tmp_path / "out", format=kind)

    assert manifest.complete
    assert [Decimal(row["net_points_on_event"]) for row in rows(tmp_path / "out")] == [Decimal("250.5")]


@pytest.mark.parametrize("kind", ["parquet", "duckdb", "csv"])
async def test_a_value_that_a_sink_refuses_sets_its_customer_aside(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes the checks and is refused by a sink is named by its column, and the others are written."""
    monkeypatch.setattr(schema, "_CHECK_ENTRY", lambda _: False)
    monkeypatch.setattr(csv, "cell", partial(refuse_long, csv.cell))
    async with box_of("1.5", "1" * 39, "2.5") as box:
        manifest = await backfill(box, queries(3), tmp_path / "out", format=kind)

    assert (manifest.done, manifest.set_aside, manifest.entries) == (2, 1, 2)
    assert entries_in(tmp_path / "out") == Counter({(mobile(0), 1): 1, (mobile(2), 3): 1})
    [row] = set_aside(tmp_path / "out")
    assert row["identifier_value"] == mobile(1)
    assert row["error"] in {f"MisfitError: a value does not fit the column {name}" for name in AMOUNTS}


def refuse_long(cell: Callable[[Any], str], value: Any) -> str:
    """Return a value as a field of a CSV file, which holds any amount, unless it is a long one."""
    if isinstance(value, Decimal) and value > 10**30:
        raise ValueError(value)
    return cell(value)


class Picky:
    """A custom sink that refuses the entries of some customers."""

    format = "picky"
    one_file = True

    def __init__(self, *refused: str, error: Exception | None = None) -> None:
        self.refused, self.error = refused, error or ValueError("too odd: 917")
        self.rows: list[dict[str, Any]] = []

    def open(self, directory: Path) -> None: ...
    def close(self) -> None: ...
    def find(self, number: int) -> str | None: ...
    def write(self, number: int, chunks: Chunks) -> str:
        taken: list[Any] = []
        for chunk in chunks:
            if any(row["identifier_value"] in self.refused for row in chunk):
                raise self.error
            taken += chunk
        self.rows += taken
        return "memory"


async def test_a_custom_sink_refuses_some_customers(tmp_path: Path) -> None:
    """A value error of a custom sink sets only the customer aside whose rows it had; its message is not kept."""
    sink = Picky(mobile(1), mobile(3))
    progress: list[JobProgress] = []
    async with sandbox([3] * 5) as box:
        manifest = await backfill(box, queries(5), tmp_path / "out", sink=sink, on_progress=progress.append)

    assert (manifest.done, manifest.set_aside, manifest.entries) == (3, 2, 9)
    assert Counter((row["identifier_value"], row["event_log_id"]) for row in sink.rows) == expected([3, 0, 3, 0, 3])
    assert {row["error"] for row in set_aside(tmp_path / "out")} == {
        "MisfitError: a value does not fit the sink (ValueError)"
    }
    assert (progress[-1].done, progress[-1].set_aside, progress[-1].entries) == (3, 2, 9)
    assert "too odd" not in (tmp_path / "out" / "set-aside.csv").read_text()


async def test_another_error_of_a_sink_ends_the_run(tmp_path: Path) -> None:
    """An error that concerns no value is ours, ends the run, and sets nobody aside."""
    async with sandbox([3] * 2) as box:
        with pytest.raises(StorageError, match=r"data files cannot be written \(LookupError\)"):
            await backfill(box, queries(2), tmp_path / "out", sink=Picky(mobile(0), error=LookupError("917")))
        manifest = await backfill(box, queries(2), tmp_path / "out", sink=Picky())

    assert manifest.complete


async def test_everything_refused_sets_everybody_aside(tmp_path: Path) -> None:
    """A batch of which nothing is left is dropped."""
    async with sandbox([3] * 2) as box:
        manifest = await backfill(box, queries(2), tmp_path / "out", sink=Picky(mobile(0), mobile(1)))

    assert (manifest.set_aside, manifest.entries, manifest.files, manifest.finished) == (2, 0, (), True)
