"""Walking a ledger over loopback: ``async for`` over entries, against what one would write by hand."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections import deque
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx

from benchmarks.measure import Table, in_turns
from benchmarks.peers import pydantic_of
from benchmarks.server import QUERY, serving, walk
from capledger import LedgerPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

#: Pages under way at once, for everybody.
IN_FLIGHT: Final = 8
_PATH: Final = "/v2/pointsLedger/getCustomerLedgerInfo"
_PARAMS: Final = {
    "identifierName": QUERY.identifier_name,
    "identifierValue": QUERY.identifier_value,
    "source": QUERY.source,
    "limit": "100",
    "order": "ASC",
}
_PASSWORD: Final = md5(b"server123", usedforsecurity=False).hexdigest()
_HEADERS: Final = {"Authorization": f"Basic {b64encode(f'store.server:{_PASSWORD}'.encode()).decode()}"}


def measure(rounds: int = 7, entries: int = 100_000) -> Table:
    """Compare the ways to walk."""
    pages = -(-entries // 100)
    with serving(entries) as url:

        def timed(client: Callable[[str, int], Awaitable[int]]) -> Callable[[], None]:
            return lambda: _expect(asyncio.run(client(url, pages)), entries)  # type: ignore[arg-type]

        taken = in_turns({name: timed(client) for name, client in CLIENTS.items()}, rounds)
    ours = taken["capledger"]
    rows = [
        (
            name,
            f"{entries / one.clock:,.0f}",
            f"{one.clock / ours.clock:.2f}",
            f"{one.processor / entries * 1e6:.2f}",
            f"{one.processor / ours.processor:.2f}",
        )
        for name, one in taken.items()
    ]
    head = ("", "entries a second", "time, times capledger", "CPU us an entry", "times capledger")
    title = f"Walking {entries:,} entries, over loopback, {IN_FLIGHT} pages under way, median of {rounds} rounds"
    return Table(title, head, rows, {name: entries / one.clock for name, one in taken.items()}, "entries a second")


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} entries came instead of {wanted}")


async def in_order(page: Callable[[int], Any], pages: int) -> AsyncIterator[Any]:
    """Ask for pages ahead, and give them in order: what everybody writes who does this by hand."""
    under_way: deque[asyncio.Task[Any]] = deque()
    for number in range(pages):
        under_way.append(asyncio.create_task(page(number)))
        if len(under_way) == IN_FLIGHT:
            yield await under_way.popleft()
    while under_way:
        yield await under_way.popleft()


async def by_capledger(url: str, pages: int) -> int:  # noqa: ARG001  # it finds out by itself how many there are
    """Entries with exact amounts and aware dates, proven to be all."""
    return await walk(url, IN_FLIGHT)


async def by_hand(url: str, pages: int) -> int:
    """Bare dicts."""
    async with aiohttp.ClientSession(url, headers=_HEADERS) as http:

        async def page(number: int) -> Any:  # noqa: ANN401 - JSON
            async with http.get(_PATH, params={**_PARAMS, "offset": str(number)}) as response:
                response.raise_for_status()
                return json.loads(await response.read())

        async def entries() -> AsyncIterator[dict[str, Any]]:
            async for answer in in_order(page, pages):
                for entry in answer["ledgerEntries"]:
                    yield entry

        count = 0
        async for _ in entries():
            count += 1
        return count


async def by_httpx(url: str, pages: int) -> int:
    """Models of pydantic."""
    model: Any = pydantic_of(LedgerPage)
    async with httpx.AsyncClient(base_url=url, headers=_HEADERS) as http:

        async def page(number: int) -> Any:  # noqa: ANN401 - a model made at run time
            response = await http.get(_PATH, params={**_PARAMS, "offset": str(number)})
            response.raise_for_status()
            return model.model_validate_json(response.content)

        async def entries() -> AsyncIterator[Any]:
            async for answer in in_order(page, pages):
                for entry in answer.entries:
                    yield entry

        count = 0
        async for _ in entries():
            count += 1
        return count


async def by_reading(url: str, pages: int) -> int:
    """Bytes that nobody looks at: what the wire and aiohttp allow."""
    async with aiohttp.ClientSession(url, headers=_HEADERS) as http:

        async def page(number: int) -> bytes:
            async with http.get(_PATH, params={**_PARAMS, "offset": str(number)}) as response:
                return await response.read()

        return sum([body.count(b'"eventLogId"') async for body in in_order(page, pages)])


CLIENTS: Final[dict[str, Callable[[str, int], Awaitable[int]]]] = {
    "aiohttp, nothing decoded": by_reading,
    "capledger": by_capledger,
    "aiohttp + json.loads by hand, dicts": by_hand,
    "httpx + pydantic": by_httpx,
}
