from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from capledger import (
    EventDetailsQuery,
    EventNotFoundError,
    EventsPage,
    LedgerEvent,
    Notice,
    PaginationError,
)
from capledger.events import EventWalk
from capledger.events.batches import EventBatch, Key, KnownEventNames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import Request

ME = "917000000001"


def by_id(*ids: int) -> EventDetailsQuery:
    return EventDetailsQuery(identifier_name="mobile", identifier_value=ME, event_ids=ids)


def by_name(*references: str) -> EventDetailsQuery:
    return EventDetailsQuery(
        identifier_name="mobile", identifier_value=ME, event_name="ReturnBill", event_reference_ids=references
    )


def batch_of(query: EventDetailsQuery, names: KnownEventNames | None = None) -> EventBatch:
    keys: Sequence[Key] = query.event_ids or query.event_reference_ids
    return EventBatch(query, keys, names or KnownEventNames())


def event(number: int, reference: str | None = None, **more: Any) -> LedgerEvent:
    return LedgerEvent(number, "ReturnBill", event_reference_id=reference, **more)


def requested(batch: EventBatch) -> str:
    params = dict(batch.request().params)
    return params.get("eventIds") or params["eventReferenceIds"]


@pytest.mark.parametrize(
    ("code", "text", "rest"),
    [
        (9021, "Invalid identifiers found[12, 13]", "11,14"),
        (9021, "Invalid identifiers found[12,13]", "11,14"),
        (9021, 'Invalid identifiers found["12"]; Invalid identifiers found[13]', "11,14"),
        (11024, "Event detail not found for event log id 13", "11,12,14"),
        (11016, "Event detail not found for event log ids 12, 13", "11,14"),
        (11015, "Error setting event detail :14", "11,12,13"),
        (9021, "Invalid identifiers found[11, 12, 13, 14...", "14"),
        (9021, "Invalid identifiers found[112, 131, 1]", "11,12"),
        (9021, "Invalid identifiers found[99]", "11,12"),
        (11014, "Event name not found :DelayedAccrual", "11,12"),
        (11015, "Error 13 setting event detail", "11,12"),
    ],
)
def test_refusals_that_name_ids(code: int, text: str, rest: str) -> None:
    """Ids that a refusal names are left out at once; where it names none of them, both halves are requested."""
    batch = batch_of(by_id(11, 12, 13, 14))

    batch.record_refusal(EventNotFoundError(text, code))
    assert requested(batch) == rest


def test_a_refusal_without_the_identifier_in_it() -> None:
    """A reference that is the customer's identifier is recognised in a message from which it was removed."""
    batch = batch_of(by_name("7", ME, f"{ME}-2", "8"))

    batch.record_refusal(EventNotFoundError("Invalid identifiers found[<identifier>, <identifier>-2]", 9022))
    assert requested(batch) == "7,8"


def test_events_of_a_name_without_details_are_left_out_together() -> None:
    """Where the names of the events are known, a refused name leaves out all its events, and is remembered."""
    names = KnownEventNames({11: "PointsExpiry", 12: "ReturnBill", 13: "PointsExpiry"}, set())
    batch = batch_of(by_id(11, 12, 13, 14), names)

    batch.record_refusal(EventNotFoundError("Event name not found :PointsExpiry", 11014))
    assert requested(batch) == "12,14"
    assert names.without_details == {"PointsExpiry"}


def test_a_half_that_must_contain_the_refused_id_is_not_requested_whole() -> None:
    """When the first half is not refused, the second contains the refused id: it is split without a request."""
    batch = batch_of(by_id(*range(1, 9)))
    requests = []
    while not batch.finished:
        requests.append(requested(batch))
        numbers = [int(text) for text in requests[-1].split(",")]
        if 8 in numbers:
            batch.record_refusal(EventNotFoundError("no", 11014))
        else:
            batch.record_page(EventsPage([event(number) for number in numbers]))

    assert requests == ["1,2,3,4,5,6,7,8", "1,2,3,4", "5,6", "7", "8"]
    assert batch.missing == [8]


def test_several_events_of_one_reference() -> None:
    """A reference may stand for several events, which stay in the server's order."""
    batch = batch_of(by_name("a", "b"))
    one, two, three = event(1, "b"), event(2, "a"), event(3, "a")

    batch.record_page(EventsPage([one, None, two, three]))

    assert batch.finished
    assert batch.found == {"a": [two, three], "b": [one]}


def test_references_are_known_by_the_unique_id_too() -> None:
    """A generic event is requested by its request id, which may come back as the unique id."""
    batch = batch_of(by_name("a", "b"))

    batch.record_page(EventsPage([event(1, "-1", unique_id="b")]))

    assert (batch.finished, batch.missing) == (True, ["a"])


def test_events_that_do_not_say_whose_they_are() -> None:
    """Events that do not repeat their reference are requested one at a time, so that none takes another's position."""
    batch = batch_of(by_name("a", "b", "c"))
    first, last = event(1, "-1"), event(2)

    batch.record_page(EventsPage([first, last]))
    for page in ([first], [], [last]):
        batch.record_page(EventsPage([*page]))

    assert batch.finished
    assert batch.found == {"a": [first], "b": [], "c": [last]}


def test_an_event_that_was_not_requested() -> None:
    """An event with another id than those requested raises, and the request is still to be made."""
    batch = batch_of(by_id(11, 12))

    with pytest.raises(PaginationError):
        batch.record_page(EventsPage([event(11), event(99)]))

    assert requested(batch) == "11,12"


def answering(answer: Callable[[list[int]], EventsPage]) -> Any:
    async def fetch(request: Request[EventsPage], context: RequestContext) -> EventsPage:
        context.counters.requests += 1
        return answer([int(text) for text in dict(request.params)["eventIds"].split(",")])

    return fetch


async def test_pending_events_leave_the_walk_incomplete() -> None:
    """While the service still works on events (11002), what is missing may yet come: the report says so."""
    pending = Notice(11002, "Customer has pending events", status=False)
    walk = EventWalk(by_id(11, 12), fetch=answering(lambda _: EventsPage([event(12)], [pending])))

    assert await walk.collect() == [event(12)]
    assert (walk.missing, walk.report.complete, walk.report.warnings) == ([11], False, [pending])


async def test_one_id_can_have_several_events() -> None:
    """Two events under one id, as the document prints them, are both yielded."""
    twins = [event(11, "a"), event(11, "b")]
    walk = EventWalk(by_id(11, 12, 11), fetch=answering(lambda _: EventsPage([event(12), *twins])))

    assert await walk.collect() == [*twins, event(12), *twins]
    assert repr(walk) == "<EventWalk 5 events yielded, complete=True>"
