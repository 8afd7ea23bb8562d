"""Large answers wait to be read: they give up their turn, and what follows is sent before they are decoded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from clock import virtual_time
from service import Tally, now, page_request, service

from capledger import (
    BasicAuth,
    CustomerLedgerQuery,
    LedgerPage,
    LedgerSession,
    RetryPolicy,
    ServerError,
    _decode,
    _http,
)
from capledger._answer import Answer
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, faults, lazy_rows

if TYPE_CHECKING:
    from capledger._requests import Request

GOOD = Answer(200, {}, b'{"ledgerEntries":[' + b" " * 9_000 + b"]}")

#: Ends as pages do, and cannot be decoded.
BROKEN = faults.status(200, b'{"ledgerEntries":[' + b"?" * 9_000 + b"]}", content_type="application/json")

ME = "917000000000"
AUTH = BasicAuth("store.server", "server123")


@pytest.mark.parametrize(
    ("answer", "can_wait"),
    [
        (GOOD, True),
        (Answer(200, {}, GOOD.body + b"\r\n"), True),
        (Answer(200, {}, GOOD.body[:-1] + b',"ledgerDetails":{}}'), True),
        (Answer(200, {}, b'{"ledgerEntries":[]}'), False),
        (Answer(200, {}, GOOD.body[:-1]), False),
        (Answer(200, {}, GOOD.body[:-2] + b'{"orgId":70001}'), False),
        (Answer(200, {}, b"<html>" + b" " * 9_000 + b"</html>"), False),
        (Answer(429, {}, GOOD.body), False),
    ],
    ids=["large", "with a newline", "other keys", "small", "cut off", "cut off behind a row", "no JSON", "refused"],
)
def test_only_a_large_answer_that_looks_good_can_wait(answer: Answer, *, can_wait: bool) -> None:
    """What will be asked for again keeps its place: its next attempt would be one more than there may be at once."""
    assert answer.can_wait is can_wait


@virtual_time
async def test_a_broken_answer_is_asked_for_again_when_it_is_read() -> None:
    """It is a failed attempt like any other, with its wait, its count and, in the end, its error."""
    async with service(faults.first(1, BROKEN), max_connections=1) as it:
        tally = Tally()
        arrival = await it.transport.send(page_request(), tally)
        assert (it.transport.gate.free, tally.requests, tally.retries) == (1, 1, 0)
        page = await arrival.read()

        assert isinstance(page, LedgerPage)
        assert (it.transport.gate.free, tally.requests, tally.retries) == (1, 2, 1)
    async with service(faults.always(BROKEN), retry=RetryPolicy(attempts=3)) as it:
        arrival = await it.transport.send(page_request(), tally := Tally())
        with pytest.raises(ServerError):
            await arrival.read()

        assert (tally.requests, tally.retries) == (3, 2)


@virtual_time
async def test_an_answer_that_is_here_is_read_after_the_deadline() -> None:
    """The deadline ends requests; what has come is not lost, and what turns out to be broken is not asked again."""
    answers = [faults.status(200, GOOD.body.replace(b"[ ", b'[], "ledgerDetails": {}, "x": [')), BROKEN]
    async with service(faults.numbered({1: answers[0], 2: answers[1]})) as it:
        good, broken = [await it.transport.send(page_request(), Tally(deadline=now() + 10)) for _ in answers]
        await asyncio.sleep(20)

        assert isinstance(await good.read(), LedgerPage)
        with pytest.raises(ServerError):
            await broken.read()
        assert len(it.box.requests) == 2


class Watch:
    """Which pages were sent and which decoded, in order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sent: list[int] = []
        self.decoded: list[int] = []
        #: By page: how many had been sent when it was decoded.
        self.sent_before: dict[int, int] = {}
        send, decode = _http.HttpClient.send, _decode.Decoder.decode

        async def note_sending(client: _http.HttpClient, request: Request[Any], headers: Any) -> Any:
            self.sent.append(_page(request))
            return await send(client, request, headers)

        def note_decoding(decoder: _decode.Decoder, request: Request[Any], answer: Answer) -> Any:
            self.decoded.append(_page(request))
            self.sent_before[_page(request)] = len(self.sent)
            return decode(decoder, request, answer)

        patch.setattr(_http.HttpClient, "send", note_sending)
        patch.setattr(_decode.Decoder, "decode", note_decoding)


def _page(request: Request[Any]) -> int:
    return int(dict(request.params)["offset"])


@pytest.mark.parametrize("prefetch", [1, 3])
async def test_a_request_goes_out_before_the_page_that_makes_room_for_it_is_decoded(
    prefetch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody waits for a page, the one to take its place is asked for first; never more than ``prefetch``."""
    watch = Watch(monkeypatch)
    rows = lazy_rows(1_000, datetime(2024, 1, 1), timedelta(hours=1))
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
    rows = lazy_rows(800, datetime(2024, 1, 1), timedelta(hours=1))

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
