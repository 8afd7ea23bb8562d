"""A sync with balances keeps them as of the start of its last run, and the books of its data set can be checked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.jobs import backfill, queries, session_at
from support.syncs import START, Ledgers, sync

from capledger import RetryPolicy
from capledger.backfill import Sync, check_directory, verify
from capledger.sandbox import faults

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.sandbox import Sandbox

SIZES = [30, 5, 0]


def balance_requests(box: Sandbox, since: int = 0) -> list[str]:
    return [request.query["endDate"] for request in box.requests[since:] if "Balance" in request.path]


def discrepancies(out: Path) -> tuple[list[Any], int]:
    check = check_directory(out)
    return [item.discrepancy for item in check], check.balances


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
async def test_balances_follow_the_data_set(tmp_path: Path, kind: str) -> None:
    """Each run renews the balances at both ends, and new entries lead to them, also late ones before the start."""
    ledgers, out = Ledgers(SIZES), tmp_path / "job"
    start = START + timedelta(hours=3)
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, 3, out, format=kind, start=start, balances=True)
        first, after_first = discrepancies(out), len(box.requests)
        for number in range(3):
            ledgers.append_newest(number)
        ledgers.append_late(0, 20)
        ledgers.append_late(1, 0)
        second = await sync(session, 3, out, format=kind)
        sent = balance_requests(box, after_first)

    assert first[0] == []
    assert first[1] > 0
    assert len(balance_requests(box)) == 2 * len(sent) == 4 * 3
    assert len(set(sent)) == 2
    assert discrepancies(out)[0] == []
    assert second.balances is not None
    assert verify(out).ok


async def test_wrong_balances_of_a_later_run_are_found(tmp_path: Path) -> None:
    """A balance that becomes wrong is a discrepancy after the run that fetched it, until one that is right."""
    wrong: list[bool] = []
    fault = faults.on_balances(lambda _: faults.wrong_balance("5.000") if wrong else None)
    ledgers, out = Ledgers(SIZES, faults=fault), tmp_path / "job"
    found = []
    async with ledgers.box as box, session_at(box) as session:
        for item in ([], [True], []):
            wrong[:] = item
            await sync(session, 3, out, balances=True)
            found.append(len(discrepancies(out)[0]))

    assert found == [0, 2, 0]


async def test_failing_balances_are_fetched_by_the_next_run(tmp_path: Path) -> None:
    """Where the balances fail, the run ends with the reason, and the next one reads entries and balances once."""
    failing = [True]
    fault = faults.on_balances(lambda request: faults.status(503) if failing and request.number > 1 else None)
    ledgers, out = Ledgers(SIZES, faults=fault), tmp_path / "job"
    async with (
        ledgers.box as box,
        session_at(box, retry=RetryPolicy(attempts=2, min_wait=0.001, max_wait=0.01)) as session,
    ):
        await sync(session, 3, out)
        ledgers.append_newest(0)
        with pytest.raises(Exception, match="customers were not fetched"):
            await sync(session, 3, out, balances=True, concurrency=1)
        failing.clear()
        manifest = await sync(session, 3, out, balances=True)

    assert manifest.complete
    assert manifest.entries == sum(SIZES) + 1
    assert discrepancies(out)[0] == []


async def test_a_backfill_with_balances_is_taken_over(tmp_path: Path) -> None:
    """A sync goes on with the balances of a backfill, and removes them where it fetches none."""
    ledgers, out = Ledgers(SIZES), tmp_path / "job"
    async with ledgers.box as box, session_at(box) as session:
        await backfill(box, queries(3), out, balances=True)
        ledgers.append_newest(1)
        kept = await sync(session, 3, out)
        found = discrepancies(out)
        dropped = await Sync(session, queries(3), out=out, balances=False, pause=0.0).run()

    assert kept.balances is not None
    assert found[0] == []
    assert found[1] > 0
    assert dropped.balances is None
    assert not (out / "balances.csv").exists()
    assert datetime.now(UTC) > kept.written_at
