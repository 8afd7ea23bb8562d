"""Large answers wait to be read: they give up their turn, and what follows is sent before they are decoded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import LoopClock, virtual_time
from support.service import Tally, now, page_request, service

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
    from capledger._sansio.requests import Request

GOOD = Response(200, {}, b'{"ledgerEntries":[' + b" " * 9_000 + b"]}")

LARGE = faults.status(200, GOOD.body.replace(b"[ ", b'[], "ledgerDetails": {}, "x": ['))

#: Ends as pages do, and cannot be decoded.
BROKEN = faults.status(200, b'{"ledgerEntries":[' + b"?" * 9_000 + b"]}", content_type="application/json")

ME = "917000000000"
AUTH = BasicAuth("store.server", "server123")


@pytest.mark.parametrize(
    ("answer", "can_wait"),
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
def test_only_a_large_answer_that_looks_good_can_wait(answer: Response, *, can_wait: bool) -> None:
    """What will be asked for again keeps its place: its next attempt would be one more than there may be at once."""
    assert answer.can_wait is can_wait


@virtual_time
async def test_a_broken_answer_is_asked_for_again_when_it_is_read() -> None:
    """It is a failed attempt like any other, with its wait, its count and, in the end, its error."""
    async with service(faults.first(1, BROKEN), max_connections=1) as it:
        arrival = await it.transport.send(page_request(), tally := Tally())
        assert (it.transport.gate.free, tally.requests, tally.retries) == (1, 1, 0)
        assert arrival.read() is None
        page = (await arrival.again()).read()

        assert isinstance(page, LedgerPage)
        assert (it.transport.gate.free, tally.requests, tally.retries) == (1, 2, 1)


@virtual_time
async def test_an_answer_that_is_always_broken_is_given_up() -> None:
    """However many attempts there are, the error is that of the last one."""
    policy = RetryPolicy(attempts=200, budget=1_000, max_wait=0.1)
    async with service(faults.always(BROKEN), retry=policy) as it:
        with pytest.raises(ServerError):
            await it.transport.fetch(page_request(), tally := Tally())

        assert (tally.requests, tally.retries) == (200, 199)


@virtual_time
async def test_an_answer_that_is_here_is_read_after_the_deadline() -> None:
    """The deadline ends requests; what has come is not lost, and what turns out to be broken is not asked again."""
    async with service(faults.numbered({1: LARGE, 2: BROKEN})) as it:
        good, broken = [await it.transport.send(page_request(), Tally(deadline=now() + 10)) for _ in range(2)]
        await asyncio.sleep(20)

        assert isinstance(good.read(), LedgerPage)
        assert broken.read() is None
        with pytest.raises(ServerError):
            await broken.again()
        assert len(it.box.requests) == 2


@virtual_time
async def test_an_answer_counts_as_a_success_when_it_comes() -> None:
    """Who leaves a walk never reads what came for it; that is no reason to have fewer retries left."""
    script = faults.numbered({1: faults.status(503), 2: LARGE, 3: faults.status(503), 4: LARGE})
    async with service(script, retry=RetryPolicy(budget=1)) as it:
        for _ in range(2):
            await it.transport.send(page_request(), Tally())

        assert [request.status for request in it.box.requests] == [503, 200, 503, 200]


@virtual_time
async def test_accidental_refusals_among_answers_that_nobody_reads_teach_no_limit() -> None:
    """Walks are left after their first entry; what came for them tells all the same that requests get through."""
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
        assert session._transport.gate._delay(now(), ahead=1_000) == 0


@virtual_time
async def test_a_broken_page_holds_up_no_page_before_it() -> None:
    """It is asked for again, and waits for that, while the walk goes on with what is needed first."""
    broken = faults.status(200, b'{"ledgerEntries":[' + b"?" * 9_000 + b"]}", headers={"Retry-After": "20"})
    rows, clock = synthetic_rows(600, datetime(2024, 1, 1), timedelta(hours=1)), asyncio.get_running_loop().time
    script = faults.either(
        faults.when(lambda request: request.query["offset"] == "1", faults.always(faults.slow(1.0))),
        faults.when(lambda request: request.query["offset"] == "2", faults.first(2, broken)),
    )
    async with (
        Sandbox([SandboxCustomer(ME, rows)], faults=script, rules=Rules(latency=0.05), clock=clock) as box,
        LedgerSession(box.url, AUTH, timezone=UTC, clock=LoopClock()) as session,
    ):
        given = [now() async for _ in session.entries(CustomerLedgerQuery.mobile(ME)).pages()]

        assert given[:2] == pytest.approx([0.05, 1.1], abs=0.1)
        assert given[2] == pytest.approx(40, abs=1)
        assert len(given) == 6


async def test_others_get_a_turn_before_each_page_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing is left to ask for, and all pages are at hand."""
    turns, watch, all_sent = 0, Watch(monkeypatch), asyncio.Event()
    rows = synthetic_rows(800, datetime(2024, 1, 1), timedelta(hours=1))

    def note(box: Sandbox, _: object) -> None:
        if len(box.requests) == 8:
            all_sent.set()

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with (
        Sandbox([SandboxCustomer(ME, rows)], on_request=note) as box,
        LedgerSession(box.url, AUTH, timezone=UTC, max_connections=16) as session,
    ):
        pages = aiter(session.entries(CustomerLedgerQuery.mobile(ME), prefetch=16).pages())
        await anext(pages)
        await all_sent.wait()
        for _ in range(100):  # turns in which all that was sent comes
            await asyncio.sleep(0)
        counting = asyncio.create_task(count_turns())
        before = [turns async for _ in pages]
        counting.cancel()

        assert len(watch.decoded) == 8
        assert all(one < other for one, other in pairwise(before))


class Watch:
    """Which pages were sent and which decoded, in order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sent: list[int] = []
        self.decoded: list[int] = []
        #: By page: how many had been sent when it was decoded.
        self.sent_before: dict[int, int] = {}
        send, decode = http_module.HttpClient.send, decoder_module.Decoder.decode

        async def note_sending(client: http_module.HttpClient, request: Request[Any], headers: Any) -> Any:
            self.sent.append(_page(request))
            return await send(client, request, headers)

        def note_decoding(decoder: decoder_module.Decoder, request: Request[Any], answer: Response) -> Any:
            self.decoded.append(_page(request))
            self.sent_before[_page(request)] = len(self.sent)
            return decode(decoder, request, answer)

        patch.setattr(http_module.HttpClient, "send", note_sending)
        patch.setattr(decoder_module.Decoder, "decode", note_decoding)


def _page(request: Request[Any]) -> int:
    return int(dict(request.params)["offset"])


@pytest.mark.parametrize("prefetch", [1, 3])
async def test_a_request_goes_out_before_the_page_that_makes_room_for_it_is_decoded(
    prefetch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody waits for a page, the one to take its place is asked for first; never more than ``prefetch``."""
    watch = Watch(monkeypatch)
    rows = synthetic_rows(1_000, datetime(2024, 1, 1), timedelta(hours=1))
    async with Sandbox([SandboxCustomer(ME, rows)], rules=Rules(latency=0.01)) as box:
        async with LedgerSession(box.url, AUTH, timezone=UTC, max_connections=prefetch) as session:
            walk = session.entries(CustomerLedgerQuery.mobile(ME), prefetch=prefetch)
            assert len(await walk.collect()) == 1_000

        assert watch.sent == list(range(10))
        assert box.max_in_flight == prefetch
    followed = range(1, 10 - prefetch)  # page 0 says how many there are, and nothing is known to follow the last ones
    assert [watch.sent_before[number] for number in followed] == [number + prefetch + 1 for number in followed]


async def test_pages_are_decoded_one_by_one_as_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many have come, only the one in use has been made into entries."""
    watch, all_sent = Watch(monkeypatch), asyncio.Event()
    rows = synthetic_rows(800, datetime(2024, 1, 1), timedelta(hours=1))

    def note(box: Sandbox, _: object) -> None:
        if len(box.requests) == 8:
            all_sent.set()

    async with (
        Sandbox([SandboxCustomer(ME, rows)], on_request=note) as box,
        LedgerSession(box.url, AUTH, timezone=UTC, max_connections=16) as session,
    ):
        used = 0
        async for _ in session.entries(CustomerLedgerQuery.mobile(ME), prefetch=16).pages():
            await all_sent.wait()
            for _ in range(100):  # turns in which all that was sent comes
                await asyncio.sleep(0)
            used += 1
            if used > 4:  # by then it has been proven what the second page proves, whatever came first
                assert watch.decoded == list(range(used))
        assert used == 8
