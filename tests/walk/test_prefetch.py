"""Pages are requested ahead within a bound, taken in the order of reading, and ended all at once."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import define, field
from support.clock import virtual_time
from support.pages import entry, listing, page

from capledger import ConcurrentUseError, ServerError
from capledger._sansio.context import RequestContext
from capledger.models import WalkReport
from capledger.walk.listing import Layout
from capledger.walk.prefetch import Prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from capledger._sansio.requests import Request
    from capledger._sansio.sending import Send
    from capledger.models import LedgerPage
    from capledger.walk.listing import PageKey

LAYOUT, LISTING, CONTEXT = Layout(100, 10, 10), listing(), RequestContext(WalkReport())


def key(number: int) -> PageKey:
    return LAYOUT.key(LISTING, number)


def after(number: int, last: int = 9) -> Callable[[], Iterator[PageKey]]:
    """Return what follows a page."""
    return lambda: map(key, range(number + 1, last + 1))


@define
class Decoded:
    """A response that has come."""

    service: Service
    number: int

    async def value(self) -> LedgerPage:
        self.service.decoded.append(self.number)
        return page([entry(self.number)], 100)


@define
class Service:
    """Responds to requests for pages, each after its own seconds."""

    delays: dict[int, float] = field(factory=dict)
    errors: dict[int, Exception] = field(factory=dict)
    sent: list[int] = field(factory=list)
    decoded: list[int] = field(factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    cancelled: list[int] = field(factory=list)
    received: list[int] = field(factory=list)

    async def send(self, request: Request[Any], context: RequestContext) -> Decoded:
        assert context is CONTEXT
        number = int(dict(request.params)["offset"])
        self.sent.append(number)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delays.get(number, 1))
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self.in_flight -= 1
        if number in self.errors:
            raise self.errors.pop(number)
        return Decoded(self, number)

    def prefetch(self, limit: int) -> Prefetch:
        return Prefetch(cast("Send", self.send), CONTEXT, limit, lambda came: self.received.append(number_of(came)))


def number_of(came: LedgerPage) -> int:
    return came.entries[0].event_log_id


@pytest.mark.parametrize("limit", [1, 2, 3, 8])
@virtual_time
async def test_pages_come_in_order_and_no_more_are_requested_than_allowed(limit: int) -> None:
    """Whichever response comes first; each page is sent for once and decoded once, in the order of reading."""
    service = Service({number: 10 - number for number in range(10)})
    prefetch = service.prefetch(limit)

    came = [number_of(await prefetch.take(key(number), after(number))) for number in range(10)]

    assert came == service.sent == service.decoded == service.received == list(range(10))
    assert service.most_in_flight == limit


@virtual_time
async def test_pages_that_wait_count_among_those_ahead() -> None:
    """A slow consumer holds as many as are allowed, and no more are requested meanwhile."""
    service = Service()
    prefetch = service.prefetch(3)

    await prefetch.take(key(0), after(0))
    await asyncio.sleep(100)

    assert service.sent == [0, 1, 2, 3]
    assert service.decoded == [0]


@virtual_time
async def test_the_next_page_is_requested_before_one_is_decoded() -> None:
    """What takes its place is sent first."""
    service = Service()
    prefetch = service.prefetch(2)

    for number in range(5):
        await prefetch.take(key(number), after(number))
        assert len(service.sent) == min(number + 3, 10)


@virtual_time
async def test_a_single_page_needs_no_task() -> None:
    """Where nothing follows, nothing can be done meanwhile."""
    service = Service()
    before = asyncio.all_tasks()

    taking = asyncio.ensure_future(service.prefetch(4).take(key(0), tuple))
    await asyncio.sleep(0.5)

    assert asyncio.all_tasks() - before == {taking}
    assert number_of(await taking) == 0


@virtual_time
async def test_a_page_that_is_kept_is_not_requested_again() -> None:
    """It is taken once, and counts among those ahead until then."""
    service = Service()
    prefetch = service.prefetch(2)
    prefetch.kept[key(3)] = page([entry(3)], 100)

    prefetch.start(map(key, range(5)))
    came = [number_of(await prefetch.take(key(3), tuple)) for _ in range(2)]

    assert came == [3, 3]
    assert service.sent == [3, 0]
    assert service.received == [3]


@virtual_time
async def test_an_unexpected_page_takes_the_place_of_those_that_are_no_longer_needed() -> None:
    """What is not among the pages that follow it is ended, and the bound is kept."""
    service = Service(dict.fromkeys(range(100), 5.0))
    prefetch = service.prefetch(3)
    prefetch.start(map(key, (1, 2, 3)))
    await asyncio.sleep(1)

    await prefetch.take(key(50), lambda: map(key, (3, 51)))

    assert sorted(service.cancelled) == [1, 2]
    assert service.sent == [1, 2, 3, 50, 51]
    assert service.most_in_flight == 3


@virtual_time
async def test_an_error_is_raised_in_the_place_of_its_page() -> None:
    """Pages before it come, and the page is requested again by whoever takes it again."""
    service = Service(errors={1: ServerError("out of order", code=None)})
    prefetch = service.prefetch(4)

    first = await prefetch.take(key(0), after(0))
    await asyncio.sleep(10)
    with pytest.raises(ServerError):
        await prefetch.take(key(1), after(1))
    again = await prefetch.take(key(1), after(1))

    assert [number_of(first), number_of(again)] == [0, 1]
    assert service.sent.count(1) == 2


@virtual_time
async def test_stopping_ends_everything() -> None:
    """The tasks that are ending are returned, for callers that await their end; afterwards all begins anew."""
    service = Service()
    prefetch = service.prefetch(3)
    prefetch.start(map(key, range(3)))
    await asyncio.sleep(0.5)

    ending = prefetch.stop()
    await asyncio.wait(ending)
    came = await prefetch.take(key(1), tuple)

    assert sorted(service.cancelled) == [0, 1, 2]
    assert number_of(came) == 1
    assert prefetch.stop() == []


@virtual_time
async def test_whoever_waits_when_all_is_stopped_gets_its_page_all_the_same() -> None:
    """A consumer that was left elsewhere does not take the page from the one that waits."""
    service = Service({1: 5})
    prefetch = service.prefetch(3)
    await prefetch.take(key(0), after(0))
    waiting = asyncio.ensure_future(prefetch.take(key(1), after(1)))
    await asyncio.sleep(0.5)

    prefetch.stop()

    assert number_of(await waiting) == 1
    assert service.sent.count(1) == 2


@virtual_time
async def test_whoever_waits_when_it_is_closed_gets_an_error() -> None:
    """It ends at once, and says that the walk was closed."""
    service = Service({0: 1_000})
    prefetch = service.prefetch(3)
    waiting = asyncio.ensure_future(prefetch.take(key(0), after(0)))
    await asyncio.sleep(0.5)

    ending = prefetch.close()

    with pytest.raises(ConcurrentUseError, match="closed"):
        await asyncio.wait_for(waiting, 1)
    await asyncio.wait(ending)
    assert service.in_flight == 0
    assert number_of(await prefetch.take(key(1), after(1))) == 1


@virtual_time
async def test_whoever_waits_for_a_single_page_when_it_is_closed_gets_an_error_too() -> None:
    """A request that nothing follows is under way like any other."""
    service = Service({0: 1_000})
    prefetch = service.prefetch(3)
    waiting = asyncio.ensure_future(prefetch.take(key(0), tuple))
    await asyncio.sleep(0.5)

    prefetch.close()

    with pytest.raises(ConcurrentUseError, match="closed"):
        await asyncio.wait_for(waiting, 1)


@virtual_time
async def test_a_consumer_that_is_cancelled_leaves_its_page_to_the_next() -> None:
    """One that was requested ahead is not requested again."""
    service = Service({1: 5})
    prefetch = service.prefetch(3)
    await prefetch.take(key(0), after(0))
    waiting = asyncio.ensure_future(prefetch.take(key(1), after(1)))
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert number_of(await prefetch.take(key(1), after(1))) == 1
    assert service.sent.count(1) == 1


@virtual_time
async def test_what_follows_may_be_endless() -> None:
    """No more of it is drawn than there is room for."""
    service = Service()
    prefetch = service.prefetch(4)

    await prefetch.take(key(0), lambda: map(key, count(1)))
    await prefetch.take(key(200), lambda: map(key, count(201)))

    assert service.most_in_flight <= 4
