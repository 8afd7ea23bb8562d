"""The session without ``async``: the same results, in a thread that ends with it."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from capledger import (
    BalanceQuery,
    BasicAuth,
    ConfigurationError,
    CustomerLedgerQuery,
    CustomerNotFoundError,
    EventDetailsQuery,
    LedgerSession,
    SessionClosedError,
)
from capledger.sandbox import DEMO_MOBILE, Rules, Sandbox, SandboxCustomer, faults, make_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger.blocking import BlockingSession

AUTH = BasicAuth("store.server", "server123")
QUERY = CustomerLedgerQuery.mobile(DEMO_MOBILE, start=date(2025, 7, 1), end=date(2026, 7, 1))
UNKNOWN = CustomerLedgerQuery.mobile("910000000404")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def session(box: Sandbox) -> Iterator[BlockingSession]:
    with LedgerSession.sync(box.url, AUTH, timezone=UTC) as session:
        yield session


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "capledger"]


async def ids_of_the_asynchronous_session(url: str) -> list[int]:
    async with LedgerSession(url, AUTH, timezone=UTC) as session:
        return [entry.event_log_id async for entry in session.entries(QUERY)]


def test_entries_are_those_of_the_asynchronous_session(box: Sandbox, session: BlockingSession) -> None:
    """One by one, as pages and collected: the same entries, all of them."""
    expected = asyncio.run(ids_of_the_asynchronous_session(box.url))

    walk = session.entries(QUERY)
    assert [entry.event_log_id for entry in walk] == expected
    assert walk.report.complete
    assert [entry.event_log_id for page in session.entries(QUERY).pages() for entry in page.entries] == expected
    assert [entry.event_log_id for entry in session.entries(QUERY).collect()] == expected
    assert session.entries(QUERY).to_arrow()["event_log_id"].to_pylist() == expected


def test_a_walk_goes_on_after_a_break_and_resumes_from_its_cursor(session: BlockingSession) -> None:
    """Nothing twice and nothing skipped, in the same walk and in another."""
    everything = [entry.event_log_id for entry in session.entries(QUERY)]
    walk = session.entries(QUERY)
    first = []
    for entry in walk:
        first.append(entry.event_log_id)
        if len(first) == 150:
            break
    cursor = walk.cursor

    assert first + [entry.event_log_id for entry in walk] == everything
    resumed = session.entries(QUERY, resume_from=cursor)
    assert first + [entry.event_log_id for entry in resumed] == everything
    assert (walk.walk.start, walk.walk.end) == (datetime(2025, 7, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))


def test_events_and_balances(session: BlockingSession) -> None:
    """Details of events, those that are missing, and balances."""
    query = EventDetailsQuery(identifier_name="mobile", identifier_value=DEMO_MOBILE, event_ids=[5_000_640, 1])
    walk = session.events(query)

    assert [event.event_log_id for event in walk] == [5_000_640]
    assert walk.walk.missing == [1]
    assert session.balances(BalanceQuery(identifier_name="mobile", identifier_value=DEMO_MOBILE)).collect()


def test_many_ledgers(session: BlockingSession) -> None:
    """Outcomes and pages of several customers, with progress; a failure is an outcome."""
    queries = [QUERY, UNKNOWN, CustomerLedgerQuery.mobile("910000000002")]

    many = session.fetch_many(queries, ordered=True)
    outcomes = list(many)

    assert [type(outcome.error) for outcome in outcomes] == [type(None), CustomerNotFoundError, type(None)]
    assert (many.progress.done, many.progress.failed) == (2, 1)
    pages = list(session.stream_many(queries[2:]))
    assert [page.entries for _, page in pages] == [outcomes[2].entries]


def test_errors_are_raised_as_they_are(session: BlockingSession) -> None:
    """An error of the walk keeps its class and its cursor."""
    with pytest.raises(CustomerNotFoundError) as caught:
        session.entries(UNKNOWN).collect()

    assert caught.value.cursor is not None


def test_it_works_where_an_event_loop_runs(box: Sandbox) -> None:
    """A notebook has a loop in its own thread."""

    async def cell() -> int:
        with LedgerSession.sync(box.url, AUTH, timezone=UTC) as session:
            return len(session.entries(QUERY).collect())

    assert asyncio.run(cell()) > 0


def test_it_must_be_open(box: Sandbox) -> None:
    """Before and after the ``with``, the error says what to do; closing twice is harmless."""
    session = LedgerSession.sync(box.url, AUTH, timezone=UTC)
    with pytest.raises(SessionClosedError, match="open the session first"):
        session.entries(QUERY)
    with session:
        walk = session.entries(QUERY)
        next(iter(walk))
    session.close()

    with pytest.raises(SessionClosedError):
        walk.collect()
    with pytest.raises(ConfigurationError):
        LedgerSession.sync("http://example.com", AUTH)


def test_no_thread_and_no_request_is_left(box: Sandbox) -> None:
    """Leaving a loop early ends what was requested ahead, and leaving the session ends its thread."""
    box.rules = Rules(latency=0.05)
    with LedgerSession.sync(box.url, AUTH, timezone=UTC) as session:
        for _ in session.entries(QUERY):
            break
        for _ in session.fetch_many([QUERY] * 50):
            break
        gc.collect()
        one = CustomerLedgerQuery.mobile("910000000003")
        session.entries(one).collect()
        sent = len(box.requests)
        session.entries(one).collect()
        assert len(threads()) == 1
        assert len(box.requests) == sent + 1

    assert threads() == []


def test_ctrl_c_cancels_the_request_and_the_walk_can_go_on(box: Sandbox) -> None:
    """The wait is interrupted; the next iteration sends the request again."""
    box.faults = faults.nth(1, faults.hang())
    with LedgerSession.sync(box.url, AUTH, timezone=UTC) as session:
        walk = session.entries(CustomerLedgerQuery.mobile("910000000002"))
        interrupt_when(box, 1)
        with pytest.raises(KeyboardInterrupt):
            walk.collect()

        assert walk.collect()


def interrupt_when(box: Sandbox, requests: int) -> None:
    """Interrupt the main thread, as Ctrl-C does, once the sandbox has that many requests."""

    def wait() -> None:
        deadline = time.monotonic() + 10
        while len(box.requests) < requests and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=wait).start()


def test_a_sandbox_in_a_thread_changes_between_requests(box: Sandbox) -> None:
    """Rows that are added and removed from another thread are seen by the next request; customers too."""
    query = CustomerLedgerQuery.mobile("910000000777")
    with LedgerSession.sync(box.url, AUTH, timezone=UTC) as session:
        box.add(SandboxCustomer("910000000777"))
        assert session.entries(query).collect() == []
        box.append("910000000777", make_row(1, datetime(2026, 1, 1)))
        assert [entry.event_log_id for entry in session.entries(query)] == [1]
        assert box.remove("910000000777", 1) == 1
        assert session.entries(query).collect() == []


def test_a_sandbox_is_stopped_after_with() -> None:
    """Its thread ends, and so does one that could not start."""
    with Sandbox() as box:
        port = int(box.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"), Sandbox(port=port):
            pass

    assert not box.running
    assert [thread for thread in threading.enumerate() if thread.name == "capledger sandbox"] == []
