from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.clock import run, virtual_time
from support.explode import (
    BARE,
    CHILD_ORG,
    KNOWN,
    ME,
    UNKNOWN,
    about,
    asked,
    by_name,
    sandbox,
    session_at,
    tasks_of_walks,
)

from capledger import (
    CapledgerError,
    ConcurrentUseError,
    CustomerLedgerQuery,
    EventNotFoundError,
    EventsPage,
    FeatureDisabledError,
    LedgerEvent,
    LedgerSession,
    OrgScope,
    ServerError,
    SessionClosedError,
)
from capledger.events import EventWalk
from capledger.sandbox import Fault, LoggedRequest, Rules, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import Request


async def test_events_are_yielded_in_the_order_of_the_query_ten_a_request() -> None:
    """Any number of ids is requested in batches of ten, and their events are yielded in that order."""
    ids = [*KNOWN[:25]][::-1]
    async with session_at(box := sandbox()) as session:
        walk = session.events(about(ids))
        events = await walk.collect()

        assert [event.event_log_id for event in events] == ids
        assert sorted(asked(box), reverse=True) == [ids[:10], ids[10:20], ids[20:]]
        assert (walk.missing, walk.report.complete) == ([], True)
        assert (walk.report.requests, walk.report.pages, walk.report.rows_yielded) == (3, 3, 25)


@pytest.mark.parametrize(("rule", "requests"), [("error", 2), ("null", 1), ("omit", 1), ("warning", 1)])
async def test_unknown_ids_are_missing_and_the_rest_is_yielded(rule: Any, requests: int) -> None:
    """However the service reports unknown ids, they are missing, and cost at most one more request."""
    ids = [1001, 9001, 1002, 1003, 9002, 1004]
    async with session_at(box := sandbox(Rules(unknown_events=rule))) as session:
        walk = session.events(about(ids))
        events = await walk.collect()

        assert [event.event_log_id for event in events] == [1001, 1002, 1003, 1004]
        assert walk.missing == walk.report.missing == [9001, 9002]
        assert (walk.report.complete, len(asked(box))) == (True, requests)


@pytest.mark.parametrize(("rule", "requests"), [("error", 7), ("null", 1), ("omit", 1)])
@pytest.mark.parametrize("position", range(10))
async def test_events_without_details_are_missing(rule: Any, requests: int, position: int) -> None:
    """An event name without details is reported as missing; after a refusal that names no id, halves are requested."""
    ids = [*KNOWN[:9]]
    ids.insert(position, 2001)
    async with session_at(box := sandbox(Rules(unsupported_events=rule))) as session:
        walk = session.events(about(ids))
        events = await walk.collect()

        assert [event.event_log_id for event in events] == [*KNOWN[:9]]
        assert walk.missing == [2001]
        assert len(asked(box)) <= requests + (position in {3, 8})


@pytest.mark.parametrize("rule", ["error", "null", "omit", "warning"])
async def test_nothing_but_unknown_ids(rule: Any) -> None:
    """A walk over unknown ids alone ends without an event, and all of them are missing."""
    async with session_at(box := sandbox(Rules(unknown_events=rule))) as session:
        walk = session.events(about([*UNKNOWN, 2001]))

        assert await walk.collect() == []
        assert walk.missing == [*UNKNOWN, 2001]
        assert (walk.report.complete, len(asked(box))) == (True, 2)


async def test_repeated_ids_are_requested_once() -> None:
    """The event of an id that is named again is yielded again, without another request."""
    ids = [*KNOWN[:15], 1001, 9001, 1001, 9001]
    async with session_at(box := sandbox()) as session:
        walk = session.events(about(ids))
        events = await walk.collect()

        assert [event.event_log_id for event in events] == [*KNOWN[:15], 1001, 1001]
        assert walk.missing == [9001]
        assert sorted(number for group in asked(box) for number in group if number == 1001) == [1001]


async def test_warnings_about_single_events_are_kept_once() -> None:
    """The report does not grow by a warning for each batch that has an unknown id."""
    ids = [number for group in range(10) for number in (*KNOWN[group * 9 : group * 9 + 9], UNKNOWN[group])]
    async with session_at(sandbox(Rules(unknown_events="warning"))) as session:
        walk = session.events(about(ids))
        await walk.collect()

        assert walk.missing == [*UNKNOWN]
        assert [notice.code for notice in walk.report.warnings] == [9021]


@pytest.mark.parametrize("rule", ["error", "null", "omit", "warning"])
async def test_references(rule: Any) -> None:
    """Events are found by name and references too; after a refusal that names none of them, halves are requested."""
    references = [800_001_001, 800_009_001, *range(800_001_002, 800_001_012)]
    async with session_at(box := sandbox(Rules(unknown_events=rule))) as session:
        walk = session.events(by_name("TransactionAdd", references))
        events = await walk.collect()

        assert [event.event_reference_id for event in events] == [
            str(item) for item in references if item != 800_009_001
        ]
        assert walk.missing == ["800009001"]
        assert all(logged.query["eventName"] == "TransactionAdd" for logged in box.requests)


async def test_a_name_without_details_is_refused_at_once() -> None:
    """A name that the service does not know is the caller's mistake: it raises, after one request."""
    async with session_at(box := sandbox()) as session:
        with pytest.raises(EventNotFoundError) as raised:
            await session.events(by_name("DelayedAccrual", range(30)), prefetch=1).collect()

        assert (raised.value.code, raised.value.cursor, len(box.requests)) == (11014, None, 1)


ids_of_all_kinds = st.lists(st.sampled_from([*KNOWN[:40], *BARE, *UNKNOWN]), min_size=1, max_size=60)


@given(
    ids=ids_of_all_kinds,
    unknown=st.sampled_from(["error", "null", "omit", "warning"]),
    bare=st.sampled_from(["error", "null", "omit"]),
    prefetch=st.integers(1, 5),
)
@example(ids=[*BARE], unknown="error", bare="error", prefetch=1)
def test_each_id_is_yielded_or_missing(ids: list[int], unknown: Any, bare: Any, prefetch: int) -> None:
    """Whatever is requested and however the service refuses: known ids are yielded in order, others are missing."""

    async def check() -> None:
        rules = Rules(unknown_events=unknown, unsupported_events=bare)
        async with session_at(box := sandbox(rules)) as session:
            walk = session.events(about(ids), prefetch=prefetch)
            events = await walk.collect()

            distinct = dict.fromkeys(ids)
            assert [event.event_log_id for event in events] == [number for number in ids if number in KNOWN]
            assert walk.missing == [number for number in distinct if number not in KNOWN]
            assert walk.report.complete
            assert all(len(group) <= 10 for group in asked(box))
            assert len(asked(box)) <= 2 * len(distinct) + 1

    run(check())


@pytest.mark.parametrize(
    ("options", "path", "spelling"),
    [
        ({}, "/v2.1/", "getPaymentMode"),
        ({"api_version": "v2"}, "/v2/", "getPaymentModes"),
        ({"scope": OrgScope.other(CHILD_ORG)}, "/v2.1/", "getPaymentMode"),
    ],
)
async def test_versions(options: dict[str, Any], path: str, spelling: str) -> None:
    """Each version gets the path and the spelling of its own document, and payment modes come from both."""
    async with session_at(box := sandbox()) as session:
        events = await session.events(about([1001], get_payment_modes=True, **options)).collect()

        (sent,) = box.requests
        assert events[0].payment_modes == ["UPI", "CASH"]
        assert sent.path == f"{path}pointsLedger/getLedgerExplodeInfo"
        assert sent.query[spelling] == "true"
        assert sent.headers.get("data-scope-org") == (str(CHILD_ORG) if "scope" in options else None)


async def test_what_the_organisation_does_not_record_raises() -> None:
    """11019 is about the request and not about an event: it raises."""
    async with session_at(sandbox(Rules(source_values_recorded=False))) as session:
        with pytest.raises(FeatureDisabledError) as raised:
            await session.events(about([1001], get_points_earned_breakup=True)).collect()

        assert raised.value.cursor is None


async def test_an_error_does_not_end_the_walk() -> None:
    """A batch that failed is retried by the next iteration, and nothing else is."""
    ids = [*KNOWN[:30]]
    async with session_at(box := sandbox(faults=faults.nth(2, faults.status(500)))) as session:
        walk = session.events(about(ids), prefetch=1)
        first = [await anext(walk) for _ in range(10)]
        with pytest.raises(ServerError) as raised:
            await anext(walk)
        rest = await walk.collect()

        assert raised.value.cursor is None
        assert [event.event_log_id for event in first + rest] == ids
        assert asked(box) == [ids[:10], ids[10:20], ids[10:20], ids[20:]]
        assert (walk.report.rows_yielded, walk.report.complete) == (30, True)


async def test_an_error_forgets_nothing_of_a_batch() -> None:
    """What a refusal has named is still known after an error."""
    async with session_at(box := sandbox(faults=faults.nth(2, faults.status(500)))) as session:
        walk = session.events(about([1001, 9001, 1002]))
        with pytest.raises(ServerError):
            await walk.collect()

        assert [event.event_log_id for event in await walk.collect()] == [1001, 1002]
        assert asked(box) == [[1001, 9001, 1002], [1001, 1002], [1001, 1002]]
        assert walk.missing == [9001]


async def test_a_walk_continues_after_a_break() -> None:
    """After a ``break``, iterating continues with the next event."""
    async with session_at(sandbox()) as session:
        walk = session.events(about(KNOWN))
        async for first in walk:
            assert first.event_log_id == 1001
            break

        assert [event.event_log_id for event in await walk.collect()] == [*KNOWN[1:]]


async def leave_by_break(session: LedgerSession) -> None:
    async for _ in session.events(about(KNOWN)):
        assert tasks_of_walks()
        break


async def leave_by_closing(session: LedgerSession) -> None:
    walk = session.events(about(KNOWN))
    await anext(walk)
    assert tasks_of_walks()
    await walk.aclose()
    assert tasks_of_walks() == []


async def leave_by_cancel(session: LedgerSession) -> None:
    await cancel_in_a_second(session.events(about(KNOWN)).collect())


async def leave_entries_by_cancel(session: LedgerSession) -> None:
    await cancel_in_a_second(session.entries(CustomerLedgerQuery.mobile(ME), details=True).collect())


async def cancel_in_a_second(walk: Coroutine[Any, Any, object]) -> None:
    task = asyncio.create_task(walk)
    await asyncio.sleep(1)
    assert tasks_of_walks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("leave", [leave_by_break, leave_by_closing, leave_by_cancel, leave_entries_by_cancel])
@virtual_time
async def test_leaving_ends_every_task(leave: Callable[[LedgerSession], Any]) -> None:
    """However a walk is left, no request of it stays under way."""

    def all_but_the_first(logged: LoggedRequest) -> Fault | None:
        return None if "1001" in logged.query.get("eventIds", "1001") else faults.hang()

    async with session_at(sandbox(faults=all_but_the_first)) as session:
        await leave(session)
        await asyncio.sleep(0)

        assert tasks_of_walks() == []


@virtual_time
async def test_closing_the_session_ends_a_waiting_walk() -> None:
    """A task that waits for an event while the session is closed gets a SessionClosedError."""
    async with session_at(sandbox(faults=faults.always(faults.hang()))) as session:
        waiting = asyncio.create_task(session.events(about(KNOWN)).collect())
        await asyncio.sleep(1)
        await session.close()

        with pytest.raises(SessionClosedError):
            await waiting


async def test_one_consumer_at_a_time() -> None:
    """Two tasks that share a walk would each get some of its events: the second one raises."""
    async with session_at(sandbox()) as session:
        walk = session.events(about(KNOWN))

        with pytest.raises(ConcurrentUseError, match="two tasks"):
            await asyncio.gather(walk.collect(), walk.collect())


@virtual_time
async def test_closing_a_walk_ends_the_task_that_waits_for_it() -> None:
    """It gets a ConcurrentUseError at once, and a later iteration continues with the next event."""
    hang_once = faults.nth(2, faults.hang())
    async with session_at(sandbox(faults=hang_once)) as session:
        walk = session.events(about(KNOWN[:20]), prefetch=1)
        first = [await anext(walk) for _ in range(10)]
        waiting = asyncio.create_task(walk.collect())
        await asyncio.sleep(1)
        await walk.aclose()

        assert tasks_of_walks() == []
        with pytest.raises(ConcurrentUseError, match="closed while another task waited"):
            await waiting
        assert [event.event_log_id for event in first + await walk.collect()] == [*KNOWN[:20]]


async def test_a_walk_that_has_ended_is_not_iterated_again() -> None:
    """A second iteration raises rather than yield nothing."""
    async with session_at(sandbox()) as session:
        walk = session.events(about(KNOWN[:3]))
        assert len(await walk.collect()) == 3
        await walk.aclose()

        with pytest.raises(CapledgerError, match="this walk has ended"):
            await walk.collect()


async def test_a_failed_batch_is_not_retried_before_its_turn() -> None:
    """What fails ahead of the consumer raises once the events before it were yielded."""
    ids = [*KNOWN[:30]]

    def fail_second_batch(logged: LoggedRequest) -> Fault | None:
        return faults.status(500) if str(ids[10]) in logged.query.get("eventIds", "") else None

    async with session_at(box := sandbox(faults=fail_second_batch)) as session:
        walk = session.events(about(ids))
        first = [await anext(walk) for _ in range(10)]
        await asyncio.gather(*tasks_of_walks(), return_exceptions=True)
        with pytest.raises(ServerError):
            await anext(walk)

        assert [event.event_log_id for event in first] == ids[:10]
        assert asked(box).count(ids[10:20]) == 1


async def test_requests_that_finish_before_they_wait() -> None:
    """Where tasks begin at once (eager tasks of Python 3.12), all events are yielded too."""
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))

    async def fetch(request: Request[Any], _: RequestContext) -> Any:
        ids = dict(request.params)["eventIds"].split(",")
        return EventsPage([LedgerEvent(int(number), "ReturnBill") for number in ids])

    walk = EventWalk(about(KNOWN), fetch=fetch)

    assert [event.event_log_id for event in await walk.collect()] == [*KNOWN]


async def test_a_request_that_others_cancel_is_not_waited_for() -> None:
    """A task of the walk that is cancelled from outside ends the iteration rather than keep it waiting."""

    async def fetch(*_: Any) -> Any:
        await asyncio.Event().wait()  # never over

    walk = EventWalk(about(KNOWN), fetch=fetch)
    waiting = asyncio.create_task(walk.collect())
    await asyncio.sleep(0)
    for task in tasks_of_walks():
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
