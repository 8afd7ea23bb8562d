"""Failures of the service set nobody aside."""

from __future__ import annotations

import socket
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from support.jobs import (
    BASIC,
    START,
    backfill,
    customer,
    entries_in,
    expected,
    mobile,
    queries,
    sandbox,
    session_at,
    set_aside,
)

from capledger import ConnectionFailedError, InvalidQueryError, LedgerSession, RetryPolicy, ServerError
from capledger.backfill import Backfill, JobProgress, JobStoppedError, PlanSummary, estimate
from capledger.sandbox import Sandbox, faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from capledger.sandbox import LoggedRequest

OPTIONS: dict[str, Any] = {"format": "jsonl", "pause": 0.0}
ONCE = RetryPolicy(attempts=1)


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def of(*numbers: int) -> Callable[[LoggedRequest], bool]:
    """Return a predicate for requests about these customers."""
    mobiles = {mobile(number) for number in numbers}
    return lambda logged: logged.query.get("identifierValue") in mobiles


@pytest.mark.parametrize("count", [1, 2])
async def test_a_dead_service_sets_nobody_aside(count: int, tmp_path: Path) -> None:
    """Where nothing listens, the run ends with the reason, and the same call finishes the job later, at once."""
    port = unused_port()
    async with LedgerSession(f"http://127.0.0.1:{port}", BASIC, timezone=UTC, retry=ONCE) as session:
        with pytest.raises(JobStoppedError, match=r"not fetched, since the service fails: .*ECONNREFUSED") as caught:
            await Backfill(session, queries(count), out=tmp_path / "out", **OPTIONS).run()
        with pytest.raises(ConnectionFailedError, match="ECONNREFUSED"):
            await estimate(session, queries(count))
    async with sandbox([3] * count, port=port) as box:
        manifest = await backfill(box, queries(count), tmp_path / "out", pause=3_600)

    assert caught.value.left == count
    assert manifest.complete
    assert entries_in(tmp_path / "out") == expected([3] * count)


async def test_a_wrong_address_can_be_corrected(tmp_path: Path) -> None:
    """A job that has fetched nothing gives way to another one, such as that of the right address and dates."""
    async with LedgerSession(f"http://127.0.0.1:{unused_port()}", BASIC, timezone=UTC, retry=ONCE) as session:
        with pytest.raises(JobStoppedError):
            await Backfill(session, queries(3, start=START), out=tmp_path / "out", **OPTIONS).run()
    async with sandbox([3] * 2) as box:
        manifest = await backfill(box, queries(2), tmp_path / "out")
        with pytest.raises(InvalidQueryError, match="another job"):
            await backfill(box, queries(2, start=START), tmp_path / "out")

    assert (manifest.customers, manifest.complete) == (2, True)
    assert entries_in(tmp_path / "out") == expected([3] * 2)


@pytest.mark.parametrize(
    "fault",
    [faults.status(503), faults.status(403), faults.reset(), faults.cut_body()],
    ids=["503", "403", "reset", "cut"],
)
async def test_an_outage_at_the_end_sets_nobody_aside(fault: Any, tmp_path: Path) -> None:
    """A service that worked before and fails for the last customers leaves them planned."""
    async with sandbox([3] * 6) as box:
        box.on_request = lambda box, _: setattr(box, "faults", faults.always(fault) if len(box.requests) > 3 else None)
        async with session_at(box, retry=ONCE) as session:
            with pytest.raises(JobStoppedError, match="3 customers were not fetched"):
                await Backfill(session, queries(6), out=tmp_path / "out", concurrency=1, **OPTIONS).run()
        box.on_request = box.faults = None
        manifest = await backfill(box, queries(6), tmp_path / "out")

    assert manifest.complete
    assert entries_in(tmp_path / "out") == expected([3] * 6)


async def test_a_customer_that_always_fails_is_set_aside(tmp_path: Path) -> None:
    """A customer for whom the service fails while it responds for others is set aside, and the others are done."""
    script = faults.when(of(1), faults.always(faults.status(500)))
    async with sandbox([3] * 3, faults=script) as box, session_at(box, retry=ONCE) as session:
        manifest = await Backfill(session, queries(3), out=tmp_path / "out", **OPTIONS).run()

    assert (manifest.done, manifest.set_aside, manifest.finished) == (2, 1, True)
    [row] = set_aside(tmp_path / "out")
    assert (row["identifier_value"], row["code"]) == (mobile(1), "500")
    assert entries_in(tmp_path / "out") == expected([3, 0, 3]) - expected([0, 0, 0])


async def test_documents_of_another_service_set_nobody_aside(tmp_path: Path) -> None:
    """Where nobody's response has the documented shape, it is not the customers'; one of several is set aside."""
    other = faults.always(faults.json_body({"ledgerEntries": 3}))
    async with sandbox([3] * 3, faults=other) as box:
        with pytest.raises(JobStoppedError, match=r"3 customers were .* fails: the response is not of"):
            await backfill(box, queries(3), tmp_path / "out")
        box.faults = faults.when(of(1), other)
        manifest = await backfill(box, queries(3), tmp_path / "out")

    assert (manifest.done, manifest.set_aside, manifest.finished) == (2, 1, True)


async def test_an_outage_in_the_last_round_sets_nobody_aside(tmp_path: Path) -> None:
    """Customers who were postponed and meet an outage at last stay planned, though others were fetched before."""
    script = faults.when(of(3, 4, 5), faults.always(faults.status(503)))
    async with sandbox([3] * 6, faults=script) as box:
        box.on_request = lambda box, _: setattr(
            box, "faults", faults.always(faults.status(503)) if len(box.requests) > 6 else script
        )
        async with session_at(box, retry=ONCE) as session:
            with pytest.raises(JobStoppedError, match="3 customers were not fetched"):
                await Backfill(session, queries(6), out=tmp_path / "out", concurrency=1, **OPTIONS).run()
        box.on_request = box.faults = None
        manifest = await backfill(box, queries(6), tmp_path / "out")

    assert manifest.complete


async def test_a_customer_that_cannot_be_reached_stays_planned(tmp_path: Path) -> None:
    """A failure of connection is never the customer's own, even if others can be fetched."""
    script = faults.when(of(1), faults.always(faults.reset()))
    async with sandbox([3] * 3, faults=script) as box, session_at(box, retry=ONCE) as session:
        with pytest.raises(JobStoppedError, match="1 customer was not fetched"):
            await Backfill(session, queries(3), out=tmp_path / "out", **OPTIONS).run()
        box.faults = None
        manifest = await Backfill(session, queries(3), out=tmp_path / "out", **OPTIONS).run()

    assert manifest.complete


async def test_a_service_that_always_fails_is_no_estimate() -> None:
    """An estimate from failures of the service alone is refused."""
    async with (
        sandbox([3] * 3, faults=faults.always(faults.status(503))) as box,
        session_at(box, retry=ONCE) as session,
    ):
        with pytest.raises(ServerError):
            await estimate(session, queries(3))


async def test_progress_names_the_last_failure(tmp_path: Path) -> None:
    """Progress has the last error of a request and its age, even where the request was retried."""
    reported: list[JobProgress] = []
    async with sandbox([3] * 3, faults=faults.nth(2, faults.status(503))) as box, session_at(box) as session:
        job = Backfill(session, queries(3), out=tmp_path / "out", on_progress=reported.append, **OPTIONS)
        await job.run()

    assert (reported[-1].done, reported[-1].retries) == (3, 1)
    assert (reported[-1].last_failure or "").startswith("ServerError: ")
    assert reported[-1].seconds_since_failure is not None
    assert reported[0].last_failure is None


async def test_retry_set_aside_with_nothing_to_do(tmp_path: Path) -> None:
    """Where nobody is set aside, the plan says that nobody is going to be fetched."""
    plans: list[PlanSummary] = []
    async with Sandbox([customer(0, 3)]) as box:
        await backfill(box, queries(1), tmp_path / "out")
        sent = len(box.requests)
        manifest = await backfill(box, queries(1), tmp_path / "out", retry_set_aside=True, on_plan=plans.append)

    assert [plan.to_fetch for plan in plans] == [0]
    assert manifest.complete
    assert len(box.requests) == sent
