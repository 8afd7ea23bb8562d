from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from support.jobs import BASIC, entries_in, expected, queries, rows, sandbox

from capledger import EventFlags, LedgerSession
from capledger.backfill import cut_shards, run_shard
from capledger.sandbox import Rules

if TYPE_CHECKING:
    from pathlib import Path

END = datetime(2026, 1, 1)


def connect(url: str) -> LedgerSession:
    return LedgerSession(url, BASIC, timezone=UTC)


async def test_shards_take_the_options_of_a_backfill(tmp_path: Path) -> None:
    """Details and unproven ledgers are a shard's as they are a backfill's."""
    async with sandbox([2], rules=Rules(total_offset=1)) as box:
        [shard] = cut_shards(
            queries(1),
            out=tmp_path,
            connect=partial(connect, box.url),
            end=END,
            format="jsonl",
            on_incomplete="warn",
            details=EventFlags(get_bill_details=True),
        )
        manifest = await asyncio.to_thread(run_shard, pickle.loads(pickle.dumps(shard)))  # noqa: S301 - our own pickle

    assert (manifest.states["unproven"], manifest.complete, manifest.entries) == (1, False, 2)
    assert manifest.details == "event, get_bill_details"
    assert all(row["event"] for row in rows(tmp_path / "shard-00001"))


async def test_shards_are_picklable_and_done_once(tmp_path: Path) -> None:
    """A shard and its manifest can be pickled, and running it again sends nothing."""
    sizes = [3, 0, 7, 5, 120]
    async with sandbox(sizes) as box:
        shards = cut_shards(
            queries(5), out=tmp_path, connect=partial(connect, box.url), end=END, size=2, format="jsonl"
        )
        sent = [pickle.dumps(shard) for shard in shards]
        manifests = [await asyncio.to_thread(run_shard, pickle.loads(shard)) for shard in sent]  # noqa: S301 - our own
        sent_before = len(box.requests)
        again = await asyncio.to_thread(run_shard, pickle.loads(sent[0]))  # noqa: S301 - our own pickle

    assert [manifest.entries for manifest in pickle.loads(pickle.dumps(manifests))] == [3, 12, 120]  # noqa: S301 - our own
    assert len(box.requests) == sent_before
    assert again.files == manifests[0].files
    assert sum((entries_in(tmp_path / f"shard-{number:05}") for number in (1, 2, 3)), start=expected([])) == expected(
        sizes
    )
    assert {dates.end for manifest in manifests for dates in manifest.ranges} == {END.replace(tzinfo=UTC)}
