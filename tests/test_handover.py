"""What is sent before a large answer is decoded, and in which order answers that came together are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession, _decode, _http
from capledger._answer import Answer
from capledger._gate import Gate
from capledger._handover import Handover, is_large
from capledger._limits import LearnedBudget
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, lazy_rows

if TYPE_CHECKING:
    from capledger._requests import Request

GOOD = Answer(200, {}, b'{"ledgerEntries":[' + b" " * 9_000 + b"]}")


@pytest.mark.parametrize(
    ("answer", "follows"),
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
async def test_only_a_large_answer_that_looks_good_makes_room(answer: Answer, *, follows: bool) -> None:
    """What will be asked for again keeps its place: its next attempt would be one more than there may be at once."""
    gate, told = Gate(LearnedBudget(), max_connections=1), []

    def arrived() -> bool:
        told.append(gate.free)
        return False

    async with gate.admit("walk") as permit:
        if is_large(answer):
            await Handover(gate).wait(answer, permit, arrived)

        assert (told, gate.free) == (([1], 1) if follows else ([], 0))
    assert gate.free == 1


async def test_answers_that_came_together_are_decoded_one_by_one_in_their_order() -> None:
    """Between two of them there are turns of the loop for whoever waited for the first."""
    gate = Gate(LearnedBudget(), max_connections=3)
    handover, happened = Handover(gate), []

    async def exchange(name: int) -> None:
        async with gate.admit(name) as permit:
            await handover.wait(GOOD, permit, None)
            happened.append(name)
            asyncio.get_running_loop().call_soon(happened.append, -name)

    await asyncio.gather(*(exchange(name) for name in (1, 2, 3)))
    await asyncio.sleep(0)

    assert happened == [1, -1, 2, -2, 3, -3]


async def test_one_that_is_cancelled_in_line_holds_up_nobody() -> None:
    """The next in line gets its turn."""
    gate = Gate(LearnedBudget(), max_connections=2)
    handover = Handover(gate)

    async def exchange(name: str) -> None:
        async with gate.admit(name) as permit:
            await handover.wait(GOOD, permit, lambda: True)

    for _ in range(3):
        first, second = (asyncio.create_task(exchange(name)) for name in "ab")
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait_for(second, 5)


async def test_an_error_on_the_way_holds_up_nobody() -> None:
    """Whatever is wrong with one walk, answers of others go on."""
    gate = Gate(LearnedBudget(), max_connections=1)
    handover = Handover(gate)

    def fail() -> bool:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        async with gate.admit("a") as permit:
            await handover.wait(GOOD, permit, fail)
    async with gate.admit("b") as permit:
        await asyncio.wait_for(handover.wait(GOOD, permit, None), 5)

    assert gate.free == 1


@pytest.mark.parametrize("prefetch", [1, 3])
async def test_a_request_goes_out_before_the_page_that_makes_room_for_it_is_decoded(
    prefetch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody waits for a page, the one to take its place is asked for first; never more than ``prefetch``."""
    sent: list[int] = []
    sent_before: dict[int, int] = {}
    send, decode = _http.HttpClient.send, _decode.Decoder.decode

    async def note_sending(self: _http.HttpClient, request: Request[Any], headers: Any) -> Any:
        sent.append(int(dict(request.params)["offset"]))
        return await send(self, request, headers)

    def note_decoding(self: _decode.Decoder, request: Request[Any], answer: Answer) -> Any:
        sent_before[int(dict(request.params)["offset"])] = len(sent)
        return decode(self, request, answer)

    monkeypatch.setattr(_http.HttpClient, "send", note_sending)
    monkeypatch.setattr(_decode.Decoder, "decode", note_decoding)
    rows = lazy_rows(1_000, datetime(2024, 1, 1), timedelta(hours=1))
    async with Sandbox([SandboxCustomer("917000000000", rows)], rules=Rules(latency=0.01)) as box:
        auth = BasicAuth("store.server", "server123")
        async with LedgerSession(box.url, auth, timezone=UTC, max_connections=prefetch) as session:
            walk = session.entries(CustomerLedgerQuery.mobile("917000000000"), prefetch=prefetch)
            assert len(await walk.collect()) == 1_000

        assert sent == list(range(10))
        assert box.max_in_flight == prefetch
    followed = range(1, 10 - prefetch)  # page 0 says how many there are, and nothing is known to follow the last ones
    assert [sent_before[number] for number in followed] == [number + prefetch + 1 for number in followed]
