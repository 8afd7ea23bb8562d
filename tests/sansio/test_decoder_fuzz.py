"""Whatever a response is changed into, a page or an error of ours comes of it, and a walk over such pages ends."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bodies import EVENTS, LEDGER, events_request, ledger_request

from capledger import BasicAuth, CapledgerError, CustomerLedgerQuery, LedgerEntry, LedgerPage, LedgerSession
from capledger._sansio.decoder import Decoder
from capledger._sansio.requests import Request
from capledger._sansio.response import Response
from capledger.sandbox import make_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from capledger._sansio.context import RequestContext

#: Examples in the usual run and in ``make fuzz``.
EXAMPLES = 500 if settings.default is None or settings.default.max_examples <= 100 else 20_000

DECODER = Decoder(UTC)
ROWS = [make_row(5_000_000 + rank, datetime(2024, 1, 1) + timedelta(hours=rank)) for rank in range(23)]
PAGE_SIZE = 10

#: What may stand where something else belongs.
STRANGERS: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**400, 1e308, -0.0, float("nan"), float("inf"), 2**63, "", "x", "0", "12.50"),
    *(
        "NaN",
        "null",
        "2024-02-30 11:17:57.0",
        "2024-08-30 11:17:57.0",
        "Fri Aug 30 11:17:57 IST 2024",
        "\ud800",
        "\x00",
    ),
    *([], {}, [[]], [None], {"": None}, {"code": 11003}, [{"code": 429, "message": "x", "status": False}], "9" * 5_000),
]


def mutated(document: Any, random: Random) -> bytes:
    """The body of a document after one to four changes, in its values or in its bytes."""
    document = copy.deepcopy(document)
    changes = random.randint(1, 4)
    for _ in range(changes):
        random.choice(VALUE_CHANGES)(document, random)
    content = json.dumps(document).encode()
    if random.random() < 0.4:
        for _ in range(changes):
            content = random.choice(BYTE_CHANGES)(content, random.randrange(len(content) + 1), random)
    return content


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with each of its keys or indices."""
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else []
    return [(document, key) for key in keys] + [place for key in keys for place in places(document[key])]


def replace(document: Any, random: Random) -> None:
    if found := places(document):
        container, key = random.choice(found)
        container[key] = copy.deepcopy(random.choice(STRANGERS))


def retype(document: Any, random: Random) -> None:
    if found := places(document):
        container, key = random.choice(found)
        value = container[key]
        others: list[Any] = [str(value), [value], {"value": value}, value is None]
        container[key] = random.choice(others)


def delete(document: Any, random: Random) -> None:
    if found := places(document):
        container, key = random.choice(found)
        del container[key]


def exchange(document: Any, random: Random) -> None:
    if found := places(document):
        (one, key), (other, other_key) = random.choice(found), random.choice(found)
        one[key] = copy.deepcopy(other[other_key])


def nest(document: Any, random: Random) -> None:
    if found := places(document):
        container, key = random.choice(found)
        for _ in range(random.choice([1, 10, 200])):
            container[key] = [container[key]] if random.random() < 0.5 else {"value": container[key]}


def count_otherwise(document: Any, random: Random) -> None:
    details = document.get("ledgerDetails") if isinstance(document, dict) else None
    if isinstance(details, dict) and details:
        details[random.choice(list(details))] = random.choice([-1, 0, 1, 2, 22, 24, 10**6, 10**30, "23", 23.0])


VALUE_CHANGES: list[Callable[[Any, Random], None]] = [replace, retype, delete, exchange, nest, count_otherwise]
BYTE_CHANGES: list[Callable[[bytes, int, Random], bytes]] = [
    lambda content, at, random: content[:at] + random.randbytes(1) + content[at + 1 :],
    lambda content, at, random: content[:at] + content[at + random.choice([1, 2, 50]) :],
    lambda content, at, random: content[:at] + random.choice(b'{}[]",:\\eE+-.0').to_bytes() + content[at:],
    lambda content, at, _: content[:at],
    lambda content, at, random: content[:at] + content[max(0, at - random.randint(1, 80)) :],
    lambda content, at, random: content[:at] + b"[" * random.choice([10, 2_000]) + content[at:],
]


@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**64), events=st.booleans(), status=st.sampled_from([200, 200, 200, 400, 404, 429, 500]))
def test_a_changed_body_is_a_page_or_an_error_of_ours(seed: int, events: bool, status: int) -> None:  # noqa: FBT001 - drawn
    """However the body of a page or of event details is changed, its model or a CapledgerError comes out."""
    request: Request[Any] = events_request() if events else ledger_request()
    answer = Response(status, {}, mutated(EVENTS if events else LEDGER, Random(seed)))

    try:
        page = DECODER.decode(request, answer)
    except CapledgerError as error:
        assert error.__cause__ is None  # noqa: PT017 - the page may as well still be one
        return
    assert isinstance(page, request.response_type)


def honest(offset: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "ledgerDetails": {
            "pageNumber": offset,
            "pageSize": PAGE_SIZE,
            "totalEntries": len(rows),
            "pageCount": -(-len(rows) // PAGE_SIZE),
        },
        "ledgerEntries": rows[offset * PAGE_SIZE : (offset + 1) * PAGE_SIZE],
        "warnings": [],
    }


@frozen
class Changed:
    """A body that is decoded when the walk wants it."""

    request: Request[LedgerPage]
    body: bytes

    async def value(self) -> LedgerPage:
        return DECODER.decode(self.request, Response(200, {}, self.body))


class ChangedAnswers:
    """Stands in for the transport: responses of an honest server, of which some are changed."""

    is_limited = False

    def __init__(self, seed: int, share: float) -> None:
        self._random = Random(seed)
        self._share = share
        self.requests = 0

    async def send(self, request: Request[LedgerPage], context: RequestContext) -> Changed:
        self.requests += 1
        context.counters.requests += 1
        await asyncio.sleep(0)
        asked = dict(request.params)
        rows = ROWS if asked["order"] == "ASC" else ROWS[::-1]
        document = honest(int(asked["offset"]), rows)
        changed = self._random.random() < self._share
        body = mutated(document, self._random) if changed else json.dumps(document).encode()
        return Changed(request, body)


@settings(max_examples=EXAMPLES)
@given(
    seed=st.integers(0, 2**64),
    share=st.sampled_from([0.2, 0.5, 1.0]),
    order=st.sampled_from(["asc", "desc"]),
    on_incomplete=st.sampled_from(["raise", "warn"]),
)
def test_a_walk_over_changed_bodies_ends_in_order_or_in_an_error_of_ours(
    seed: int, share: float, order: Any, on_incomplete: Any
) -> None:
    """A walk ends after a bounded number of requests; nothing but entries and CapledgerErrors come out of it."""
    answers = ChangedAnswers(seed, share)

    async def walk() -> list[LedgerEntry]:
        session = LedgerSession("https://ledger.example", BasicAuth("store.server", "server123"), timezone=UTC)
        session._transport = answers  # type: ignore[assignment]  # all that a walk asks of it is to send
        query = CustomerLedgerQuery.mobile("917400000001", order=order, page_size=PAGE_SIZE)
        return await session.entries(query, on_incomplete=on_incomplete).collect()

    try:
        entries = asyncio.run(walk())
    except CapledgerError as error:
        assert error.cursor is not None  # noqa: PT017 - the entries may as well have come
    else:
        assert all(isinstance(entry, LedgerEntry) for entry in entries)
    assert answers.requests <= 500
