"""Large responses are decoded when their value is wanted, after their slot was released and the next was sent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import LoopClock, run, virtual_time
from support.service import new_context, now, page_request, service

from capledger import (
    BasicAuth,
    CustomerLedgerQuery,
    LedgerPage,
    LedgerSession,
    RetryPolicy,
    ServerError,
)
from capledger._sansio import decoder as decoder_module
from capledger._sansio.response import Response
from capledger._transport import http as http_module
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, faults, synthetic_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger._sansio.requests import Request

GOOD = Response(200, {}, b'{"ledgerEntries":[' + b" " * 9_000 + b"]}")

LARGE = faults.status(200, GOOD.body.replace(b"[ ", b'[], "ledgerDetails": {}, "x": ['))

#: Ends as pages do, and cannot be decoded.
BROKEN = faults.status(200, b'{"ledgerEntries":[' + b"?" * 9_000 + b"]}", content_type="application/json")

ME = "917000000000"
AUTH = BasicAuth("store.server", "server123")


@pytest.mark.parametrize(
    ("response", "later"),
    [
        (GOOD, True),
        (Response(200, {}, GOOD.body + b"\r\n"), True),
        (Response(200, {}, GOOD.body[:-1] + b',"ledgerDetails":{}}'), True),
        (Response(200, {}, b'{"ledgerEntries":[]}'), False),
        (Response(200, {}, GOOD.body[:-1]), False),
        (Response(200, {}, GOOD.body[:-2] + b'{"orgId":70001}'), False),
        (Response(200, {}, b"<html>" + b" " * 9_000 + b"</html>"), False),
        (Response(429, {}, GOOD.body), False),
    ],
    ids=["large", "with a newline", "other keys", "small", "cut off", "cut off behind a row", "no JSON", "refused"],
)
def test_only_a_large_success_is_decoded_later(response: Response, *, later: bool) -> None:
    """A response that will be retried keeps its slot: its retry would exceed the connections."""
    assert response.can_decode_later is later


@virtual_time
async def test_a_broken_response_is_retried_when_its_value_is_wanted() -> None:
    """It is a failed attempt like any other, with its wait, its count and, in the end, its error."""
    async with service(faults.first(1, BROKEN), max_connections=1) as it:
        pending = await it.transport.send(page_request(), context := new_context())
        assert (it.transport.limiter.free_slots, context.counters.requests, context.counters.retries) == (1, 1, 0)
        page = await pending.value()

        assert isinstance(page, LedgerPage)
        assert (it.transport.limiter.free_slots, context.counters.requests, context.counters.retries) == (1, 2, 1)
        assert context.counters.waited > 0


@virtual_time
async def test_a_value_may_be_awaited_again() -> None:
    """It is decoded once, whether it was large or small."""
    async with service(faults.first(1, LARGE)) as it:
        for _ in range(2):
            pending = await it.transport.send(page_request(), new_context())

            assert await pending.value() is await pending.value()


@virtual_time
async def test_a_response_that_is_always_broken_fails() -> None:
    """After all attempts the error is that of the last one."""
    policy = RetryPolicy(attempts=200, budget=1_000, max_wait=0.1)
    async with service(faults.always(BROKEN), retry=policy) as it:
        with pytest.raises(ServerError):
            await it.transport.fetch(page_request(), context := new_context())

        assert (context.counters.requests, context.counters.retries) == (200, 199)


@virtual_time
async def test_a_response_that_has_arrived_is_decoded_after_the_deadline() -> None:
    """The deadline ends requests: what has arrived is not lost, and what proves broken is not retried."""
    async with service(faults.numbered({1: LARGE, 2: BROKEN})) as it:
        good, broken = [await it.transport.send(page_request(), new_context(deadline=now() + 10)) for _ in range(2)]
        await asyncio.sleep(20)

        assert isinstance(await good.value(), LedgerPage)
        with pytest.raises(ServerError):
            await broken.value()
        assert len(it.box.requests) == 2


@virtual_time
async def test_a_rate_limited_body_found_late_pauses_the_session() -> None:
    """A code 429 in a large body that looked like a success is reported to the limiter."""
    hidden = b'{"errors":[{"code":429,"message":"' + b" " * 9_000 + b'"}],"ledgerDetails":{}}'
    async with service(faults.first(1, faults.status(200, hidden, headers={"Retry-After": "7"}))) as it:
        pending = await it.transport.send(page_request(), new_context())
        assert it.transport.limiter._delay(now()) == 0
        await pending.value()

        assert it.box.requests[1].started == pytest.approx(7, abs=0.1)


@virtual_time
async def test_a_response_counts_as_a_success_when_it_arrives() -> None:
    """A walk that is left never decodes what arrived for it; that does not cost the retry budget."""
    script = faults.numbered({1: faults.status(503), 2: LARGE, 3: faults.status(503), 4: LARGE})
    async with service(script, retry=RetryPolicy(budget=1)) as it:
        for _ in range(2):
            await it.transport.send(page_request(), new_context())

        assert [request.status for request in it.box.requests] == [503, 200, 503, 200]


@virtual_time
async def test_isolated_http_429_among_responses_never_decoded_set_no_limit() -> None:
    """Walks are left after their first entry; responses that arrived for them show that requests succeed."""
    rows, clock = synthetic_rows(1_600, datetime(2024, 1, 1), timedelta(hours=1)), asyncio.get_running_loop().time
    stray = faults.random_faults(1, 0.1, [faults.too_many()])
    async with (
        Sandbox([SandboxCustomer(ME, rows)], faults=stray, rules=Rules(latency=0.05), clock=clock) as box,
        LedgerSession(box.url, AUTH, timezone=UTC, clock=LoopClock(), max_connections=16) as session,
    ):
        for _ in range(20):
            async for _ in session.entries(CustomerLedgerQuery.mobile(ME), prefetch=16):
                await asyncio.sleep(0.2)
                break

        assert len([request for request in box.requests if request.status == 429]) > 15
        assert session._transport.limiter._delay(now(), ahead=1_000) == 0


@virtual_time
async def test_a_broken_page_holds_up_no_page_before_it() -> None:
    """They are yielded as they come; it is retried when its turn has come."""
    broken = faults.status(200, b'{"ledgerEntries":[' + b"?" * 9_000 + b"]}", headers={"Retry-After": "20"})
    rows, clock = synthetic_rows(550, datetime(2024, 1, 1), timedelta(hours=1)), asyncio.get_running_loop().time
    script = faults.either(
        faults.when(lambda request: request.query["offset"] == "1", faults.always(faults.slow(1.0))),
        faults.when(lambda request: request.query["offset"] == "2", faults.first(2, broken)),
    )
    async with (
        Sandbox([SandboxCustomer(ME, rows)], faults=script, rules=Rules(latency=0.05), clock=clock) as box,
        LedgerSession(box.url, AUTH, timezone=UTC, clock=LoopClock()) as session,
    ):
        times = [now() async for _ in session.entries(CustomerLedgerQuery.mobile(ME)).pages()]

        assert times[:2] == pytest.approx([0.05, 1.1], abs=0.1)
        assert times[2] == pytest.approx(1.1 + 2 * 20, abs=0.2)
        assert len(times) == 6


@virtual_time
async def test_other_tasks_run_before_each_page_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing is left to send, and all pages have arrived."""
    turns, watch = 0, Watch(monkeypatch)

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with eight_pages() as session:
        pages = aiter(session.entries(CustomerLedgerQuery.mobile(ME), prefetch=16).pages())
        await anext(pages)
        await asyncio.sleep(10)  # until all pages have arrived
        counting = asyncio.create_task(count_turns())
        before = [turns async for _ in pages]
        counting.cancel()

        assert len(watch.decoded) == 8
        assert all(one < other for one, other in pairwise(before))


class Watch:
    """Numbers of the pages sent and decoded, in order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sent: list[int] = []
        self.decoded: list[int] = []
        self.sent_before: dict[int, int] = {}
        """Number of pages that had been sent when a page was decoded."""
        send, decode = http_module.HttpClient.send, decoder_module.Decoder.decode

        async def note_sending(client: http_module.HttpClient, request: Request[Any], headers: Any) -> Any:
            self.sent.append(_page(request))
            return await send(client, request, headers)

        def note_decoding(decoder: decoder_module.Decoder, request: Request[Any], response: Response) -> Any:
            self.decoded.append(_page(request))
            self.sent_before[_page(request)] = len(self.sent)
            return decode(decoder, request, response)

        patch.setattr(http_module.HttpClient, "send", note_sending)
        patch.setattr(decoder_module.Decoder, "decode", note_decoding)


def _page(request: Request[Any]) -> int:
    return int(dict(request.params)["offset"])


@asynccontextmanager
async def eight_pages() -> AsyncIterator[LedgerSession]:
    """A session with a ledger of eight pages, in virtual time."""
    rows, clock = synthetic_rows(750, datetime(2024, 1, 1), timedelta(hours=1)), asyncio.get_running_loop().time
    async with (
        Sandbox([SandboxCustomer(ME, rows)], rules=Rules(latency=0.05), clock=clock) as box,
        LedgerSession(box.url, AUTH, timezone=UTC, clock=LoopClock(), max_connections=16) as session,
    ):
        yield session


@pytest.mark.parametrize("prefetch", [1, 3])
def test_the_next_request_is_sent_before_a_page_is_decoded(prefetch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the consumer waits for a page, the one that takes its place is sent first; never more than ``prefetch``."""
    watch = Watch(monkeypatch)

    async def main() -> None:
        rows, clock = synthetic_rows(950, datetime(2024, 1, 1), timedelta(hours=1)), asyncio.get_running_loop().time
        async with Sandbox([SandboxCustomer(ME, rows)], rules=Rules(latency=0.01), clock=clock) as box:
            options: Any = {"timezone": UTC, "clock": LoopClock(), "max_connections": prefetch}
            async with LedgerSession(box.url, AUTH, **options) as session:
                walk = session.entries(CustomerLedgerQuery.mobile(ME), prefetch=prefetch)
                assert len(await walk.collect()) == 950
            assert box.max_in_flight == prefetch

    run(main())

    assert watch.sent == list(range(10))
    followed = range(1, 10 - prefetch)  # page 0 states how many there are, and nothing follows the last ones
    assert [watch.sent_before[number] for number in followed] == [number + prefetch + 1 for number in followed]


@virtual_time
async def test_pages_are_decoded_one_by_one_as_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many have arrived, only the one in use was decoded into entries."""
    watch = Watch(monkeypatch)

    async with eight_pages() as session:
        used = 0
        async for _ in session.entries(CustomerLedgerQuery.mobile(ME), prefetch=16).pages():
            await asyncio.sleep(10)  # until all pages have arrived
            used += 1
            assert watch.decoded == list(range(used))
        assert used == 8
