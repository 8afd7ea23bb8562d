from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.jobs import START, backfill, entries_in, expected, mobile, queries, sandbox, session_at

from capledger import InvalidQueryError
from capledger.backfill import estimate
from capledger.sandbox import Sandbox, SandboxCustomer, faults, synthetic_rows

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_sample_is_extrapolated(tmp_path: Path) -> None:
    """At most fifty requests estimate requests and entries of many customers, and no file is written."""
    sizes = [40, 160] * 300
    async with sandbox(sizes) as box, session_at(box) as session:
        found = await estimate(session, [*queries(600), *queries(5)], out=tmp_path / "out", requests_per_minute=60)

    assert len(box.requests) == found.sample_requests <= 50
    assert (found.customers, found.duplicates, found.left, found.failed) == (600, 5, 600, 0)
    assert found.entries == pytest.approx(sum(sizes), rel=0.25)
    assert found.requests == pytest.approx(900, rel=0.25)
    assert (found.seconds, found.limited) == (found.requests, True)
    assert not (tmp_path / "out").exists()


async def test_a_huge_customer_is_estimated_from_its_total() -> None:
    """A ledger of a thousand pages is not walked to its end."""
    huge = SandboxCustomer(mobile(0), synthetic_rows(100_000, START, timedelta(minutes=1)))
    async with Sandbox([huge]) as box, session_at(box) as session:
        found = await estimate(session, queries(1))

    assert len(box.requests) <= 50
    assert found.entries == pytest.approx(100_000, rel=0.01)
    assert found.requests == pytest.approx(1_000, rel=0.02)
    assert not found.limited


async def test_retries_count_towards_the_fifty() -> None:
    """Retries count towards the limit of fifty."""
    script = faults.random_faults(1, 0.4, [faults.status(503)])
    async with sandbox([40] * 300, faults=script) as box, session_at(box) as session:
        await estimate(session, queries(300))

    assert 30 <= len(box.requests) <= 50


async def test_the_rest_of_a_job_is_estimated(tmp_path: Path) -> None:
    """In the directory of a started job only the rest is estimated; the directory of another job is refused."""
    async with sandbox([3] * 20) as box, session_at(box) as session:
        await backfill(box, queries(20), tmp_path / "out")
        estimated = await estimate(session, queries(20), out=tmp_path / "out", format="jsonl")
        grown = await estimate(session, queries(21), out=tmp_path / "out", format="jsonl")
        with pytest.raises(InvalidQueryError, match="customers 20 there and 21 here"):
            await estimate(session, queries(21), out=tmp_path / "out", format="jsonl", exact=True)

    assert (estimated.left, estimated.requests, estimated.seconds) == (0, 0, 0.0)
    assert (grown.customers, grown.left) == (21, 1)
    assert entries_in(tmp_path / "out") == expected([3] * 20)


async def test_unknown_customers_are_counted() -> None:
    """Customers that would be set aside are counted."""
    async with sandbox([3] * 10) as box, session_at(box) as session:
        found = await estimate(session, queries(20))

    assert (found.sampled, found.failed) == (20, 10)
