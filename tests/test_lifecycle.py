"""However a walk is left, nothing stays behind: no task, no connection, no warning."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import LoopClock, VirtualTimeLoop, run, virtual_time

from capledger import (
    BasicAuth,
    CapledgerError,
    ConcurrentUseError,
    CustomerLedgerQuery,
    LedgerSession,
    LedgerWalk,
    OAuthClientCredentials,
    SessionClosedError,
)
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, faults, seed_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

MOBILE = "917400000001"
ROWS = seed_rows(1, 60, datetime(2024, 1, 1), datetime(2024, 3, 1))
QUERY = CustomerLedgerQuery.mobile(MOBILE, include_alternate_currencies=True, page_size=5)
BASIC = BasicAuth("store.server", "server123")
OAUTH = OAuthClientCredentials("sandbox-key", "sandbox-secret")


def sandbox(**options: Any) -> Sandbox:
    clock = asyncio.get_running_loop().time
    return Sandbox([SandboxCustomer(MOBILE, ROWS)], clock=clock, **{"rules": Rules(latency=0.1), **options})


def session_at(box: Sandbox, **options: Any) -> LedgerSession:
    return LedgerSession(box.url, **{"auth": BASIC, "timezone": UTC, "clock": LoopClock(), **options})


@asynccontextmanager
async def nothing_left(*, collected: bool = True, **options: Any) -> AsyncIterator[tuple[Sandbox, LedgerSession]]:
    """A session, after whose close there must be nothing but the test itself: no task, no complaint of the loop."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with sandbox(**options.pop("box", {})) as box:
        before = asyncio.all_tasks()
        async with session_at(box, **options) as session:
            yield box, session
            await asyncio.sleep(0.3)
            if collected:
                gc.collect()
            assert session._transport.limiter.free_slots == 8
            assert session._transport.limiter.waiting == 0
        client = asyncio.all_tasks() - before
        assert [task for task in client if "Sandbox" not in repr(task) and "web_protocol" not in repr(task)] == []
    if collected:
        gc.collect()
    assert complaints == []


async def leave_by_break(walk: LedgerWalk) -> None:
    async for _ in walk:
        break


async def leave_by_error(walk: LedgerWalk) -> None:
    with suppress(ZeroDivisionError):
        async for _ in walk:
            raise ZeroDivisionError


async def leave_by_closing(walk: LedgerWalk) -> None:
    await anext(walk.__aiter__())
    await walk.aclose()


async def leave_by_forgetting(walk: LedgerWalk) -> None:
    await walk.__anext__()


async def leave_by_pages(walk: LedgerWalk) -> None:
    async for _ in walk.pages():
        break


async def leave_by_cancel(walk: LedgerWalk) -> None:
    task = asyncio.create_task(walk.collect())
    await asyncio.sleep(0.25)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def leave_by_timeout(walk: LedgerWalk) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.25):
            await walk.collect()


@pytest.mark.parametrize("auth", [BASIC, OAUTH], ids=["basic", "oauth"])
@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break,
        leave_by_error,
        leave_by_closing,
        leave_by_forgetting,
        leave_by_pages,
        leave_by_cancel,
        leave_by_timeout,
    ],
    ids=lambda leave: leave.__name__,
)
@virtual_time
async def test_a_walk_that_is_left_leaves_nothing(leave: Callable[[LedgerWalk], Awaitable[None]], auth: Any) -> None:
    """By whatever way: its fetches end, their connections are free, and asyncio has nothing to say."""
    async with nothing_left(auth=auth) as (box, session):
        await leave(session.entries(QUERY))
        await asyncio.sleep(0.3)
        sent = len(box.requests)
        await asyncio.sleep(5)

        assert len(box.requests) == sent


@virtual_time
async def test_a_walk_that_is_left_can_be_gone_on_with() -> None:
    """What was taken before a break, a cancel and an ``aclose`` and after them is the ledger, each entry once."""
    async with nothing_left() as (_, session):
        whole = [entry.event_log_id for entry in await session.entries(QUERY).collect()]
        walk = session.entries(QUERY)
        taken = [(await walk.__anext__()).event_log_id]
        async for entry in walk:
            taken.append(entry.event_log_id)
            if len(taken) == 7:
                break
        await walk.aclose()
        task = asyncio.create_task(walk.__anext__())
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            taken.append(task.result().event_log_id)
        taken += [entry.event_log_id async for entry in walk]

    assert taken == whole


@settings(max_examples=15)
@given(moments=st.lists(st.floats(0, 3), min_size=1, max_size=6), seed=st.integers(0, 1_000), oauth=st.booleans())
def test_a_walk_cancelled_at_any_moment_loses_nothing(moments: list[float], seed: int, *, oauth: bool) -> None:
    """Cancelled in whatever it awaits, time and again, a walk gives each of its entries once, and leaves nothing."""

    async def main() -> None:
        script = faults.random_faults(
            seed, 0.2, [faults.status(503), faults.too_many("1"), faults.slow(0.4), faults.reset()]
        )
        taken: list[int] = []
        rules = Rules(latency=0.1, token_ttl=2)
        auth = OAUTH if oauth else BASIC
        async with nothing_left(collected=False, box={"faults": script, "rules": rules}, auth=auth) as (_, session):
            walk = session.entries(QUERY)

            async def take() -> None:
                async for entry in walk:
                    taken.append(entry.event_log_id)
                    await asyncio.sleep(0.01)

            for moment in moments:
                with suppress(TimeoutError):
                    async with asyncio.timeout(moment):
                        await take()
                if walk.report.complete:
                    break
            else:
                await take()
            assert walk.report.complete
        assert len(set(taken)) == len(taken) == len(ROWS)

    run(main())


@pytest.mark.parametrize("pages", [False, True], ids=["entries", "pages"])
@virtual_time
async def test_a_session_closed_during_a_walk_raises(pages: bool) -> None:  # noqa: FBT001 - a table of two
    """The walk ends at once in the one error that says so, with its cursor; another session goes on from there."""
    async with sandbox() as box:
        session = session_at(box)
        walk = session.entries(QUERY)
        first = await walk.__anext__()
        rest = asyncio.create_task(drain(walk.pages() if pages else walk))
        await asyncio.sleep(0.15)
        await session.close()
        came = await rest
        assert isinstance(came[-1], SessionClosedError)
        assert came[-1].cursor is not None
        with pytest.raises(SessionClosedError):
            await session.entries(QUERY).collect()
        async with session_at(box) as other:
            again = await other.entries(QUERY, resume_from=came[-1].cursor).collect()

    given_before = [first, *(came[:-1] if not pages else [entry for page in came[:-1] for entry in page.entries])]
    assert len(given_before) + len(again) == len(ROWS)


async def drain(items: Any) -> list[Any]:
    came: list[Any] = []
    try:
        async for item in items:
            came.append(item)
            await asyncio.sleep(0.01)
    except CapledgerError as error:
        came.append(error)
    return came


@virtual_time
async def test_a_session_that_nobody_closes_warns_once() -> None:
    """Collected with a walk under way it says so, and its tasks and connections end all the same."""
    async with sandbox() as box:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        session: Any = session_at(box)
        walk: Any = session.entries(QUERY)
        await walk.__anext__()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            walk._leave()
            await asyncio.sleep(0.01)
            del session, walk
            gc.collect()
            await asyncio.sleep(0.01)

    assert {warning.category for warning in caught} == {ResourceWarning}
    assert [str(warning.message) for warning in caught].count("a capledger session was never closed") == 1


def test_a_walk_goes_on_in_no_other_event_loop() -> None:
    """Iterating elsewhere ends in an error that says so, not in a hang."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as one:
        box = one.run(_started())
        session = session_at(box)
        one.run(_first(session))

        async def elsewhere() -> None:
            async with asyncio.timeout(5):
                await session.entries(QUERY).collect()

        with pytest.raises(SessionClosedError, match="another event loop"):
            run(elsewhere())
        with pytest.raises(SessionClosedError):
            run(session.close())
        one.run(session.close())
        one.run(box.close())


async def _started() -> Sandbox:
    box = sandbox()
    await box.start()
    return box


async def _first(session: LedgerSession) -> None:
    walk = session.entries(QUERY)
    await walk.__anext__()
    await walk.aclose()


@virtual_time
async def test_two_consumers_of_one_walk_raise() -> None:
    """The second gets a clear error, and the first all its entries."""
    async with nothing_left() as (_, session):
        walk = session.entries(QUERY)
        outcomes = await asyncio.gather(walk.collect(), walk.collect(), return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {list, ConcurrentUseError}
        assert [len(outcome) for outcome in outcomes if isinstance(outcome, list)] == [len(ROWS)]


@pytest.mark.parametrize("again", [LedgerWalk.collect, LedgerWalk.pages, LedgerWalk.__aiter__])
@virtual_time
async def test_a_walk_that_has_ended_is_not_iterated_again(again: Callable[[LedgerWalk], Any]) -> None:
    """It raises rather than yield nothing; one that resumes behind the last entry yields nothing."""
    async with nothing_left() as (_, session):
        walk = session.entries(QUERY)
        assert len(await walk.collect()) == len(ROWS)

        with pytest.raises(CapledgerError, match="this walk has ended"):
            await again(walk)
        assert await session.entries(QUERY, resume_from=walk.cursor).collect() == []


@virtual_time
async def test_the_loop_of_the_tests_belongs_to_one_thread() -> None:
    """A call from another thread, which would be a race elsewhere, is an error in any test in virtual time."""
    loop = asyncio.get_running_loop()

    with pytest.raises(RuntimeError, match="another thread"):
        await asyncio.to_thread(loop.call_soon, print)
    with pytest.raises(RuntimeError, match="another thread"):
        await asyncio.to_thread(loop.call_later, 1.0, print)
